//! Writes an epoch's bundle into `audit/epoch-NNN/`: whole or not at all, and durable.
//!
//! A bundle passes through page by page, on three threads: one reads jobs from the ledger, one builds (with
//! help of the other cores), one writes and syncs. Each is at most a page ahead of the next.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use swarm_chain::Wallet;
use swarm_ledger::Ledger;
use swarm_ledger::records::JobCharge;
use swarm_types::bundle::{
    Builder, Built, BundleFile, SIGNATURE, SUMMARY, SettledJob, SettlerSignature, signature_file,
    summary_digest,
};
use swarm_types::{EpochId, sha256};
use tokio::sync::mpsc;

use super::SettlementError;

/// Pages that wait between two threads.
const PAGES_AHEAD: usize = 1;

/// A bundle on disk, and what the ledger keeps of it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The seal, the vectors and the workers' parts.
    pub built: Built,
    /// The settlers' signatures, ascending by address.
    pub signatures: Vec<SettlerSignature>,
}

/// Where the bundle of `epoch` is published.
pub(super) fn path(audit_dir: &Path, epoch: EpochId) -> PathBuf {
    audit_dir.join(epoch.to_string())
}

/// What the names of bundles of `epoch` begin with that others took the place of.
fn aside_prefix(epoch: EpochId) -> String {
    format!(".{epoch}.aside-")
}

