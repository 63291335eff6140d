//! What holds after every fault.

use std::collections::{BTreeMap, BTreeSet};

use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use swarm_chain::At;
use swarm_client::JobFilter;
use swarm_contracts::SwarmEscrow;
use swarm_types::api::{EpochStatus, Job, JobStatus};
use swarm_types::bundle::{JobsPage, page_name};
use swarm_types::{Address, JobId, MicroUsdc};

use super::Rack;
use super::customer::{Customer, FEE, patiently};
use super::process::swarmd;

impl Rack {
    /// Every job of a client.
    pub async fn jobs(&self, customer: &Customer) -> Vec<Job> {
        let mut all = Vec::new();
        let mut filter = JobFilter {
            client: Some(customer.address()),
            limit: Some(500),
            ..JobFilter::default()
        };
        loop {
            let page = patiently(async || self.operator.jobs(&filter).await).await;
            all.extend(page.items);
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return all,
            }
        }
    }

    /// `swarmd ledger check`, on the queen's ledger as it is.
    pub fn assert_ledger_holds(&self) {
        let (holds, said) = swarmd(&["ledger", "check"], &self.queen_toml(), &[]);
        assert!(holds, "{said}\n{}", self.queen.tail());
    }

    /// Lets everything run to its end. Then every job is terminal; the ledger's rules hold; and chain,
    /// ledger and bundles agree on every µUSDC: a client has what it deposited less one fee for each of its
    /// receipts, no job has two receipts, and the payees have exactly those fees.
    pub async fn assert_sound(&self, customers: &[&Customer]) {
        self.settle().await;
        self.assert_ledger_holds();
        let settled = self.settled().await;
        for customer in customers {
            self.assert_account(customer, &settled).await;
        }
        self.assert_payees(settled.len() as u64).await;
    }

    /// The jobs of all final epochs with their clients, from the bundles, each of which passes the check
    /// behind `swarm audit`. No job is there twice.
    async fn settled(&self) -> BTreeMap<JobId, Address> {
        let mut settled = BTreeMap::new();
        for epoch in self.epochs().await {
            if epoch.status != EpochStatus::Finalized {
                continue;
            }
            let id = epoch.epoch_id;
            let dir = swarm_queen::audit_dir(&self.state_dir()).join(id.to_string());
            let read = |name: &str| std::fs::read(dir.join(name)).ok();
            let report = self.chain.audit(read).await.expect("an audit");
            assert!(report.holds(), "{id}: {:?}", report.checks);
            for number in 0.. {
                let Some(page) = read(&page_name(number)) else {
                    break;
                };
                let page: JobsPage = serde_json::from_slice(&page).expect("a page");
                for entry in page.jobs {
                    let job = entry.execution.job();
                    assert_eq!(entry.receipt.fee, FEE);
                    let twice = settled.insert(job, entry.receipt.client);
                    assert_eq!(twice, None, "{job} is settled twice");
                }
            }
        }
        settled
    }

    /// The client's jobs and money, by API, bundles and chain.
    async fn assert_account(&self, customer: &Customer, settled: &BTreeMap<JobId, Address>) {
        let client = customer.address();
        let mut charged = 0;
        for job in self.jobs(customer).await {
            assert!(job.status.is_terminal(), "{job:?}");
            let is_settled = settled.get(&job.job_id) == Some(&client);
            // A completed job without a receipt is one that could not be collected.
            assert!(job.status == JobStatus::Completed || !is_settled, "{job:?}");
            charged += u64::from(is_settled);
        }
        let on_chain = self.chain.account(client, At::Latest).await;
        let on_chain = on_chain.expect("a view");
        let brought = self.brought(client).await;
        assert_eq!(on_chain.pending, MicroUsdc::ZERO);
        assert_eq!(on_chain.balance.0, brought - charged * FEE.0);
        let id = client.to_string();
        let here = patiently(async || self.operator.balance(&id).await).await;
        assert_eq!(here.balance, on_chain.balance);
        assert_eq!((here.reserved.0, here.unsettled.0), (0, 0), "{here:?}");
    }

    /// What a client brought to the escrow less what it took away, by the chain's events.
    async fn brought(&self, client: Address) -> u64 {
        let all = Filter::new().address(self.dev.escrow).from_block(0);
        let logs = self.dev.node.rpc().provider().get_logs(&all).await;
        let mut sum = 0;
        for log in logs.expect("events") {
            if let Ok(event) = SwarmEscrow::Deposited::decode_log(&log.inner)
                && event.client == client
            {
                sum += event.amount;
            }
            if let Ok(event) = SwarmEscrow::Withdrawn::decode_log(&log.inner)
                && event.client == client
            {
                sum -= event.amount;
            }
        }
        sum
    }

    /// The payees were credited one fee for each receipt, together.
    async fn assert_payees(&self, receipts: u64) {
        let mut payees = vec![self.keys.protocol_payee, self.keys.operator_payee];
        payees.extend(self.bees.iter().map(|bee| bee.payee));
        let mut owed = 0;
        for payee in payees {
            let account = self.chain.owed(payee, At::Latest).await.expect("a view");
            assert_eq!(account.pending, MicroUsdc::ZERO);
            owed += account.claimable.0;
        }
        assert_eq!(owed, receipts * FEE.0);
    }

    /// Nothing was sent twice: the gas key signed one transaction for each epoch on the chain, and all of
    /// them are mined.
    pub async fn assert_sent_once(&self) {
        let gate = self.chain.gate(At::Latest).await.expect("a view");
        let mined = self.chain.rpc().nonce_mined(self.keys.gas.address()).await;
        assert_eq!(mined.expect("a nonce"), gate.last_epoch);
        let sent: BTreeSet<String> = self.node.sent().into_iter().collect();
        assert_eq!(sent.len() as u64, gate.last_epoch, "{sent:?}");
    }
}
