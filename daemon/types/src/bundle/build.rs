//! From what happened in an epoch to its files and its seal, page by page.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};

use rayon::prelude::*;

use super::*;
use crate::payout::{Contribution, Division, divide};
use crate::tree::{self, CompactRange};
use crate::{JobId, canonical, sha256};

/// Receipts that one core takes at a time.
const CHUNK_RECEIPTS: usize = 256;
/// About the bytes of a receipt with all that belongs to it.
const ENTRY_BYTES: usize = 2_560;

/// A completed job, before it has its place in the tree.
#[derive(Clone, Debug)]
pub struct SettledJob {
    /// Who signed the execution.
    pub worker: Address,
    /// What the client pays.
    pub fee: MicroUsdc,
    /// The client's order.
    pub order: SignedOrder,
    /// What the worker stated.
    pub execution: Execution,
    /// Its signature.
    pub execution_signature: Signature65,
    /// The engine's descriptive string.
    pub engine: String,
    /// The power record.
    pub power: PowerRecord,
}

/// A worker in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerEpoch {
    /// The bee's key.
    pub worker: Address,
    /// Where its earnings go.
    pub payee: Address,
    /// Whole seconds it was ready.
    pub ready_seconds: u64,
}

/// What a seal depends on beside its jobs. The same input and jobs give the same bytes.
#[derive(Clone, Debug)]
pub struct EpochInput {
    /// Number of the epoch.
    pub epoch: u64,
    /// Where the escrow is.
    pub domain: Domain,
    /// Struct hash of the seal before; 0 for the first.
    pub previous: B256,
    /// Unix seconds.
    pub sealed_at: u64,
    /// Rates of the payout rule.
    pub rates: Rates,
    /// Payee of the protocol fee.
    pub protocol_payee: Address,
    /// Payee of the operator fee.
    pub operator_payee: Address,
    /// Every worker that has a job here or was ready.
    pub workers: Vec<WorkerEpoch>,
}

/// A built epoch: its seal and vectors.
#[derive(Clone, Debug)]
pub struct Built {
    /// What the settlers sign.
    pub seal: Seal,
    /// The bytes of SUMMARY.json.
    pub summary: Vec<u8>,
    /// The charge vector.
    pub charges: Vec<eip712::Entry>,
    /// The payout vector.
    pub payouts: Vec<eip712::Entry>,
    /// The workers, as in `agents.json`.
    pub agents: Vec<Agent>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Its name in the bundle.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Jobs that a bundle cannot be built from. The ledger gave something else than an epoch's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Jobs come by client, then job, each once.
    #[error("{0} comes out of order or twice")]
    Order(JobId),
    /// Every page but the last is full, and none is empty.
    #[error("a page of {receipts} receipts is followed by another; only the last may not be full")]
    Page {
        /// Receipts in it.
        receipts: usize,
    },
    /// A job's worker is not among the epoch's.
    #[error("{0} has a job and is not among the epoch's workers")]
    Worker(Address),
    /// A sum is too large.
    #[error("the fees overflow at {0}")]
    Overflow(JobId),
}

