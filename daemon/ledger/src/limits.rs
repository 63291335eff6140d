//! Every limit of the ledger, by name.

/// Commands that wait for the writer; more wait in their callers.
pub const QUEUE_COMMANDS_MAX: usize = 8_192;
/// Commands in one transaction.
pub const BATCH_COMMANDS_MAX: usize = 1_024;
/// Clients whose money the writer keeps in memory.
pub const BOOK_CLIENTS_MAX: usize = 65_536;
/// Pending jobs of which the writer keeps all in memory, to answer a claim; others it reads when they are claimed.
pub const BOOK_RECORDS_MAX: usize = 16_384;
/// Connections that read.
pub const READERS: usize = 4;
/// Rows of one page of any list.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Jobs that may be open (pending, claimed or processing) at once.
pub const OPEN_JOBS_MAX: usize = 1_000_000;
/// Jobs that one sweep moves.
pub const SWEEP_JOBS_MAX: usize = 1_000;
/// Request nonces that one sweep forgets.
pub const SWEEP_NONCES_MAX: u32 = 10_000;
/// Deliveries that one sweep forgets once they are done.
pub const SWEEP_DELIVERIES_MAX: u32 = 1_000;
/// Jobs of one epoch of submission: the job's number has 32 bits beside the epoch's.
pub const JOB_SEQ_MAX: u64 = u32::MAX as u64;
/// Epochs: the job's key has 31 bits for the epoch.
pub const EPOCH_MAX: u64 = i32::MAX as u64;
/// Workers, approved or not.
pub const WORKERS_MAX: usize = 10_000;
/// Workers that one input may be encrypted to.
pub const RECIPIENTS_MAX: usize = 256;
/// Attempts that a job may have.
pub const ATTEMPTS_MAX: u32 = 100;
/// Bytes of a short text (label, job type, stage, recipient, reason).
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 2_048;
/// Bytes of a worker's profile or stats.
pub const PROFILE_BYTES_MAX: usize = 65_536;
/// Webhooks of one client.
pub const WEBHOOKS_MAX: usize = 16;
/// Blocks whose hashes are kept to notice a reorg.
pub const BLOCKS_KEPT: u64 = 4_096;
/// Seconds after the order's deadline in which a completion that was in time may still arrive.
pub const COMPLETION_GRACE_SECONDS: u64 = 60;
/// Seconds by which a worker's clock may be ahead of the queen's.
pub const CLOCK_AHEAD_SECONDS_MAX: u64 = 30;
/// Longest lease, seconds.
pub const LEASE_SECONDS_MAX: u64 = 3_600;
/// Milliseconds between two heartbeats up to which the time between them counts as ready.
pub const HEARTBEAT_GAP_MILLIS_MAX: u64 = 95_000;
/// Violations that a check lists for each rule.
pub const VIOLATIONS_MAX: usize = 20;
/// Pages of the write-ahead log (4 KiB each) after which the writer moves what is left of it and begins it
/// anew.
pub const WAL_PAGES: u32 = 16_384;
/// Pages that the write-ahead log grows by before they are moved beside the writer.
pub const WAL_PAGES_BESIDE: u32 = 2_048;
/// Milliseconds that a reader waits for a lock.
pub const BUSY_MILLIS: u64 = 5_000;
/// Largest amount the ledger holds, µUSDC: sums of accounts stay below 2⁶³.
pub const AMOUNT_MAX: u64 = 1 << 60;

const _: () = assert!(WAL_PAGES_BESIDE < WAL_PAGES);
const _: () = assert!(BATCH_COMMANDS_MAX <= QUEUE_COMMANDS_MAX);
const _: () = assert!(JOB_SEQ_MAX < 1 << 32 && EPOCH_MAX < 1 << 31);
const _: () = assert!(COMPLETION_GRACE_SECONDS < LEASE_SECONDS_MAX);
