//! Why a command was refused. A refusal changes nothing, and says what to do.

use swarm_types::{Address, EpochId, JobId, MicroUsdc};

use crate::records::{EpochState, JobState, WorkerState};

/// Why an order was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefusal {
    /// The available balance does not cover the fee.
    #[error("the job needs {needed} and {available} is available: deposit the difference")]
    InsufficientBalance {
        /// The fee.
        needed: MicroUsdc,
        /// Balance less reservations and requested withdrawals.
        available: MicroUsdc,
    },
    /// The client's cap per epoch would be exceeded.
    #[error(
        "the client's cap of {cap} an epoch leaves {left}, and the job needs {needed}: raise the cap or wait for the next epoch"
    )]
    OverCap {
        /// The fee.
        needed: MicroUsdc,
        /// The cap.
        cap: MicroUsdc,
        /// What the cap leaves after charges and reservations.
        left: MicroUsdc,
    },
    /// The nonce belongs to another order.
    #[error("nonce {nonce} was used for {job} with a different order: use a new nonce")]
    NonceReused {
        /// The nonce.
        nonce: u64,
        /// The job of the first order.
        job: JobId,
    },
    /// The deadline is not in the future.
    #[error("the order's deadline {deadline} is not after the queen's clock, {now}")]
    DeadlinePast {
        /// The order's.
        deadline: u64,
        /// The queen's clock.
        now: u64,
    },
    /// The fee is more than the order allows.
    #[error("the job costs {fee} and the order allows {max_fee}")]
    FeeOverMax {
        /// The price.
        fee: MicroUsdc,
        /// The order's limit.
        max_fee: MicroUsdc,
    },
    /// The signer may not sign for this client.
    #[error("the signer {signer} is neither the client nor one of its order signers")]
    UnknownSigner {
        /// Who signed (by EIP-712; the other form gave another address that does not count either).
        signer: Address,
    },
    /// A field is out of the range the ledger can hold.
    #[error("{field} is out of range")]
    OutOfRange {
        /// Which.
        field: &'static str,
    },
    /// As many jobs are open as the ledger takes.
    #[error("{limit} jobs are open, which is the limit: try again later")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
}

/// Why a worker gets no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefusal {
    /// Nobody knows it.
    #[error("the worker {0} is not registered")]
    UnknownWorker(Address),
    /// The operator has not approved it.
    #[error("the worker is {0}, not approved: the operator approves it with `swarm bee approve`")]
    NotApproved(WorkerState),
    /// It drains.
    #[error("the worker is draining")]
    Draining,
    /// The asked-for job does not exist.
    #[error("{0} does not exist")]
    UnknownJob(JobId),
    /// The asked-for job is not pending.
    #[error("{job} is {state}")]
    NotPending {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
    /// The worker cannot take the asked-for job.
    #[error("the worker cannot take {0}: it lacks the model, or the input is not encrypted to it")]
    NotEligible(JobId),
}

/// Why a lease does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// No such job.
    #[error("{0} does not exist")]
    UnknownJob(JobId),
    /// The job ended.
    #[error("{job} has ended: it is {state}")]
    Ended {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
    /// Somebody else holds the job, or nobody.
    #[error("the lease on {0} is not the current one: the job was given back or to another worker")]
    NotHolder(JobId),
    /// The lease ran out.
    #[error("the lease on {job} lapsed at {expired_at}")]
    Lapsed {
        /// Which.
        job: JobId,
        /// Unix seconds.
        expired_at: u64,
    },
}

/// Why a completion was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompleteRefusal {
    /// The lease does not count.
    #[error(transparent)]
    Lease(#[from] LeaseRefusal),
    /// The execution contradicts the job.
    #[error("the execution's {field} is not the job's")]
    Mismatch {
        /// Which field of the execution.
        field: &'static str,
    },
    /// Completed after the order's deadline.
    #[error("completed at {completed_at}, after the order's deadline {deadline}")]
    AfterDeadline {
        /// What the execution says.
        completed_at: u64,
        /// The order's.
        deadline: u64,
    },
    /// Completed in the queen's future.
    #[error(
        "completed at {completed_at}, but the queen's clock says {now}: set the worker's clock"
    )]
    InFuture {
        /// What the execution says.
        completed_at: u64,
        /// The queen's clock.
        now: u64,
    },
}

/// Why a job was not cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefusal {
    /// No such job of this client.
    #[error("{0} does not exist, or is not this client's")]
    UnknownJob(JobId),
    /// A bee works on it.
    #[error("{0} is being processed and can no longer be cancelled")]
    Running(JobId),
    /// It ended otherwise.
    #[error("{job} has ended: it is {state}")]
    Ended {
        /// Which.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
}

/// Why blocks were not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefusal {
    /// The ledger knows another block of this height, or another parent: undo first.
    #[error("block {number} does not continue the known chain: undo from {undo_from}")]
    Fork {
        /// Which block.
        number: u64,
        /// First height at which the ledger's block is in doubt.
        undo_from: u64,
    },
    /// Blocks are not in ascending order, or an event is not in its block.
    #[error("block {number} is out of order")]
    OutOfOrder {
        /// Which.
        number: u64,
    },
    /// An amount is beyond what the ledger can hold.
    #[error("an amount in block {number} is out of range")]
    OutOfRange {
        /// Which.
        number: u64,
    },
}

