//! Filters first: what keeps a bee from taking a job, with the stable codes of `why`.

use swarm_types::api::READY_GAP_SECONDS_MAX;
use swarm_types::{Address, B256};

use super::bee::Bee;
use super::gate::PowerGate;

/// Why a bee cannot take a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Stable code of the API.
    pub code: &'static str,
    /// In words.
    pub reason: String,
}

/// What a job needs of a bee.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// Its model.
    pub model: &'a B256,
    /// Memory of its model, MiB; `None` when the queen no longer has the model.
    pub memory_mib: Option<u32>,
    /// Workers that can decrypt its input; empty means any.
    pub recipients: &'a [Address],
    /// Unix seconds by which it must be completed.
    pub deadline: u64,
}

pub(super) fn obstacle(code: &'static str, reason: impl Into<String>) -> Result<(), Obstacle> {
    Err(Obstacle {
        code,
        reason: reason.into(),
    })
}

/// Whether the bee was heard within the ready gap.
pub fn is_online(bee: &Bee, now_millis: u64) -> bool {
    let gap = READY_GAP_SECONDS_MAX * 1_000;
    let last = bee.record.last_heartbeat_millis;
    last.is_some_and(|last| now_millis.saturating_sub(last) <= gap)
}

/// Whether the bee may take any job now.
pub fn can_work(bee: &Bee, gate: &PowerGate, now_millis: u64) -> Result<(), Obstacle> {
    if !bee.approved() {
        return obstacle(
            "not-approved",
            "the operator has not approved this bee (swarm bee approve)",
        );
    }
    if !is_online(bee, now_millis) {
        return match bee.record.last_heartbeat_millis {
            None => obstacle("offline", "it has sent no heartbeat yet"),
            Some(last) => {
                let seconds = now_millis.saturating_sub(last) / 1_000;
                obstacle("offline", format!("its last heartbeat was {seconds} s ago"))
            }
        };
    }
    if bee.record.draining {
        return obstacle("draining", "it finishes what it has and takes nothing new");
    }
    if !bee.record.ready {
        let why = bee.stats.not_ready_reason.as_deref();
        let why = why.unwrap_or("its last heartbeat said so and gave no reason");
        return obstacle("not-ready", format!("its self-check fails: {why}"));
    }
    if bee.held >= bee.profile.concurrency {
        let Bee { held, profile, .. } = bee;
        let at_once = profile.concurrency;
        return obstacle("busy", format!("it holds {held} of at most {at_once} jobs"));
    }
    gate.bee(&bee.worker)
}

/// Whether the bee could ever take this job, as it is equipped.
pub fn fits(bee: &Bee, needs: &Needs<'_>) -> Result<(), Obstacle> {
    if !needs.recipients.is_empty() && !needs.recipients.contains(&bee.worker) {
        return obstacle(
            "not-a-recipient",
            "the input was not encrypted to it; the client can submit again",
        );
    }
    let Some(memory_mib) = needs.memory_mib else {
        return obstacle("model-missing", "the queen no longer has the job's model");
    };
    if !bee.profile.models.contains(needs.model) {
        let mut faults = bee.stats.model_faults.iter();
        return match faults.find(|fault| fault.model == *needs.model) {
            Some(fault) => {
                let reason = format!("it does not serve the job's model: {}", fault.reason);
                obstacle("model-missing", reason)
            }
            None => obstacle("model-missing", "it does not have the job's model"),
        };
    }
    let has = bee.profile.device.memory_mib;
    if has < memory_mib {
        return obstacle(
            "memory",
            format!("it has {has} MiB, the model needs {memory_mib}"),
        );
    }
    Ok(())
}

