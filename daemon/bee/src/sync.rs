//! Models from the queen: pulled by digest, proven, served, dropped.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use swarm_package::Package;
use swarm_types::B256;
use swarm_types::api::{ModelFault, ModelInfo};
use tokio_util::sync::CancellationToken;

use crate::bee::Inner;
use crate::cache::Cache;
use crate::models::{self, Place};
use crate::work;

/// Models that a heartbeat may say are not served.
const FAULTS_MAX: usize = 64;

/// Why a model is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In one sentence.
    pub reason: String,
    /// The package itself is at fault, and a package never changes: it is not tried again until the bee is started anew.
    pub lasting: bool,
}

impl Fault {
    fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            lasting: false,
        }
    }

    fn lasting(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            lasting: true,
        }
    }
}

impl Inner {
    /// Keeps the models as the queen has them, until `end`.
    pub(crate) async fn sync_until(self: Arc<Self>, end: CancellationToken) {
        let Some(cache) = &self.cache else { return };
        // What the registration before this task said.
        let mut told = self.models.digests();
        loop {
            // Cancel-safe: a pull that is cut off leaves what came, and the next goes on there.
            tokio::select! {
                () = end.cancelled() => return,
                () = self.drain.cancelled() => return,
                () = self.sync(cache) => {}
            }
            let have = self.models.digests();
            if have != told {
                // Before the queen knows, nobody is sent here with one of them.
                self.self_test().await;
                if self.register_again().await {
                    told = have;
                }
                self.changed.notify_one();
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = self.drain.cancelled() => return,
                () = tokio::time::sleep(self.config.model_poll) => {}
            }
        }
    }

    /// Active models that are not served, for the heartbeat.
    pub(crate) fn model_faults(&self) -> Vec<ModelFault> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = |(model, fault): (&B256, &Fault)| ModelFault {
            model: *model,
            reason: fault.reason.clone(),
        };
        faults.iter().take(FAULTS_MAX).map(fault).collect()
    }

    async fn sync(self: &Arc<Self>, cache: &Cache) {
        // Unless the bee is approved it gets no package.
        if !self
            .standing
            .borrow()
            .as_ref()
            .is_some_and(|standing| standing.approved)
        {
            return;
        }
        let listed = match self.queen.all_models().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(
                    error = work::explain(&error),
                    "the queen did not say which models there are"
                );
                return;
            }
        };
        let known: BTreeSet<B256> = listed.iter().map(|model| model.digest).collect();
        let active: BTreeSet<B256> = listed
            .iter()
            .filter(|model| model.active)
            .map(|model| model.digest)
            .collect();
        // She deletes none that an open job orders, so nothing here needs it any more.
        for digest in cache
            .digests()
            .into_iter()
            .filter(|digest| !known.contains(digest))
        {
            tracing::info!(%digest, "the queen deleted the model; drops it");
            if self.models.is_pulled(&digest) {
                self.models.remove(&digest);
            }
            cache.remove(&digest);
        }
        cache.drop_parts(&active);
        self.with_faults(|faults| faults.retain(|model, _| active.contains(model)));
        for model in listed.iter().filter(|model| model.active) {
            let digest = model.digest;
            if self.models.takes(&digest).is_some() {
                continue;
            }
            // One of the queen's own directory comes to the bee's directory by hand.
            let Some(_package) = &model.package else {
                continue;
            };
            let lasting = self.with_faults(|faults| faults.get(&digest).is_some_and(|f| f.lasting));
            if lasting {
                continue;
            }
            match self.take_model(cache, model, &active).await {
                Ok(()) => {
                    self.with_faults(|faults| faults.remove(&digest));
                }
                Err(fault) => {
                    tracing::error!(model = model.name, version = model.version, %digest, why = fault.reason, "the model is not served");
                    if fault.lasting {
                        cache.remove(&digest);
                    }
                    self.with_faults(|faults| faults.insert(digest, fault));
                    self.changed.notify_one();
                }
            }
        }
    }

    fn with_faults<T>(
        &self,
        change: impl FnOnce(&mut std::collections::BTreeMap<B256, Fault>) -> T,
    ) -> T {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pulls a model unless it is there, proves it and serves it.
    async fn take_model(
        self: &Arc<Self>,
        cache: &Cache,
        model: &ModelInfo,
        active: &BTreeSet<B256>,
    ) -> Result<(), Fault> {
        if self.device.memory_mib < model.memory_mib {
            return Err(Fault::passing(format!(
                "it needs {} MiB, this bee has {}",
                model.memory_mib, self.device.memory_mib
            )));
        }
        if !models::has_room(&self.models) {
            return Err(Fault::passing("this bee serves as many models as it may"));
        }
        let digest = model.digest;
        if !cache.has(&digest) {
            self.pull(cache, model, active).await?;
        }
        let permit = self
            .compute
            .clone()
            .acquire_owned()
            .await
            .expect("never closed");
        let (inner, place) = (self.clone(), Place::Cache(cache.path(&digest)));
        let load = move || {
            let runners = inner.models.load(&place, inner.config.concurrency)?;
            if runners.iter().any(|runner| runner.model() != digest) {
                return Err(models::LoadError::Other);
            }
            inner.models.add(Some(place), runners);
            Ok::<(), models::LoadError>(())
        };
        match work::on_thread("load", permit, load).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error @ models::LoadError::Read(_))) => {
                Err(Fault::passing(work::explain(&error)))
            }
            Some(Err(error)) => Err(Fault::lasting(work::explain(&error))),
            None => Err(Fault::lasting("loading it crashed")),
        }
    }

    async fn pull(
        &self,
        cache: &Cache,
        model: &ModelInfo,
        active: &BTreeSet<B256>,
    ) -> Result<(), Fault> {
        let (digest, Some(package)) = (model.digest, model.package) else {
            return Err(Fault::passing("the queen has no package of it"));
        };
        let Some(gone) = cache.make_room(&digest, package.size, active) else {
            return Err(Fault::passing(format!(
                "its {} bytes do not fit into model_cache_bytes_max beside the other active models",
                package.size
            )));
        };
        for old in gone {
            tracing::info!(digest = %old, "dropped from the cache to make room");
            if self.models.is_pulled(&old) {
                self.models.remove(&old);
            }
        }
        let part = cache.part(&digest);
        let pulled = self
            .queen
            .download_model(digest, package, &part, &mut |_, _| {})
            .await;
        pulled.map_err(|error| {
            Fault::passing(format!("it could not be pulled: {}", work::explain(&error)))
        })?;
        let kept = cache.keep(&digest);
        kept.map_err(|error| Fault::passing(format!("the cache failed: {error}")))?;
        // The tar is what the queen said; whether it is the model that orders name shows here.
        let path = cache.path(&digest);
        let checked = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
            let package = Package::from_tar(std::io::BufReader::new(file));
            let package = package.and_then(|package| package.expect_digest(digest));
            package.map(drop).map_err(|error| work::explain(&error))
        });
        let checked = checked
            .await
            .unwrap_or_else(|_| Err("reading it crashed".to_owned()));
        checked.map_err(|why| {
            cache.remove(&digest);
            Fault::lasting(format!("what the queen sent is not this model: {why}"))
        })
    }
}
