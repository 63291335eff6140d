//! Which UID took the place of which. The caller keeps it; nobody else may see it.

use crate::dicom::DicomError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Originals and their replacements. Reusing a map for a second study of the same patient keeps both consistent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UidMap {
    /// Original to replacement.
    replaced: BTreeMap<String, String>,
}

impl UidMap {
    /// The replacement of `original`, made now if there is none yet: `2.25.` and a random UUID as a number (PS3.5 B.2),
    /// so that nothing about the original can be computed from it.
    pub(super) fn replace(&mut self, original: &str) -> Result<String, DicomError> {
        if let Some(known) = self.replaced.get(original) {
            return Ok(known.clone());
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(DicomError::Random)?;
        // Version 4, variant 1 of RFC 9562.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let fresh = format!("2.25.{}", u128::from_be_bytes(bytes));
        self.replaced.insert(original.to_owned(), fresh.clone());
        Ok(fresh)
    }

    /// The UID that `replacement` stands for.
    #[must_use]
    pub fn original(&self, replacement: &str) -> Option<&str> {
        self.replaced
            .iter()
            .find(|(_, v)| *v == replacement)
            .map(|(k, _)| k.as_str())
    }

    /// The UID that stands for `original`.
    #[must_use]
    pub fn replacement(&self, original: &str) -> Option<&str> {
        self.replaced.get(original).map(String::as_str)
    }

    /// Replacements and the originals they stand for.
    pub(crate) fn originals(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.replaced.iter();
        pairs.map(|(original, replacement)| (replacement.as_str(), original.as_str()))
    }

    /// Number of UIDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replaced.len()
    }

    /// Whether nothing was replaced yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }
}
