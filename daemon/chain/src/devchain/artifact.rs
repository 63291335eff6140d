//! Compiled contracts of npm packages in the cache.

use std::path::PathBuf;

use alloy::primitives::{Bytes, hex};
use serde_json::Value;
use swarm_types::Address;

use super::DevChainError;
use super::node::cache_dir;

/// Packages below the cache.
const PACKAGES: &str = "npm/node_modules";

/// A compiled contract as hardhat and truffle write it.
pub(super) struct Artifact {
    path: PathBuf,
    json: Value,
}

impl Artifact {
    /// Loads the artifact at `name` below the cache's npm packages.
    pub(super) fn load(name: &str) -> Result<Self, DevChainError> {
        let path = cache_dir().join(PACKAGES).join(name);
        let Ok(bytes) = std::fs::read(&path) else {
            return Err(DevChainError::Missing { path });
        };
        match serde_json::from_slice(&bytes) {
            Ok(json) => Ok(Self { path, json }),
            Err(error) => Err(DevChainError::Artifact {
                path,
                detail: error.to_string(),
            }),
        }
    }

    /// The code under `key`, with every library reference replaced by `library`.
    pub(super) fn code(&self, key: &str, library: Option<Address>) -> Result<Bytes, DevChainError> {
        let fail = |detail: String| DevChainError::Artifact {
            path: self.path.clone(),
            detail,
        };
        let text = self.json[key]
            .as_str()
            .ok_or_else(|| fail(format!("no {key}")))?;
        // A reference stands in the hex text as __$…$__, 40 characters: an address's length.
        let mut text = text.to_owned();
        if let Some(library) = library {
            while let Some(start) = text.find("__$") {
                text.replace_range(start..start + 40, &hex::encode(library));
            }
        }
        let bytes = hex::decode(&text).map_err(|e| fail(format!("{key}: {e}")))?;
        Ok(bytes.into())
    }
}
