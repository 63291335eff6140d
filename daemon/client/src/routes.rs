//! The routes, one method each. Lists that grow without end come as [`Page`]s; the others as plain arrays.

use std::time::Duration;

use reqwest::Method;
use swarm_types::api::*;
use swarm_types::{Address, B256, EpochId, JobId};

use crate::ClientError;
use crate::http::{Call, QueenClient, read_limited, shown};

/// Longest time the queen may take beyond what a long-poll asked for.
const POLL_GRACE: Duration = Duration::from_secs(15);
/// Largest lease.
const LEASE_BYTES_MAX: u64 = 1 << 20;
/// Largest page of metrics.
const METRICS_BYTES_MAX: u64 = 4 << 20;
/// Largest file of an epoch bundle.
const BUNDLE_FILE_BYTES_MAX: u64 = 256 << 20;

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this client only.
    pub client: Option<Address>,
    /// In this state only.
    pub status: Option<JobStatus>,
    /// After this place ([`Page::next`]).
    pub after: Option<String>,
    /// At most this many.
    pub limit: Option<u32>,
}

type Answer<T> = Result<T, ClientError>;

/// What the queen is and offers.
impl QueenClient {
    /// Chain, escrow, limits.
    pub async fn info(&self) -> Answer<Info> {
        self.json(Call::get(self.url(&["info"]))).await
    }

    /// Whether the queen is well.
    pub async fn health(&self) -> Answer<Health> {
        self.json(Call::get(self.root_url(&["health"]))).await
    }

    /// Numbers about jobs, bees and revenue.
    pub async fn stats(&self) -> Answer<Stats> {
        self.json(Call::get(self.url(&["stats"]))).await
    }

    /// Her counters, in Prometheus' text format.
    pub async fn metrics(&self) -> Answer<Vec<u8>> {
        let url = self.root_url(&["metrics"]);
        let from = shown(&url);
        let response = self.send(Call::get(url)).await?;
        read_limited(response, &from, METRICS_BYTES_MAX).await
    }

    /// The site's power.
    pub async fn power(&self) -> Answer<SitePower> {
        self.json(Call::get(self.url(&["power"]))).await
    }

    /// Models that can be ordered.
    pub async fn models(&self) -> Answer<Vec<ModelInfo>> {
        self.json(Call::get(self.url(&["models"]))).await
    }

    /// A signed price.
    pub async fn quote(&self, request: &QuoteRequest) -> Answer<Quote> {
        self.json(Call::post(self.url(&["quotes"]), request).repeatable())
            .await
    }

    /// The bees to which an input for `model` must be encrypted.
    pub async fn recipients(&self, model: B256) -> Answer<Vec<Recipient>> {
        let mut url = self.url(&["recipients"]);
        url.query_pairs_mut()
            .append_pair("model", &model.to_string());
        self.json(Call::get(url)).await
    }
}

/// Jobs.
impl QueenClient {
    /// Submits an order. Safe to repeat: the same nonce with the same body gives the first answer.
    pub async fn submit(&self, job: &SubmitJob) -> Answer<Job> {
        self.json(Call::post(self.url(&["jobs"]), job).repeatable())
            .await
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Answer<Job> {
        self.json(Call::get(self.url(&["jobs", &id.to_string()])))
            .await
    }

    /// Jobs, newest first, a page at a time.
    pub async fn jobs(&self, filter: &JobFilter) -> Answer<Page<Job>> {
        let mut url = self.url(&["jobs"]);
        query(&mut url, "client", filter.client.map(|c| format!("{c:#x}")));
        query(&mut url, "status", filter.status);
        query(&mut url, "after", filter.after.as_ref());
        query(&mut url, "limit", filter.limit);
        self.json(Call::get(url)).await
    }

    /// Where the result of a completed job is. Signed by its client.
    pub async fn result(&self, id: JobId) -> Answer<JobResult> {
        self.json(Call::get(self.url(&["jobs", &id.to_string(), "result"])).signed())
            .await
    }

    /// The receipt and its proof, once the job's epoch is sealed.
    pub async fn receipt(&self, id: JobId) -> Answer<ReceiptProof> {
        self.json(Call::get(self.url(&["jobs", &id.to_string(), "receipt"])))
            .await
    }

    /// Why a job waits.
    pub async fn why(&self, id: JobId) -> Answer<Why> {
        self.json(Call::get(self.url(&["jobs", &id.to_string(), "why"])))
            .await
    }

    /// Cancels a job that no bee has begun. Signed by its client.
    pub async fn cancel(&self, id: JobId) -> Answer<Job> {
        let url = self.url(&["jobs", &id.to_string(), "cancel"]);
        self.json(Call::new(Method::POST, url).signed().repeatable())
            .await
    }
}

/// What a bee calls. Every request is signed by its key.
impl QueenClient {
    /// Says who the bee is; answers what it still holds.
    pub async fn register(&self, worker: &RegisterWorker) -> Answer<Registered> {
        let url = self.url(&["workers", "register"]);
        self.json(Call::post(url, worker).signed().repeatable())
            .await
    }

