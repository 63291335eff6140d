//! Why a bee does not start, or cannot go on.

use std::path::PathBuf;

use swarm_client::ClientError;
use swarm_host::keys::KeyError;
use swarm_inference::{PackageError, PipelineError};
use swarm_store::age::AgeError;

/// Why a bee stopped that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum BeeError {
    /// The configuration is wrong.
    #[error("the bee's configuration is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A key is not there.
    #[error("the bee's key cannot be loaded")]
    Key(#[source] KeyError),
    /// The age identity is none.
    #[error("the bee's age identity cannot be used")]
    Identity(#[source] AgeError),
    /// The key does not sign.
    #[error("the bee's key does not sign")]
    Sign(#[source] alloy::signers::Error),
    /// The models directory cannot be read.
    #[error("the models directory {path} cannot be read")]
    Models {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// No model in it.
    #[error("there is no model package in {0}; run scripts/setup, or install one")]
    NoModels(PathBuf),
    /// More packages than a bee keeps in memory.
    #[error("there are more than {max} model packages in {path}")]
    TooManyModels {
        /// The directory.
        path: PathBuf,
        /// The limit.
        max: usize,
    },
    /// The cache cannot be used.
    #[error("the model cache {path} cannot be used")]
    Cache {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The engine does not start.
    #[error("the engine does not start")]
    Engine(#[source] swarm_inference::engine::EngineError),
    /// A package is refused.
    #[error("the model package {path} is refused")]
    Package {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// A model does not run on this box.
    #[error("the model package {path} does not run here")]
    Pipeline {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: PipelineError,
    },
    /// The client could not be set up.
    #[error("the queen's address cannot be used")]
    Client(#[source] ClientError),
    /// The page of metrics cannot be opened.
    #[error("metrics: cannot listen on {address}")]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The queen refuses this bee, for a reason that does not pass by itself.
    #[error("the queen refuses this bee")]
    Refused(#[source] ClientError),
}
