//! What the guardian calls.

use swarm_contracts::SwarmEscrow::{self, SwarmEscrowErrors as E, SwarmEscrowEvents as V};

use super::{Caller, Done, Escrow, PENDING, ensure, said};

impl Escrow {
    fn guardian(&self, by: Caller) -> Done<()> {
        ensure(by.from == self.params.guardian, || {
            E::NotGuardian(SwarmEscrow::NotGuardian { caller: by.from })
        })
    }

    /// `voidEpoch(epoch)`
    pub fn void_epoch(&mut self, by: Caller, number: u64) -> Done {
        self.guardian(by)?;
        let status = self.status(number, by.now);
        ensure(status == PENDING, || {
            E::NotPending(SwarmEscrow::NotPending {
                epoch: number,
                status,
            })
        })?;
        self.epochs.entry(number).or_default().void = true;
        self.stopped = true;
        Ok(said(V::EpochVoided(SwarmEscrow::EpochVoided {
            epoch: number,
            reason: "guardian".into(),
        })))
    }

    /// `resume()`
    pub fn resume(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        ensure(self.stopped, || {
            E::SettlementNotStopped(SwarmEscrow::SettlementNotStopped {})
        })?;
        self.stopped = false;
        Ok(said(V::SettlementResumed(
            SwarmEscrow::SettlementResumed {},
        )))
    }

    /// `pause()`
    pub fn pause(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        let max = self.params.max_pause;
        let allowed_at = match self.paused_at {
            0 => 0,
            at => at + 2 * max,
        };
        ensure(by.now >= allowed_at, || {
            E::PauseTooSoon(SwarmEscrow::PauseTooSoon {
                allowedAt: allowed_at,
            })
        })?;
        (self.paused_at, self.paused_until) = (by.now, by.now + max);
        Ok(said(V::Paused(SwarmEscrow::Paused {
            until: self.paused_until,
        })))
    }

    /// `unpause()`
    pub fn unpause(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        ensure(by.now < self.paused_until, || {
            E::NotPaused(SwarmEscrow::NotPaused {})
        })?;
        self.paused_until = by.now;
        Ok(said(V::Unpaused(SwarmEscrow::Unpaused {})))
    }
}
