//! What the site's power allows: which bees may take jobs, and which jobs can wait.

use std::collections::HashSet;

use swarm_power::policy::Rung;
use swarm_types::Address;

use super::filter::{Obstacle, obstacle};

/// Stable code of the API.
const POWER: &str = "power";

/// What the ladder allows. By itself everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerGate {
    /// Where the ladder stands; `None` without a meter.
    rung: Option<Rung>,
    /// Why.
    reason: String,
    /// Bees that work only on surplus.
    surplus_only: HashSet<Address>,
    /// While energy is short, a job waits until its deadline is so near.
    defer_seconds: u64,
}

impl PowerGate {
    /// What `rung` allows.
    pub fn of(
        rung: Rung,
        reason: String,
        surplus_only: impl IntoIterator<Item = Address>,
        defer_seconds: u64,
    ) -> Self {
        Self {
            rung: Some(rung),
            reason,
            surplus_only: surplus_only.into_iter().collect(),
            defer_seconds,
        }
    }

    /// Where the ladder stands.
    pub fn rung(&self) -> Option<Rung> {
        self.rung
    }

    /// Whether the bee may take any job.
    ///
    /// # Errors
    /// Why not, naming where the ladder stands.
    pub fn bee(&self, worker: &Address) -> Result<(), Obstacle> {
        let reason = &self.reason;
        match self.rung {
            Some(Rung::Critical) => obstacle(
                POWER,
                format!("power is critical, no new job begins: {reason}"),
            ),
            Some(rung @ (Rung::Conserve | Rung::Normal)) if self.surplus_only.contains(worker) => {
                let text = format!("it works only on surplus, power is {rung}: {reason}");
                obstacle(POWER, text)
            }
            _ => Ok(()),
        }
    }

    /// Whether a job with this deadline may begin.
    ///
    /// # Errors
    /// Why not, naming where the ladder stands.
    pub fn job(&self, deadline: u64, now_seconds: u64) -> Result<(), Obstacle> {
        if deadline <= self.deadline_max(now_seconds) {
            return Ok(());
        }
        let at = deadline - self.defer_seconds;
        let text = format!(
            "power is conserve, and the job can wait until {at} (Unix seconds): {}",
            self.reason
        );
        obstacle(POWER, text)
    }

    /// Deadline of a job that goes before older ones, Unix seconds: behind what was deferred it would miss it.
    pub fn urgent_max(&self, now_seconds: u64) -> Option<u64> {
        self.rung
            .map(|_| now_seconds.saturating_add(self.defer_seconds))
    }

    /// Deadline of a job that may just begin, Unix seconds.
    pub fn deadline_max(&self, now_seconds: u64) -> u64 {
        match self.rung {
            Some(Rung::Conserve) => now_seconds.saturating_add(self.defer_seconds),
            _ => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rung_allows_less() {
        let (plain, extra) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let gate = |rung| PowerGate::of(rung, "why".into(), [extra], 3_600);
        let may = |rung, bee| gate(rung).bee(&bee).is_ok();
        use Rung::*;
        assert!(
            [Surplus, Normal, Conserve]
                .iter()
                .all(|rung| may(*rung, plain))
        );
        assert!(may(Surplus, extra) && !may(Normal, extra) && !may(Conserve, extra));
        assert!(!may(Critical, plain));
        assert!(gate(Normal).job(u64::MAX, 0).is_ok());
        assert!(gate(Conserve).job(4_600, 1_000).is_ok());
        let obstacle = gate(Conserve)
            .job(4_601, 1_000)
            .expect_err("an hour and a second");
        assert_eq!(obstacle.code, "power");
        let text = "power is conserve, and the job can wait until 1001 (Unix seconds): why";
        assert_eq!(obstacle.reason, text);
        assert_eq!(gate(Normal).urgent_max(1_000), Some(4_600));
        assert_eq!(PowerGate::default().urgent_max(1_000), None);
        assert!(PowerGate::default().bee(&extra).is_ok());
        assert!(PowerGate::default().job(u64::MAX, 0).is_ok());
    }
}
