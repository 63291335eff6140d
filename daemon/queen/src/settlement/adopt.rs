//! An epoch that the chain has and the ledger has not is taken over from its bundle. Then the ledger was a copy from
//! before that epoch, or is new, and goes on from where the chain is.
//!
//! The chain says which seal counts, the seal fixes the bundle, and the bundle has every job in full: who held the ledger
//! that is lost does not matter. The steps are those of sealing, each of which may be repeated: forget a seal of one's
//! own, put in the jobs that are missing, close the epoch as the bundle did, move what the bundle does not settle to the
//! next, record the seal, note that it is on the chain.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use swarm_ledger::commands::{AdoptJobs, AdoptSettled, BeginSeal, RecordSealed, ReopenAdopted};
use swarm_ledger::records::{EpochRecord, EpochState, SealTrigger, UnknownEpoch};
use swarm_types::JobId;
use swarm_types::bundle::{JobsPage, Verified, page_name, verify};

use super::{Settlement, SettlementError, bundle_dir};

/// Jobs of one command: others' commands pass in between.
const JOBS_AT_ONCE: usize = 500;

impl Settlement {
    /// Takes over an epoch. Answers why not, where it cannot.
    pub(super) async fn adopt(
        &mut self,
        unknown: UnknownEpoch,
    ) -> Result<Result<(), String>, SettlementError> {
        let epoch = unknown.epoch;
        let Some(record) = self.ledger.epoch(epoch).await? else {
            return Ok(Err(format!("the ledger is before {epoch}")));
        };
        let before = self.ledger.outbox().await?;
        if let Some(other) = before.iter().find(|entry| entry.epoch.id != epoch) {
            return Ok(Err(format!("{} is not final yet", other.epoch.id)));
        }
        if record.seal_hash != Some(unknown.seal_hash) {
            let bundle = match self.bundle_of(unknown).await? {
                Ok(bundle) => bundle,
                Err(why) => return Ok(Err(why)),
            };
            if let Err(why) = self.seal_as(&record, bundle).await? {
                return Ok(Err(why));
            }
        }
        let now = self.now();
        match self.ledger.adopt_settled(AdoptSettled { now, epoch }).await {
            Ok(record) => {
                tracing::warn!(%epoch, receipts = record.jobs, state = %record.state, "an epoch that is on the chain was taken over from its bundle: this ledger did not have it");
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal.refusal()?.to_string())),
        }
    }

    /// The bundle of the seal that the chain accepted, in its place: a ledger that was restored may have put another one
    /// there meanwhile. Answers why there is none.
    async fn bundle_of(
        &mut self,
        UnknownEpoch {
            epoch, seal_hash, ..
        }: UnknownEpoch,
    ) -> Result<Result<Verified, String>, SettlementError> {
        let place = bundle_dir::path(&self.audit_dir, epoch);
        let mut dirs = bundle_dir::aside(&self.audit_dir, epoch)?;
        dirs.insert(0, place.clone());
        // Bundles that do not hold together are not read again before something of them changes.
        let mut all = Files::new();
        for dir in &dirs {
            all.extend(files(dir)?);
        }
        if let Some((known, why)) = &self.unsound
            && *known == all
        {
            return Ok(Err(why.clone()));
        }
        let mut why = None;
        for dir in dirs.into_iter().filter(|dir| dir.exists()) {
            let problem = match verified(dir.clone()).await? {
                Ok(bundle) if bundle.seal.struct_hash() == seal_hash => {
                    if dir != place {
                        bundle_dir::put_back(&self.audit_dir, epoch, &dir)?;
                    }
                    return Ok(Ok(bundle));
                }
                Ok(_) => format!("the chain has not settled {epoch} with the bundle's seal"),
                Err(problem) => problem,
            };
            why.get_or_insert(problem);
        }
        let why = why.unwrap_or_else(|| format!("its bundle audit/{epoch} is not there"));
        self.unsound = Some((all, why.clone()));
        Ok(Err(why))
    }

    /// Gives the epoch the jobs and the seal of `bundle`. Answers why not, where it cannot.
    async fn seal_as(
        &mut self,
        record: &EpochRecord,
        bundle: Verified,
    ) -> Result<Result<(), String>, SettlementError> {
        let epoch = record.id;
        let Verified {
            summary,
            seal,
            charges,
            payouts,
            agents,
            settlers,
            ..
        } = bundle;
        let seal_hash = seal.struct_hash();
        if record.state != EpochState::Open {
            let command = ReopenAdopted {
                now: self.now(),
                epoch,
                seal_hash,
                sealed_at: summary.sealed_at,
            };
            if let Err(refusal) = self.ledger.reopen_adopted(command).await {
                return Ok(Err(refusal.refusal()?.to_string()));
            }
        }
        let payees: BTreeMap<_, _> = agents
            .iter()
            .map(|agent| (agent.worker, agent.payee))
            .collect();
        let dir = bundle_dir::path(&self.audit_dir, epoch);
        let mut listed = BTreeSet::new();
        for number in 0..summary.pages.len() {
            let page = page(dir.join(page_name(number))).await?;
            listed.extend(page.jobs.iter().map(|job| job.execution.job()));
            for jobs in page.jobs.chunks(JOBS_AT_ONCE) {
                let command = AdoptJobs {
                    now: self.now(),
                    epoch,
                    seal_hash,
                    jobs: jobs.to_vec(),
                    payees: payees.clone(),
                };
                if let Err(refusal) = self.ledger.adopt_jobs(command).await {
                    return Ok(Err(refusal.refusal()?.to_string()));
                }
            }
        }
        if record.state == EpochState::Open {
            let command = BeginSeal {
                now: summary.sealed_at,
                trigger: SealTrigger::Schedule,
            };
            let begun = match self.ledger.begin_seal(command).await {
                Ok(begun) => begun,
                Err(refusal) => return Ok(Err(refusal.refusal()?.to_string())),
            };
            if (begun.epoch, begun.sealed_at) != (epoch, summary.sealed_at) {
                return Ok(Err(format!(
                    "the ledger closed {} at {}, and the bundle at {}",
                    begun.epoch, begun.sealed_at, summary.sealed_at
                )));
            }
        }
        let here = self.contents(epoch).await?.jobs;
        let unsettled = here.iter().map(|charge| charge.job);
        let unsettled: Vec<JobId> = unsettled.filter(|job| !listed.contains(job)).collect();
        if !unsettled.is_empty() {
            self.defer(epoch, &unsettled).await?;
        }
        let command = RecordSealed {
            now: self.now(),
            epoch,
            seal,
            charges,
            payouts,
            agents,
            signatures: settlers,
        };
        match self.ledger.record_sealed(command).await {
            Ok(_) => Ok(Ok(())),
            Err(refusal) => Ok(Err(refusal.refusal()?.to_string())),
        }
    }
}

