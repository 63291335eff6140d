//! What the queen does with the chain: one loop that mirrors the escrow's events into the ledger, seals
//! epochs, gets them settled and closes them when their window is over.
//!
//! Each round looks at what is and does the next thing ([`Settlement::round`]), so that it goes on from
//! wherever a crash, a reorganisation or an outage left it:
//!
//! - in: the chain's blocks ([`mirror`]), the schedule, requests through [`SettlementPort`];
//! - out: ledger commands, a bundle in `audit/epoch-NNN/` ([`bundle_dir`]), transactions
//!   ([`submit`]), and [`SettlementStatus`].
//!
//! While the chain is away nothing is lost: deposits and seals wait, and the status says so.

mod adopt;
mod bundle_dir;
mod clocks;
mod collect;
mod compare;
mod config;
mod error;
mod mirror;
mod notes;
mod seal;
mod submit;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use swarm_chain::watcher::Heads;
use swarm_chain::{Chain, Terms, Wallet};
use swarm_ledger::Ledger;
use swarm_types::Address;
use swarm_types::payout::Rates;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::seam::{SealRequest, SettlementPort};

pub use bundle_dir::{Published, publish};
pub use config::SettlementConfig;
pub use error::SettlementError;

use notes::{Note, Notes};

/// Said of a ledger that was restored, until it was compared with the chain.
pub(crate) const RESTORED: &str = "the ledger was restored from a copy and was not compared with the chain \
    yet: until then no order is taken, no job is given out and nothing is sealed";
/// Between two looks at the open epoch's size.
const EARLY_CHECK: Duration = Duration::from_secs(15);

/// The keys that settlement needs. They are different keys, and none of them is the guardian's.
#[derive(Clone, Debug)]
pub struct SettlementKeys {
    /// Settlers of the escrow, as many as its threshold asks for.
    pub settlers: Vec<Wallet>,
    /// Pays gas and holds nothing else. Without one, sealed epochs wait for somebody to submit them.
    pub gas: Option<Wallet>,
}

/// What an epoch's bundle states beside the ledger's contents.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Rates of the payout rule.
    pub rates: Rates,
    /// Payee of the protocol fee.
    pub protocol_payee: Address,
    /// Payee of the operator fee.
    pub operator_payee: Address,
}

/// The loop's parts and what it remembers between rounds; all of it can be found again.
pub struct Settlement {
    ledger: Ledger,
    chain: Chain,
    config: SettlementConfig,
    keys: SettlementKeys,
    shares: Shares,
    audit_dir: PathBuf,
    start_block: u64,
    /// What the escrow fixed, once it was asked; the chain may be away at start.
    terms: Option<Terms>,
    /// Where the chain stood at the end of the last round that mirrored all of it.
    heads: Option<Heads>,
    notes: Notes,
    steps_per_round: usize,
    /// A bundle that could not be taken over, and why.
    unsound: Option<(adopt::Files, String)>,
    demanded: bool,
    looked_at: Option<Duration>,
    clock: Clock,
    /// Who asked for a seal and waits for the answer of the next round.
    waiting: Vec<SealRequest>,
}

impl Settlement {
    /// Settlement of `ledger`'s epochs on `chain`. Bundles go to `audit_dir`; `start_block` is the
    /// escrow's first block.
    pub fn new(
        ledger: Ledger,
        chain: Chain,
        config: SettlementConfig,
        keys: SettlementKeys,
        shares: Shares,
        audit_dir: PathBuf,
        start_block: u64,
    ) -> Self {
        Self {
            ledger,
            chain,
            config,
            keys,
            shares,
            audit_dir,
            start_block,
            terms: None,
            heads: None,
            notes: Notes::default(),
            steps_per_round: mirror::STEPS_PER_ROUND,
            unsound: None,
            demanded: false,
            looked_at: None,
            clock: Clock::system(),
            waiting: Vec::new(),
        }
    }

    /// The same by another clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same for a ledger that was restored from a copy, when `restored`.
    pub(crate) fn of_a_copy(mut self, restored: bool) -> Self {
        if restored {
            self.notes.set(Note::OldCopy, RESTORED.to_owned());
        }
        self
    }