/// The bundles of `epoch` that others took the place of, each under a name made of its digest. The chain may have
/// accepted the seal of one of them: that of a queen whose ledger was lost and restored from a copy.
pub(super) fn aside(audit_dir: &Path, epoch: EpochId) -> Result<Vec<PathBuf>, SettlementError> {
    let prefix = aside_prefix(epoch);
    let list = || {
        let mut found = Vec::new();
        for entry in fs::read_dir(audit_dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok::<_, io::Error>(found)
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found.map_err(|source| SettlementError::Bundle {
            path: audit_dir.to_owned(),
            source,
        }),
    }
}

/// Puts a bundle that lies [`aside`] in its place again, and the one that is there aside.
pub(super) fn put_back(
    audit_dir: &Path,
    epoch: EpochId,
    bundle: &Path,
) -> Result<(), SettlementError> {
    let target = path(audit_dir, epoch);
    let swap = || {
        put_aside(audit_dir, epoch)?;
        fs::rename(bundle, &target)?;
        sync_dir(audit_dir)
    };
    swap().map_err(|source| SettlementError::Bundle {
        path: target.clone(),
        source,
    })
}

/// Removes what lies [`aside`]: the epoch is final, and its bundle the only one.
pub(super) fn forget_aside(audit_dir: &Path, epoch: EpochId) -> Result<(), SettlementError> {
    for path in aside(audit_dir, epoch)? {
        remove(&path).map_err(|source| SettlementError::Bundle { path, source })?;
    }
    Ok(())
}

/// Moves the bundle of `epoch` aside, if there is one.
fn put_aside(audit_dir: &Path, epoch: EpochId) -> io::Result<()> {
    let target = path(audit_dir, epoch);
    let summary = match fs::read(target.join(SUMMARY)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return remove(&target),
        summary => sha256(&summary?),
    };
    let digest = format!("{summary:x}");
    let aside = audit_dir.join(aside_prefix(epoch) + &digest[..8]);
    // The same bundle, put aside before.
    remove(&aside)?;
    fs::rename(&target, &aside)
}

/// Builds the bundle of `jobs` (all that `ledger` settles in the builder's epoch, in the order of the
/// leaves), signs it with `keys` and publishes it below `audit_dir`. A bundle of this epoch that was never
/// recorded, or whose seal grew too old, is put aside ([`aside`]). May be interrupted and called again at any time.
///
/// # Errors
/// When ledger or disk fail, or the jobs are not the epoch's any more; nothing is published then.
pub async fn publish(
    ledger: &Ledger,
    audit_dir: &Path,
    builder: Builder,
    jobs: &[JobCharge],
    keys: &[Wallet],
) -> Result<Published, SettlementError> {
    let (epoch, page_receipts) = (builder.epoch(), builder.page_receipts());
    let (to_builder, pages) = mpsc::channel(PAGES_AHEAD);
    let (audit_dir, keys) = (audit_dir.to_owned(), keys.to_vec());
    let expected = jobs.len() as u64;
    let work =
        tokio::task::spawn_blocking(move || write(&audit_dir, builder, pages, expected, &keys));
    for page in jobs.chunks(page_receipts) {
        let ids = page.iter().map(|charge| charge.job).collect();
        // An error ends the pages, and the writer gives up.
        let page = ledger.settled_jobs(epoch, ids).await?;
        if to_builder.send(page).await.is_err() {
            break;
        }
    }
    drop(to_builder);
    work.await.map_err(|error| SettlementError::Refused {
        step: "build a bundle",
        reason: error.to_string(),
    })?
}

fn write(
    audit_dir: &Path,
    mut builder: Builder,
    mut pages: mpsc::Receiver<Vec<SettledJob>>,
    expected: u64,
    keys: &[Wallet],
) -> Result<Published, SettlementError> {
    let epoch = builder.epoch();
    let domain = builder.domain().clone();
    let staging = Staging::new(audit_dir, epoch)?;
    let published = thread::scope(|scope| {
        let (to_disk, files) = sync_channel(PAGES_AHEAD);
        let disk = scope.spawn(|| staging.put_all(files));
        // An error of `send` means that the disk's thread has one to tell.
        let build = || {
            while let Some(jobs) = pages.blocking_recv() {
                let file = builder.page(&jobs);
                let file = file.map_err(|source| SettlementError::Jobs { epoch, source })?;
                if to_disk.send(file).is_err() {
                    return Ok(None);
                }
            }
            let receipts = builder.receipts();
            if receipts != expected {
                return Err(SettlementError::Cut {
                    epoch,
                    receipts,
                    expected,
                });
            }
            let (files, built) = builder.finish();
            swarm_faults::point("settlement.bundle.built");
            let digests = (built.seal.digest(&domain), summary_digest(&built.summary));
            let mut signatures: Vec<SettlerSignature> = keys
                .iter()
                .map(|key| SettlerSignature {
                    settler: key.address(),
                    seal: key.sign(&digests.0),
                    summary: key.sign(&digests.1),
                })
                .collect();
            signatures.sort_by_key(|signature| signature.settler);
            let signed = BundleFile {
                name: SIGNATURE.into(),
                bytes: signature_file(&signatures).into_bytes(),
            };
            for file in files.into_iter().chain([signed]) {
                if to_disk.send(file).is_err() {
                    return Ok(None);
                }
            }
            Ok(Some(Published { built, signatures }))
        };
        let built = build();
        drop(to_disk);
        let written = disk.join().unwrap_or_else(|_| {
            let error = io::Error::other("the thread that writes it panicked");
            staging.step(Err(error))
        });
        written.and(built)
    })?;
    let published = published.ok_or_else(|| SettlementError::Refused {
        step: "build a bundle",
        reason: "its writer ended without an error".into(),
    })?;
    swarm_faults::point("settlement.bundle.signed");
    staging.publish()?;
    Ok(published)
}

/// A bundle in the making, beside its place.
struct Staging {
    audit_dir: PathBuf,
    epoch: EpochId,
    dir: PathBuf,
    target: PathBuf,
}

impl Staging {
    fn new(audit_dir: &Path, epoch: EpochId) -> Result<Self, SettlementError> {
        let staging = Self {
            audit_dir: audit_dir.to_owned(),
            epoch,
            dir: audit_dir.join(format!(".{epoch}.new")),
            target: path(audit_dir, epoch),
        };
        // Left by a crash.
        staging.step(remove(&staging.dir))?;
        staging.step(fs::create_dir_all(staging.dir.join("jobs")))?;
        Ok(staging)
    }

    fn put_all(&self, files: Receiver<BundleFile>) -> Result<(), SettlementError> {
        files.iter().try_for_each(|file| self.put(&file))
    }

    fn put(&self, file: &BundleFile) -> Result<(), SettlementError> {
        let write = || {
            let mut to = File::create(self.dir.join(&file.name))?;
            to.write_all(&file.bytes)?;
            swarm_faults::point("settlement.bundle.file_written");
            to.sync_all()
        };
        self.step(write())
    }

    fn publish(self) -> Result<(), SettlementError> {
        let publish = || {
            sync_dir(&self.dir.join("jobs"))?;
            sync_dir(&self.dir)?;
            // A crash between the two renames leaves no bundle, and the epoch unrecorded: it is built
            // again.
            if self.target.exists() {
                put_aside(&self.audit_dir, self.epoch)?;
                swarm_faults::point("settlement.bundle.old_aside");
            }
            fs::rename(&self.dir, &self.target)?;
            sync_dir(&self.audit_dir)
        };
        self.step(publish())
    }

    fn step<T>(&self, result: io::Result<T>) -> Result<T, SettlementError> {
        result.map_err(|source| SettlementError::Bundle {
            path: self.target.clone(),
            source,
        })
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
