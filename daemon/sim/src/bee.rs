//! What a bee does: it registers, beats, polls, works, lies, dies.

use swarm_types::api::{
    BlobRef, BlobUpload, CompleteJob, Device, FailJob, Heartbeat, HeartbeatAnswer, JobProgress,
    Lease, LeaseRequest, RegisterWorker, Registered, recipient_message,
};
use swarm_types::digest::{poe_hash, salted};
use swarm_types::eip712::Domain;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{B256, JobId, hex, sha256};

use crate::http::Ask;
use crate::node::genesis::ESCROW;
use crate::node::state::CHAIN_ID;
use crate::people::{self, OPERATOR};
use crate::world::{Broken, Held, Waiting, World};

/// What every bee runs.
const ENGINE: &str = "simulated engine 1";
/// Recipients of the bees' keys; the keys are nowhere, because nothing is encrypted here.
const RECIPIENTS: [&str; people::BEES] = [
    "age1q4gh2t0gmn23w5e5ww4le8cc5nwyae2mlfupd6ghra35e8uycn0snx4fea",
    "age15q9zuuuczj583kx3c0007e6nm2d00u8v9xtshzv2hn2mwhrzhcas79tr3n",
    "age1k75tqwgt93m2sksw6tkr80572ht0snv47vh40jfxupu4wanaezwsag8zgu",
];
/// Completions that a bee remembers to send again.
const SENT_MAX: usize = 8;

/// A bee.
pub struct Bee {
    n: usize,
    /// Whether its process runs.
    pub alive: bool,
    /// What it holds, or believes to hold.
    pub held: Vec<Lease>,
    /// Its long-poll.
    pub poll: Option<Waiting>,
    /// Completions that it sent.
    sent: Vec<(JobId, CompleteJob)>,
}

/// What is wrong with a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Signed by somebody else.
    Signature,
    /// The result's digest is not the manifest's.
    Result,
    /// Of another job.
    Job,
    /// Completed in the queen's future.
    Future,
    /// The order's commitment is another.
    Order,
}

impl Bee {
    /// Bee `n`, which nobody knows yet.
    pub fn new(n: usize) -> Self {
        Self {
            n,
            alive: true,
            held: Vec::new(),
            poll: None,
            sent: Vec::new(),
        }
    }

    fn key(&self) -> usize {
        people::bee(self.n)
    }
}

impl World {
    /// A bee does something.
    pub async fn bee_acts(&mut self) -> Held {
        let Some(n) = self.rng.index(people::BEES) else {
            return Ok(());
        };
        if !self.bees[n].alive {
            if self.rng.chance(40) {
                self.bees[n].alive = true;
                self.say(format!("bee {n} starts again"));
                self.register(n).await?;
            }
            return Ok(());
        }
        match self.rng.below(100) {
            0..4 => self.beat(n).await,
            4..36 => {
                let wait = self.rng.pick(&[0, 0, 5, 30]).copied().unwrap_or(0);
                self.poll(n, wait).await
            }
            36..44 => self.progress(n).await,
            44..82 => self.complete_one(n, None).await,
            82..88 => {
                let lies = [
                    Lie::Signature,
                    Lie::Result,
                    Lie::Job,
                    Lie::Future,
                    Lie::Order,
                ];
                let lie = self.rng.pick(&lies).copied();
                self.complete_one(n, lie).await
            }
            88..93 => self.complete_again(n).await,
            93..96 => self.fail_one(n).await,
            96..98 => {
                self.say(format!("bee {n} is killed"));
                self.stats.note("bees killed");
                let bee = &mut self.bees[n];
                (bee.alive, bee.poll) = (false, None);
                bee.held.clear();
                self.quiet().await
            }
            _ => self.register(n).await,
        }
    }