    /// Runs it as a task of its own.
    pub fn spawn(self, port: SettlementPort, stop: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(self.run(port, stop))
    }

    /// Runs rounds until `stop`. Dropping the future in the middle of a round is fine too: the next
    /// start goes on from what is durable.
    async fn run(mut self, mut port: SettlementPort, stop: CancellationToken) {
        loop {
            // A round is never torn: it runs to its end and stops between two.
            self.step(&port).await;
            tokio::select! {
                // Cancel-safe: nothing is held.
                () = stop.cancelled() => return,
                // Cancel-safe: `recv` loses no message. `None` when the API is gone: rounds go on.
                Some(request) = port.requests.recv() => self.waiting.push(request),
                // Cancel-safe: the next round comes a little later.
                () = tokio::time::sleep(self.config.poll.0) => {}
            }
        }
    }

    /// Seals, when the next step comes, for somebody who asked through the API.
    pub(crate) fn ask(&mut self, request: SealRequest) {
        self.waiting.push(request);
    }

    /// One round, its report, and its answers.
    pub(crate) async fn step(&mut self, port: &SettlementPort) {
        self.demanded = !self.waiting.is_empty();
        let outcome = self.round().await;
        self.report(port, &outcome).await;
        self.answer(&outcome);
    }

    /// Answers who asked for a seal: the epoch that this round began to seal, or why none.
    fn answer(&mut self, outcome: &Result<Round, SettlementError>) {
        for request in std::mem::take(&mut self.waiting) {
            let reply = match outcome {
                Ok(Round { begun: Some(epoch) }) => Ok(*epoch),
                Ok(Round { begun: None }) => Err(self
                    .notes
                    .get(Note::OldCopy)
                    .or_else(|| self.notes.get(Note::Clock))
                    .or_else(|| self.notes.get(Note::Seal))
                    .unwrap_or("nothing was sealed; ask again")
                    .to_owned()),
                Err(error) => Err(error.in_words()),
            };
            // An asker that is gone needs no answer.
            let _ = request.reply.send(reply);
        }
    }

    async fn report(&mut self, port: &SettlementPort, outcome: &Result<Round, SettlementError>) {
        let trouble = match outcome {
            Ok(_) => None,
            Err(error) => {
                let words = error.in_words();
                if self.notes.trouble_is_new(&words) {
                    tracing::warn!(error = %words, "settlement waits");
                }
                Some(words)
            }
        };
        if trouble.is_none() {
            self.notes.trouble_over();
        }
        let head_block = match self.ledger.chain_cursor(1).await {
            Ok(cursor) => cursor.head.map_or(0, |block| block.number),
            Err(_) => 0,
        };
        self.notes
            .publish(port, trouble, head_block, self.terms.as_ref());
    }

    /// One look at everything, and the next step of each thing that can go on.
    ///
    /// # Errors
    /// When the chain is away or the ledger fails; what was done before stands.
    pub async fn round(&mut self) -> Result<Round, SettlementError> {
        let terms = self.terms().await?;
        self.mirror_chain().await?;
        self.compare_clocks();
        self.compare_epochs().await?;
        self.finalise().await?;
        self.submit(&terms).await?;
        let begun = self.seal(&terms).await?;
        if begun.is_some() {
            // A sealed epoch need not wait for the next round.
            self.submit(&terms).await?;
        }
        Ok(Round { begun })
    }

    async fn terms(&mut self) -> Result<Terms, SettlementError> {
        match self.terms {
            Some(terms) => Ok(terms),
            None => {
                let terms = self.chain.check().await?;
                self.terms = Some(terms);
                Ok(terms)
            }
        }
    }

    /// Unix seconds for the ledger. A development chain's clock is moved forward by hand; then that is
    /// the time, because the escrow lives by it.
    fn now(&self) -> u64 {
        let chain_time = match (self.config.follow_chain_clock, self.heads) {
            (true, Some(heads)) => heads.latest.timestamp,
            _ => 0,
        };
        self.clock.seconds().max(chain_time)
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The epoch whose sealing it began.
    pub begun: Option<swarm_types::EpochId>,
}
