//! The handle: commands go to the one writer, queries to the readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use swarm_types::bundle::SettledJob;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc};
use tokio::sync::watch;

use crate::commands::*;
use crate::error::{CommandError, LedgerError};
use crate::filter::JobFilter;
use crate::limits::PAGE_ROWS_MAX;
use crate::readers::Readers;
use crate::records::*;
use crate::refusals::*;
use crate::stepped::Gate;
use crate::writer::{Command, Writer};
use crate::{backup, sql};

/// What a ledger is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerConfig {
    /// EIP-155 chain id of the escrow. A ledger belongs to one escrow for ever.
    pub chain_id: u64,
    /// The escrow whose events it mirrors.
    pub escrow: Address,
    /// Cap per epoch of a client that never set one (fixed at the escrow's deployment).
    pub default_cap: MicroUsdc,
}

/// The ledger. Clones share one writer; it stops when the last clone is dropped, or at [`Self::close`].
#[derive(Clone)]
pub struct Ledger {
    path: Arc<PathBuf>,
    writer: Writer,
    readers: Arc<Readers>,
}

type Done<A, R> = Result<A, CommandError<R>>;

impl Ledger {
    /// Opens or creates the ledger at `path`. Blocks for the time of a migration, and of reading the
    /// open jobs.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, is of a newer schema, or belongs to another escrow.
    pub fn open(path: &Path, config: LedgerConfig) -> Result<Self, LedgerError> {
        let conn = sql::open_writer(path, &config)?;
        let readers = Arc::new(Readers::open(path)?);
        Ok(Self {
            path: Arc::new(path.to_owned()),
            writer: Writer::start(conn, path)?,
            readers,
        })
    }

