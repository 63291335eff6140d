//! What the writer keeps in memory beside the tables: the open jobs, the end of the journal, the open
//! epoch. The tables are the truth; after a rollback and at start this is read from them again. What a
//! transaction changes of the open jobs is written once, before it ends.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;
use swarm_types::{Address, B256, JobId, MicroUsdc};

use crate::books::Books;
use crate::error::LedgerError;
use crate::journal::Journal;
use crate::records::{JobRecord, JobState, LeaseToken};
use crate::sql;
use crate::sql::outcomes::Completion;
use crate::sql::values::{damaged, job_key};

/// A lease that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub worker: Address,
    pub token: LeaseToken,
    /// Unix seconds.
    pub expires_at: u64,
}

/// What the table of open jobs has of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Nothing yet.
    Missing,
    /// An older state.
    Behind,
    /// What is here.
    Current,
}

/// A job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenJob {
    pub client: Address,
    /// The client's account.
    pub account: i64,
    pub fee: MicroUsdc,
    pub commitment: B256,
    pub model: B256,
    /// The input, hidden by the salt.
    pub input: B256,
    pub salt: B256,
    /// SHA-256 of the stored input.
    pub blob: B256,
    /// Unix seconds.
    pub deadline: u64,
    /// Who can decrypt the input; empty means anybody.
    pub recipients: Box<[Address]>,
    pub max_attempts: u32,
    /// Whether its client named a webhook for this job.
    pub webhook: bool,
    // What follows changes, and only through [`Hot::change`].
    pub state: JobState,
    pub attempts: u32,
    pub lease: Option<Held>,
    /// Unix seconds.
    pub claimed_at: Option<u64>,
    pub stage: Option<Box<str>>,
    pub fraction_bps: u16,
    pub error: Option<Box<str>>,
    pub row: Row,
}

impl OpenJob {
    /// Whether `worker` can decrypt the input.
    pub fn readable_by(&self, worker: &Address) -> bool {
        self.recipients.is_empty() || self.recipients.contains(worker)
    }

    /// `record` of this job, with where the job is now.
    pub fn now(&self, record: JobRecord) -> JobRecord {
        JobRecord {
            state: self.state,
            attempts: self.attempts,
            worker: self.lease.map(|held| held.worker),
            lease: self.lease.map(|held| (held.token, held.expires_at)),
            claimed_at: self.claimed_at,
            stage: self.stage.as_deref().map(str::to_owned),
            fraction_bps: self.fraction_bps,
            error: self.error.as_deref().map(str::to_owned),
            ..record
        }
    }
}

/// A client's webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub id: u64,
    pub url: String,
    pub events: Vec<String>,
}

fn not_open(key: i64) -> LedgerError {
    damaged(format!("job {key} is not open"))
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
    /// Of these, whose rows are not current.
    behind: Vec<i64>,
    /// Jobs that have ended and still have a row among the open ones.
    ended: Vec<i64>,
    completions: Vec<Completion>,
    /// Pending jobs by model, oldest first.
    pub pending: HashMap<B256, BTreeSet<i64>>,
    pub hooks: HashMap<Address, Vec<Hook>>,
    pub books: Books,
    /// Whether a job became pending since the watchers were told.
    pub became_pending: bool,
    /// Rows that [`Self::write`] has changed.
    pub rows_written: u64,
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
            behind: Vec::new(),
            ended: Vec::new(),
            completions: Vec::new(),
            pending: HashMap::new(),
            hooks: HashMap::new(),
            books: Books::default(),
            became_pending: true,
            rows_written: 0,
        };
        for (key, job) in sql::open_jobs::all(conn)? {
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

    /// The key of a job that is open.
    pub fn open_key(&self, id: JobId) -> Option<i64> {
        job_key(id).filter(|key| self.jobs.contains_key(key))
    }

    /// Adds a pending job.
    pub fn open(&mut self, key: i64, job: OpenJob) {
        self.queue(job.model, key);
        self.behind.push(key);
        self.jobs.insert(key, job);
    }

    /// An open job, to change where it is.
    pub fn change(&mut self, key: i64) -> Result<&mut OpenJob, LedgerError> {
        let job = self.jobs.get_mut(&key).ok_or_else(|| not_open(key))?;
        if job.row == Row::Current {
            job.row = Row::Behind;
            self.behind.push(key);
        }
        Ok(job)
    }

    /// Takes out a job that ends. Its outcome must be in the table, or told to [`Self::complete`], before the next
    /// [`Self::write`].
    pub fn end(&mut self, key: i64) -> Result<OpenJob, LedgerError> {
        let job = self.jobs.remove(&key).ok_or_else(|| not_open(key))?;
        if job.state == JobState::Pending {
            self.unqueue(&job.model, key);
        }
        if job.row != Row::Missing {
            self.ended.push(key);
        }
        self.books.forget_record(key);
        Ok(job)
    }

    /// How a job that was taken out was completed.
    pub fn complete(&mut self, completion: Completion) {
        self.completions.push(completion);
    }

    /// An open job whose input is `blob`.
    pub fn user(&self, conn: &Connection, blob: &B256) -> Result<Option<i64>, LedgerError> {
        let new = self.behind.iter().find(|key| {
            let job = self.jobs.get(key);
            job.is_some_and(|job| job.row == Row::Missing && job.blob == *blob)
        });
        if let Some(key) = new {
            return Ok(Some(*key));
        }
        let stored = sql::open_jobs::users(conn, blob)?;
        Ok(stored.into_iter().find(|key| self.jobs.contains_key(key)))
    }

    /// Writes what the tables do not have yet.
    pub fn write(&mut self, conn: &Connection) -> Result<(), LedgerError> {
        let before = conn.total_changes();
        self.books.write(conn, self.epoch)?;
        // In the order of the table. A job that ended meanwhile needs no row.
        self.behind.sort_unstable();
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for key in &self.behind {
            let Some(job) = self.jobs.get(key) else {
                continue;
            };
            if job.row == Row::Missing {
                new.push((*key, job));
            }
            // A new row is that of a job that nobody has claimed.
            if job.row == Row::Behind || job.attempts > 0 {
                changed.push((*key, job));
            }
        }
        sql::open_jobs::insert(conn, &new)?;
        sql::open_jobs::update(conn, &changed)?;
        self.completions.sort_unstable_by_key(|done| done.key);
        sql::outcomes::complete(conn, &self.completions)?;
        self.completions.clear();
        self.ended.sort_unstable();
        sql::open_jobs::delete(conn, &self.ended)?;
        self.ended.clear();
        for key in std::mem::take(&mut self.behind) {
            if let Some(job) = self.jobs.get_mut(&key) {
                job.row = Row::Current;
                debug_assert_eq!(sql::open_jobs::get(conn, key)?.as_ref(), Some(&*job));
            }
        }
        self.rows_written += conn.total_changes() - before;
        Ok(())
    }

    /// Writes it, and keeps no sums that other than the commands of a job's way may change.
    pub fn close_books(&mut self, conn: &Connection) -> Result<(), LedgerError> {
        self.write(conn)?;
        self.books.close();
        Ok(())
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