    /// Registers bee `n`, as at each of its starts; it takes up what it held.
    pub async fn register(&mut self, n: usize) -> Held {
        let wallet = people::wallet(self.bees[n].key());
        let recipient = RECIPIENTS[n];
        let registration = RegisterWorker {
            name: format!("bee-{n}"),
            recipient: recipient.into(),
            recipient_signature: wallet.sign_message(recipient_message(recipient).as_bytes()),
            device: Device {
                name: "cpu".into(),
                uuid: None,
                memory_mib: 1_024,
            },
            models: vec![self.model_digest()],
            engines: vec![ENGINE.into()],
            concurrency: 1 + n as u32,
            version: "0.1.0".into(),
            join_code: None,
            payee: None,
        };
        let ask = Ask::json("POST", "/api/v1/workers/register", &registration);
        let reply = self.signed(self.bees[n].key(), ask).await?;
        let Some(reply) = reply.filter(|reply| reply.status == 200) else {
            return Ok(());
        };
        let registered: Registered = reply.json().map_err(Broken)?;
        self.say(format!(
            "bee {n} registers, {} leases",
            registered.leases.len()
        ));
        self.bees[n].held.clear();
        for lease in registered.leases {
            self.leased(n, lease)?;
        }
        Ok(())
    }

    /// The operator lets bee `n` work.
    pub async fn approve(&mut self, n: usize) -> Held {
        let worker = people::address(self.bees[n].key());
        let payee = people::address(people::payee(n));
        let path = format!("/api/v1/workers/{worker:#x}/approve");
        let ask = Ask::json("POST", path, &swarm_types::api::ApproveWorker { payee });
        let reply = self.signed(OPERATOR, ask).await?;
        let words = reply.map_or_else(|| "no answer".to_owned(), |reply| reply.words());
        self.say(format!("bee {n} is approved: {words}"));
        Ok(())
    }

    /// Bee `n` got a lease.
    pub fn leased(&mut self, n: usize, lease: Lease) -> Held {
        let token = token(&lease)?;
        self.model.leased(lease.job_id, token)?;
        self.stats.note("leases");
        self.say(format!("bee {n} holds {} by lease {token}", lease.job_id));
        let held = &mut self.bees[n].held;
        held.retain(|other| other.job_id != lease.job_id);
        held.push(lease);
        Ok(())
    }

    /// A heartbeat of bee `n`.
    pub async fn beat(&mut self, n: usize) -> Held {
        let ready = self.rng.chance(95);
        let leases = self.bees[n].held.iter().map(|lease| lease.token.clone());
        let beat = Heartbeat {
            ready,
            not_ready_reason: (!ready).then(|| "the self-check failed".into()),
            draining: false,
            leases: leases.collect(),
            warm_models: Vec::new(),
            model_faults: Vec::new(),
            utilisation_percent: None,
            memory_used_mib: None,
            temperature_celsius: None,
            power_milliwatts: None,
        };
        let ask = Ask::json("POST", "/api/v1/workers/heartbeat", &beat);
        let Some(reply) = self.signed(self.bees[n].key(), ask).await? else {
            return Ok(());
        };
        self.say(format!("bee {n} beats: {}", reply.words()));
        match reply.status {
            200 => {
                let answer: HeartbeatAnswer = reply.json().map_err(Broken)?;
                // Some bees do not listen, and work on.
                if self.rng.chance(60) {
                    let held = &mut self.bees[n].held;
                    held.retain(|lease| !answer.lost.contains(&lease.token));
                }
                Ok(())
            }
            // A queen who went on from an old backup may not know it.
            403 => {
                self.register(n).await?;
                self.approve(n).await
            }
            _ => Ok(()),
        }
    }

    /// Bee `n` asks for work, and waits `seconds` for it.
    pub async fn poll(&mut self, n: usize, seconds: u32) -> Held {
        if self.bees[n].poll.is_some() {
            return Ok(());
        }
        let request = LeaseRequest {
            wait_seconds: seconds,
            jobs_max: 1 + n as u32,
        };
        let ask = Ask::json("POST", "/api/v1/workers/lease", &request);
        self.bees[n].poll = self.begin_signed(self.bees[n].key(), ask);
        self.quiet().await
    }

