//! What must hold. The chain is counted from its blocks, the epochs from their bundles, the jobs from what
//! clients and bees were told: none of it is the ledger's own word.

use std::collections::{BTreeMap, BTreeSet};

use alloy::sol_types::SolEventInterface;
use swarm_chain::At;
use swarm_contracts::SwarmEscrow::SwarmEscrowEvents as Event;
use swarm_ledger::records::JobState;
use swarm_types::bundle::{JobsPage, SUMMARY, Summary, page_name};
use swarm_types::{Address, EpochId, JobId};

use crate::node::genesis::ESCROW;
use crate::node::transport::lock;
use crate::people::{self, OPERATOR_PAYEE, PROTOCOL_PAYEE};
use crate::world::{Broken, FEE, Held, World};

/// What the escrow's events say, block by block.
#[derive(Clone, Debug, Default)]
struct Recount {
    deposited: BTreeMap<Address, u64>,
    withdrawn: BTreeMap<Address, u64>,
    claimed: BTreeMap<Address, u64>,
    charged: BTreeMap<u64, BTreeMap<Address, u64>>,
    credited: BTreeMap<u64, BTreeMap<Address, u64>>,
    settled: BTreeSet<u64>,
    void: BTreeSet<u64>,
}

impl Recount {
    fn take(&mut self, event: Event) {
        fn add(to: &mut BTreeMap<Address, u64>, who: Address, amount: u64) {
            *to.entry(who).or_default() += amount;
        }
        match event {
            Event::Deposited(e) => add(&mut self.deposited, e.client, e.amount),
            Event::Withdrawn(e) => add(&mut self.withdrawn, e.client, e.amount),
            Event::Claimed(e) => add(&mut self.claimed, e.payee, e.amount),
            Event::Charged(e) => add(self.charged.entry(e.epoch).or_default(), e.client, e.amount),
            Event::Credited(e) => add(self.credited.entry(e.epoch).or_default(), e.payee, e.amount),
            Event::EpochSettled(e) => {
                self.settled.insert(e.epoch);
            }
            Event::EpochVoided(e) => {
                self.void.insert(e.epoch);
            }
            _ => {}
        }
    }

    /// Epochs that count.
    fn standing(&self) -> impl Iterator<Item = u64> + '_ {
        self.settled.difference(&self.void).copied()
    }

    /// What all epochs that count moved of `who`.
    fn sum(&self, of: &BTreeMap<u64, BTreeMap<Address, u64>>, who: &Address) -> u64 {
        let amounts = self.standing().filter_map(|epoch| of.get(&epoch)?.get(who));
        amounts.sum()
    }
}

fn broken<T>(text: String) -> Held<T> {
    Err(Broken(text))
}

fn unread(what: &str, error: impl std::fmt::Debug) -> Broken {
    Broken(format!("{what} cannot be read: {error:?}"))
}

impl World {
    /// What holds at any time.
    pub async fn look(&mut self) -> Held {
        let read = |error| unread("the chain", error);
        let holds = self.chain.usdc(ESCROW, At::Latest).await;
        let (holds, owes) = (
            holds.map_err(read)?,
            self.chain.liabilities(At::Latest).await,
        );
        let owes = owes.map_err(read)?;
        if holds < owes {
            return broken(format!("the escrow holds {holds} and owes {owes}"));
        }
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let violations = ledger.check().await;
        let violations = violations.map_err(|error| unread("the ledger", error))?;
        if let Some(first) = violations.first() {
            return broken(format!("the ledger: {first}"));
        }
        let jobs = self.jobs().await?;
        let jobs: BTreeMap<JobId, _> = jobs.iter().map(|job| (job.id, job)).collect();
        for (id, accepted) in &self.model.accepted {
            let job = jobs.get(id);
            let Some(job) = job.filter(|job| job.commitment == accepted.order) else {
                return broken(format!("{id} was accepted and is gone"));
            };
            let state = match (
                self.model.completed.get(id),
                self.model.cancelled.contains(id),
            ) {
                (Some(_), _) => Some(JobState::Completed),
                (None, true) => Some(JobState::Cancelled),
                (None, false) => None,
            };
            if state.is_some_and(|state| state != job.state) {
                return broken(format!("{id} was {state:?} and is {}", job.state));
            }
        }
        for (id, execution) in &self.model.completed {
            let done = jobs.get(id).and_then(|job| job.completion.as_ref());
            let digest = done.map(|done| done.execution.digest(&self.domain()));
            if digest != Some(*execution) {
                return broken(format!("{id} was completed, and its execution is another"));
            }
        }
        Ok(())
    }

