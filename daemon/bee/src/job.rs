//! One job: fetch, compute, upload, complete; or the reason why not.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::SignerSync;
use swarm_client::{ClientError, UploadFor};
use swarm_inference::Stage;
use swarm_store::age::Recipient;
use swarm_types::api::{BlobRef, CompleteJob, FailJob, Lease};
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Signature65, digest};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::bee::{Held, Inner};
use crate::device;
use crate::progress::{self, FETCH, Step, UPLOAD};
use crate::work::{self, Done, Failure};

/// Pause after the queen did not answer; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// How a job ended without being completed.
enum End {
    /// Tell the queen.
    Failed(Failure),
    /// Somebody else has it, or nobody needs it any more.
    Lost,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Goes on asking a queen who is away, until the order's deadline.
struct Patience {
    until: u64,
    pause: Duration,
}

impl Patience {
    fn new(lease: &Lease) -> Self {
        Self {
            until: lease.order.order.deadline,
            pause: PAUSE_FIRST,
        }
    }

    /// Waits before another attempt, or gives the error back when there should be none.
    async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !error.is_transient() || work::unix_seconds() >= self.until {
            return Err(error);
        }
        tracing::warn!(error = work::explain(&error), pause = ?self.pause, "the queen did not answer; trying again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

impl Inner {
    /// Works on a lease until it is completed, failed, lost or given back.
    pub(crate) async fn work_on(
        self: &Arc<Self>,
        lease: Lease,
        held: Held,
        place: OwnedSemaphorePermit,
    ) {
        let job = lease.job_id;
        tracing::info!(%job, attempt = lease.attempt, "begins");
        // Cancel-safe: dropping the work drops its requests; a computation goes on in its thread and is then ignored.
        let ended = tokio::select! {
            biased;
            () = held.lost.cancelled() => Err(End::Lost),
            () = self.give_back.cancelled() => {
                Err(Failure::passing("the bee was stopped before the job was done").into())
            }
            done = self.do_job(&lease) => done,
        };
        match ended {
            Ok(()) => {
                self.metrics.completed();
                tracing::info!(%job, "completed");
            }
            Err(End::Lost) => {
                self.metrics.lost();
                tracing::warn!(%job, "the lease was lost; dropped");
            }
            Err(End::Failed(failure)) => {
                self.metrics.failed();
                swarm_faults::point("bee.failure.found");
                tracing::warn!(%job, reason = failure.reason, retryable = failure.retryable, "failed");
                tokio::select! {
                    () = held.lost.cancelled() => {}
                    () = self.tell_failure(&lease, failure) => {}
                }
            }
        }
        drop(place);
    }

    async fn do_job(self: &Arc<Self>, lease: &Lease) -> Result<(), End> {
        let reply_to = self.check(lease)?;
        let (steps, seen) = watch::channel::<Step>(("fetch", 0));
        let token = lease.token.clone();
        let interval = self.live().progress_interval;
        let report = progress::report(self.queen.clone(), lease.job_id, token, seen, interval);
        let _report = AbortOnDropHandle::new(tokio::spawn(report));

        let model = &lease.order.order.model;
        if let Some(cache) = self.cache.as_ref().filter(|cache| cache.has(model)) {
            cache.touch(model);
        }
        swarm_faults::point("bee.lease.taken");
        let ciphertext = self.fetch(lease, &steps).await?;
        swarm_faults::point("bee.input.fetched");
        let done = self.compute(lease, ciphertext, reply_to, &steps).await?;
        swarm_faults::point("bee.result.computed");
        let result = self.upload(lease, &done, &steps).await?;
        swarm_faults::point("bee.result.uploaded");
        let complete = self.execution(lease, done, result)?;
        swarm_faults::point("bee.execution.signed");
        self.complete(lease, &complete).await?;
        swarm_faults::point("bee.complete.answered");
        Ok(())
    }

    /// What can be refused before anything is fetched.
    fn check(&self, lease: &Lease) -> Result<Recipient, Failure> {
        if self.models.takes(&lease.order.order.model).is_none() {
            return Err(Failure::passing("this bee does not have the model"));
        }
        let max = self.live().input_bytes_max;
        if lease.input.size > max {
            return Err(Failure::passing(format!(
                "the input is larger than the {max} bytes that this bee takes"
            )));
        }
        let reply_to = lease.reply_to.parse();
        reply_to.map_err(|_| Failure::lasting("reply_to is not an age recipient"))
    }

    async fn fetch(&self, lease: &Lease, steps: &watch::Sender<Step>) -> Result<Vec<u8>, End> {
        let mut patience = Patience::new(lease);
        let mut told = |done: u64, of: u64| {
            let part = done as f32 / of.max(1) as f32;
            self.moved();
            steps.send_replace(("fetch", progress::within(FETCH, part)));
        };
        loop {
            match self.queen.download_blob(lease.input, &mut told).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => patience
                    .after(error)
                    .await
                    .map_err(|error| refused("fetched", &error))?,
            }
        }
    }

    /// Waits for a free engine and computes.
    async fn compute(
        self: &Arc<Self>,
        lease: &Lease,
        ciphertext: Vec<u8>,
        reply_to: Recipient,
        steps: &watch::Sender<Step>,
    ) -> Result<Done, Failure> {
        let permit = self
            .compute
            .clone()
            .acquire_owned()
            .await
            .expect("never closed");
        let (inner, lease, steps) = (self.clone(), lease.clone(), steps.clone());
        let compute = move || {
            let mut told = |stage: Stage, part: f32| {
                if stage == Stage::Infer && part > 0.0 {
                    inner.health.ran();
                }
                inner.moved();
                steps.send_replace(progress::step(stage, part));
            };
            let mut crashed = false;
            let models = inner.models.as_ref();
            let began = inner.power.now();
            let energy = inner.energy.start();
            let mut done = work::compute(
                models,
                &inner.identity,
                &lease,
                ciphertext,
                &reply_to,
                &mut told,
                &|| inner.power.record(began),
                &mut crashed,
            );
            if crashed {
                inner.health.failed("a computation crashed".into());
            }
            if let Ok(done) = &mut done {
                done.energy = energy.stop();
                let millijoules = done.energy.map(|energy| energy.millijoules);
                inner.metrics.executed(done.execution_ms, millijoules);
            }
            done
        };
        let done = work::on_thread("compute", permit, compute).await;
        // A reader that panics on this input would do so again.
        done.unwrap_or_else(|| Err(Failure::lasting("the input could not be read")))
    }

    async fn upload(
        &self,
        lease: &Lease,
        done: &Done,
        steps: &watch::Sender<Step>,
    ) -> Result<BlobRef, End> {
        let mut patience = Patience::new(lease);
        let mut told = |done: u64, of: u64| {
            let part = done as f32 / of.max(1) as f32;
            self.moved();
            steps.send_replace(("upload", progress::within(UPLOAD, part)));
        };
        loop {
            match self
                .queen
                .upload_blob_for(
                    UploadFor::Job(lease.job_id),
                    done.ciphertext.clone(),
                    &mut told,
                )
                .await
            {
                Ok(blob) => return Ok(blob),
                Err(error) => patience
                    .after(error)
                    .await
                    .map_err(|error| refused("stored", &error))?,
            }
        }
    }

    /// States and signs what ran.
    fn execution(
        &self,
        lease: &Lease,
        done: Done,
        result: BlobRef,
    ) -> Result<CompleteJob, Failure> {
        let salted = digest::salted(&lease.salt, &done.manifest);
        let execution = Execution {
            job_epoch: lease.job_id.epoch,
            job_seq: lease.job_id.seq,
            order: lease.order.commitment(),
            model: lease.order.order.model,
            input: lease.order.order.input,
            result: salted,
            engine: swarm_types::sha256(&done.engine),
            device: device::digest(&self.device),
            started_at: done.started_at,
            completed_at: done.completed_at,
            energy_millijoules: match done.energy {
                Some(energy) => energy.millijoules,
                None => ENERGY_UNKNOWN,
            },
            power: done.power.digest(),
        };
        let standing = self
            .standing
            .borrow()
            .clone()
            .expect("a lease comes after the registration");
        let signature = self
            .signer
            .sign_hash_sync(&execution.digest(&standing.domain));
        let signature = signature.map_err(|_| Failure::passing("the bee's key did not sign"))?;
        let worker = format!("{:#x}", self.signer.address());
        Ok(CompleteJob {
            token: lease.token.clone(),
            worker_signature: Signature65::from(signature),
            result,
            manifest: done.manifest,
            engine: done.engine,
            power: done.power,
            poe_hash: digest::poe_hash(lease.job_id, &execution.result, &worker),
            execution_ms: done.execution_ms,
            execution,
        })
    }

    /// Delivers until it is answered.
    async fn complete(&self, lease: &Lease, complete: &CompleteJob) -> Result<(), End> {
        let mut patience = Patience::new(lease);
        loop {
            match self.queen.complete(lease.job_id, complete).await {
                Ok(_) => return Ok(()),
                Err(error) => patience
                    .after(error)
                    .await
                    .map_err(|error| refused("accepted", &error))?,
            }
        }
    }

    async fn tell_failure(&self, lease: &Lease, failure: Failure) {
        let mut patience = Patience::new(lease);
        let failed = FailJob {
            token: lease.token.clone(),
            reason: failure.reason,
            retryable: failure.retryable,
        };
        while let Err(error) = self.queen.fail(lease.job_id, &failed).await {
            if let Err(error) = patience.after(error).await {
                tracing::warn!(job = %lease.job_id, %error, "the queen did not take the failure");
                return;
            }
        }
    }
}

/// The queen's refusal as the end of a job. A conflict means that the lease is not ours any more. The reason goes to
/// the client, so it does not say where the queen is.
fn refused(what: &str, error: &ClientError) -> End {
    tracing::warn!(error = work::explain(error), "not {what}");
    match (error.status(), error.problem()) {
        (Some(404 | 409 | 410), _) => End::Lost,
        (_, Some(problem)) => {
            Failure::passing(format!("it could not be {what}: {}", problem.detail)).into()
        }
        _ => Failure::passing(format!("it could not be {what}: the queen did not answer")).into(),
    }
}
