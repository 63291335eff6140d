//! The power record of a job: who measured, how good and how old the reading is, and where the
//! energy came from. What is not known says "unknown" and is never 0.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Measured at, or unknown to, the meter. A share is in basis points of the job's energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// Basis points of the energy.
    Bps(u16),
    /// Nobody measured it.
    Unknown,
}

/// How far a reading can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Read from a working meter within its interval.
    Good,
    /// Read, but older than it should be.
    Stale,
    /// Derived, not read.
    Estimated,
    /// No meter answered.
    Unknown,
}

/// The power record {meter, quality, age, solar, battery, grid shares} that an execution commits to.
///
/// Fields stand in the order of canonical JSON ([`crate::canonical::to_vec_in_order`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PowerRecord {
    /// Age of the reading in seconds; absent when there is none.
    pub age_seconds: Option<u32>,
    /// Share that came from the battery.
    pub battery: Reading,
    /// Share that came from the grid.
    pub grid: Reading,
    /// What measured, such as `nvml` or `none`.
    pub meter: String,
    /// How far to trust it.
    pub quality: Quality,
    /// Share that came from the sun.
    pub solar: Reading,
}

impl PowerRecord {
    /// The record of a box without a meter.
    pub fn unknown() -> Self {
        Self {
            meter: "none".into(),
            quality: Quality::Unknown,
            age_seconds: None,
            solar: Reading::Unknown,
            battery: Reading::Unknown,
            grid: Reading::Unknown,
        }
    }

    /// The canonical JSON.
    pub fn canonical(&self) -> Vec<u8> {
        crate::canonical::to_vec_in_order(self)
    }

    /// SHA-256 of the canonical JSON.
    pub fn digest(&self) -> B256 {
        crate::sha256(self.canonical())
    }
}
