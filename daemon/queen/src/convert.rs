//! The ledger's records as the API shows them.

use swarm_ledger::records;
use swarm_types::api::{
    Balance, BlobRef, Epoch, EpochStatus, HistoryKind, HistoryLine, Job, JobStatus, Lease,
};
use swarm_types::bundle::hex_address;
use swarm_types::digest::poe_hash;
use swarm_types::receipt::ENERGY_UNKNOWN;
use swarm_types::{B256, MicroUsdc};

/// The API's word for the ledger's state.
pub fn job_status(state: records::JobState) -> JobStatus {
    match state {
        records::JobState::Pending => JobStatus::Pending,
        records::JobState::Claimed => JobStatus::Claimed,
        records::JobState::Processing => JobStatus::Processing,
        records::JobState::Completed => JobStatus::Completed,
        records::JobState::Dead => JobStatus::Dead,
        records::JobState::Cancelled => JobStatus::Cancelled,
        records::JobState::Expired => JobStatus::Expired,
    }
}

/// The ledger's state for the API's word; `None` for `failed`, in which no job rests.
pub fn job_state(status: JobStatus) -> Option<records::JobState> {
    records::JobState::parse(status.as_str())
}

/// The origin's proof-of-execution hash of a completed job.
pub fn job_poe(job: &records::JobRecord) -> Option<B256> {
    let execution = &job.completion.as_ref()?.execution;
    let worker = hex_address(&job.worker?);
    Some(poe_hash(job.id, &execution.result, &worker))
}

/// A job, without salt, input and result.
pub fn job(job: &records::JobRecord) -> Job {
    let execution = job
        .completion
        .as_ref()
        .map(|completion| &completion.execution);
    let running = matches!(job.state, records::JobState::Processing);
    Job {
        job_id: job.id,
        status: job_status(job.state),
        job_type: job.job_type.clone(),
        client: job.order.order.client,
        client_ens: job.label.clone(),
        model: job.order.order.model,
        fee: job.fee,
        fee_usd: job.fee.dollars(),
        worker: job.worker,
        attempts: job.attempts,
        stage: job.stage.clone(),
        progress_bps: running.then_some(u32::from(job.fraction_bps)),
        error: job.uncollectable.clone().or_else(|| job.error.clone()),
        submitted_at: job.submitted_at,
        deadline: job.order.order.deadline,
        started_at: execution.map(|execution| execution.started_at),
        completed_at: execution.map(|execution| execution.completed_at),
        execution_ms: execution.map(|execution| {
            let seconds = execution.completed_at.saturating_sub(execution.started_at);
            seconds.saturating_mul(1_000)
        }),
        settled_in: job.settles_in,
        poe_hash: job_poe(job),
        engine: job.completion.as_ref().map(|c| c.engine.clone()),
        energy_millijoules: execution
            .map(|execution| execution.energy_millijoules)
            .filter(|energy| *energy != ENERGY_UNKNOWN),
    }
}

/// A lease with all that the work takes.
pub fn lease(lease: &records::Lease) -> Lease {
    let job = &lease.job;
    Lease {
        job_id: job.id,
        token: lease.token.0.to_string(),
        expires_at: lease.expires_at,
        attempt: lease.attempt,
        job_type: job.job_type.clone(),
        order: job.order.clone(),
        fee: job.fee,
        salt: job.salt,
        input: blob(&job.input),
        reply_to: job.reply_to.clone().unwrap_or_default(),
    }
}

/// A blob by content.
pub fn blob(blob: &records::BlobRef) -> BlobRef {
    BlobRef {
        sha256: blob.sha256,
        size: blob.size,
    }
}

/// A blob by content.
pub fn ledger_blob(blob: &BlobRef) -> records::BlobRef {
    records::BlobRef {
        sha256: blob.sha256,
        size: blob.size,
    }
}

/// An account. A negative balance, after a reorg, shows as 0.
pub fn balance(account: &records::ClientAccount) -> Balance {
    Balance {
        client: account.client,
        balance: MicroUsdc(
            u64::try_from(account.balance)
                .unwrap_or(0)
                .saturating_add(account.charged_open_epoch.0),
        ),
        unconfirmed: account.unconfirmed,
        reserved: account.reserved,
        unsettled: account.charged_open_epoch,
        withdrawing: account.withdrawing,
        available: account.available,
        available_usd: account.available.dollars(),
        cap: account.cap,
        cap_used: MicroUsdc(
            account
                .charged_open_epoch
                .0
                .saturating_add(account.reserved.0),
        ),
    }
}

/// A line of a client's history; `None` for what moved no money (open or released reservations).
pub fn history(entry: &records::HistoryEntry) -> Option<HistoryLine> {
    if entry.state != records::TransferState::Posted {
        return None;
    }
    let kind = match (entry.kind, entry.credit) {
        (records::HistoryKind::Deposit, _) | (records::HistoryKind::Reorg, true) => {
            HistoryKind::Deposit
        }
        (records::HistoryKind::Job, _) => HistoryKind::JobCharge,
        (records::HistoryKind::Refund, _) => HistoryKind::Refund,
        (records::HistoryKind::Withdrawal, _) | (records::HistoryKind::Reorg, false) => {
            HistoryKind::Withdrawal
        }
    };
    Some(HistoryLine {
        seq: entry.id,
        at: entry.settled_at.unwrap_or(entry.created_at),
        kind,
        amount: entry.amount,
        amount_usd: entry.amount.dollars(),
        job: entry.job,
        epoch: None,
        transaction: entry.tx,
    })
}

/// The API's word for the ledger's state.
pub fn epoch_status(state: records::EpochState) -> EpochStatus {
    match state {
        records::EpochState::Open => EpochStatus::Active,
        records::EpochState::Sealing => EpochStatus::Sealing,
        records::EpochState::Sealed => EpochStatus::Sealed,
        records::EpochState::Submitted => EpochStatus::Submitted,
        records::EpochState::Included => EpochStatus::Included,
        records::EpochState::Final => EpochStatus::Finalized,
        records::EpochState::Void => EpochStatus::Void,
    }
}

/// An epoch; `cid` is its bundle's.
pub fn epoch(epoch: &records::EpochRecord, cid: Option<String>) -> Epoch {
    let seal = epoch.seal.as_ref().map(|seal| &seal.0);
    Epoch {
        epoch_id: epoch.id,
        status: epoch_status(epoch.state),
        started_at: epoch.opened_at,
        sealed_at: epoch.sealed_at,
        jobs_count: epoch.jobs,
        total_revenue: epoch.revenue,
        total_revenue_usd: epoch.revenue.dollars(),
        receipts_root: seal.map(|seal| seal.receiptsRoot),
        seal_hash: epoch.seal_hash,
        bundle: seal.map(|seal| seal.bundle),
        cid,
        transaction: epoch.settled_tx,
        final_at: epoch.final_at,
        note: epoch.void_reason.clone(),
    }
}
