//! Compiled engines as files: the engine, and beside it a description that names it by its digest.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swarm_types::{B256, sha256};

use super::{Flavour, Precision, Profile, Target, Tensor};
use crate::engine::EngineError;

/// Most bytes of a description.
const DESCRIPTION_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of an engine: weights end at 2 GiB.
const ENGINE_BYTES_MAX: u64 = 4 << 30;

/// Most descriptions that a list has.
const LISTED_MAX: usize = 1024;

/// What a compiled engine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Digest of the package that it was compiled from.
    pub model: B256,
    /// The package's name, for people.
    pub name: String,
    /// Which TensorRT.
    pub flavour: Flavour,
    /// Its version; another one does not load it.
    pub version: String,
    /// What it is for.
    pub target: Target,
    /// What it computes in.
    pub precision: Precision,
    /// The sizes that it takes.
    pub profile: Profile,
    /// What goes in and comes out.
    pub tensors: Vec<Tensor>,
    /// Digest of the engine's bytes. Two compilations of one network differ, so this names one of them.
    pub sha256: B256,
    /// Size of the engine.
    pub bytes: u64,
    /// The GPU on which it passed the package's golden cases; nothing until it did.
    pub ran_on: Option<String>,
}

impl Description {
    /// `compiled, never run`, or where it ran.
    pub fn state(&self) -> String {
        match &self.ran_on {
            None => "compiled, never run".to_owned(),
            Some(gpu) => format!("passed its golden cases on {gpu}"),
        }
    }

    /// Name of its files, without the ending: model, target, TensorRT and its version, precision.
    pub fn key(&self) -> String {
        key(
            self.model,
            self.target,
            self.flavour,
            &self.version,
            self.precision,
        )
    }
}

fn key(
    model: B256,
    target: Target,
    flavour: Flavour,
    version: &str,
    precision: Precision,
) -> String {
    format!(
        "{}-{}-{}-{version}-{}",
        model.to_string().trim_start_matches("0x"),
        target.name(),
        flavour.kind(),
        precision.name()
    )
}

/// A compiled engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    description: Description,
    engine: Vec<u8>,
}

impl Artefact {
    pub(super) fn new(description: Description, engine: Vec<u8>) -> Self {
        Self {
            description,
            engine,
        }
    }

    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The engine itself.
    pub fn engine(&self) -> &[u8] {
        &self.engine
    }

    /// Writes both files into `folder`, the description last. Gives the engine's path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, EngineError> {
        let key = self.description.key();
        let engine = folder.join(format!("{key}.engine"));
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        put(&engine, &self.engine)?;
        self.write_description(folder)?;
        Ok(engine)
    }

    /// Notes that it passed its golden cases on a GPU, here and in `folder`.
    pub(super) fn ran(&mut self, gpu: String, folder: &Path) -> Result<(), EngineError> {
        self.description.ran_on = Some(gpu);
        self.write_description(folder)
    }

    fn write_description(&self, folder: &Path) -> Result<(), EngineError> {
        let path = folder.join(format!("{}.json", self.description.key()));
        let mut text = serde_json::to_vec_pretty(&self.description)
            .map_err(|source| failed(&path, source.into()))?;
        text.push(b'\n');
        put(&path, &text)
    }

    /// The descriptions in `folder`, by file name. What is no description is not listed.
    pub fn list(folder: &Path) -> Vec<Description> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        let described = |path: &PathBuf| {
            let text = read(path, DESCRIPTION_BYTES_MAX).ok()??;
            serde_json::from_slice(&text).ok()
        };
        paths
            .iter()
            .take(LISTED_MAX)
            .filter_map(described)
            .collect()
    }

    /// The artefact of this key in `folder`, if there is one. One whose bytes are not those of its digest is refused.
    pub fn find(
        folder: &Path,
        model: B256,
        target: Target,
        flavour: Flavour,
        version: &str,
        precision: Precision,
    ) -> Result<Option<Self>, EngineError> {
        let key = key(model, target, flavour, version, precision);
        let path = folder.join(format!("{key}.json"));
        let Some(text) = read(&path, DESCRIPTION_BYTES_MAX)? else {
            return Ok(None);
        };
        let description: Description =
            serde_json::from_slice(&text).map_err(|source| failed(&path, source.into()))?;
        let path = folder.join(format!("{key}.engine"));
        let engine = read(&path, ENGINE_BYTES_MAX)?.unwrap_or_default();
        if description.key() != key || sha256(&engine) != description.sha256 {
            return Err(EngineError::Artefact {
                path: path.display().to_string(),
                reason: "is not the engine that its description names",
            });
        }
        Ok(Some(Self::new(description, engine)))
    }
}

/// Whole or not at all: another process may read.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let part = path.with_extension(format!("part-{}", std::process::id()));
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|source| failed(path, source))
}

/// A file's content; nothing where there is no file.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, EngineError> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(path, source)),
    };
    if size > bytes_max {
        return Err(EngineError::Artefact {
            path: path.display().to_string(),
            reason: "is larger than any engine",
        });
    }
    fs::read(path)
        .map(Some)
        .map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> EngineError {
    EngineError::File {
        path: path.display().to_string(),
        source,
    }
}