/// Whether the bee can take this job now.
pub fn can_take(
    bee: &Bee,
    needs: &Needs<'_>,
    gate: &PowerGate,
    now_millis: u64,
) -> Result<(), Obstacle> {
    can_work(bee, gate, now_millis)?;
    fits(bee, needs)?;
    gate.job(needs.deadline, now_millis / 1_000)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rails::bee::{BeeProfile, BeeStats};
    use swarm_ledger::records::{WorkerRecord, WorkerState};
    use swarm_power::policy::Rung;
    use swarm_types::api::Device;
    use swarm_types::{MicroUsdc, Signature65};

    const NOW: u64 = 1_700_000_000_000;
    const MODEL: B256 = B256::repeat_byte(7);

    /// A bee that may take anything.
    pub(in crate::rails) fn bee(number: u8) -> Bee {
        let record = WorkerRecord {
            worker: Address::repeat_byte(number),
            payee: Some(Address::repeat_byte(0xee)),
            state: WorkerState::Approved,
            label: None,
            recipient: None,
            profile: serde_json::Value::Null,
            stats: serde_json::Value::Null,
            draining: false,
            ready: true,
            last_heartbeat_millis: Some(NOW),
            ready_seconds_open_epoch: 0,
            leases: Vec::new(),
            jobs_completed: 0,
            earned: MicroUsdc::ZERO,
            registered_at: 0,
        };
        let mut signature = [1; 65];
        signature[64] = 27;
        Bee {
            worker: record.worker,
            record,
            profile: BeeProfile {
                recipient_signature: Signature65::normalise(&signature).expect("sound"),
                device: Device {
                    name: "cpu".into(),
                    uuid: None,
                    memory_mib: 4_096,
                },
                models: vec![MODEL],
                models_since: Default::default(),
                engines: Vec::new(),
                concurrency: 2,
                version: "1".into(),
            },
            stats: BeeStats::default(),
            held: 0,
        }
    }

    fn code(change: impl FnOnce(&mut Bee)) -> &'static str {
        code_with(&PowerGate::default(), change)
    }

    fn code_with(gate: &PowerGate, change: impl FnOnce(&mut Bee)) -> &'static str {
        let mut bee = bee(1);
        change(&mut bee);
        let recipients = [Address::repeat_byte(1)];
        let needs = Needs {
            model: &MODEL,
            memory_mib: Some(4_096),
            recipients: &recipients,
            deadline: NOW / 1_000 + 7_200,
        };
        can_take(&bee, &needs, gate, NOW).map_or_else(|o| o.code, |()| "eligible")
    }

    #[test]
    fn every_obstacle_has_its_code() {
        assert_eq!(code(|_| {}), "eligible");
        assert_eq!(
            code(|b| b.record.state = WorkerState::Registered),
            "not-approved"
        );
        assert_eq!(code(|b| b.record.last_heartbeat_millis = None), "offline");
        let edge = NOW - READY_GAP_SECONDS_MAX * 1_000;
        assert_eq!(
            code(|b| b.record.last_heartbeat_millis = Some(edge)),
            "eligible"
        );
        assert_eq!(
            code(|b| b.record.last_heartbeat_millis = Some(edge - 1)),
            "offline"
        );
        assert_eq!(code(|b| b.record.draining = true), "draining");
        assert_eq!(code(|b| b.record.ready = false), "not-ready");
        assert_eq!(code(|b| b.held = 2), "busy");
        assert_eq!(code(|b| b.profile.models.clear()), "model-missing");
        assert_eq!(code(|b| b.profile.device.memory_mib = 4_095), "memory");
        assert_eq!(
            code(|b| b.worker = Address::repeat_byte(2)),
            "not-a-recipient"
        );
    }

    #[test]
    fn what_power_does_not_allow_is_said_last() {
        let critical = PowerGate::of(Rung::Critical, "the battery is at 24 %".into(), [], 3_600);
        assert_eq!(code_with(&critical, |_| {}), "power");
        assert_eq!(code_with(&critical, |b| b.held = 2), "busy");
        let conserve = PowerGate::of(Rung::Conserve, "it is a quiet hour".into(), [], 3_600);
        assert_eq!(code_with(&conserve, |_| {}), "power", "two hours are left");
        let longer = PowerGate::of(Rung::Conserve, "it is a quiet hour".into(), [], 7_200);
        assert_eq!(code_with(&longer, |_| {}), "eligible");
    }
}
