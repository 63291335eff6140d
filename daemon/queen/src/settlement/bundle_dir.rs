//! Writes an epoch's bundle into `audit/epoch-NNN/`: whole or not at all, and durable.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use swarm_chain::Wallet;
use swarm_types::EpochId;
use swarm_types::bundle::{
    AGENTS, Agent, EpochInput, SIGNATURE, Seal, SettlerSignature, build, signature_file,
    summary_digest,
};
use swarm_types::eip712::Entry;

use super::SettlementError;

/// A bundle on disk, and what the ledger keeps of it.
pub(super) struct Written {
    pub seal: Seal,
    pub charges: Vec<Entry>,
    pub payouts: Vec<Entry>,
    pub agents: Vec<Agent>,
    pub signatures: Vec<SettlerSignature>,
}

/// Where the bundle of `epoch` is published.
pub(super) fn path(audit_dir: &Path, epoch: EpochId) -> PathBuf {
    audit_dir.join(epoch.to_string())
}

/// Builds the bundle of `input`, signs it with `keys` and publishes it. A bundle of this epoch that was
/// never recorded, or whose seal grew too old, is replaced.
pub(super) fn write(
    audit_dir: &Path,
    input: EpochInput,
    keys: &[Wallet],
) -> Result<Written, SettlementError> {
    let epoch = EpochId(input.epoch);
    let domain = input.domain.clone();
    let staging = Staging::new(audit_dir, epoch)?;
    let mut agents = Vec::new();
    let built = build(input, |name, bytes| {
        if name == AGENTS {
            agents = bytes.to_vec();
        }
        staging.put(name, bytes)
    })?;
    swarm_faults::point("settlement.bundle.built");
    let (seal_digest, summary) = (built.seal.digest(&domain), summary_digest(&built.summary));
    let mut signatures: Vec<SettlerSignature> = keys
        .iter()
        .map(|key| SettlerSignature {
            settler: key.address(),
            seal: key.sign(&seal_digest),
            summary: key.sign(&summary),
        })
        .collect();
    signatures.sort_by_key(|signature| signature.settler);
    staging.put(SIGNATURE, signature_file(&signatures).as_bytes())?;
    swarm_faults::point("settlement.bundle.signed");
    staging.publish()?;
    Ok(Written {
        seal: built.seal,
        charges: built.charges,
        payouts: built.payouts,
        agents: serde_json::from_slice(&agents).expect("the file was serialized from agents"),
        signatures,
    })
}

/// A bundle in the making, beside its place.
struct Staging {
    audit_dir: PathBuf,
    dir: PathBuf,
    target: PathBuf,
    old: PathBuf,
}

impl Staging {
    fn new(audit_dir: &Path, epoch: EpochId) -> Result<Self, SettlementError> {
        let staging = Self {
            audit_dir: audit_dir.to_owned(),
            dir: audit_dir.join(format!(".{epoch}.new")),
            target: path(audit_dir, epoch),
            old: audit_dir.join(format!(".{epoch}.old")),
        };
        // Left by a crash.
        staging.step(remove(&staging.dir))?;
        staging.step(fs::create_dir_all(staging.dir.join("jobs")))?;
        Ok(staging)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), SettlementError> {
        let write = || {
            let mut file = File::create(self.dir.join(name))?;
            file.write_all(bytes)?;
            swarm_faults::point("settlement.bundle.file_written");
            file.sync_all()
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
                remove(&self.old)?;
                fs::rename(&self.target, &self.old)?;
                swarm_faults::point("settlement.bundle.old_aside");
            }
            fs::rename(&self.dir, &self.target)?;
            sync_dir(&self.audit_dir)?;
            remove(&self.old)
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
