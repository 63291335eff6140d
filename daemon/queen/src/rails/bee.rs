//! A bee as routing sees it: the ledger's record with its two JSON texts read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use swarm_ledger::records::{WorkerRecord, WorkerState};
use swarm_types::api::{Approval, Device, ModelFault, Worker};
use swarm_types::{Address, B256, Signature65};

/// What a bee said of itself at registration; the ledger keeps it as `profile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeeProfile {
    /// EIP-191 by the bee's key over its recipient.
    pub recipient_signature: Signature65,
    /// What it computes with.
    pub device: Device,
    /// Digests of the model packages it can serve.
    pub models: Vec<B256>,
    /// Of models that it did not have at its first registration: since when it has them, Unix seconds. Nobody can have
    /// encrypted an input for them to it before.
    #[serde(default)]
    pub models_since: BTreeMap<B256, u64>,
    /// Its engines, best first.
    pub engines: Vec<String>,
    /// Jobs it takes at once.
    pub concurrency: u32,
    /// Program version.
    pub version: String,
}

/// What a bee said in its last heartbeat; the ledger keeps it as `stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BeeStats {
    /// Why it is not ready.
    pub not_ready_reason: Option<String>,
    /// Models in memory.
    pub warm_models: Vec<B256>,
    /// Models that it cannot serve, and why.
    pub model_faults: Vec<ModelFault>,
    /// Utilisation of the device in percent.
    pub utilisation_percent: Option<u8>,
    /// Memory in use in MiB.
    pub memory_used_mib: Option<u32>,
    /// Temperature of the device in °C.
    pub temperature_celsius: Option<i16>,
    /// Power that the device draws in mW.
    pub power_milliwatts: Option<u32>,
}

/// A bee that registered. A worker that the operator approved before it ever did is none yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Bee {
    /// Its key.
    pub worker: Address,
    /// The ledger's record.
    pub record: WorkerRecord,
    /// What it said of itself.
    pub profile: BeeProfile,
    /// What it said last.
    pub stats: BeeStats,
    /// Jobs in its hands.
    pub held: u32,
}

impl Bee {
    /// Reads a record; `None` when the worker never registered.
    pub fn read(record: WorkerRecord) -> Option<Self> {
        let profile = serde_json::from_value(record.profile.clone()).ok()?;
        let stats = serde_json::from_value(record.stats.clone()).unwrap_or_default();
        Some(Self {
            worker: record.worker,
            held: u32::try_from(record.leases.len()).unwrap_or(u32::MAX),
            record,
            profile,
            stats,
        })
    }

    /// Whether the operator lets it work.
    pub fn approved(&self) -> bool {
        self.record.state == WorkerState::Approved
    }

    /// `online`, `busy`, `draining` or `offline`.
    pub fn status(&self, now_millis: u64) -> &'static str {
        if !super::filter::is_online(self, now_millis) {
            "offline"
        } else if self.record.draining {
            "draining"
        } else if self.held >= self.profile.concurrency {
            "busy"
        } else {
            "online"
        }
    }

    /// As the API shows it.
    pub fn to_api(&self, now_millis: u64) -> Worker {
        let record = &self.record;
        Worker {
            worker: self.worker,
            name: record.label.clone().unwrap_or_default(),
            status: self.status(now_millis).into(),
            approval: approval(record.state),
            payee: record.payee,
            device: self.profile.device.clone(),
            models: self.profile.models.clone(),
            engines: self.profile.engines.clone(),
            ready: record.ready,
            not_ready_reason: self.stats.not_ready_reason.clone(),
            current_jobs: record.leases.iter().map(|lease| lease.job).collect(),
            jobs_completed: record.jobs_completed,
            ready_seconds: record.ready_seconds_open_epoch,
            last_heartbeat: record.last_heartbeat_millis.unwrap_or(0) / 1_000,
            registered_at: record.registered_at,
        }
    }
}

/// The API's word for the ledger's state. A revoked bee waits for the operator like a new one.
pub fn approval(state: WorkerState) -> Approval {
    match state {
        WorkerState::Approved => Approval::Approved,
        WorkerState::Registered | WorkerState::Revoked => Approval::Waiting,
    }
}
