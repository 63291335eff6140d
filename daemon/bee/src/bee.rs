//! A bee and what its tasks share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use swarm_client::QueenClient;
use swarm_host::gpu::{EnergyMeter, Snapshot, Telemetry};
use swarm_host::notify;
use swarm_store::age::Identity;
use swarm_types::api::{Approval, BeePower, Device, RegisterWorker, Registered, recipient_message};
use swarm_types::eip712::Domain;
use swarm_types::signature::eip191_message;
use swarm_types::{Address, B256, Signature65};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::health::Health;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::models::{self, Models, Runner};
use crate::power::SitePower;
use crate::sync::Fault;
use crate::{BeeConfig, BeeError, device};

/// A bee, ready to serve.
pub struct Bee {
    pub(crate) inner: Arc<Inner>,
}

/// What the tasks share.
pub(crate) struct Inner {
    /// As the bee was started. What can change since is in [`Inner::live`].
    pub config: BeeConfig,
    pub live: RwLock<Live>,
    pub queen: QueenClient,
    pub signer: PrivateKeySigner,
    pub identity: Identity,
    pub device: Device,
    pub models: Arc<Models>,
    /// Packages that were pulled; `None` when the bee pulls none.
    pub cache: Option<Cache>,
    /// Active models that this bee cannot serve, and why.
    pub faults: Mutex<BTreeMap<B256, Fault>>,
    pub health: Health,
    pub power: SitePower,
    /// What the site's ladder asks of this box, as last heard.
    pub ladder: watch::Sender<Option<BeePower>>,
    pub telemetry: Telemetry,
    /// What a job draws.
    pub energy: EnergyMeter,
    pub metrics: Metrics,
    /// One permit a computation.
    pub compute: Arc<Semaphore>,
    /// One permit a job, from its lease to its end.
    pub places: Arc<Semaphore>,
    pub jobs: TaskTracker,
    held: Mutex<HashMap<String, CancellationToken>>,
    /// When a job last went a step on.
    moved_at_instant: Mutex<Instant>,
    /// What the queen said last; `None` before the first registration.
    pub standing: watch::Sender<Option<Standing>>,
    /// Something happened that the queen should hear before the next heartbeat is due.
    pub changed: Notify,
    /// Nothing new is taken from here on.
    pub drain: CancellationToken,
    /// What is not done by now is given back.
    pub give_back: CancellationToken,
}

/// Where the bee stands with its queen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub approved: bool,
    /// The operator wants it to drain.
    pub drain: bool,
    /// Where executions are signed for.
    pub domain: Domain,
}

/// The right to work on one job; ends with the value.
pub(crate) struct Held {
    inner: Arc<Inner>,
    token: String,
    pub lost: CancellationToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.held().remove(&self.token);
        self.inner.changed.notify_one();
    }
}

impl Bee {
    /// Loads keys and models. The models are proven on their golden cases, which takes a moment.
    pub fn load(config: BeeConfig) -> Result<Self, BeeError> {
        refuse_problems(&config)?;
        let (models, cache) = models::load(&config)?;
        Self::with_models(config, models, cache)
    }

    /// A bee with runners of the caller's: as many of each model as `concurrency` says. Loads the keys.
    pub fn with_runners(
        config: BeeConfig,
        runners: Vec<Box<dyn Runner>>,
    ) -> Result<Self, BeeError> {
        refuse_problems(&config)?;
        let models = Models::of(runners, config.warm_models_max);
        Self::with_models(config, models, None)
    }

    fn with_models(
        config: BeeConfig,
        models: Models,
        cache: Option<Cache>,
    ) -> Result<Self, BeeError> {
        let signer = config.key.load().map_err(BeeError::Key)?;
        let identity = config.identity.load().map_err(BeeError::Key)?;
        let identity: Identity = identity.parse().map_err(BeeError::Identity)?;
        let tls = config.tls().map_err(BeeError::Client)?;
        let queen =
            QueenClient::new(&config.queen, tls, Some(signer.clone())).map_err(BeeError::Client)?;
        let device = device::cpu(config.memory_mib);
        let telemetry = Telemetry::start().unwrap_or_else(|error| {
            tracing::warn!(%error, "the box is not watched");
            Telemetry::of(Snapshot::empty("the system gave no thread"))
        });
        let shared = config.concurrency > 1;
        let inner = Inner {
            telemetry,
            energy: match &device.uuid {
                Some(uuid) => EnergyMeter::of_gpu(uuid, shared),
                None => EnergyMeter::none(),
            },
            metrics: Metrics::default(),
            queen,
            signer,
            identity,
            device,
            models: Arc::new(models),
            cache,
            faults: Mutex::default(),
            health: Health::new(),
            power: SitePower::new(),
            ladder: watch::Sender::new(None),
            compute: Arc::new(Semaphore::new(config.concurrency as usize)),
            places: Arc::new(Semaphore::new(config.places() as usize)),
            jobs: TaskTracker::new(),
            held: Mutex::default(),
            moved_at_instant: Mutex::new(Instant::now()),
            live: RwLock::new(Live::of(&config)),
            standing: watch::Sender::new(None),
            changed: Notify::new(),
            drain: CancellationToken::new(),
            give_back: CancellationToken::new(),
            config,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// A bee that crashed too often: it answers its queen, says `why`, and loads and runs nothing.
    pub fn quarantined(config: BeeConfig, why: String) -> Result<Self, BeeError> {
        let bee = Self::with_runners(config, Vec::new())?;
        bee.inner.health.quarantine(why);
        Ok(bee)
    }

    /// The address of the bee's key: what the operator approves.
    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }
}

fn refuse_problems(config: &BeeConfig) -> Result<(), BeeError> {
    let problems = config.problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(BeeError::Config(problems))
    }
}

