//! What may happen to a job.

use swarm_types::{Address, JobId};

use crate::hot::OpenJob;
use crate::limits::{COMPLETION_GRACE_SECONDS, LEASE_SECONDS_MAX};
use crate::records::{JobState, LeaseToken};
use crate::refusals::LeaseRefusal;

/// Whether the lease counts at `now`. `job` must be open.
pub(crate) fn check_lease(
    id: JobId,
    job: &OpenJob,
    worker: &Address,
    token: LeaseToken,
    now: u64,
) -> Result<(), LeaseRefusal> {
    match job.lease {
        Some(held) if held.worker == *worker && held.token == token => {
            if now < held.expires_at {
                Ok(())
            } else {
                Err(LeaseRefusal::Lapsed {
                    job: id,
                    expired_at: held.expires_at,
                })
            }
        }
        _ => Err(LeaseRefusal::NotHolder(id)),
    }
}

/// Until when a lease taken or renewed at `now` holds: not longer than a completion could still count.
pub(crate) fn lease_until(now: u64, lease_seconds: u64, deadline: u64) -> u64 {
    now.saturating_add(lease_seconds.clamp(1, LEASE_SECONDS_MAX))
        .min(deadline.saturating_add(COMPLETION_GRACE_SECONDS))
}

/// Where a job goes when an attempt has failed or its lease has lapsed.
pub(crate) fn after_failure(job: &OpenJob, retryable: bool, now: u64) -> JobState {
    if now >= job.deadline {
        JobState::Expired
    } else if !retryable || job.attempts >= job.max_attempts {
        JobState::Dead
    } else {
        JobState::Pending
    }
}

/// Where time alone moves a job at `now`; `None` while it may stay.
pub(crate) fn due(job: &OpenJob, now: u64) -> Option<JobState> {
    match job.lease {
        None if now >= job.deadline => Some(JobState::Expired),
        None => None,
        Some(held) if now >= held.expires_at => Some(after_failure(job, true, now)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::{Held, Row};
    use swarm_types::{B256, MicroUsdc};

    fn job(lease: Option<Held>) -> OpenJob {
        OpenJob {
            client: Address::ZERO,
            account: 1,
            fee: MicroUsdc(1),
            commitment: B256::ZERO,
            model: B256::ZERO,
            input: B256::ZERO,
            salt: B256::ZERO,
            blob: B256::ZERO,
            deadline: 1_000,
            recipients: Box::default(),
            attempts: u32::from(lease.is_some()),
            max_attempts: 2,
            state: if lease.is_some() {
                JobState::Claimed
            } else {
                JobState::Pending
            },
            lease,
            claimed_at: None,
            stage: None,
            fraction_bps: 0,
            error: None,
            webhook: false,
            row: Row::Missing,
        }
    }

    const HELD: Held = Held {
        worker: Address::repeat_byte(7),
        token: LeaseToken(5),
        expires_at: 100,
    };
    const ID: JobId = JobId { epoch: 1, seq: 1 };

    #[test]
    fn a_lease_counts_for_its_holder_until_it_lapses() {
        let check = |worker, token, now| check_lease(ID, &job(Some(HELD)), &worker, token, now);
        assert_eq!(check(HELD.worker, HELD.token, 99), Ok(()));
        assert_eq!(
            check(HELD.worker, HELD.token, 100),
            Err(LeaseRefusal::Lapsed {
                job: ID,
                expired_at: 100
            })
        );
        assert_eq!(
            check(Address::ZERO, HELD.token, 0),
            Err(LeaseRefusal::NotHolder(ID))
        );
        assert_eq!(
            check(HELD.worker, LeaseToken(4), 0),
            Err(LeaseRefusal::NotHolder(ID))
        );
        let pending = check_lease(ID, &job(None), &HELD.worker, HELD.token, 0);
        assert_eq!(pending, Err(LeaseRefusal::NotHolder(ID)));
    }

    #[test]
    fn every_open_state_ends_by_time_alone() {
        assert_eq!(due(&job(None), 999), None);
        assert_eq!(due(&job(None), 1_000), Some(JobState::Expired));
        assert_eq!(due(&job(Some(HELD)), 99), None);
        assert_eq!(due(&job(Some(HELD)), 100), Some(JobState::Pending));
        let mut last = job(Some(HELD));
        last.attempts = 2;
        assert_eq!(due(&last, 100), Some(JobState::Dead));
        assert_eq!(due(&last, 1_000), Some(JobState::Expired));
    }

    #[test]
    fn no_lease_outlives_the_deadline_by_more_than_the_grace() {
        assert_eq!(lease_until(10, 60, 1_000), 70);
        assert_eq!(lease_until(990, 60, 1_000), 1_050);
        assert_eq!(lease_until(999, 3_000, 1_000), 1_060);
        assert_eq!(lease_until(0, u64::MAX, u64::MAX), LEASE_SECONDS_MAX);
    }

    #[test]
    fn a_failure_is_tried_again_while_it_may_be() {
        let held = job(Some(HELD));
        assert_eq!(after_failure(&held, true, 1), JobState::Pending);
        assert_eq!(after_failure(&held, false, 1), JobState::Dead);
        assert_eq!(after_failure(&held, false, 1_000), JobState::Expired);
    }
}
