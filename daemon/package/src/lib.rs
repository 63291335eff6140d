//! Model packages: what PROTOCOL 7 describes, read, checked and packed. No runtime and no voxels: the queen checks what is
//! uploaded with the same code with which a bee checks what it pulled.
//!
//! A package is `model.toml`, `model.onnx` and whatever else it ships (a licence). Its digest is that of its
//! manifest, so one file more or one byte changed is another model.

mod check;
mod files;
pub mod npy;
mod onnx;
mod protobuf;
pub mod spec;
pub mod step;
pub mod tensor;

use std::io::Read;
use std::path::Path;

use swarm_types::{B256, digest};

pub use check::{ELEMENTS_MAX, RANK_MAX, elements, is_shape};
pub use files::{
    BYTES_MAX, DEPTH_MAX, FILES_MAX, Files, PATH_BYTES_MAX, read_dir, read_tar, write_tar,
};
pub use onnx::{Interface, OnnxError, interface};
pub use spec::{Kind, Spec};
pub use tensor::{TensorPackage, TensorSpec};

/// The description within a package.
pub const SPEC_FILE: &str = "model.toml";
/// The network within a package.
pub const ONNX_FILE: &str = "model.onnx";
/// Most bytes of `model.toml`.
pub const SPEC_BYTES_MAX: usize = 1 << 20;

/// A package of either kind that passed every check that needs no runtime.
#[derive(Debug, Clone)]
pub enum Package {
    /// Takes scans.
    Scan(ModelPackage),
    /// Takes arrays.
    Tensor(TensorPackage),
}

/// What `model.toml` says of any model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// What it takes.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SPDX expression of the weights' licence.
    pub licence: &'a str,
    /// What clients ask for.
    pub job_type: &'a str,
    /// One paragraph for people.
    pub description: &'a str,
    /// Memory in MiB that a bee must have.
    pub memory_mib: u32,
}

/// A package for scans that passed every check that needs no runtime.
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
    /// It is not for what it was opened for.
    #[error("the model takes {}, not {}", found.name(), wanted.name())]
    Kind {
        /// What was asked for.
        wanted: Kind,
        /// What it is.
        found: Kind,
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

impl Package {
    /// From a directory.
    ///
    /// # Errors
    /// When it cannot be read or is refused.
    pub fn from_dir(path: &Path) -> Result<Self, PackageError> {
        Self::from_files(read_dir(path)?)
    }

    /// From an uncompressed tar archive.
    ///
    /// # Errors
    /// When it cannot be read or is refused.
    pub fn from_tar(archive: impl Read) -> Result<Self, PackageError> {
        Self::from_files(read_tar(archive)?)
    }

    /// From its files, as [`read_dir`] and [`read_tar`] give them.
    ///
    /// # Errors
    /// When `model.toml` or `model.onnx` is missing or refused.
    pub fn from_files(mut files: Files) -> Result<Self, PackageError> {
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
        let problems = |problems: Vec<String>| match problems.is_empty() {
            true => Ok(()),
            false => Err(PackageError::Spec { problems }),
        };
        let refused = |source| PackageError::Onnx { source };
        match parse::<KindOnly>(&text)?.kind {
            Kind::Scan => {
                let spec: Spec = parse(&text)?;
                problems(check::problems(&spec))?;
                let dims = |channels: usize| vec![Some(1), Some(channels as u64), None, None, None];
                let input = (spec.input.tensor.as_str(), dims(spec.input.channels));
                let output = (spec.output.tensor.as_str(), dims(spec.output.channels));
                onnx::check(&onnx, &input, &output).map_err(refused)?;
                Ok(Self::Scan(ModelPackage { spec, digest, onnx }))
            }
            Kind::Tensor => {
                let spec: TensorSpec = parse(&text)?;
                problems(check::tensor_problems(&spec))?;
                let dims = |shape: &[usize]| {
                    let dim = |n: &usize| (*n > 0).then_some(*n as u64);
                    shape.iter().map(dim).collect()
                };
                let input = (spec.input.tensor.as_str(), dims(&spec.input.shape));
                let output = (spec.output.tensor.as_str(), dims(&spec.output.shape));
                onnx::check(&onnx, &input, &output).map_err(refused)?;
                Ok(Self::Tensor(TensorPackage::new(spec, digest, onnx)))
            }
        }
    }

    /// SHA-256 of the manifest: the `model` of orders and receipts.
    pub fn digest(&self) -> B256 {
        match self {
            Self::Scan(package) => package.digest(),
            Self::Tensor(package) => package.digest(),
        }
    }

    /// What `model.toml` says of any model.
    pub fn head(&self) -> Head<'_> {
        match self {
            Self::Scan(package) => {
                let spec = package.spec();
                Head {
                    kind: Kind::Scan,
                    name: &spec.name,
                    version: &spec.version,
                    licence: &spec.licence,
                    job_type: &spec.job_type,
                    description: &spec.description,
                    memory_mib: spec.memory_mib,
                }
            }
            Self::Tensor(package) => {
                let spec = package.spec();
                Head {
                    kind: Kind::Tensor,
                    name: &spec.name,
                    version: &spec.version,
                    licence: &spec.licence,
                    job_type: &spec.job_type,
                    description: &spec.description,
                    memory_mib: spec.memory_mib,
                }
            }
        }
    }

    /// Refuses the package unless its digest is `wanted`.
    ///
    /// # Errors
    /// When it is another one.
    pub fn expect_digest(self, wanted: B256) -> Result<Self, PackageError> {
        let found = self.digest();
        match found == wanted {
            true => Ok(self),
            false => Err(PackageError::Digest { wanted, found }),
        }
    }

    /// As a package for scans.
    ///
    /// # Errors
    /// When it takes arrays.
    pub fn scan(self) -> Result<ModelPackage, PackageError> {
        match self {
            Self::Scan(package) => Ok(package),
            Self::Tensor(_) => Err(PackageError::Kind {
                wanted: Kind::Scan,
                found: Kind::Tensor,
            }),
        }
    }
}

/// Enough of `model.toml` to know how to read the rest.
#[derive(serde::Deserialize)]
struct KindOnly {
    #[serde(default)]
    kind: Kind,
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, PackageError> {
    toml::from_str(text).map_err(|source| PackageError::Syntax {
        source: Box::new(source),
    })
}

impl ModelPackage {
    /// From a directory. Symbolic links are refused.
    ///
    /// # Errors
    /// When it cannot be read, is refused, or takes no scans.
    pub fn from_dir(path: &Path) -> Result<Self, PackageError> {
        Package::from_dir(path)?.scan()
    }

    /// From a directory or an uncompressed tar archive, whichever `path` is.
    ///
    /// # Errors
    /// When it cannot be read, is refused, or takes no scans.
    pub fn from_path(path: &Path) -> Result<Self, PackageError> {
        if path.is_dir() {
            return Self::from_dir(path);
        }
        let file = std::fs::File::open(path).map_err(|source| PackageError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_tar(std::io::BufReader::new(file))
    }

    /// From an uncompressed tar archive. Links and devices are refused.
    ///
    /// # Errors
    /// When it cannot be read, is refused, or takes no scans.
    pub fn from_tar(archive: impl Read) -> Result<Self, PackageError> {
        Package::from_tar(archive)?.scan()
    }

    /// Refuses the package unless its digest is `wanted`.
    ///
    /// # Errors
    /// When it is another one.
    pub fn expect_digest(self, wanted: B256) -> Result<Self, PackageError> {
        Package::Scan(self).expect_digest(wanted)?.scan()
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
