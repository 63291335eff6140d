//! The packages in the models directory, by digest.
//!
//! The queen reads of `model.toml` only what she needs for routing; the bee reads it all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use swarm_package::Kind;
use swarm_types::digest::manifest;
use swarm_types::{B256, sha256};

use super::Model;
use crate::config::QueenConfig;
use crate::limits::{MODEL_BYTES_MAX, MODELS_MAX, NAME_BYTES_MAX};

/// Name of a package's description.
const MODEL_FILE: &str = "model.toml";
/// Files of one package.
const PACKAGE_FILES_MAX: usize = 4_096;
/// Bytes of `model.toml`.
const MODEL_FILE_BYTES_MAX: u64 = 1 << 20;
/// Directories within one package.
const PACKAGE_DEPTH_MAX: usize = 8;

/// Why the models directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `model.toml` is not what it should be.
    #[error("{} is not a model description", path.display())]
    Description {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// Something in a package is not allowed there.
    #[error("{}: {what}", path.display())]
    Package {
        /// Where.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
}

/// What the queen reads of `model.toml`.
#[derive(Deserialize)]
struct Description {
    name: String,
    version: String,
    licence: String,
    job_type: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    memory_mib: u32,
}

/// Reads every package in the models directory (its subdirectories that hold a `model.toml`).
pub(super) fn read(config: &QueenConfig) -> Result<BTreeMap<B256, Model>, CatalogueError> {
    let mut models = BTreeMap::new();
    for dir in entries(&config.models_dir)? {
        if !dir.join(MODEL_FILE).is_file() {
            continue;
        }
        if models.len() >= MODELS_MAX {
            let what = "holds more packages than the queen takes";
            return Err(refuse(&config.models_dir, what));
        }
        let model = package(&dir, config)?;
        models.insert(model.digest, model);
    }
    Ok(models)
}

fn refuse(path: &Path, what: &'static str) -> CatalogueError {
    CatalogueError::Package {
        path: path.to_owned(),
        what,
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> CatalogueError + use<> {
    let path = path.to_owned();
    move |source| CatalogueError::Read { path, source }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, CatalogueError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        paths.push(entry.map_err(unreadable(dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn package(dir: &Path, config: &QueenConfig) -> Result<Model, CatalogueError> {
    let path = dir.join(MODEL_FILE);
    let length = fs::metadata(&path).map_err(unreadable(&path))?.len();
    if length > MODEL_FILE_BYTES_MAX {
        return Err(refuse(&path, "is too long"));
    }
    let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
    let description: Description =
        toml::from_str(&text).map_err(|source| CatalogueError::Description {
            path: path.clone(),
            source: Box::new(source),
        })?;
    let Description {
        name,
        version,
        licence,
        job_type,
        kind,
        memory_mib,
    } = description;
    if job_type.is_empty() || job_type.len() > NAME_BYTES_MAX {
        return Err(refuse(&path, "job_type must have 1 to 64 bytes"));
    }
    let mut files = Vec::new();
    let mut room = MODEL_BYTES_MAX;
    hash_tree(dir, "", 0, &mut files, &mut room)?;
    let lines = files.iter().map(|(path, digest)| (path.as_str(), *digest));
    Ok(Model {
        digest: sha256(manifest(lines)),
        fee: config.fee(&job_type),
        name,
        version,
        licence,
        job_type,
        kind: kind.name().to_owned(),
        memory_mib,
        active: true,
        upload: None,
    })
}

fn hash_tree(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<(String, B256)>,
    room: &mut u64,
) -> Result<(), CatalogueError> {
    if depth > PACKAGE_DEPTH_MAX {
        return Err(refuse(dir, "the package is too deep"));
    }
    for path in entries(dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| refuse(&path, "a name is not UTF-8"))?;
        let relative = format!("{prefix}{name}");
        let meta = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        if meta.is_dir() {
            hash_tree(&path, &format!("{relative}/"), depth + 1, files, room)?;
        } else if meta.is_file() {
            let left = room.checked_sub(meta.len());
            *room = left.ok_or_else(|| refuse(&path, "the package is too large"))?;
            if files.len() >= PACKAGE_FILES_MAX {
                return Err(refuse(dir, "the package holds too many files"));
            }
            files.push((relative, hash_file(&path)?));
        } else {
            return Err(refuse(&path, "is neither a file nor a directory"));
        }
    }
    Ok(())
}

fn hash_file(path: &Path) -> Result<B256, CatalogueError> {
    use sha2::{Digest, Sha256};
    let mut file = File::open(path).map_err(unreadable(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(unreadable(path))? {
            0 => return Ok(B256::new(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use swarm_types::MicroUsdc;
    use swarm_types::digest::manifest_digest;

    fn config(dir: &Path) -> QueenConfig {
        let text = format!(
            r#"
            state_dir = "state"
            models_dir = {dir:?}
            operators = []
            [chain]
            chain_id = 1
            escrow = "0x0000000000000000000000000000000000000001"
            token = "0x0000000000000000000000000000000000000002"
            default_cap = "1"
            [fees]
            protocol_payee = "0x0000000000000000000000000000000000000003"
            operator_payee = "0x0000000000000000000000000000000000000004"
            by_job_type = {{ brain_mri = "250000" }}
            "#
        );
        toml::from_str(&text).expect("parses")
    }

    #[test]
    fn a_package_is_named_by_the_manifest_of_all_its_files() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let package = dir.path().join("brain");
        fs::create_dir_all(package.join("golden")).expect("made");
        let toml =
            "name = 'brain'\nversion = '1'\nlicence = 'MIT'\njob_type = 'brain_mri'\nextra = 1\n";
        let files = vec![
            ("golden/a.json".to_owned(), b"{}".to_vec()),
            ("model.onnx".to_owned(), b"onnx".to_vec()),
            ("model.toml".to_owned(), toml.as_bytes().to_vec()),
        ];
        for (path, bytes) in &files {
            fs::write(package.join(path), bytes).expect("written");
        }
        let catalogue = Catalogue::read(&config(dir.path())).expect("reads");
        let model = catalogue.by_job_type("brain_mri").expect("known");
        assert_eq!(model.digest, manifest_digest(&files));
        assert_eq!(model.fee, MicroUsdc(250_000));
        assert_eq!(catalogue.get(&model.digest), Some(model.clone()));

        std::os::unix::fs::symlink("/etc/hostname", package.join("link")).expect("linked");
        let error = Catalogue::read(&config(dir.path())).expect_err("refused");
        assert!(matches!(error, CatalogueError::Package { .. }), "{error}");
    }
}