    /// Says that the bee lives. Sent once: a late repetition would say what is no longer so.
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Answer<HeartbeatAnswer> {
        self.json(Call::post(self.url(&["workers", "heartbeat"]), heartbeat).signed())
            .await
    }

    /// Waits for work, at most `jobs_max` jobs. Empty when there was none in time.
    pub async fn lease(&self, wait: Duration, jobs_max: u32) -> Answer<Vec<Lease>> {
        let request = LeaseRequest {
            wait_seconds: wait.as_secs().min(POLL_SECONDS_MAX) as u32,
            jobs_max: jobs_max.clamp(1, JOBS_AT_ONCE_MAX),
        };
        let url = self.url(&["workers", "lease"]);
        let from = shown(&url);
        let call = Call::post(url, &request)
            .signed()
            .time_max(wait + POLL_GRACE);
        let response = self.send(call).await?;
        if response.status() == reqwest::StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        let limit = LEASE_BYTES_MAX * u64::from(request.jobs_max);
        let bytes = read_limited(response, &from, limit).await?;
        let answer = serde_json::from_slice(&bytes);
        answer
            .map(|Leases { leases }| leases)
            .map_err(|source| ClientError::Answer { url: from, source })
    }

    /// Takes one named job.
    pub async fn claim(&self, id: JobId) -> Answer<Lease> {
        let url = self.url(&["jobs", &id.to_string(), "claim"]);
        self.json(Call::post(url, &ClaimJob {}).signed()).await
    }

    /// Says how far a job is. Sent once: the next report says more.
    pub async fn progress(&self, id: JobId, progress: &JobProgress) -> Answer<()> {
        let url = self.url(&["jobs", &id.to_string(), "progress"]);
        self.done(Call::post(url, progress).signed()).await
    }

    /// Delivers. Safe to repeat.
    pub async fn complete(&self, id: JobId, done: &CompleteJob) -> Answer<Job> {
        let url = self.url(&["jobs", &id.to_string(), "complete"]);
        self.json(Call::post(url, done).signed().repeatable()).await
    }

    /// Delivers several jobs; one answer for each. Safe to repeat.
    pub async fn complete_all(&self, done: &CompleteJobs) -> Answer<Completions> {
        let url = self.url(&["workers", "complete"]);
        self.json(Call::post(url, done).signed().repeatable()).await
    }

    /// Gives a job up. Safe to repeat.
    pub async fn fail(&self, id: JobId, failed: &FailJob) -> Answer<()> {
        let url = self.url(&["jobs", &id.to_string(), "fail"]);
        self.done(Call::post(url, failed).signed().repeatable())
            .await
    }
}

/// The operator's side of bees and epochs.
impl QueenClient {
    /// Every bee.
    pub async fn workers(&self) -> Answer<Vec<Worker>> {
        self.json(Call::get(self.url(&["workers"]))).await
    }

    /// What a bee said in its heartbeats of late, oldest first.
    pub async fn samples(&self, worker: Address) -> Answer<Vec<WorkerSample>> {
        let url = self.url(&["workers", &format!("{worker:#x}"), "samples"]);
        self.json(Call::get(url)).await
    }

    /// Lets a bee work, for `payee`. Signed by the operator.
    pub async fn approve(&self, worker: Address, payee: Address) -> Answer<Worker> {
        let url = self.url(&["workers", &format!("{worker:#x}"), "approve"]);
        self.json(
            Call::post(url, &ApproveWorker { payee })
                .signed()
                .repeatable(),
        )
        .await
    }

