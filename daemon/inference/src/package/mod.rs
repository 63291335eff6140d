//! Model packages: what PROTOCOL 7 describes, read and checked.
//!
//! A package is `model.toml`, `model.onnx` and whatever else it ships (a licence). Its digest is that of its
//! manifest, so one file more or one byte changed is another model.

mod check;
mod files;
mod onnx;
mod protobuf;
pub mod spec;
pub mod step;

use std::io::Read;
use std::path::Path;

use swarm_types::{B256, digest};

pub use files::{BYTES_MAX, FILES_MAX};
pub use onnx::OnnxError;
pub use spec::Spec;

/// The description within a package.
pub const SPEC_FILE: &str = "model.toml";
/// The network within a package.
pub const ONNX_FILE: &str = "model.onnx";
/// Most bytes of `model.toml`.
pub const SPEC_BYTES_MAX: usize = 1 << 20;

/// A package that passed every check that needs no runtime.
#[derive(Debug, Clone)]
pub struct ModelPackage {
    spec: Spec,
    digest: B256,
    onnx: Vec<u8>,
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Within the package.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A limit is exceeded.
    #[error("the package has more than {max} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// An entry that a package must not have.
    #[error("{path:?} {reason}")]
    Entry {
        /// Within the package.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that every package has is not there.
    #[error("the package has no {file}")]
    Missing {
        /// [`SPEC_FILE`] or [`ONNX_FILE`].
        file: &'static str,
    },
    /// `model.toml` does not parse.
    #[error("model.toml cannot be read")]
    Syntax {
        /// The parser's reason, with line and column.
        source: Box<toml::de::Error>,
    },
    /// `model.toml` is not text.
    #[error("model.toml is not UTF-8")]
    Text,
    /// `model.toml` says what cannot be.
    #[error("model.toml: {}", problems.join("; "))]
    Spec {
        /// All problems, one sentence each.
        problems: Vec<String>,
    },
    /// `model.onnx` is refused.
    #[error("the network is refused")]
    Onnx {
        /// Why.
        source: OnnxError,
    },
    /// The package is another one than asked for.
    #[error("the package's digest is {found}, not {wanted}")]
    Digest {
        /// What was asked for.
        wanted: B256,
        /// What it is.
        found: B256,
    },
}

impl ModelPackage {
    /// From a directory. Symbolic links are refused.
    pub fn from_dir(path: &Path) -> Result<Self, PackageError> {
        Self::from_files(files::from_dir(path)?)
    }

    /// From an uncompressed tar archive. Links and devices are refused.
    pub fn from_tar(archive: impl Read) -> Result<Self, PackageError> {
        Self::from_files(files::from_tar(archive)?)
    }

    fn from_files(mut files: Vec<(String, Vec<u8>)>) -> Result<Self, PackageError> {
        let digest = digest::manifest_digest(&files);
        let mut take = |file: &'static str| {
            let found = files
                .iter()
                .position(|(path, _)| path == file)
                .ok_or(PackageError::Missing { file })?;
            Ok(files.swap_remove(found).1)
        };
        let toml = take(SPEC_FILE)?;
        let onnx = take(ONNX_FILE)?;
        if toml.len() > SPEC_BYTES_MAX {
            return Err(PackageError::TooLarge {
                what: "bytes of model.toml",
                max: SPEC_BYTES_MAX as u64,
            });
        }
        let text = String::from_utf8(toml).map_err(|_| PackageError::Text)?;
        let spec: Spec = toml::from_str(&text).map_err(|source| PackageError::Syntax {
            source: Box::new(source),
        })?;
        let problems = check::problems(&spec);
        if !problems.is_empty() {
            return Err(PackageError::Spec { problems });
        }
        onnx::check(&onnx, &spec).map_err(|source| PackageError::Onnx { source })?;
        Ok(Self { spec, digest, onnx })
    }

    /// Refuses the package unless its digest is `wanted`.
    pub fn expect_digest(self, wanted: B256) -> Result<Self, PackageError> {
        if self.digest == wanted {
            Ok(self)
        } else {
            Err(PackageError::Digest {
                wanted,
                found: self.digest,
            })
        }
    }

    /// What `model.toml` says.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// SHA-256 of the manifest: the `model` of orders and receipts.
    pub fn digest(&self) -> B256 {
        self.digest
    }

    /// The network, checked.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }
}
