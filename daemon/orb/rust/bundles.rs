//! A bundle on disk compared with what the chain holds of its epoch.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use sha2::{Digest, Sha256};
use swarm_chain::book::EpochFacts;
use swarm_store::cid::DirectoryCid;
use swarm_types::bundle::{AGENTS, Agent, SIGNATURE, SUMMARY, Seal, Summary, parse_signature_file};
use swarm_types::eip712::{Domain, EpochSeal};
use swarm_types::orb::{BundleState, IndexSummary};
use swarm_types::{Address, B256, sha256};

/// Largest SUMMARY.json or SIGNATURE.txt, and largest agents.json that is read into memory.
const SMALL_FILE_BYTES_MAX: u64 = 64 << 20;
/// Most files of a bundle: ten million receipts.
const FILES_MAX: usize = 1_010;

/// What was found of an epoch's bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleFacts {
    /// The digest that the chain holds, with which it was compared.
    pub digest: B256,
    /// How it compares.
    pub state: BundleState,
    /// What is wrong, in a sentence.
    pub detail: Option<String>,
    /// What it adds to the index, when SUMMARY.json is the settled one.
    pub summary: Option<IndexSummary>,
    /// The workers' lines, when their file is the settled one.
    pub agents: Vec<Agent>,
}

/// What the chain says of an epoch and a bundle must agree with.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The epoch.
    pub facts: EpochFacts,
    /// Struct hash of the seal before it.
    pub previous: B256,
    /// Where its seal was signed for.
    pub domain: Domain,
    /// Settlers at its block.
    pub settlers: Vec<Address>,
}

impl Expected {
    /// The seal that the chain settled, from its events; `None` when they do not give its hash.
    fn seal(&self) -> Option<Seal> {
        let facts = &self.facts;
        let (charges, payouts) = facts.vector_hashes();
        let seal = Seal(EpochSeal {
            epoch: facts.epoch,
            previous: self.previous,
            receiptsRoot: facts.receipts_root,
            receiptCount: facts.receipt_count,
            bundle: facts.bundle,
            charged: u128::from(facts.charged.0),
            charges,
            payouts,
            sealedAt: facts.sealed_at,
        });
        (seal.struct_hash() == facts.seal_hash).then_some(seal)
    }
}

/// Compares the bundle in `dir` with the chain: SUMMARY.json by its digest, then every file that it names
/// by the digest it states. Reads every byte once. Blocks.
pub fn check(dir: &Path, expected: &Expected) -> BundleFacts {
    let mut found = BundleFacts {
        digest: expected.facts.bundle,
        state: BundleState::Missing,
        detail: None,
        summary: None,
        agents: Vec::new(),
    };
    let bytes = match small_file(&dir.join(SUMMARY)) {
        Ok(bytes) => bytes,
        Err(error) => {
            found.detail = Some(not_read(SUMMARY, &error));
            return found;
        }
    };
    let digest = sha256(&bytes);
    if digest != expected.facts.bundle {
        found.state = BundleState::Differs;
        found.detail = Some(format!(
            "SUMMARY.json has the digest {digest}, the chain holds {}",
            expected.facts.bundle
        ));
        return found;
    }
    found.state = BundleState::Damaged;
    let summary: Summary = match serde_json::from_slice(&bytes) {
        Ok(summary) => summary,
        Err(error) => {
            found.detail = Some(format!(
                "SUMMARY.json was settled and is not that of a bundle: {error}"
            ));
            return found;
        }
    };
    found.summary = Some(IndexSummary {
        cid: None,
        bytes: bytes.len() as u64,
        pages: u32::try_from(summary.pages.len()).unwrap_or(u32::MAX),
        workers: None,
        rates: summary.rates,
        pools: summary.pools,
        signers: signers(dir, expected),
    });
    match files(dir, &bytes, &summary, &mut found) {
        Ok(()) => found.state = BundleState::Complete,
        Err(detail) => found.detail = Some(detail),
    }
    found
}

/// Compares the files that a summary names; fails with what is wrong with the first bad one.
fn files(
    dir: &Path,
    bytes: &[u8],
    summary: &Summary,
    found: &mut BundleFacts,
) -> Result<(), String> {
    if summary.files.len() > FILES_MAX {
        return Err(format!("SUMMARY.json names more than {FILES_MAX} files"));
    }
    let mut cid = DirectoryCid::default();
    let mut total = bytes.len() as u64;
    let mut add = |name: &str| -> Result<B256, String> {
        let failed = |error: io::Error| not_read(name, &error);
        let file = File::open(dir.join(name)).map_err(failed)?;
        let mut reader = Hashing::new(file);
        cid.add(name, &mut reader).map_err(failed)?;
        total += reader.bytes;
        Ok(B256::from_slice(&reader.hasher.finalize()))
    };
    // `add` has read it once already, and its digest is known.
    add(SUMMARY)?;
    for (name, digest) in &summary.files {
        if !is_plain(name) {
            return Err(format!(
                "SUMMARY.json names a file outside of the bundle: {name:?}"
            ));
        }
        if add(name)? != *digest {
            return Err(format!("{name} is not the file that was settled"));
        }
    }
    add(SIGNATURE)?;
    if let Some(known) = &mut found.summary {
        known.bytes = total;
        known.cid = Some(cid.cid());
    }
    if let Some(digest) = summary.files.get(AGENTS) {
        let agents = small_file(&dir.join(AGENTS)).map_err(|e| not_read(AGENTS, &e))?;
        if sha256(&agents) != *digest {
            return Err(format!("{AGENTS} is not the file that was settled"));
        }
        found.agents = serde_json::from_slice(&agents)
            .map_err(|error| format!("{AGENTS} is not that of a bundle: {error}"))?;
        if let Some(known) = &mut found.summary {
            known.workers = Some(u32::try_from(found.agents.len()).unwrap_or(u32::MAX));
        }
    }
    Ok(())
}

/// Settlers of SIGNATURE.txt whose signature is over the seal that was settled, ascending.
fn signers(dir: &Path, expected: &Expected) -> Vec<Address> {
    let signed = || {
        let text = String::from_utf8(small_file(&dir.join(SIGNATURE)).ok()?).ok()?;
        let digest = expected.seal()?.digest(&expected.domain);
        let lines = parse_signature_file(&text)?.into_iter();
        let good = lines.filter(|line| {
            line.seal.recover(&digest) == Ok(line.settler)
                && expected.settlers.contains(&line.settler)
        });
        Some(good.map(|line| line.settler).collect())
    };
    signed().unwrap_or_default()
}

/// Whether a name stays below the bundle's directory.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn not_read(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{name} is not here"),
        _ => format!("{name} cannot be read: {error}"),
    }
}

fn small_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = File::open(path)?.take(SMALL_FILE_BYTES_MAX + 1);
    reader.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL_FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than any such file"));
    }
    Ok(bytes)
}

/// Hashes and counts what is read through it.
struct Hashing<R> {
    reader: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            hasher: Sha256::new(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