    /// Lets a bee finish and take nothing new, or work again. Signed by the operator.
    pub async fn drain(&self, worker: Address, drain: bool) -> Answer<Worker> {
        let url = self.url(&["workers", &format!("{worker:#x}"), "drain"]);
        self.json(
            Call::post(url, &DrainWorker { drain })
                .signed()
                .repeatable(),
        )
        .await
    }

    /// A one-time code with which a bee joins approved. Signed by the operator.
    pub async fn join_code(&self) -> Answer<JoinCode> {
        let url = self.url(&["workers", "join-codes"]);
        self.json(Call::new(Method::POST, url).signed()).await
    }

    /// Seals the open epoch now. Signed by the operator.
    pub async fn seal_now(&self) -> Answer<SealAnswer> {
        let url = self.url(&["epochs", "seal"]);
        self.json(Call::new(Method::POST, url).signed()).await
    }
}

/// Clients. `id` is an address, or a name that the chain resolves.
impl QueenClient {
    /// A client's account and name.
    pub async fn client(&self, id: &str) -> Answer<Client> {
        self.json(Call::get(self.url(&["clients", id]))).await
    }

    /// What a client has and may spend.
    pub async fn balance(&self, id: &str) -> Answer<Balance> {
        self.json(Call::get(self.url(&["clients", id, "balance"])))
            .await
    }

    /// What moved a client's money, newest first, a page at a time.
    pub async fn history(
        &self,
        id: &str,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Answer<Page<HistoryLine>> {
        let mut url = self.url(&["clients", id, "history"]);
        query(&mut url, "after", after);
        query(&mut url, "limit", limit);
        self.json(Call::get(url)).await
    }

    /// Where a deposit stands.
    pub async fn topup(&self, id: &str, transaction: B256) -> Answer<TopUpStatus> {
        let url = self.url(&["clients", id, "topup"]);
        self.json(Call::post(url, &TopUp { transaction }).repeatable())
            .await
    }

    /// Has the client's job events posted to `webhook`. Signed by the client.
    pub async fn webhook(&self, webhook: &Webhook) -> Answer<()> {
        self.done(Call::post(self.url(&["webhooks"]), webhook).signed())
            .await
    }
}

/// Epochs.
impl QueenClient {
    /// Epochs, newest first, a page at a time.
    pub async fn epochs(&self, after: Option<&str>, limit: Option<u32>) -> Answer<Page<Epoch>> {
        let mut url = self.url(&["epochs"]);
        query(&mut url, "after", after);
        query(&mut url, "limit", limit);
        self.json(Call::get(url)).await
    }

    /// The open epoch.
    pub async fn epoch_current(&self) -> Answer<Epoch> {
        self.json(Call::get(self.url(&["epochs", "current"]))).await
    }

    /// One epoch.
    pub async fn epoch(&self, id: EpochId) -> Answer<Epoch> {
        self.json(Call::get(self.url(&["epochs", &id.to_string()])))
            .await
    }

    /// Who is credited by an epoch.
    pub async fn epoch_payouts(&self, id: EpochId) -> Answer<Vec<EpochPayout>> {
        self.json(Call::get(self.url(&["epochs", &id.to_string(), "payouts"])))
            .await
    }

    /// The jobs that an epoch settles, a page at a time.
    pub async fn epoch_jobs(
        &self,
        id: EpochId,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Answer<Page<Job>> {
        let mut url = self.url(&["epochs", &id.to_string(), "jobs"]);
        query(&mut url, "after", after);
        query(&mut url, "limit", limit);
        self.json(Call::get(url)).await
    }

    /// A raw file of an epoch's bundle, such as `SUMMARY.json` or `jobs/00000.json`.
    pub async fn bundle_file(&self, id: EpochId, file: &str) -> Answer<Vec<u8>> {
        let id = id.to_string();
        let mut segments = vec!["epochs", &id, "bundle"];
        segments.extend(file.split('/'));
        let url = self.url(&segments);
        let from = shown(&url);
        let response = self.send(Call::get(url)).await?;
        read_limited(response, &from, BUNDLE_FILE_BYTES_MAX).await
    }
}

fn query(url: &mut reqwest::Url, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, &value.to_string());
    }
}