/// Builds `jobs` (in any order) into a bundle and gives each file but SIGNATURE.txt to `sink`.
///
/// # Errors
/// Whatever `sink` answers.
///
/// # Panics
/// When a job is listed twice or has a worker that `input` does not list.
pub fn build<E>(
    input: EpochInput,
    mut jobs: Vec<SettledJob>,
    mut sink: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<Built, E> {
    jobs.sort_by_key(SettledJob::key);
    let mut builder = Builder::new(input);
    let listed = "each job is listed once, and its worker too";
    for page in jobs.chunks(PAGE_RECEIPTS) {
        let file = builder.page(page).expect(listed);
        sink(&file.name, &file.bytes)?;
    }
    let (files, built) = builder.finish();
    for file in files {
        sink(&file.name, &file.bytes)?;
    }
    Ok(built)
}

/// Builds a bundle page by page; what it holds does not grow with the number of receipts, but for a line
/// of the summary a page.
#[derive(Clone, Debug)]
pub struct Builder {
    input: EpochInput,
    page_receipts: usize,
    last: Option<(Address, JobId)>,
    charges: BTreeMap<Address, ClientCharge>,
    agents: BTreeMap<Address, Agent>,
    leaves: CompactRange,
    pages: Vec<PagePlace>,
    files: BTreeMap<String, B256>,
}

impl Builder {
    /// A bundle without a page yet.
    pub fn new(input: EpochInput) -> Self {
        Self::with_pages_of(PAGE_RECEIPTS, input)
    }

    /// The same with pages of another size, for tests; a bundle with such pages is none to anybody else.
    pub fn with_pages_of(page_receipts: usize, input: EpochInput) -> Self {
        let agents = input.workers.iter().map(|w| (w.worker, Agent::new(w)));
        Self {
            page_receipts,
            last: None,
            charges: BTreeMap::new(),
            agents: agents.collect(),
            leaves: CompactRange::new(0),
            pages: Vec::new(),
            files: BTreeMap::new(),
            input,
        }
    }

    /// The epoch that is built.
    pub fn epoch(&self) -> EpochId {
        EpochId(self.input.epoch)
    }

    /// Where its signatures count.
    pub fn domain(&self) -> &Domain {
        &self.input.domain
    }

    /// Receipts of a full page.
    pub fn page_receipts(&self) -> usize {
        self.page_receipts
    }

    /// Receipts so far.
    pub fn receipts(&self) -> u64 {
        self.leaves.end()
    }

    /// Builds the next page, on all cores. `jobs` go on in the order of the leaves: by client, then job.
    ///
    /// # Errors
    /// When `jobs` are not the epoch's next; the builder is of no use then.
    pub fn page(&mut self, jobs: &[SettledJob]) -> Result<BundleFile, BuildError> {
        let first = self.leaves.end();
        let receipts = jobs.len();
        let follows_full_pages = first == (self.pages.len() * self.page_receipts) as u64;
        if receipts == 0 || receipts > self.page_receipts || !follows_full_pages {
            return Err(BuildError::Page { receipts });
        }
        let totals = jobs.iter().map(|job| self.book(job));
        let totals: Vec<MicroUsdc> = totals.collect::<Result<_, _>>()?;

        let domain = &self.input.domain;
        let entries: Vec<JobEntry> = jobs
            .par_iter()
            .zip(&totals)
            .map(|(job, total)| entry(job, *total, domain))
            .collect();
        let (bytes, leaves) = rayon::join(|| page_text(first, &entries), || leaves(&entries));
        let (hash, subtrees) = rayon::join(|| sha256(&bytes), || tree::cover(first, &leaves));
        for subtree in &subtrees {
            self.leaves.join(subtree.clone());
        }
        let name = page_name(self.pages.len());
        self.files.insert(name.clone(), hash);
        self.pages.push(PagePlace {
            file: name.clone(),
            first,
            count: receipts as u64,
            subtrees,
        });
        Ok(BundleFile { name, bytes })
    }

    /// Adds a job to the running sums; answers its client's total.
    fn book(&mut self, job: &SettledJob) -> Result<MicroUsdc, BuildError> {
        let (client, id) = job.key();
        if self.last.is_some_and(|last| last >= (client, id)) {
            return Err(BuildError::Order(id));
        }
        self.last = Some((client, id));
        let charge = self.charges.entry(client).or_insert(ClientCharge {
            client,
            receipts: 0,
            amount: MicroUsdc::ZERO,
        });
        let agent = self.agents.get_mut(&job.worker);
        let agent = agent.ok_or(BuildError::Worker(job.worker))?;
        let overflow = BuildError::Overflow(id);
        charge.receipts += 1;
        charge.amount = charge.amount.checked_add(job.fee).ok_or(overflow)?;
        agent.receipts += 1;
        agent.fees = agent.fees.checked_add(job.fee).ok_or(overflow)?;
        Ok(charge.amount)
    }

    /// The other files, in the order in which they are to be written, and the seal.
    pub fn finish(self) -> (Vec<BundleFile>, Built) {
        let Self {
            input,
            charges,
            mut agents,
            leaves,
            pages,
            mut files,
            ..
        } = self;
        let EpochInput {
            epoch,
            domain,
            previous,
            sealed_at,
            rates,
            protocol_payee,
            operator_payee,
            ..
        } = input;
        let contributions = agents
            .iter()
            .map(|(worker, a)| {
                (
                    *worker,
                    Contribution {
                        payee: a.payee,
                        fees: a.fees,
                        ready_seconds: a.ready_seconds,
                    },
                )
            })
            .collect();
        let division = divide(&rates, protocol_payee, operator_payee, &contributions);
        for (worker, share) in &division.workers {
            if let Some(agent) = agents.get_mut(worker) {
                (agent.work, agent.readiness) = (share.work, share.readiness);
            }
        }
        let agents: Vec<Agent> = agents.into_values().collect();
        let payouts = payouts(&division, &agents, protocol_payee, operator_payee);
        let clients: Vec<&ClientCharge> = charges.values().collect();
        let mut written = Vec::new();
        for (name, bytes) in [
            (AGENTS, canonical::to_vec(&agents)),
            (CLIENTS, canonical::to_vec(&clients)),
            (PAYOUTS, canonical::to_vec(&payouts)),
        ] {
            files.insert(name.into(), sha256(&bytes));
            let name = name.into();
            written.push(BundleFile { name, bytes });
        }

        let charge_vector = vector(&charges.values().map(|c| (c.client, c.amount)).collect());
        let payout_vector = vector(&division.payees);
        let summary = Summary {
            version: BUNDLE_VERSION,
            epoch_id: EpochId(epoch),
            epoch,
            chain_id: domain.chain_id,
            escrow: domain.escrow,
            previous,
            receipts_root: leaves.root(),
            receipt_count: leaves.end(),
            charged: MicroUsdc(charges.values().map(|c| c.amount.0).sum()),
            charges: vector_hash(&charge_vector),
            payouts: vector_hash(&payout_vector),
            sealed_at,
            rates,
            protocol_payee,
            operator_payee,
            pools: division.pools,
            pages,
            files,
        };
        let bytes = canonical::to_vec(&summary);
        written.push(BundleFile {
            name: SUMMARY.into(),
            bytes: bytes.clone(),
        });
        let built = Built {
            seal: summary.seal(&bytes),
            summary: bytes,
            charges: charge_vector,
            payouts: payout_vector,
            agents,
        };
        (written, built)
    }
}

/// Canonical JSON of a [`JobsPage`], on all cores.
pub(super) fn page_text(first: u64, entries: &[JobEntry]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = entries
        .par_chunks(CHUNK_RECEIPTS)
        .map(|chunk| {
            let mut part = Vec::with_capacity(chunk.len() * ENTRY_BYTES);
            for entry in chunk {
                part.push(b',');
                part.append(&mut canonical::to_vec_in_order(entry));
            }
            part
        })
        .collect();
    let mut text = format!(r#"{{"first":"{first}","jobs":["#).into_bytes();
    text.reserve(parts.iter().map(Vec::len).sum::<usize>() + 2);
    for (number, part) in parts.into_iter().enumerate() {
        // No comma before the first.
        text.extend_from_slice(&part[usize::from(number == 0)..]);
    }
    text.extend_from_slice(b"]}");
    text
}

/// The leaves of `entries`, on all cores.
pub(super) fn leaves(entries: &[JobEntry]) -> Vec<B256> {
    let leaf = |entry: &JobEntry| entry.receipt.leaf();
    entries
        .par_iter()
        .with_min_len(CHUNK_RECEIPTS)
        .map(leaf)
        .collect()
}

impl SettledJob {
    /// Where its receipt stands among the leaves: by client, then job, numerically.
    pub fn key(&self) -> (Address, JobId) {
        (self.order.order.client, self.execution.job())
    }
}

impl Agent {
    fn new(worker: &WorkerEpoch) -> Self {
        Self {
            worker: worker.worker,
            payee: worker.payee,
            receipts: 0,
            fees: MicroUsdc::ZERO,
            ready_seconds: worker.ready_seconds,
            work: MicroUsdc::ZERO,
            readiness: MicroUsdc::ZERO,
        }
    }
}

fn entry(job: &SettledJob, client_total: MicroUsdc, domain: &Domain) -> JobEntry {
    let (order, execution) = (&job.order.order, &job.execution);
    JobEntry {
        receipt: Receipt {
            job_epoch: execution.job_epoch,
            job_seq: execution.job_seq,
            client: order.client,
            worker: job.worker,
            order: execution.order,
            model: execution.model,
            input: execution.input,
            result: execution.result,
            execution: execution.digest(domain),
            power: execution.power,
            fee: job.fee,
            client_total,
            started_at: execution.started_at,
            completed_at: execution.completed_at,
            energy_millijoules: execution.energy_millijoules,
        },
        order: job.order.clone(),
        execution: job.execution.clone(),
        execution_signature: job.execution_signature,
        engine: job.engine.clone(),
        power: job.power.clone(),
    }
}

/// The payout vector with the parts of each amount; zero parts are left out.
pub(super) fn payouts(
    division: &Division,
    agents: &[Agent],
    protocol_payee: Address,
    operator_payee: Address,
) -> Vec<Payout> {
    let mut parts: BTreeMap<Address, Vec<PayoutPart>> = BTreeMap::new();
    let mut add = |payee: Address, kind, worker, amount: MicroUsdc| {
        if amount.0 > 0 {
            parts.entry(payee).or_default().push(PayoutPart {
                kind,
                worker,
                amount,
            });
        }
    };
    add(
        protocol_payee,
        PartKind::Protocol,
        None,
        division.pools.protocol,
    );
    add(
        operator_payee,
        PartKind::Operator,
        None,
        division.pools.operator,
    );
    for agent in agents {
        add(agent.payee, PartKind::Work, Some(agent.worker), agent.work);
        add(
            agent.payee,
            PartKind::Readiness,
            Some(agent.worker),
            agent.readiness,
        );
    }
    parts
        .into_iter()
        .map(|(payee, parts)| Payout {
            payee,
            amount: MicroUsdc(parts.iter().map(|p| p.amount.0).sum()),
            parts,
        })
        .collect()
}
