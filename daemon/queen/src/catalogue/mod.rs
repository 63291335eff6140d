//! The models that can be ordered, by digest: packages in the models directory, and packages that the operator uploaded.

mod directory;
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use swarm_types::{Address, B256, MicroUsdc};

use crate::config::QueenConfig;

pub use directory::CatalogueError;
pub use store::{Incoming, ModelStore, StoredModel, UploadError};

/// A model that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// SHA-256 of the package's manifest; what orders name.
    pub digest: B256,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Licence of the weights.
    pub licence: String,
    /// Job type it serves.
    pub job_type: String,
    /// What it takes: `scan` or `tensor`.
    pub kind: String,
    /// Device memory it needs, MiB.
    pub memory_mib: u32,
    /// Fee of a job.
    pub fee: MicroUsdc,
    /// Whether it can be ordered.
    pub active: bool,
    /// How it came; `None` for a package of the models directory.
    pub upload: Option<Upload>,
}

/// What is known of an uploaded package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// SHA-256 of its tar.
    pub sha256: B256,
    /// Bytes of its tar.
    pub size: u64,
    /// Who signed the upload.
    pub by: Address,
    /// Unix seconds.
    pub at: u64,
}

/// Every model, by digest.
pub type Models = BTreeMap<B256, Arc<Model>>;

/// The models, of which an operator may add and remove some while jobs run.
#[derive(Debug)]
pub struct Catalogue {
    models: RwLock<Arc<Models>>,
    /// Uploaded packages on disk.
    pub store: Arc<ModelStore>,
    /// Held while the set of models changes, so that what was checked still holds when it is done.
    pub changing: tokio::sync::Mutex<()>,
}

impl Catalogue {
    /// Reads every package in the models directory and what is known of every uploaded one.
    /// Hashes the files of the models directory, so it blocks.
    ///
    /// # Errors
    /// When a package cannot be read or is none. A missing package is better noticed at start.
    pub fn read(config: &QueenConfig) -> Result<Self, CatalogueError> {
        let mut models = directory::read(config)?;
        let store = ModelStore::new(config.state_dir.join("models"));
        for stored in store.open()? {
            let model = stored.model(config);
            // The same package in the models directory is there for good.
            models.entry(model.digest).or_insert(model);
        }
        let models = models
            .into_iter()
            .map(|(digest, model)| (digest, Arc::new(model)));
        Ok(Self {
            models: RwLock::new(Arc::new(models.collect())),
            store: Arc::new(store),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Every model as it is now, ascending by digest.
    pub fn all(&self) -> Arc<Models> {
        // What is under the lock is replaced as a whole.
        let models = self.models.read();
        models.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model of a digest, whether it can be ordered or not.
    pub fn get(&self, digest: &B256) -> Option<Arc<Model>> {
        self.all().get(digest).cloned()
    }

    /// The model that serves a job type: of those that can be ordered the one with the highest version, by text.
    pub fn by_job_type(&self, job_type: &str) -> Option<Arc<Model>> {
        let all = self.all();
        let fit = all
            .values()
            .filter(|model| model.active && model.job_type == job_type);
        fit.max_by(|a, b| (&a.version, &a.name).cmp(&(&b.version, &b.name)))
            .cloned()
    }

    /// Puts a model in, or in the place of itself.
    pub fn put(&self, model: Arc<Model>) {
        self.change(|models| {
            models.insert(model.digest, model);
        });
    }

    /// Takes a model out.
    pub fn remove(&self, digest: &B256) {
        self.change(|models| {
            models.remove(digest);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Models)) {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = (**models).clone();
        change(&mut changed);
        *models = Arc::new(changed);
    }
}