    fn recount(&self) -> Held<Recount> {
        let node = lock(&self.node);
        let mut recount = Recount::default();
        for number in 0..=node.height() {
            let block = node.block(number).expect("below the height");
            for log in block.txs.iter().flat_map(|tx| &tx.outcome.logs) {
                if log.address == ESCROW {
                    let event = Event::decode_log(log);
                    let event = event.map_err(|error| unread("an event", error))?;
                    recount.take(event.data);
                }
            }
        }
        Ok(recount)
    }

    /// The receipts of an epoch's bundle.
    fn bundle(&self, epoch: u64) -> Held<(Summary, Vec<JobsPage>)> {
        let read = |name: &str| -> Held<Vec<u8>> {
            self.bundle_file(epoch, name)
                .ok_or_else(|| Broken(format!("{} has no {name}", EpochId(epoch))))
        };
        let summary: Summary =
            serde_json::from_slice(&read(SUMMARY)?).map_err(|error| unread("a summary", error))?;
        let mut pages = Vec::new();
        for number in 0..summary.pages.len() {
            let page = serde_json::from_slice(&read(&page_name(number))?);
            pages.push(page.map_err(|error| unread("a page", error))?);
        }
        Ok((summary, pages))
    }

    /// Counts everything, when all is done.
    pub async fn count(&mut self) -> Held {
        self.look().await?;
        let recount = self.recount()?;
        let mut charged_jobs: BTreeMap<JobId, u64> = BTreeMap::new();
        for epoch in recount.standing().collect::<Vec<_>>() {
            // What an old backup lost, its bundle may be lost with.
            if !self.lost_seals {
                self.count_epoch(epoch, &recount, &mut charged_jobs).await?;
            }
        }
        self.count_accounts(&recount).await?;
        if self.lost_seals {
            return Ok(());
        }
        for job in self.jobs().await? {
            let key = (job.order.order.client, job.order.order.nonce);
            let sent = self.model.sent.get(&key);
            if !sent.is_some_and(|sent| sent.iter().any(|body| body.signed_order() == job.order)) {
                return broken(format!("{} is an order that nobody sent", job.id));
            }
            let charged = charged_jobs.get(&job.id).copied().unwrap_or_default();
            let due = job.state == JobState::Completed && job.uncollectable.is_none();
            if charged != u64::from(due) {
                return broken(format!(
                    "{} is {} ({:?}), and was charged {charged} times",
                    job.id, job.state, job.uncollectable
                ));
            }
        }
        self.count_mirror().await
    }