/// Path, size and time of change of every file of a bundle.
pub(super) type Files = Vec<(PathBuf, u64, SystemTime)>;

fn files(dir: &Path) -> Result<Files, SettlementError> {
    let mut found = Vec::new();
    for dir in [dir.to_owned(), dir.join("jobs")] {
        let list = |found: &mut Files| -> std::io::Result<()> {
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                let about = entry.metadata()?;
                found.push((entry.path(), about.len(), about.modified()?));
            }
            Ok(())
        };
        match list(&mut found) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SettlementError::Bundle {
                    path: dir,
                    source: error,
                });
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

/// The bundle in `dir`, checked as a stranger would.
async fn verified(dir: PathBuf) -> Result<Result<Verified, String>, SettlementError> {
    let checked = tokio::task::spawn_blocking(move || {
        verify(|name| std::fs::read(dir.join(name)).ok())
            .map_err(|error| format!("its bundle does not hold together: {error}"))
    });
    checked.await.map_err(|error| SettlementError::Refused {
        step: "check a bundle",
        reason: error.to_string(),
    })
}

/// A page of a bundle that was verified just now. Ten thousand jobs take a while to read.
async fn page(path: PathBuf) -> Result<JobsPage, SettlementError> {
    let read = tokio::task::spawn_blocking(move || {
        let read = std::fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.map_err(|source| SettlementError::Bundle { path, source })
    });
    read.await.map_err(|error| SettlementError::Refused {
        step: "read a bundle",
        reason: error.to_string(),
    })?
}
