//! The escrow's events as the daemon's own.

use alloy::primitives::LogData;
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use serde::{Deserialize, Serialize};
use swarm_contracts::SwarmEscrow::SwarmEscrowEvents as E;
use swarm_types::escrow::{EscrowEvent, EscrowLog};
use swarm_types::{B256, MicroUsdc};

use crate::chain::number;
use crate::error::ChainError;

const DURING: &str = "an event of the escrow";

/// What a log of the escrow is read as.
pub(crate) trait ReadLog: Sized {
    /// Reads it; `None` when it does not matter to the reader.
    fn read(log: &Log) -> Result<Option<Self>, ChainError>;
    /// Height of its block.
    fn block_number(&self) -> u64;
}

impl ReadLog for EscrowLog {
    fn read(log: &Log) -> Result<Option<Self>, ChainError> {
        decode(log)
    }

    fn block_number(&self) -> u64 {
        self.block_number
    }
}

/// An event of the escrow as it was emitted, with its place on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawLog {
    /// Height of its block.
    pub block_number: u64,
    /// Transaction.
    pub tx: B256,
    /// Position in the block.
    pub log_index: u64,
    /// Topics and data.
    pub data: LogData,
}

impl RawLog {
    /// The event.
    ///
    /// # Errors
    /// [`ChainError::Nonsense`] when it is none of the escrow.
    pub fn event(&self) -> Result<E, ChainError> {
        E::decode_raw_log(self.data.topics(), &self.data.data)
            .map_err(|e| ChainError::nonsense(DURING, e.to_string()))
    }
}

impl ReadLog for RawLog {
    fn read(log: &Log) -> Result<Option<Self>, ChainError> {
        let (block_number, tx, log_index) = place(log)?;
        let read = Self {
            block_number,
            tx,
            log_index,
            data: log.inner.data.clone(),
        };
        read.event().map(|_| Some(read))
    }

    fn block_number(&self) -> u64 {
        self.block_number
    }
}

fn place(log: &Log) -> Result<(u64, B256, u64), ChainError> {
    let place = log
        .block_number
        .zip(log.transaction_hash)
        .zip(log.log_index);
    let ((block_number, tx), log_index) =
        place.ok_or_else(|| ChainError::nonsense(DURING, "it has no place in a block"))?;
    Ok((block_number, tx, log_index))
}

/// Reads one log of the escrow; `None` for events that change no account (pauses, roles, credits that
/// are only scheduled).
///
/// # Errors
/// [`ChainError::Nonsense`] when the log is not an event of the escrow, or has no place in a block.
pub fn decode(log: &Log) -> Result<Option<EscrowLog>, ChainError> {
    let (block_number, tx, log_index) = place(log)?;
    let event =
        E::decode_log(&log.inner).map_err(|e| ChainError::nonsense(DURING, e.to_string()))?;
    Ok(event_of(event.data)?.map(|event| EscrowLog {
        block_number,
        tx,
        log_index,
        event,
    }))
}

fn event_of(event: E) -> Result<Option<EscrowEvent>, ChainError> {
    Ok(Some(match event {
        E::Deposited(e) => EscrowEvent::Deposited {
            client: e.client,
            amount: micro(e.amount)?,
        },
        E::WithdrawalRequested(e) => EscrowEvent::WithdrawalRequested {
            client: e.client,
            amount: micro(e.amount)?,
            matures_at: e.maturesAt,
        },
        E::Withdrawn(e) => EscrowEvent::Withdrawn {
            client: e.client,
            amount: micro(e.amount)?,
        },
        E::CapChanged(e) => EscrowEvent::CapChanged {
            client: e.client,
            cap: micro(e.cap)?,
            effective_at: e.effectiveAt,
        },
        E::OrderSignerAdded(e) => EscrowEvent::SignerAdded {
            client: e.client,
            signer: e.signer,
        },
        E::OrderSignerRemoved(e) => EscrowEvent::SignerRemoved {
            client: e.client,
            signer: e.signer,
            effective_at: e.effectiveAt,
        },
        E::EpochSettled(e) => EscrowEvent::EpochSettled {
            epoch: e.epoch,
            seal_hash: e.sealHash,
            receipts_root: e.receiptsRoot,
            receipt_count: e.receiptCount,
            charged: micro(e.charged)?,
            bundle: e.bundle,
            final_at: e.finalAt,
        },
        E::Charged(e) => EscrowEvent::Charged {
            epoch: e.epoch,
            client: e.client,
            amount: micro(e.amount)?,
        },
        E::Credited(e) => EscrowEvent::Credited {
            epoch: e.epoch,
            payee: e.payee,
            amount: micro(e.amount)?,
        },
        E::EpochVoided(e) => EscrowEvent::EpochVoided {
            epoch: e.epoch,
            reason: e.reason,
        },
        E::SettlementResumed(_) => EscrowEvent::SettlementResumed,
        E::Claimed(e) => EscrowEvent::Claimed {
            payee: e.payee,
            amount: micro(e.amount)?,
        },
        _ => return Ok(None),
    }))
}

pub(crate) fn micro(value: impl TryInto<u64>) -> Result<MicroUsdc, ChainError> {
    number("an amount", value).map(MicroUsdc)
}
