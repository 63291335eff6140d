//! Model packages, engines, and the pipeline around them.
//!
//! A bee loads a [`ModelPackage`] (checked, named by its digest), makes a [`Pipeline`] of it (the network on an
//! [`engine::Engine`], proven on the package's golden cases), and runs scans through it:
//! [`Pipeline::run`] takes a [`swarm_imaging::Volume`] and gives [`Results`], files that are ready to be encrypted
//! to the client. The arithmetic before and after the network is [`swarm_kernels`]'; nothing here talks to a
//! network or reads a clock.

pub mod engine;
pub mod golden;
pub mod pipeline;
pub mod results;
pub mod tensor;

pub use swarm_package as package;

pub use engine::{Accelerators, Considered, EngineInfo, EngineKind, default_runtime_path};
pub use pipeline::{LabelMap, Pipeline, PipelineConfig, PipelineError, Stage};
pub use results::Results;
pub use swarm_package::{ModelPackage, PackageError};
pub use tensor::TensorPipeline;
