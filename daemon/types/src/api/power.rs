//! The site's power as the API shows it. A reading that nobody made is null and its quality `unknown`;
//! it is never 0.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::power::{PowerRecord, Quality};
use crate::{dec, schema};

/// A power reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PowerReading {
    /// Watts. Of a battery, what it gives; below 0 it is being charged. Of the grid, what comes in.
    pub watts: Option<i32>,
    /// How far to trust it.
    pub quality: Quality,
    /// Age of the reading in seconds.
    pub age_seconds: Option<u32>,
}

impl PowerReading {
    /// Nobody measured it.
    pub const UNKNOWN: Self = Self {
        watts: None,
        quality: Quality::Unknown,
        age_seconds: None,
    };
}

/// A battery's charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChargeReading {
    /// Percent of its capacity.
    pub percent: Option<u8>,
    /// How far to trust it.
    pub quality: Quality,
    /// Age of the reading in seconds.
    pub age_seconds: Option<u32>,
}

impl ChargeReading {
    /// Nobody measured it.
    pub const UNKNOWN: Self = Self {
        percent: None,
        quality: Quality::Unknown,
        age_seconds: None,
    };
}

/// Where the ladder of consumers stands: which of them the site's energy allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ladder {
    /// `surplus`, `normal`, `conserve` or `critical`; `unknown` while no meter is configured: nothing is held back
    /// then.
    pub state: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Unix seconds since when.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub since: Option<u64>,
}

/// A meter of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PowerSource {
    /// Its name in the configuration.
    pub name: String,
    /// How it is spoken to, such as `sunspec`.
    pub kind: String,
    /// Of the worst of what it measures.
    pub quality: Quality,
    /// What is wrong with its last answer; null when nothing is.
    pub reason: Option<String>,
    /// Values that could not be true and were refused, since the queen's start.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub refused: u64,
    /// Reads that failed, since the queen's start.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub failed: u64,
}

/// What a heartbeat's answer says of the site's power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BeePower {
    /// Where the ladder stands.
    pub state: String,
    /// The machine is to shut down as soon as it has nothing to do.
    pub shut_down: bool,
    /// When it should wake by its clock, Unix seconds; null unless it is to shut down.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub wake_at: Option<u64>,
    /// Power limit of its GPUs, percent of the device's own.
    pub gpu_limit_percent: u8,
    /// Where the site's energy comes from now, as a job's power record says it.
    pub mix: PowerRecord,
}

/// A sample of the site's power; watts, null where nobody measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PowerSample {
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// From the sun.
    pub solar: Option<i32>,
    /// From the battery; below 0 into it.
    pub battery: Option<i32>,
    /// What the site uses.
    pub load: Option<i32>,
    /// From the grid.
    pub grid: Option<i32>,
}

/// `GET /api/v1/power`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SitePower {
    /// From the sun.
    pub solar: PowerReading,
    /// From the battery.
    pub battery: PowerReading,
    /// What the site uses.
    pub load: PowerReading,
    /// From the grid.
    pub grid: PowerReading,
    /// The battery's charge.
    pub battery_percent: ChargeReading,
    /// Where the ladder stands.
    pub ladder: Ladder,
    /// The site's meters.
    pub sources: Vec<PowerSource>,
    /// The last day, oldest first.
    pub series: Vec<PowerSample>,
}

impl SitePower {
    /// A site without a meter.
    pub fn unknown() -> Self {
        Self {
            solar: PowerReading::UNKNOWN,
            battery: PowerReading::UNKNOWN,
            load: PowerReading::UNKNOWN,
            grid: PowerReading::UNKNOWN,
            battery_percent: ChargeReading::UNKNOWN,
            ladder: Ladder {
                state: "unknown".into(),
                reason: "no meter is connected, so nothing is known and nothing is held back"
                    .into(),
                since: None,
            },
            sources: Vec::new(),
            series: Vec::new(),
        }
    }
}