/// Why blocks were not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoRefusal {
    /// An epoch that the ledger holds for final rests on these blocks.
    #[error("{epoch} is final and was settled in block {block}: a reorg that deep needs a person")]
    Final {
        /// Which epoch.
        epoch: EpochId,
        /// Its block.
        block: u64,
    },
}

/// Why a worker was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerRefusal {
    /// Nobody knows it.
    #[error("the worker {0} is not registered")]
    Unknown(Address),
    /// The join code is not one of ours, was used, or has expired.
    #[error("the join code is unknown, used or expired: ask the operator for a new one")]
    JoinCode,
    /// As many workers are known as the ledger takes.
    #[error("{0} workers are known, which is the limit")]
    TooMany(usize),
    /// The join code exists already.
    #[error("this join code exists already")]
    JoinCodeExists,
    /// A field is longer than the ledger takes.
    #[error("{field} is longer than {limit} bytes")]
    TooLong {
        /// Which.
        field: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Why an epoch was not moved on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochRefusal {
    /// No such epoch.
    #[error("{0} does not exist")]
    Unknown(EpochId),
    /// Another epoch must end first.
    #[error("{epoch} is {state}: the next epoch is sealed after it is final or void")]
    InFlight {
        /// Which.
        epoch: EpochId,
        /// Where it is.
        state: EpochState,
    },
    /// The epoch is not in the state that the command needs.
    #[error("{epoch} is {state}")]
    WrongState {
        /// Which.
        epoch: EpochId,
        /// Where it is.
        state: EpochState,
    },
    /// The clock is not past the last seal's.
    #[error("the clock says {now}, and the last seal was at {last}")]
    ClockBehind {
        /// The clock.
        now: u64,
        /// `sealedAt` of the last seal.
        last: u64,
    },
    /// The seal does not say what the ledger has.
    #[error("the seal's {field} is not the ledger's")]
    Mismatch {
        /// Which field.
        field: &'static str,
    },
    /// A job is not among the epoch's.
    #[error("{0} is not settled in this epoch")]
    NotItsJob(JobId),
    /// The chain has no such epoch with that seal, as far as the ledger has read it.
    #[error("the chain has not settled {0} with that seal")]
    NotOnChain(EpochId),
    /// The old seal could still be included.
    #[error("the seal of {epoch} could still be included until {until}")]
    SealAlive {
        /// Which.
        epoch: EpochId,
        /// Unix seconds.
        until: u64,
    },
    /// The window is open.
    #[error("the window of {epoch} closes at {final_at}, and the finalized block is not past it")]
    WindowOpen {
        /// Which.
        epoch: EpochId,
        /// Unix seconds.
        final_at: u64,
    },
}

/// Why an epoch was not taken over from its bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptRefusal {
    /// Jobs are taken over into the open epoch, or into the one that is being sealed.
    #[error("{epoch} is neither the open epoch, which is {open}, nor being sealed")]
    NotOpen {
        /// The bundle's.
        epoch: EpochId,
        /// The ledger's.
        open: EpochId,
    },
    /// The chain has no such epoch with that seal, as far as the ledger has read it.
    #[error("the chain has not settled {0} with the bundle's seal")]
    NotOnChain(EpochId),
    /// The ledger knows the job, and otherwise.
    #[error("the ledger has another order or execution of {0} than the bundle")]
    Differs(JobId),
    /// The job has ended without a completion here.
    #[error("{job} is {state} in the ledger, and the bundle settles it")]
    Ended {
        /// Which.
        job: JobId,
        /// How it ended.
        state: JobState,
    },
    /// The job's fee could not be collected here, and it was left out.
    #[error("{0} was left out as uncollectable in the ledger, and the bundle settles it")]
    LeftOut(JobId),
    /// Another job has the order's nonce here.
    #[error("the order of {job} has the nonce of {by} in the ledger")]
    NonceUsed {
        /// The bundle's.
        job: JobId,
        /// The ledger's.
        by: JobId,
    },
    /// A field is out of the range the ledger can hold.
    #[error("{field} of {job} is out of range")]
    OutOfRange {
        /// Which.
        job: JobId,
        /// What of it.
        field: &'static str,
    },
}

/// Why a blob's record was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobRefusal {
    /// No such blob.
    #[error("no such blob")]
    Unknown,
    /// It is known with another size, kind or job.
    #[error("this blob is known with another {field}")]
    Different {
        /// Which field.
        field: &'static str,
    },
    /// It was destroyed.
    #[error("this blob was destroyed")]
    Deleted,
    /// An open job needs it.
    #[error("{0} still needs this blob")]
    InUse(JobId),
    /// A field is beyond what the ledger can hold.
    #[error("{field} is out of range")]
    OutOfRange {
        /// Which.
        field: &'static str,
    },
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceRefusal {
    /// The nonce was used.
    #[error("nonce {nonce} was used by {address}: use a new one")]
    Replayed {
        /// Who.
        address: Address,
        /// Which.
        nonce: u64,
    },
}

/// Why a webhook was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// No such webhook of this client.
    #[error("no such webhook")]
    Unknown,
    /// The client has as many as it may.
    #[error("a client may have {0} webhooks")]
    TooMany(usize),
}

/// For commands that are never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Never {}