    /// Opens or creates it for a simulation: every command and query runs on the caller's thread, as
    /// `gate` lets it, and nothing else runs.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_stepped(
        path: &Path,
        config: LedgerConfig,
        gate: Arc<dyn Gate>,
    ) -> Result<Self, LedgerError> {
        let conn = sql::open_writer(path, &config)?;
        let (writer, stepped) = Writer::stepped(conn, gate.clone())?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            writer,
            readers: Arc::new(Readers::stepped(stepped, gate)),
        })
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finishes what is queued and stops the writer. Later commands of any clone fail as stopped.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// The number of the newest durable [`Event`]; changes with every commit that did something.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.writer.subscribe()
    }

    /// Changes whenever a job became pending: what long polls wait for.
    pub fn subscribe_pending(&self) -> watch::Receiver<u64> {
        self.writer.subscribe_pending()
    }

    /// Why the newest change could not be stored; `None` when it could.
    pub fn trouble(&self) -> Option<String> {
        self.writer.trouble()
    }

    async fn run<C: Command>(&self, command: C) -> Done<C::Answer, C::Refusal> {
        self.writer.run(command).await
    }

    // Jobs

    /// Accepts an order, or gives the first answer to the same order again.
    pub async fn submit(&self, command: Submit) -> Done<Submitted, SubmitRefusal> {
        self.run(command).await
    }

    /// Leases a job to a worker; `None` when no pending job fits it.
    pub async fn claim(&self, command: Claim) -> Done<Option<Lease>, ClaimRefusal> {
        self.run(command).await
    }

    /// Leases several jobs to a worker, the oldest first; none when no pending job fits it.
    pub async fn claim_many(&self, command: ClaimMany) -> Done<Vec<Lease>, ClaimRefusal> {
        self.run(command).await
    }

    /// Renews leases; one answer for each, in order: the new Unix seconds of lapse, or why not.
    pub async fn renew(&self, command: Renew) -> Done<Vec<Result<u64, LeaseRefusal>>, Never> {
        self.run(command).await
    }

    /// Notes progress and renews the lease; answers the new Unix seconds of lapse.
    pub async fn progress(&self, command: Progress) -> Done<u64, LeaseRefusal> {
        self.run(command).await
    }

    /// Completes a job and books its fee, or gives the first answer to the same completion again.
    pub async fn complete(&self, command: Complete) -> Done<Completed, CompleteRefusal> {
        self.run(command).await
    }

    /// Takes a job back: it is pending again, or dead with its fee released.
    pub async fn fail(&self, command: Fail) -> Done<Failed, LeaseRefusal> {
        self.run(command).await
    }

    /// Calls a job off. Calling it off again gives the same answer.
    pub async fn cancel(&self, command: Cancel) -> Done<JobRecord, CancelRefusal> {
        self.run(command).await
    }

    /// Moves every job whose deadline or lease has passed. To be called about once a second.
    pub async fn sweep(&self, command: Sweep) -> Done<Swept, Never> {
        self.run(command).await
    }

    // The chain

    /// Mirrors blocks.
    pub async fn apply_blocks(&self, command: ApplyBlocks) -> Done<Applied, ChainRefusal> {
        self.run(command).await
    }

    /// Takes blocks back after a reorg.
    pub async fn undo_blocks(&self, command: UndoBlocks) -> Done<Undone, UndoRefusal> {
        self.run(command).await
    }

    // Workers

    /// Registers a worker, or updates what it says of itself.
    pub async fn register_worker(
        &self,
        command: RegisterWorker,
    ) -> Done<WorkerRecord, WorkerRefusal> {
        self.run(command).await
    }

    /// Lets a worker work.
    pub async fn approve_worker(
        &self,
        command: ApproveWorker,
    ) -> Done<WorkerRecord, WorkerRefusal> {
        self.run(command).await
    }

    /// Lets a worker work no more.
    pub async fn revoke_worker(&self, command: RevokeWorker) -> Done<WorkerRecord, WorkerRefusal> {
        self.run(command).await
    }

    /// The operator drains a worker, or ends that.
    pub async fn set_draining(&self, command: SetDraining) -> Done<WorkerRecord, WorkerRefusal> {
        self.run(command).await
    }

    /// Notes a heartbeat and counts ready time. Leases are renewed by [`Self::renew`].
    pub async fn heartbeat(&self, command: Heartbeat) -> Done<HeartbeatAnswer, WorkerRefusal> {
        self.run(command).await
    }

    /// Keeps a one-time join code.
    pub async fn add_join_code(&self, command: AddJoinCode) -> Done<(), WorkerRefusal> {
        self.run(command).await
    }

    // Epochs

    /// Fixes the open epoch and opens the next; gives the same answer while that epoch is sealing.
    pub async fn begin_seal(&self, command: BeginSeal) -> Done<SealStart, EpochRefusal> {
        self.run(command).await
    }

    /// Leaves uncollectable jobs out; answers how many were left out that were not before.
    pub async fn drop_uncollectable(&self, command: DropUncollectable) -> Done<u64, EpochRefusal> {
        self.run(command).await
    }

    /// Moves jobs to the open epoch; answers how many were moved that were not before.
    pub async fn defer_jobs(&self, command: DeferJobs) -> Done<u64, EpochRefusal> {
        self.run(command).await
    }

    /// Keeps a signed seal; the same seal again is fine.
    pub async fn record_sealed(&self, command: RecordSealed) -> Done<EpochRecord, EpochRefusal> {
        self.run(command).await
    }

    /// Goes back to sealing with a new `sealed_at`.
    pub async fn reopen_seal(&self, command: ReopenSeal) -> Done<SealStart, EpochRefusal> {
        self.run(command).await
    }

    /// Remembers a settlement transaction; the same one again is fine.
    pub async fn record_submission(
        &self,
        command: RecordSubmission,
    ) -> Done<EpochRecord, EpochRefusal> {
        self.run(command).await
    }

    /// Ends an epoch whose window has closed: payees are credited, nothing of it can change.
    pub async fn finalise(&self, command: Finalise) -> Done<EpochRecord, EpochRefusal> {
        self.run(command).await
    }

    // Blobs, requests, webhooks, names

    /// Notes that an upload begins.
    pub async fn blob_begin(&self, command: BlobBegin) -> Done<BlobRecord, BlobRefusal> {
        self.run(command).await
    }

    /// Notes that an upload is whole.
    pub async fn blob_complete(&self, command: BlobComplete) -> Done<BlobRecord, BlobRefusal> {
        self.run(command).await
    }

    /// Notes that a blob was destroyed.
    pub async fn blob_deleted(&self, command: BlobDeleted) -> Done<BlobRecord, BlobRefusal> {
        self.run(command).await
    }

    /// Uses up a request's nonce.
    pub async fn use_request_nonce(&self, command: UseRequestNonce) -> Done<(), NonceRefusal> {
        self.run(command).await
    }

    /// Adds a webhook; the same again gives the same.
    pub async fn add_webhook(&self, command: AddWebhook) -> Done<Webhook, WebhookRefusal> {
        self.run(command).await
    }

    /// Removes a webhook.
    pub async fn remove_webhook(&self, command: RemoveWebhook) -> Done<(), WebhookRefusal> {
        self.run(command).await
    }

    /// Notes how a delivery went.
    pub async fn record_delivery(&self, command: RecordDelivery) -> Done<(), WebhookRefusal> {
        self.run(command).await
    }

    /// Keeps a name.
    pub async fn bind_name(&self, command: BindName) -> Done<(), Never> {
        self.run(command).await
    }

    // Queries: each sees one committed state.

    /// A job.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRecord>, LedgerError> {
        self.readers.read(move |c| sql::jobs::get(c, id)).await
    }

    /// How many open jobs order a model.
    pub async fn open_jobs_of_model(&self, model: B256) -> Result<u64, LedgerError> {
        self.readers
            .read(move |c| sql::jobs::open_of_model(c, model))
            .await
    }

    /// Jobs with the blobs of their results, one answer for each pair.
    pub async fn jobs_and_results(
        &self,
        pairs: Vec<(JobId, B256)>,
    ) -> Result<Vec<(Option<JobRecord>, Option<BlobRecord>)>, LedgerError> {
        self.readers
            .read(move |c| {
                let both =
                    |(job, result)| Ok((sql::jobs::get(c, job)?, sql::blobs::get(c, result)?));
                pairs.into_iter().map(both).collect()
            })
            .await
    }

    /// The job of a client's order, by the order's nonce.
    pub async fn job_of_order(
        &self,
        client: Address,
        nonce: u64,
    ) -> Result<Option<JobRecord>, LedgerError> {
        self.readers
            .read(move |c| sql::jobs::of_order(c, client, nonce))
            .await
    }

    /// A page of jobs, newest first; `after` is the last one of the page before.
    pub async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobRecord>, LedgerError> {
        self.readers
            .read(move |c| sql::jobs::page(c, &filter))
            .await
    }

    /// The live leases of a worker, for a bee that was restarted.
    pub async fn leases(&self, worker: Address, now: u64) -> Result<Vec<Lease>, LedgerError> {
        self.readers
            .read(move |c| sql::jobs::leases(c, worker, now))
            .await
    }

    /// What it takes to say why nobody has taken a job.
    pub async fn why_inputs(&self, id: JobId) -> Result<Option<WhyInputs>, LedgerError> {
        self.readers.read(move |c| sql::jobs::why(c, id)).await
    }

    /// A client's account at `now` (Unix seconds); `None` when nothing is known of it.
    pub async fn client(
        &self,
        client: Address,
        now: u64,
    ) -> Result<Option<ClientAccount>, LedgerError> {
        self.readers
            .read(move |c| sql::accounts::client(c, client, now))
            .await
    }

    /// A page of a client's history, newest first; `before` is the last id of the page before.
    pub async fn history(
        &self,
        client: Address,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::transfers::history(c, client, before, limit))
            .await
    }

    /// Keys that may sign new orders for a client, itself not among them. A removal counts at once.
    pub async fn order_signers(&self, client: Address) -> Result<Vec<Address>, LedgerError> {
        self.readers
            .read(move |c| sql::chain::order_signers(c, client))
            .await
    }

    /// Clients that have or had order signers, ascending: others' orders are signed by themselves.
    pub async fn delegating_clients(&self) -> Result<Vec<Address>, LedgerError> {
        self.readers.read(sql::chain::delegating).await
    }

    /// A worker.
    pub async fn worker(&self, worker: Address) -> Result<Option<WorkerRecord>, LedgerError> {
        self.readers
            .read(move |c| sql::workers::get(c, worker))
            .await
    }

    /// Every worker, ascending by address.
    pub async fn workers(&self) -> Result<Vec<WorkerRecord>, LedgerError> {
        self.readers.read(sql::workers::all).await
    }

    /// An epoch.
    pub async fn epoch(&self, id: EpochId) -> Result<Option<EpochRecord>, LedgerError> {
        self.readers.read(move |c| sql::epochs::get(c, id)).await
    }

    /// A page of epochs, newest first; `before` is the last one of the page before.
    pub async fn epochs(
        &self,
        before: Option<EpochId>,
        limit: u32,
    ) -> Result<Vec<EpochRecord>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::epochs::page(c, before, limit))
            .await
    }

    /// What a sealed epoch pays; `None` before it is sealed.
    pub async fn epoch_payouts(&self, id: EpochId) -> Result<Option<EpochPayouts>, LedgerError> {
        self.readers
            .read(move |c| sql::epochs::payouts(c, id))
            .await
    }

    /// A payee's pay in every sealed epoch that is not void, newest first.
    pub async fn payee_history(
        &self,
        payee: Address,
        limit: u32,
    ) -> Result<Vec<(EpochId, EpochState, MicroUsdc)>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::epochs::payee_history(c, payee, limit))
            .await
    }

    /// What an epoch in state sealing (or later) consists of; `None` while it is open.
    pub async fn seal_contents(&self, id: EpochId) -> Result<Option<SealContents>, LedgerError> {
        self.readers
            .read(move |c| sql::epochs::contents(c, id))
            .await
    }

    /// What receipts are made of, for `jobs` of an epoch that is not open: a page of its
    /// [`SealContents::jobs`].
    ///
    /// # Errors
    /// When the epoch does not settle one of them.
    pub async fn settled_jobs(
        &self,
        epoch: EpochId,
        jobs: Vec<JobId>,
    ) -> Result<Vec<SettledJob>, LedgerError> {
        self.readers
            .read(move |c| sql::outcomes::settled(c, epoch.0, &jobs))
            .await
    }

    /// Epochs that are sealed, submitted or included, oldest first.
    pub async fn outbox(&self) -> Result<Vec<OutboxEntry>, LedgerError> {
        self.readers.read(sql::outbox::entries).await
    }

    /// Where the ledger is on the chain, with at most `recent` kept blocks.
    pub async fn chain_cursor(&self, recent: u32) -> Result<ChainCursor, LedgerError> {
        self.readers
            .read(move |c| sql::chain::cursor(c, recent))
            .await
    }

    /// Whether the ledger was restored from a copy, and has not been compared with the chain since.
    pub async fn restored(&self) -> Result<bool, LedgerError> {
        self.readers.read(sql::chain::restored).await
    }

    /// Notes that a restored ledger was compared with the chain.
    pub async fn compared(&self) -> Done<(), Never> {
        self.run(Compared).await
    }

    /// Goes back to sealing with the chain's `sealed_at`; again is fine.
    pub async fn reopen_adopted(&self, command: ReopenAdopted) -> Done<SealStart, EpochRefusal> {
        self.run(command).await
    }

    /// Takes over jobs that the chain has settled; answers how many the ledger did not have, or not their end.
    pub async fn adopt_jobs(&self, command: AdoptJobs) -> Done<u64, AdoptRefusal> {
        self.run(command).await
    }

    /// Notes that an epoch that was sealed again is on the chain already.
    pub async fn adopt_settled(&self, command: AdoptSettled) -> Done<EpochRecord, EpochRefusal> {
        self.run(command).await
    }

    /// The first epoch that was settled on the chain and not by this ledger: then the ledger is an older copy than
    /// the chain, or another queen settles on the same escrow.
    pub async fn unknown_epoch(&self) -> Result<Option<UnknownEpoch>, LedgerError> {
        self.readers.read(sql::chain::unknown_epoch).await
    }

    /// A client's account on chain by the events up to and including `block`.
    pub async fn mirror(&self, client: Address, block: u64) -> Result<MirrorAccount, LedgerError> {
        self.readers
            .read(move |c| sql::chain::mirror(c, client, block))
            .await
    }

    /// Every client with an event on chain, ascending.
    pub async fn mirrored_clients(&self) -> Result<Vec<Address>, LedgerError> {
        self.readers.read(sql::chain::clients).await
    }

    /// Entries of the journal after `seq`, oldest first.
    pub async fn events_after(&self, seq: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::journal::after(c, seq, limit))
            .await
    }

    /// A blob's record.
    pub async fn blob(&self, sha256: B256) -> Result<Option<BlobRecord>, LedgerError> {
        self.readers.read(move |c| sql::blobs::get(c, sha256)).await
    }

    /// Blobs to destroy: inputs whose jobs ended, inputs and unfinished uploads from before
    /// `orphans_before` that no job uses, results from before `results_before` (Unix seconds).
    pub async fn retention_due(
        &self,
        orphans_before: u64,
        results_before: u64,
        limit: u32,
    ) -> Result<Vec<BlobRecord>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::blobs::due(c, orphans_before, results_before, limit))
            .await
    }

    /// A client's webhooks.
    pub async fn webhooks(&self, client: Address) -> Result<Vec<Webhook>, LedgerError> {
        self.readers
            .read(move |c| sql::webhooks::of(c, client))
            .await
    }

    /// Deliveries that are due at `now` (Unix seconds), oldest first.
    pub async fn deliveries_due(&self, now: u64, limit: u32) -> Result<Vec<Delivery>, LedgerError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        self.readers
            .read(move |c| sql::webhooks::due(c, now, limit))
            .await
    }

    /// The name bound to an address.
    pub async fn name_of(&self, address: Address) -> Result<Option<NameBinding>, LedgerError> {
        self.readers
            .read(move |c| sql::names::get(c, address))
            .await
    }

    /// Counters.
    pub async fn stats(&self) -> Result<Stats, LedgerError> {
        self.readers.read(sql::stats::get).await
    }

    /// Every invariant that does not hold; empty when all is well. Reads the whole ledger.
    pub async fn check(&self) -> Result<Vec<Violation>, LedgerError> {
        self.readers.read(crate::check::all).await
    }

    /// Writes a consistent copy to `to`, which must not exist, and syncs it to disk.
    pub async fn backup(&self, to: &Path) -> Result<(), LedgerError> {
        let to = to.to_owned();
        self.readers.read(move |c| backup::write(c, &to)).await
    }

    /// Every invariant that does not hold in the ledger at `path`, also while a queen has it open. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn check_file(path: &Path) -> Result<Vec<Violation>, LedgerError> {
        let conn = sql::open_reader(path)?;
        // One state for all questions.
        let tx = conn.unchecked_transaction()?;
        crate::check::all(&tx)
    }

    /// Writes a consistent copy of the ledger at `from` to `to`, also while a queen has it open. Blocks.
    ///
    /// # Errors
    /// When `from` cannot be read, or `to` exists or cannot be written.
    pub fn backup_file(from: &Path, to: &Path) -> Result<(), LedgerError> {
        backup::write(&sql::open_reader(from)?, to)
    }

    /// Puts a backup in place as the ledger `to`, which must not exist, after checking it. The chain may
    /// have gone on since: apply its blocks before sealing.
    ///
    /// # Errors
    /// When the backup is damaged or the place is taken.
    pub fn restore(from: &Path, to: &Path) -> Result<(), LedgerError> {
        backup::restore(from, to)
    }
}
