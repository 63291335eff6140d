//! The settlement outbox: gets a signed seal onto the chain, once.
//!
//! Each step looks at the chain first and decides from what it sees and from the attempts that the
//! caller remembers. A transaction is signed and handed to the caller, who makes it durable
//! before it is broadcast: so after a crash between any two lines its hash is known, the very same
//! bytes are sent again, and nothing is sent twice. All attempts of one nonce exclude each other on
//! chain, and the escrow takes an epoch number once; an attempt whose fate is unknown is never dropped.

mod decide;

use swarm_types::B256;

use crate::chain::Chain;
use crate::error::ChainError;
use crate::rpc::At;
use crate::settle::SealedEpoch;
use crate::tx::{self, Sent, SignedTx};
use crate::views::EpochState;
use crate::wallet::Wallet;

use decide::{Decision, Fate, Seen, decide};

pub use decide::{STUCK_SECONDS, Wait};

/// So many nonces are spent on one epoch; reverting that often in spite of a dry run each time needs a
/// person.
pub const NONCES_PER_EPOCH_MAX: usize = 10;

/// An attempt that the caller remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The transaction.
    pub tx: SignedTx,
    /// Unix seconds at which it was made.
    pub made_at: u64,
}

/// What to do next about an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The escrow has this very seal.
    Settled {
        /// Where the epoch stands.
        state: EpochState,
        /// Unix seconds at which its window closes.
        final_at: u64,
    },
    /// The escrow has another seal under this number: for the operator, no retry helps.
    Taken {
        /// Struct hash of that seal.
        seal_hash: B256,
    },
    /// The seal is too old for the escrow: seal the epoch again.
    Expired,
    /// Nothing to do now.
    Wait(Wait),
    /// Remember this transaction durably, then hand it to [`Chain::broadcast`].
    Send(SignedTx),
    /// Hand this remembered transaction to [`Chain::broadcast`] again: the node does not know it.
    Resend(SignedTx),
}

impl Chain {
    /// Looks at the chain and says what to do next about `epoch`. `attempts`: all that were made for
    /// it, oldest first. `gas` pays; `now` is Unix seconds of this machine.
    ///
    /// # Errors
    /// When the node is away; nothing was sent.
    pub async fn plan_settlement(
        &self,
        epoch: &SealedEpoch,
        attempts: &[Attempt],
        gas: &Wallet,
        max_seal_age: u64,
        now: u64,
    ) -> Result<Plan, ChainError> {
        let seal = &epoch.seal.0;
        let head = self.rpc().block(At::Latest).await?;
        let at = At::Hash(head.hash);
        if let Some(settled) = self.epoch(seal.epoch, at).await? {
            let ours = settled.seal_hash == epoch.seal.struct_hash();
            return Ok(if ours {
                Plan::Settled {
                    state: settled.state,
                    final_at: settled.final_at,
                }
            } else {
                Plan::Taken {
                    seal_hash: settled.seal_hash,
                }
            });
        }
        let gate = self.gate(at).await?;
        let previous = self.epoch(gate.last_epoch, at).await?;
        let call = self.settle(epoch);
        let mut fates = Vec::with_capacity(attempts.len());
        for attempt in attempts {
            fates.push(self.fate(attempt.tx.hash).await?);
        }
        let seen = Seen {
            chain_time: head.timestamp,
            stopped: gate.stopped,
            paused_until: gate.paused_until,
            previous_pending_until: previous
                .filter(|previous| previous.state == EpochState::Pending)
                .map(|previous| previous.final_at),
            nonce_mined: self.rpc().nonce_mined(gas.address()).await?,
            market: self.rpc().fees().await?,
            wei: self.rpc().wei(gas.address()).await?,
            fates,
        };
        let decision = decide(
            seal.sealedAt,
            max_seal_age,
            call.gas_limit,
            attempts,
            &seen,
            now,
        );
        let (nonce, fees) = match decision {
            Decision::Expired => return Ok(Plan::Expired),
            Decision::Wait(wait) => return Ok(Plan::Wait(wait)),
            Decision::Resend(index) => return Ok(Plan::Resend(attempts[index].tx.clone())),
            Decision::Send { nonce, fees } => (nonce, fees),
        };
        match self.simulate_settle(epoch, gas.address(), at).await {
            Ok(()) => {}
            Err(ChainError::Reverted { reason, .. }) => {
                return Ok(Plan::Wait(Wait::WouldRevert { reason }));
            }
            Err(error) => return Err(error),
        }
        let signed = tx::sign(gas, self.chain_id(), &call, nonce, fees);
        Ok(Plan::Send(signed))
    }

    /// Hands a remembered settlement to the node. Whatever the answer, the next plan looks at the chain.
    ///
    /// # Errors
    /// When the node is away or refuses it; it may have it all the same.
    pub async fn broadcast(&self, tx: &SignedTx) -> Result<Sent, ChainError> {
        self.rpc().broadcast(&tx.raw).await
    }

    async fn fate(&self, tx: B256) -> Result<Fate, ChainError> {
        Ok(match self.rpc().mined(tx).await? {
            Some(mined) if mined.success => Fate::Mined,
            Some(_) => Fate::Reverted,
            None if self.rpc().knows(tx).await? => Fate::InPool,
            None => Fate::Unknown,
        })
    }
}
