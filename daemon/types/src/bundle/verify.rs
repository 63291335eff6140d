//! A stranger's check of a bundle: everything is recomputed from the files alone.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use rayon::prelude::*;
use serde::de::DeserializeOwned;

use super::*;
use crate::payout::{Contribution, divide};
use crate::signature::SignatureError;
use crate::{canonical, sha256, tree};

/// What is wrong with a bundle. Each variant names the file or the receipt.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BundleError {
    /// A file is missing.
    #[error("{0} is missing")]
    Missing(String),
    /// A file is not the canonical JSON of its format.
    #[error("{file} is not canonical JSON of its format: {reason}")]
    Format {
        /// Name of the file.
        file: String,
        /// What the reader said.
        reason: String,
    },
    /// A file's SHA-256 is not the one in SUMMARY.json.
    #[error("{0} does not have the SHA-256 that SUMMARY.json states")]
    FileHash(String),
    /// A value of SUMMARY.json is not what the files give.
    #[error("SUMMARY.json: {0} is not what the receipts give")]
    Summary(&'static str),
    /// A file lists something else than the receipts give.
    #[error("{0} is not what the receipts give")]
    Derived(&'static str),
    /// A receipt is wrong.
    #[error("receipt {index} ({job}): {reason}")]
    Receipt {
        /// Index in the tree.
        index: u64,
        /// The job.
        job: crate::JobId,
        /// What is wrong.
        reason: &'static str,
    },
    /// SIGNATURE.txt is wrong.
    #[error("SIGNATURE.txt: {0}")]
    Signature(&'static str),
}

/// A bundle that holds together.
#[derive(Clone, Debug)]
pub struct Verified {
    /// SUMMARY.json.
    pub summary: Summary,
    /// The seal that it fixes.
    pub seal: Seal,
    /// The charge vector.
    pub charges: Vec<eip712::Entry>,
    /// The payout vector.
    pub payouts: Vec<eip712::Entry>,
    /// Each worker's part.
    pub agents: Vec<Agent>,
    /// The settlers who signed.
    pub settlers: Vec<SettlerSignature>,
    /// Leaf hashes in order, for proofs.
    pub leaves: Vec<B256>,
    /// For each receipt the addresses of which one must be the client or its order signer; listed only
    /// where neither is the client itself, so that the chain can be asked.
    pub delegated: Vec<(Receipt, [Address; 2])>,
}

/// Recomputes every number and hash of a bundle from its files (`read` gives a file by name) and
/// compares. What only the chain knows (whether the seal was settled, whether the settlers are
/// settlers, delegated order signers) is left to the caller.
///
/// Takes the pages one by one, each on all cores, and keeps of them only their leaves.
///
/// # Errors
/// The first thing found wrong.
pub fn verify(read: impl FnMut(&str) -> Option<Vec<u8>>) -> Result<Verified, BundleError> {
    verify_pages_of(PAGE_RECEIPTS, read)
}

/// The same for full pages of `page_receipts`.
pub(super) fn verify_pages_of(
    page_receipts: usize,
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Verified, BundleError> {
    let mut file = |name: &str| read(name).ok_or_else(|| BundleError::Missing(name.into()));
    let summary_bytes = file(SUMMARY)?;
    let summary: Summary = canonical_json(SUMMARY, &summary_bytes)?;
    if summary.version != BUNDLE_VERSION || summary.epoch_id.0 != summary.epoch {
        return Err(BundleError::Summary("version or epochId"));
    }
    let domain = Domain::new(summary.chain_id, summary.escrow);
    let mut named: BTreeSet<&str> = summary.files.keys().map(String::as_str).collect();
    let mut checked = |name: &str| -> Result<Vec<u8>, BundleError> {
        let bytes = file(name)?;
        if summary.files.get(name) != Some(&sha256(&bytes)) {
            return Err(BundleError::FileHash(name.into()));
        }
        Ok(bytes)
    };

    let mut walk = Walk::new(summary.epoch, summary.sealed_at);
    for (number, place) in summary.pages.iter().enumerate() {
        let name = page_name(number);
        named.remove(name.as_str());
        let page = jobs_page(&name, &checked(&name)?)?;
        let first = walk.leaves.len();
        if page.first != first as u64 || page.jobs.is_empty() || page.jobs.len() > page_receipts {
            return Err(BundleError::Summary("pages"));
        }
        let facts = page.jobs.par_iter().map(|job| Facts::of(job, &domain));
        let facts: Vec<Facts> = facts.collect();
        for (job, facts) in page.jobs.iter().zip(facts) {
            walk.take(job, facts)?;
        }
        let count = walk.leaves.len() - first;
        let last = number + 1 == summary.pages.len();
        let expected = PagePlace {
            file: name,
            first: first as u64,
            count: count as u64,
            subtrees: tree::cover(first as u64, &walk.leaves[first..]),
        };
        if *place != expected || (!last && count != page_receipts) {
            return Err(BundleError::Summary("pages"));
        }
    }

    for name in [AGENTS, CLIENTS, PAYOUTS] {
        named.remove(name);
    }
    if !named.is_empty() {
        return Err(BundleError::Summary("files"));
    }
    let agents: Vec<Agent> = canonical_json(AGENTS, &checked(AGENTS)?)?;
    let clients: Vec<ClientCharge> = canonical_json(CLIENTS, &checked(CLIENTS)?)?;
    let stated_payouts: Vec<Payout> = canonical_json(PAYOUTS, &checked(PAYOUTS)?)?;

    if clients.iter().ne(walk.clients.values()) {
        return Err(BundleError::Derived(CLIENTS));
    }
    let mut charged = walk.clients.values().map(|c| c.amount);
    let charged = charged.try_fold(MicroUsdc::ZERO, MicroUsdc::checked_add);
    if charged != Some(summary.charged) {
        return Err(BundleError::Summary("charged"));
    }
    summary
        .rates
        .check()
        .map_err(|_| BundleError::Summary("rates"))?;
    let division = check_agents(&agents, &walk, &summary)?;
    if stated_payouts
        != build::payouts(
            &division,
            &agents,
            summary.protocol_payee,
            summary.operator_payee,
        )
    {
        return Err(BundleError::Derived(PAYOUTS));
    }

    let charges = vector(
        &walk
            .clients
            .values()
            .map(|c| (c.client, c.amount))
            .collect(),
    );
    let payouts = vector(&division.payees);
    for (holds, what) in [
        (
            summary.receipts_root == tree::root(&walk.leaves),
            "receiptsRoot",
        ),
        (
            summary.receipt_count == walk.leaves.len() as u64,
            "receiptCount",
        ),
        (summary.charges == vector_hash(&charges), "charges"),
        (summary.payouts == vector_hash(&payouts), "payouts"),
        (summary.pools == division.pools, "pools"),
    ] {
        if !holds {
            return Err(BundleError::Summary(what));
        }
    }
    let seal = summary.seal(&summary_bytes);
    let settlers = check_signatures(&file(SIGNATURE)?, &seal, &summary_bytes, &domain)?;
    Ok(Verified {
        seal,
        charges,
        payouts,
        agents,
        settlers,
        leaves: walk.leaves,
        delegated: walk.delegated,
        summary,
    })
}

fn canonical_json<T: DeserializeOwned + Serialize>(
    file: &str,
    bytes: &[u8],
) -> Result<T, BundleError> {
    read_as(file, bytes, |value: &T| canonical::to_vec(value))
}

fn jobs_page(file: &str, bytes: &[u8]) -> Result<JobsPage, BundleError> {
    read_as(file, bytes, |page: &JobsPage| {
        build::page_text(page.first, &page.jobs)
    })
}

/// The value of `bytes`, if these are what `write` makes of it.
fn read_as<T: DeserializeOwned>(
    file: &str,
    bytes: &[u8],
    write: impl Fn(&T) -> Vec<u8>,
) -> Result<T, BundleError> {
    let error = |reason: String| BundleError::Format {
        file: file.into(),
        reason,
    };
    let value: T = serde_json::from_slice(bytes).map_err(|e| error(e.to_string()))?;
    if write(&value) != bytes {
        return Err(error("another text of the same value".into()));
    }
    Ok(value)
}

/// What takes time to compute of a receipt and what stands beside it; it needs no other receipt.
struct Facts {
    worker: Result<Address, SignatureError>,
    /// Of which one must be the client or its order signer; the client twice when it signed itself.
    signers: Result<[Address; 2], SignatureError>,
    commitment: B256,
    execution: B256,
    power: B256,
    engine: B256,
    leaf: B256,
}

impl Facts {
    fn of(job: &JobEntry, domain: &Domain) -> Self {
        let execution = job.execution.digest(domain);
        let digest = job.order.order.digest(domain);
        let signature = &job.order.signature;
        let client = job.order.order.client;
        let signers = signature.recover_either(&digest, &client);
        Self {
            worker: job.execution_signature.recover(&execution),
            signers,
            commitment: job.order.commitment(),
            execution,
            power: job.power.digest(),
            engine: sha256(job.engine.as_bytes()),
            leaf: job.receipt.leaf(),
        }
    }
}

/// The running state along the receipts.
struct Walk {
    epoch: u64,
    sealed_at: u64,
    last: Option<(Address, crate::JobId)>,
    /// Of the client whose receipts these are: they stand together.
    nonces: BTreeSet<u64>,
    leaves: Vec<B256>,
    clients: BTreeMap<Address, ClientCharge>,
    workers: BTreeMap<Address, (u64, u64)>,
    delegated: Vec<(Receipt, [Address; 2])>,
}

impl Walk {
    fn new(epoch: u64, sealed_at: u64) -> Self {
        Self {
            epoch,
            sealed_at,
            last: None,
            nonces: BTreeSet::new(),
            leaves: Vec::new(),
            clients: BTreeMap::new(),
            workers: BTreeMap::new(),
            delegated: Vec::new(),
        }
    }

    fn take(&mut self, job: &JobEntry, facts: Facts) -> Result<(), BundleError> {
        let index = self.leaves.len() as u64;
        let (receipt, order, execution) = (&job.receipt, &job.order.order, &job.execution);
        let id = receipt.job();
        let fail = |reason| BundleError::Receipt {
            index,
            job: id,
            reason,
        };

        let client = self.clients.entry(receipt.client).or_insert(ClientCharge {
            client: receipt.client,
            receipts: 0,
            amount: MicroUsdc::ZERO,
        });
        client.receipts += 1;
        client.amount = client
            .amount
            .checked_add(receipt.fee)
            .ok_or_else(|| fail("the client's total overflows"))?;
        let worker = self.workers.entry(receipt.worker).or_default();
        worker.0 += 1;
        worker.1 = worker
            .1
            .checked_add(receipt.fee.0)
            .ok_or_else(|| fail("the worker's total overflows"))?;

        if self
            .last
            .is_some_and(|(client, _)| client != receipt.client)
        {
            self.nonces.clear();
        }
        let signers = facts.signers;
        let signers = signers.map_err(|_| fail("the order's signature does not recover"))?;
        for (holds, reason) in [
            (
                self.last.is_none_or(|last| last < receipt.key()),
                "out of order or twice",
            ),
            (
                receipt.client_total == client.amount,
                "clientTotal does not run on",
            ),
            (
                receipt.order == facts.commitment,
                "order is not the commitment of the order beside it",
            ),
            (
                receipt.execution == facts.execution,
                "execution is not the digest of the execution beside it",
            ),
            (
                facts.worker == Ok(receipt.worker),
                "the execution is not signed by the worker",
            ),
            (
                execution.order == receipt.order,
                "the execution is of another order",
            ),
            (execution.job() == id, "the execution is of another job"),
            (
                order.client == receipt.client,
                "the order is another client's",
            ),
            (
                order.model == receipt.model && execution.model == receipt.model,
                "models differ",
            ),
            (
                order.input == receipt.input && execution.input == receipt.input,
                "inputs differ",
            ),
            (execution.result == receipt.result, "results differ"),
            (execution.power == receipt.power, "power records differ"),
            (
                receipt.power == facts.power,
                "power is not the digest of the record beside it",
            ),
            (
                execution.engine == facts.engine,
                "engine is not the digest of the string beside it",
            ),
            (
                execution.started_at == receipt.started_at,
                "start times differ",
            ),
            (
                execution.completed_at == receipt.completed_at,
                "completion times differ",
            ),
            (
                execution.energy_millijoules == receipt.energy_millijoules,
                "energies differ",
            ),
            (
                receipt.fee <= order.max_fee,
                "the fee is over the order's maxFee",
            ),
            (
                receipt.completed_at <= order.deadline,
                "completed after the deadline",
            ),
            (
                receipt.completed_at <= self.sealed_at,
                "completed after the seal",
            ),
            (
                receipt.started_at <= receipt.completed_at,
                "completed before it started",
            ),
            (
                receipt.job_epoch <= self.epoch,
                "submitted in a later epoch",
            ),
            (
                self.nonces.insert(order.nonce),
                "the order's nonce appears twice",
            ),
        ] {
            if !holds {
                return Err(fail(reason));
            }
        }
        self.last = Some(receipt.key());
        self.leaves.push(facts.leaf);
        if !signers.contains(&receipt.client) {
            self.delegated.push((receipt.clone(), signers));
        }
        Ok(())
    }
}

fn check_agents(
    agents: &[Agent],
    walk: &Walk,
    summary: &Summary,
) -> Result<crate::payout::Division, BundleError> {
    let ascending = agents
        .windows(2)
        .all(|pair| pair[0].worker < pair[1].worker);
    let listed: BTreeMap<Address, (u64, u64)> = agents
        .iter()
        .filter(|a| a.receipts > 0)
        .map(|a| (a.worker, (a.receipts, a.fees.0)))
        .collect();
    if !ascending
        || listed != walk.workers
        || agents.iter().any(|a| a.receipts == 0 && a.fees.0 != 0)
    {
        return Err(BundleError::Derived(AGENTS));
    }
    let contributions = agents
        .iter()
        .map(|a| {
            (
                a.worker,
                Contribution {
                    payee: a.payee,
                    fees: a.fees,
                    ready_seconds: a.ready_seconds,
                },
            )
        })
        .collect();
    let division = divide(
        &summary.rates,
        summary.protocol_payee,
        summary.operator_payee,
        &contributions,
    );
    let shares = agents.iter().all(|a| {
        division
            .workers
            .get(&a.worker)
            .is_some_and(|s| (s.work, s.readiness) == (a.work, a.readiness))
    });
    shares
        .then_some(division)
        .ok_or(BundleError::Derived(AGENTS))
}

fn check_signatures(
    file: &[u8],
    seal: &Seal,
    summary: &[u8],
    domain: &Domain,
) -> Result<Vec<SettlerSignature>, BundleError> {
    let text = std::str::from_utf8(file).map_err(|_| BundleError::Signature("not UTF-8"))?;
    let signatures =
        parse_signature_file(text).ok_or(BundleError::Signature("not in its format"))?;
    let (seal, summary) = (seal.digest(domain), summary_digest(summary));
    let holds = |s: &SettlerSignature| {
        s.seal.recover(&seal) == Ok(s.settler) && s.summary.recover(&summary) == Ok(s.settler)
    };
    if signatures.is_empty() || !signatures.iter().all(holds) {
        return Err(BundleError::Signature(
            "a signature is not by the settler it names",
        ));
    }
    Ok(signatures)
}
