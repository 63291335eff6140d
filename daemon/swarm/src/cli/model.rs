//! `swarm model` and its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use swarm_inference::engine::tensorrt::Target;

/// `swarm model`.
#[derive(Subcommand, Debug)]
pub enum ModelCommand {
    /// Make a package of your own network and a definition, such as spine_mri
    New(NewModelArgs),
    /// Check a package and run its golden cases here, with ONNX Runtime
    Verify {
        /// Directory or tar
        package: PathBuf,
        /// ONNX Runtime's library, if not where scripts/setup puts it
        #[arg(long, value_name = "FILE")]
        onnxruntime: Option<PathBuf>,
    },
    /// Compile a package's network for a GPU that need not be here
    #[command(
        after_help = "Needs TensorRT-RTX, which scripts/setup --tests installs (NVIDIA's TensorRT-RTX SLA applies).\nThe engine is compiled and checked, not run: a bee runs it on the package's golden cases before it serves.\n\nExample:\n  swarm model compile models/brain_mri --target sm89"
    )]
    Compile(CompileArgs),
    /// Upload a package; it can be ordered once it is activated
    #[command(
        after_help = "The queen checks it, and never changes it: another content is another version.\n\nExample:\n  swarm model push models/brain_mri --activate"
    )]
    Push {
        /// Directory or tar
        package: PathBuf,
        /// Let it be ordered at once
        #[arg(long)]
        activate: bool,
    },
    /// List the models that can be ordered
    List {
        /// Those too that cannot be ordered now
        #[arg(long)]
        all: bool,
    },
    /// Show a model, the bees that serve it, and why others do not
    Show {
        /// Digest, name, or NAME@VERSION
        model: String,
    },
    /// Let a model be ordered
    Activate {
        /// Digest, name, or NAME@VERSION
        model: String,
    },
    /// Let a model be ordered no more; what was ordered is still done
    Deactivate {
        /// Digest, name, or NAME@VERSION
        model: String,
    },
    /// Delete a model that is not active and that no open job orders
    Delete {
        /// Digest, name, or NAME@VERSION
        model: String,
    },
    /// Fetch a package from the queen (operators only: its licence may bind the weights)
    Pull {
        /// Digest, name, or NAME@VERSION
        model: String,
        /// A new directory for it
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `swarm model new`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  swarm model new spine_mri --onnx spine.onnx --name spine_a --licence CC-BY-4.0 models/spine_a

The network takes one float32 volume (1, 1, x, y, z) and gives a score for the background and for each
label, on the same voxels. The definition says how scans are prepared; take a copy and give its path
to change that, or the labels.")]
pub struct NewModelArgs {
    /// spine_mri, or the path of a definition of yours
    pub template: String,
    /// The directory of the new package
    pub package: PathBuf,
    /// The network
    #[arg(long, value_name = "FILE")]
    pub onnx: PathBuf,
    /// Name of the model
    #[arg(long, default_value = "spine_mri")]
    pub name: String,
    /// Its version
    #[arg(long, default_value = "1.0.0")]
    pub version: String,
    /// SPDX expression of the weights' licence
    #[arg(long, value_name = "SPDX")]
    pub licence: String,
    /// ONNX Runtime's library, if not where scripts/setup puts it
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

/// `swarm model compile`.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// Folder of the model package
    pub package: PathBuf,
    /// The GPU's architecture: sm86 (RTX 30), sm89 (RTX 40, RTX 6000 Ada) or sm120 (RTX 50)
    #[arg(long, value_name = "ARCH")]
    pub target: Target,
    /// Compute in float16 instead of float32
    #[arg(long)]
    pub f16: bool,
    /// Folder for the engine and its description, if not the bees' cache
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