    /// An epoch's bundle, its jobs, and what the chain moved for it.
    async fn count_epoch(
        &mut self,
        epoch: u64,
        recount: &Recount,
        charged_jobs: &mut BTreeMap<JobId, u64>,
    ) -> Held {
        let (summary, pages) = self.bundle(epoch)?;
        let mut charges: BTreeMap<Address, u64> = BTreeMap::new();
        let mut work: BTreeMap<Address, u64> = BTreeMap::new();
        for entry in pages.iter().flat_map(|page| &page.jobs) {
            let receipt = &entry.receipt;
            let job = receipt.job();
            *charged_jobs.entry(job).or_default() += 1;
            *charges.entry(receipt.client).or_default() += receipt.fee.0;
            *work.entry(receipt.worker).or_default() += receipt.fee.0;
            if receipt.fee != FEE {
                return broken(format!("{job} is charged {}", receipt.fee));
            }
            let offered = self.model.offered.get(&job);
            if !offered.is_some_and(|offered| offered.contains(&receipt.execution)) {
                return broken(format!("{job} is charged for work that nobody offered"));
            }
        }
        let of = |moved: &BTreeMap<u64, BTreeMap<Address, u64>>| {
            moved.get(&epoch).cloned().unwrap_or_default()
        };
        if charges != of(&recount.charged) {
            return broken(format!(
                "epoch {epoch}: its receipts charge {charges:?}, the chain {:?}",
                of(&recount.charged)
            ));
        }
        let revenue: u64 = charges.values().sum();
        let credited = of(&recount.credited);
        if credited.values().sum::<u64>() != revenue {
            return broken(format!(
                "epoch {epoch} charges {revenue} and credits {credited:?}"
            ));
        }
        // Fees come off the top, in hundredths of a percent.
        for (who, bps) in [(PROTOCOL_PAYEE, 200), (OPERATOR_PAYEE, 500)] {
            let has = credited.get(&people::address(who)).copied().unwrap_or(0);
            if has != revenue * bps / 10_000 {
                return broken(format!("epoch {epoch} of {revenue} credits a fee of {has}"));
            }
        }
        self.count_pay(epoch, revenue, &work, &credited)?;
        let read = |name: &str| self.bundle_file(epoch, name);
        let report = self.chain.audit(read).await;
        let report = report.map_err(|error| unread("an audit", error))?;
        if !report.holds() {
            let wrong: Vec<_> = report.checks.iter().filter(|check| !check.holds).collect();
            return broken(format!("the audit of epoch {epoch}: {wrong:?}"));
        }
        if summary.receipt_count > 0 {
            self.stats.note("epochs counted");
        }
        Ok(())
    }

    /// Each payee's pay, by shares; remainders move a µUSDC a worker and pool at most.
    fn count_pay(
        &self,
        epoch: u64,
        revenue: u64,
        work: &BTreeMap<Address, u64>,
        credited: &BTreeMap<Address, u64>,
    ) -> Held {
        let agents = self.bundle_file(epoch, swarm_types::bundle::AGENTS);
        let agents = agents.ok_or_else(|| Broken(format!("epoch {epoch} has no agents")))?;
        let agents: Vec<swarm_types::bundle::Agent> =
            serde_json::from_slice(&agents).map_err(|error| unread("agents", error))?;
        let ready: BTreeMap<Address, u64> = agents
            .iter()
            .map(|agent| (agent.worker, agent.ready_seconds))
            .collect();
        let pool = revenue - revenue * 200 / 10_000 - revenue * 500 / 10_000;
        let (seconds, fees): (u64, u64) = (ready.values().sum(), work.values().sum());
        let for_work = if seconds == 0 {
            pool
        } else {
            pool * 7_000 / 10_000
        };
        let mut pay: BTreeMap<Address, u64> = BTreeMap::new();
        for n in 0..people::BEES {
            let worker = people::address(people::bee(n));
            let part = |of: u64, mine: Option<&u64>, all: u64| {
                (of * mine.copied().unwrap_or(0))
                    .checked_div(all)
                    .unwrap_or(0)
            };
            let earned = part(for_work, work.get(&worker), fees)
                + part(pool - for_work, ready.get(&worker), seconds);
            *pay.entry(people::address(people::payee(n))).or_default() += earned;
        }
        for (payee, least) in pay {
            let has = credited.get(&payee).copied().unwrap_or(0);
            if has < least || has > least + 2 * people::BEES as u64 {
                return broken(format!(
                    "epoch {epoch} pays {payee} {has}, and {least} is due"
                ));
            }
        }
        Ok(())
    }