impl Inner {
    /// Takes the right to work on a lease; `None` when a task has it already.
    pub fn hold(self: &Arc<Self>, token: &str) -> Option<Held> {
        let mut held = self.held();
        if held.contains_key(token) {
            return None;
        }
        let lost = CancellationToken::new();
        held.insert(token.to_owned(), lost.clone());
        drop(held);
        self.moved();
        self.changed.notify_one();
        Some(Held {
            inner: self.clone(),
            token: token.to_owned(),
            lost,
        })
    }

    /// The tokens of all leases that are worked on.
    pub fn tokens(&self) -> Vec<String> {
        self.held().keys().cloned().collect()
    }

    /// The queen gave these to somebody else.
    pub fn lose(&self, tokens: &[String]) {
        let held = self.held();
        for token in tokens.iter().filter_map(|token| held.get(token)) {
            token.cancel();
        }
    }

    /// What the queen is told about this bee.
    pub fn registration(&self) -> Result<RegisterWorker, BeeError> {
        let recipient = self.identity.recipient().to_string();
        let digest = eip191_message(recipient_message(&recipient).as_bytes());
        let signature = self
            .signer
            .sign_hash_sync(&digest)
            .map_err(BeeError::Sign)?;
        let mut engines = self.models.engines();
        if engines.is_empty() {
            // The queen wants one named; a bee in quarantine loads none.
            engines.push("none".into());
        }
        Ok(RegisterWorker {
            name: self.config.name.clone(),
            recipient,
            recipient_signature: Signature65::from(signature),
            device: self.device.clone(),
            models: self.models.digests(),
            engines,
            concurrency: self.config.places(),
            version: env!("CARGO_PKG_VERSION").into(),
            join_code: self.config.join_code.clone(),
            payee: self.config.payee,
        })
    }

    /// Takes what a registration answered.
    pub fn registered(&self, answer: &Registered) {
        let approved = answer.approval == Approval::Approved;
        let domain = Domain::new(answer.chain_id, answer.escrow);
        self.standing.send_modify(|standing| {
            let drain = standing.as_ref().is_some_and(|standing| standing.drain);
            *standing = Some(Standing {
                approved,
                drain,
                domain,
            });
        });
        self.say_standing();
    }

    /// Says in the log and to the service manager where the bee stands.
    pub fn say_standing(&self) {
        let (worker, line) = (self.signer.address(), self.standing_line());
        tracing::info!(%worker, queen = self.queen.base_url(), "{line}");
        self.say_status();
    }

    /// Says to the service manager where the bee stands and what it does.
    pub fn say_status(&self) {
        let mut line = self.standing_line();
        let held = self.held().len();
        if held > 0 {
            line.push_str(&format!("; at work: {held}"));
        }
        notify::status(&line);
    }

    fn standing_line(&self) -> String {
        let worker = self.signer.address();
        if let Some(why) = self.not_ready_reason() {
            return format!("not ready: {why}");
        }
        match *self.standing.borrow() {
            None => "waiting for the queen".to_owned(),
            Some(Standing {
                approved: false, ..
            }) => format!("waits for the operator: swarm bee approve {worker:#x}"),
            Some(Standing { drain: true, .. }) => "drains, as the operator asked".to_owned(),
            Some(_) => "takes jobs".to_owned(),
        }
    }

    /// A job went a step on.
    pub fn moved(&self) {
        *self.moved_at() = Instant::now();
    }

    /// When a job last went a step on.
    pub fn moved_at(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.moved_at_instant
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
