//! From what happened in an epoch to its files and its seal.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};

use super::*;
use crate::payout::{Contribution, Division, divide};
use crate::{canonical, sha256, tree};

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

/// All that a seal depends on. The same input gives the same bytes.
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
    /// The jobs to settle, in any order.
    pub jobs: Vec<SettledJob>,
    /// Every worker that has a job here or was ready.
    pub workers: Vec<WorkerEpoch>,
}

/// A built epoch: its seal and vectors. The files went to the sink.
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
    /// Leaf hashes in order, for proofs.
    pub leaves: Vec<B256>,
}

/// Builds the bundle of an epoch and hands each file (all but SIGNATURE.txt) to `sink` as it is done.
///
/// # Errors
/// Whatever `sink` returns.
///
/// # Panics
/// When a job's worker is not among `input.workers`; the ledger lists every worker of an epoch.
pub fn build<E>(
    input: EpochInput,
    mut sink: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<Built, E> {
    let EpochInput {
        epoch,
        domain,
        previous,
        sealed_at,
        rates,
        protocol_payee,
        operator_payee,
        mut jobs,
        workers,
    } = input;
    jobs.sort_by_key(|job| (job.order.order.client, job.execution.job()));

    let mut files = BTreeMap::new();
    let mut put = |name: String, bytes: &[u8]| -> Result<(), E> {
        sink(&name, bytes)?;
        files.insert(name, sha256(bytes));
        Ok(())
    };

    let mut charges: BTreeMap<Address, ClientCharge> = BTreeMap::new();
    let mut agents: BTreeMap<Address, Agent> =
        workers.iter().map(|w| (w.worker, Agent::new(w))).collect();
    let mut leaves = Vec::with_capacity(jobs.len());
    let mut pages = Vec::new();
    for (number, page) in jobs.chunks(PAGE_RECEIPTS).enumerate() {
        let first = number * PAGE_RECEIPTS;
        let entries: Vec<JobEntry> = page
            .iter()
            .map(|job| {
                let charge = charges
                    .entry(job.order.order.client)
                    .or_insert(ClientCharge {
                        client: job.order.order.client,
                        receipts: 0,
                        amount: MicroUsdc::ZERO,
                    });
                charge.receipts += 1;
                charge.amount.0 += job.fee.0;
                let agent = agents
                    .get_mut(&job.worker)
                    .expect("every worker of the epoch is listed");
                agent.receipts += 1;
                agent.fees.0 += job.fee.0;
                entry(job, charge.amount, &domain)
            })
            .collect();
        let page_leaves: Vec<B256> = entries.iter().map(|entry| entry.receipt.leaf()).collect();
        let file = page_name(number);
        put(
            file.clone(),
            &canonical::to_vec(&JobsPage {
                first: first as u64,
                jobs: entries,
            }),
        )?;
        pages.push(PagePlace {
            file,
            first: first as u64,
            count: page.len() as u64,
            subtrees: tree::cover(first as u64, &page_leaves),
        });
        leaves.extend(page_leaves);
    }

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
    put(AGENTS.into(), &canonical::to_vec(&agents))?;
    put(
        CLIENTS.into(),
        &canonical::to_vec(&charges.values().collect::<Vec<_>>()),
    )?;
    put(PAYOUTS.into(), &canonical::to_vec(&payouts))?;

    let charge_vector = vector(&charges.values().map(|c| (c.client, c.amount)).collect());
    let payout_vector = vector(&division.payees);
    let summary = Summary {
        version: BUNDLE_VERSION,
        epoch_id: EpochId(epoch),
        epoch,
        chain_id: domain.chain_id,
        escrow: domain.escrow,
        previous,
        receipts_root: tree::root(&leaves),
        receipt_count: leaves.len() as u64,
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
    sink(SUMMARY, &bytes)?;
    Ok(Built {
        seal: summary.seal(&bytes),
        summary: bytes,
        charges: charge_vector,
        payouts: payout_vector,
        leaves,
    })
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