    /// Everybody's money, by the escrow and by its events.
    async fn count_accounts(&self, recount: &Recount) -> Held {
        let read = |error| unread("an account", error);
        let get = |of: &BTreeMap<Address, u64>, who: &Address| of.get(who).copied().unwrap_or(0);
        let mut owes = 0;
        for n in 0..people::CLIENTS {
            let client = people::address(people::client(n));
            let account = self.chain.account(client, At::Latest).await.map_err(read)?;
            let spent = recount.sum(&recount.charged, &client);
            let left = get(&recount.deposited, &client)
                .checked_sub(get(&recount.withdrawn, &client))
                .and_then(|left| left.checked_sub(spent));
            if left != Some(account.balance.0) {
                return broken(format!(
                    "client {n} has {} and its deposits, withdrawals and charges leave {left:?}",
                    account.balance
                ));
            }
            owes += account.balance.0 + account.pending.0;
        }
        for payee in people::payees() {
            let owed = self.chain.owed(payee, At::Latest).await.map_err(read)?;
            let earned = recount.sum(&recount.credited, &payee);
            if earned != get(&recount.claimed, &payee) + owed.claimable.0 + owed.pending.0 {
                return broken(format!("{payee} earned {earned}, and has or had {owed:?}"));
            }
            owes += owed.claimable.0 + owed.pending.0;
        }
        // A pending charge is one side of pending credits.
        let pending = self.chain.liabilities(At::Latest).await.map_err(read)?;
        let holds = self.chain.usdc(ESCROW, At::Latest).await.map_err(read)?;
        if holds != pending || owes < pending.0 {
            return broken(format!(
                "the escrow holds {holds}, owes {pending}, accounts {owes}"
            ));
        }
        Ok(())
    }

    /// The ledger's mirror is the chain.
    async fn count_mirror(&self) -> Held {
        let Some(ledger) = self.ledger() else {
            return broken("the queen is down, without a fault".into());
        };
        let head = self.chain.rpc().block(At::Latest).await;
        let head = head.map_err(|error| unread("the head", error))?;
        let cursor = ledger.chain_cursor(1).await;
        let cursor = cursor.map_err(|error| unread("the cursor", error))?;
        if cursor.head != Some(head) {
            return broken(format!(
                "the ledger is at {:?}, the chain at {head:?}",
                cursor.head
            ));
        }
        for n in 0..people::CLIENTS {
            let client = people::address(people::client(n));
            let here = ledger.mirror(client, head.number).await;
            let here = here.map_err(|error| unread("a mirror", error))?;
            let there = self.chain.account(client, At::Latest).await;
            let there = there.map_err(|error| unread("an account", error))?;
            let same = i64::try_from(there.balance.0) == Ok(here.balance)
                && (here.withdrawing, here.matures_at) == (there.withdrawing.0, there.matures_at);
            if !same {
                return broken(format!("client {n}: chain {there:?}, ledger {here:?}"));
            }
            let account = ledger.client(client, self.seconds()).await;
            let account = account.map_err(|error| unread("an account", error))?;
            if account.is_some_and(|account| account.reserved.0 != 0) {
                return broken(format!("client {n} still has something reserved"));
            }
        }
        Ok(())
    }

    /// Everybody whom the escrow owes something, in words.
    async fn who_is_owed(&self) -> Held<Vec<String>> {
        let mut who = Vec::new();
        for n in 0..people::CLIENTS {
            let client = people::address(people::client(n));
            let account = self.chain.account(client, At::Latest).await;
            let account = account.map_err(|error| unread("an account", error))?;
            if account.balance.0 + account.pending.0 != 0 {
                who.push(format!("client {n} {account:?}"));
            }
        }
        for payee in people::payees() {
            let owed = self.chain.owed(payee, At::Latest).await;
            let owed = owed.map_err(|error| unread("what is owed", error))?;
            if owed.claimable.0 + owed.pending.0 != 0 {
                who.push(format!("{payee} {owed:?}"));
            }
        }
        Ok(who)
    }

    /// Nothing is left in the escrow.
    pub async fn empty(&mut self) -> Held {
        let owes = self.chain.liabilities(At::Latest).await;
        let owes = owes.map_err(|error| unread("the liabilities", error))?;
        if owes.0 != 0 {
            let who = self.who_is_owed().await?;
            return broken(format!(
                "everybody has left, and the escrow still owes {owes}: {}",
                who.join(", ")
            ));
        }
        let recount = self.recount()?;
        self.stats
            .add("epochs settled", recount.settled.len() as u64);
        self.stats.add("epochs voided", recount.void.len() as u64);
        let jobs = self.jobs().await?;
        self.note_ends(&jobs);
        self.note_journal().await?;
        self.stats.note("runs");
        Ok(())
    }
}
