//! What a page of jobs is asked for with.

use swarm_types::{Address, EpochId, JobId};

use crate::records::JobState;

/// Which jobs a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this client.
    pub client: Option<Address>,
    /// Held or completed by this worker.
    pub worker: Option<Address>,
    /// In this state.
    pub state: Option<JobState>,
    /// Settled in this epoch.
    pub settles_in: Option<EpochId>,
    /// Older than this one (the last of the page before).
    pub after: Option<JobId>,
    /// At most so many.
    pub limit: u32,
}