    async fn progress(&mut self, n: usize) -> Held {
        let Some(lease) = self.rng.pick(&self.bees[n].held).cloned() else {
            return Ok(());
        };
        let report = JobProgress {
            token: lease.token,
            stage: "infer".into(),
            progress_bps: 5_000,
        };
        let path = format!("/api/v1/jobs/{}/progress", lease.job_id);
        let reply = self.signed(self.bees[n].key(), Ask::json("POST", path, &report));
        let words = reply.await?.map_or("-".to_owned(), |reply| reply.words());
        self.say(format!("bee {n} goes on with {}: {words}", lease.job_id));
        Ok(())
    }

    async fn fail_one(&mut self, n: usize) -> Held {
        let Some(lease) = self.rng.pick(&self.bees[n].held).cloned() else {
            return Ok(());
        };
        let failed = FailJob {
            token: lease.token.clone(),
            reason: "the device vanished".into(),
            retryable: self.rng.chance(70),
        };
        let path = format!("/api/v1/jobs/{}/fail", lease.job_id);
        let reply = self.signed(self.bees[n].key(), Ask::json("POST", path, &failed));
        let words = reply.await?.map_or("-".to_owned(), |reply| reply.words());
        self.say(format!("bee {n} fails {}: {words}", lease.job_id));
        self.bees[n].held.retain(|other| other.token != lease.token);
        Ok(())
    }

    /// Uploads `bytes` in one or two pieces; `None` when it did not get there.
    pub async fn upload(
        &mut self,
        who: usize,
        query: &str,
        bytes: Vec<u8>,
    ) -> Held<Option<BlobRef>> {
        let blob = BlobRef {
            sha256: sha256(&bytes),
            size: bytes.len() as u64,
        };
        let path = format!("/api/v1/blobs/{}", hex::encode(blob.sha256));
        let begin = BlobUpload { size: blob.size };
        let ask = Ask::json("PUT", format!("{path}{query}"), &begin);
        let begun = self.signed(who, ask).await?;
        if begun.is_none_or(|reply| reply.status != 200) {
            return Ok(None);
        }
        let cut = if self.rng.chance(10) {
            bytes.len() / 2
        } else {
            0
        };
        for (offset, piece) in [(0, &bytes[..cut]), (cut, &bytes[cut..])] {
            if piece.is_empty() {
                continue;
            }
            let ask = Ask {
                method: "PATCH",
                path: path.clone(),
                body: piece.to_vec(),
                offset: Some(offset as u64),
            };
            let reply = self.signed(who, ask).await?;
            if reply.is_none_or(|reply| reply.status != 200) {
                return Ok(None);
            }
        }
        Ok(Some(blob))
    }

    /// Bee `n` completes one of the jobs it holds, as it should or with a lie.
    async fn complete_one(&mut self, n: usize, lie: Option<Lie>) -> Held {
        let Some(lease) = self.rng.pick(&self.bees[n].held).cloned() else {
            return Ok(());
        };
        self.finish(n, &lease, lie).await
    }

    /// Bee `n` completes what it holds by `lease`.
    pub async fn complete_well(&mut self, n: usize, lease: &Lease) -> Held {
        self.finish(n, lease, None).await
    }

    async fn finish(&mut self, n: usize, lease: &Lease, lie: Option<Lie>) -> Held {
        let bytes = self.rng.bytes32().to_vec();
        let query = format!("?job={}", lease.job_id);
        let Some(result) = self.upload(self.bees[n].key(), &query, bytes).await? else {
            self.say(format!("bee {n} cannot bring a result of {}", lease.job_id));
            return Ok(());
        };
        let done = self.completion(n, lease, result, lie);
        if lie.is_none() {
            let digest = done.execution.digest(&self.domain());
            self.model
                .offered
                .entry(lease.job_id)
                .or_default()
                .insert(digest);
            let sent = &mut self.bees[n].sent;
            sent.push((lease.job_id, done.clone()));
            if sent.len() > SENT_MAX {
                sent.remove(0);
            }
        }
        self.send_completion(n, lease.job_id, done, lie).await
    }

