//! The escrow's events as the daemon's own.

use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use swarm_contracts::SwarmEscrow::SwarmEscrowEvents as E;
use swarm_types::MicroUsdc;
use swarm_types::escrow::{EscrowEvent, EscrowLog};

use crate::chain::number;
use crate::error::ChainError;

const DURING: &str = "an event of the escrow";

/// Reads one log of the escrow; `None` for events that change no account (pauses, roles, credits that
/// are only scheduled).
///
/// # Errors
/// [`ChainError::Nonsense`] when the log is not an event of the escrow, or has no place in a block.
pub fn decode(log: &Log) -> Result<Option<EscrowLog>, ChainError> {
    let place = log
        .block_number
        .zip(log.transaction_hash)
        .zip(log.log_index);
    let Some(((block_number, tx), log_index)) = place else {
        return Err(ChainError::nonsense(DURING, "it has no place in a block"));
    };
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

fn micro(value: impl TryInto<u64>) -> Result<MicroUsdc, ChainError> {
    number("an amount", value).map(MicroUsdc)
}
