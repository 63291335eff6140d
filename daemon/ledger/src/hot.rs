//! What the writer keeps in memory beside the tables: the open jobs, the end of the journal, the open
//! epoch. The tables are the truth; after a rollback and at start this is read from them again.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;
use swarm_types::{Address, B256, MicroUsdc};

use crate::books::Books;
use crate::error::LedgerError;
use crate::journal::Journal;
use crate::records::{JobState, LeaseToken};
use crate::sql;

/// A lease that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub worker: Address,
    pub token: LeaseToken,
    /// Unix seconds.
    pub expires_at: u64,
}

/// A job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenJob {
    pub client: Address,
    /// The client's account.
    pub account: i64,
    /// The reservation.
    pub transfer: i64,
    pub fee: MicroUsdc,
    pub model: B256,
    /// Unix seconds.
    pub deadline: u64,
    /// Who can decrypt the input; empty means anybody.
    pub recipients: Box<[Address]>,
    pub attempts: u32,
    pub max_attempts: u32,
    pub state: JobState,
    pub lease: Option<Held>,
    /// Whether its client named a webhook for this job.
    pub webhook: bool,
}

impl OpenJob {
    /// Whether `worker` can decrypt the input.
    pub fn readable_by(&self, worker: &Address) -> bool {
        self.recipients.is_empty() || self.recipients.contains(worker)
    }
}

/// A client's webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub id: u64,
    pub url: String,
    pub events: Vec<String>,
}

/// All that is kept in memory.
#[derive(Debug)]
pub(crate) struct Hot {
    pub journal: Journal,
    /// Number of the open epoch.
    pub epoch: u64,
    /// Number of the next job in it.
    pub next_job: u64,
    /// Its clearing account.
    pub clearing: i64,
    /// Its seal cannot be before this, Unix seconds.
    pub not_before: u64,
    /// Cap of a client that set none.
    pub default_cap: u64,
    pub jobs: HashMap<i64, OpenJob>,
    /// Pending jobs by model, oldest first.
    pub pending: HashMap<B256, BTreeSet<i64>>,
    pub hooks: HashMap<Address, Vec<Hook>>,
    pub books: Books,
    /// Whether a job became pending since the watchers were told.
    pub became_pending: bool,
}

impl Hot {
    /// Reads everything from the tables.
    pub fn load(conn: &Connection) -> Result<Self, LedgerError> {
        let open = sql::epochs::the_open_one(conn)?;
        let mut hot = Self {
            journal: Journal::new(sql::journal::head(conn)?),
            epoch: open.number,
            next_job: sql::jobs::last_number(conn, open.number)? + 1,
            clearing: sql::accounts::clearing(conn, open.number)?,
            not_before: open.not_before,
            default_cap: sql::accounts::default_cap(conn)?,
            jobs: HashMap::new(),
            pending: HashMap::new(),
            hooks: HashMap::new(),
            books: Books::default(),
            became_pending: true,
        };
        for (key, job) in sql::jobs::open_ones(conn)? {
            if job.state == JobState::Pending {
                hot.queue(job.model, key);
            }
            hot.jobs.insert(key, job);
        }
        for (client, hook) in sql::webhooks::all(conn)? {
            hot.hooks.entry(client).or_default().push(hook);
        }
        Ok(hot)
    }

    /// Puts a job among the pending ones.
    pub fn queue(&mut self, model: B256, key: i64) {
        self.pending.entry(model).or_default().insert(key);
        self.became_pending = true;
    }

    /// Takes a job from the pending ones, if it is among them.
    pub fn unqueue(&mut self, model: &B256, key: i64) {
        if let Some(jobs) = self.pending.get_mut(model) {
            jobs.remove(&key);
            if jobs.is_empty() {
                self.pending.remove(model);
            }
        }
    }

    /// How many jobs of `models` are pending.
    pub fn pending_of(&self, models: &[B256]) -> usize {
        let jobs = models.iter().filter_map(|model| self.pending.get(model));
        jobs.map(BTreeSet::len).sum()
    }

    /// The oldest pending job of one of `models` that `worker` can read, that is not due at `now` and whose deadline
    /// is not after `deadline_max`.
    pub fn oldest(
        &self,
        models: &[B256],
        worker: &Address,
        now: u64,
        deadline_max: u64,
    ) -> Option<i64> {
        models
            .iter()
            .filter_map(|model| {
                let jobs = self.pending.get(model)?;
                jobs.iter().copied().find(|key| {
                    let job = &self.jobs[key];
                    job.readable_by(worker) && now < job.deadline && job.deadline <= deadline_max
                })
            })
            .min()
    }
}