    /// A completion that was sent comes again, maybe much later.
    async fn complete_again(&mut self, n: usize) -> Held {
        let Some((job, done)) = self.rng.pick(&self.bees[n].sent).cloned() else {
            return Ok(());
        };
        self.stats.note("completions sent again");
        self.send_completion(n, job, done, None).await
    }

    async fn send_completion(
        &mut self,
        n: usize,
        job: JobId,
        done: CompleteJob,
        lie: Option<Lie>,
    ) -> Held {
        let path = format!("/api/v1/jobs/{job}/complete");
        let ask = Ask::json("POST", path, &done);
        let Some(reply) = self.signed(self.bees[n].key(), ask).await? else {
            self.say(format!("bee {n} completes {job}: no answer"));
            return Ok(());
        };
        self.say(format!(
            "bee {n} completes {job} ({lie:?}): {}",
            reply.words()
        ));
        if reply.status != 200 {
            self.stats.note("completions refused");
            return Ok(());
        }
        if let Some(lie) = lie {
            return Err(Broken(format!(
                "{job}: a completion with a wrong {lie:?} was taken"
            )));
        }
        if self.rng.chance(6) {
            // The answer is lost: the bee keeps the job and tries again.
            return Ok(());
        }
        self.stats.note("completions taken");
        let token = done.token.parse().unwrap_or(0);
        let execution = done.execution.digest(&self.domain());
        self.model.complete(job, token, execution)?;
        self.bees[n].held.retain(|lease| lease.job_id != job);
        Ok(())
    }

    fn completion(
        &mut self,
        n: usize,
        lease: &Lease,
        result: BlobRef,
        lie: Option<Lie>,
    ) -> CompleteJob {
        let key = self.bees[n].key();
        let manifest = sha256(result.sha256);
        let power = PowerRecord::unknown();
        // A bee takes the queen's time, as it must to be believed.
        let now = self.queens_seconds();
        let mut execution = Execution {
            job_epoch: lease.job_id.epoch,
            job_seq: lease.job_id.seq,
            order: lease.order.commitment(),
            model: lease.order.order.model,
            input: lease.order.order.input,
            result: salted(&lease.salt, &manifest),
            engine: sha256(ENGINE),
            device: sha256("cpu:simulated"),
            started_at: now.saturating_sub(2),
            completed_at: now.saturating_add_signed(self.rng.range(0, 60) as i64 - 30),
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        };
        execution.started_at = execution.started_at.min(execution.completed_at);
        let mut signs = key;
        match lie {
            None => {}
            Some(Lie::Signature) => signs = people::PASSER_BY,
            Some(Lie::Result) => execution.result = B256::repeat_byte(9),
            Some(Lie::Job) => execution.job_seq += 1,
            Some(Lie::Future) => execution.completed_at += 4_000,
            Some(Lie::Order) => execution.order = B256::repeat_byte(8),
        }
        let worker = format!("{:#x}", people::address(key));
        CompleteJob {
            token: lease.token.clone(),
            worker_signature: people::wallet(signs).sign(&execution.digest(&self.domain())),
            result,
            manifest,
            engine: ENGINE.into(),
            power,
            poe_hash: poe_hash(lease.job_id, &execution.result, &worker),
            execution_ms: 12,
            execution,
        }
    }

    /// Where signatures count.
    pub fn domain(&self) -> Domain {
        Domain::new(CHAIN_ID, ESCROW)
    }
}

fn token(lease: &Lease) -> Held<u64> {
    let token = lease.token.parse();
    token.map_err(|_| Broken(format!("a lease's token is {}", lease.token)))
}
