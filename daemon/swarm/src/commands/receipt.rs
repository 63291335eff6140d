//! `swarm receipt`: what shows that a job was settled, and the check of it.

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::At;
use swarm_chain::audit::AuditError;
use swarm_chain::views::EpochState;
use swarm_types::api::ReceiptProof;
use swarm_types::eip712::Domain;
use swarm_types::receipt::ENERGY_UNKNOWN;
use swarm_types::{Address, EpochId, JobId, tree};

use crate::checks::{Check, Report};
use crate::cli::ReceiptCommand;
use crate::exit::Failure;
use crate::output::{fields, time};
use crate::session::{Session, epoch_name};

/// Largest receipt file, in bytes: a path of 64 hashes makes some 8 KiB.
const RECEIPT_BYTES_MAX: u64 = 1 << 20;

/// `swarm receipt …`.
pub async fn run(session: &Session, command: ReceiptCommand) -> Result<()> {
    match command {
        ReceiptCommand::Show { job } => {
            let proof = fetch(session, job).await?;
            session.out.print(&proof, |proof, _| describe(proof))
        }
        ReceiptCommand::Verify { receipt, offline } => verify(session, &receipt, offline).await,
    }
}

async fn fetch(session: &Session, job: JobId) -> Result<ReceiptProof> {
    let proof = session.queen()?.receipt(job).await;
    proof.with_context(|| {
        format!("ask for the receipt of {job}; there is one once its epoch is sealed")
    })
}

fn describe(proof: &ReceiptProof) -> String {
    let receipt = &proof.receipt;
    let energy = match receipt.energy_millijoules {
        ENERGY_UNKNOWN => "not measured".to_owned(),
        millijoules => format!("{} J", millijoules / 1000),
    };
    let mut rows = vec![
        ("job", receipt.job().to_string()),
        ("client", receipt.client.to_string()),
        ("bee", receipt.worker.to_string()),
        ("fee", receipt.fee.to_string()),
        (
            "client's total",
            format!("{} in {}", receipt.client_total, epoch_name(proof.epoch)),
        ),
        (
            "ran",
            format!(
                "{} to {}",
                time(receipt.started_at),
                time(receipt.completed_at)
            ),
        ),
        ("energy", energy),
        ("model", receipt.model.to_string()),
        ("order", receipt.order.to_string()),
        ("execution", receipt.execution.to_string()),
        ("place", format!("leaf {} of {}", proof.index, proof.size)),
        ("root", proof.root.to_string()),
        (
            "escrow",
            format!("{} on chain {}", proof.escrow, proof.chain_id),
        ),
    ];
    rows.extend(
        proof
            .transaction
            .map(|hash| ("settled by", hash.to_string())),
    );
    fields(&rows)
}

/// What was verified.
#[derive(Serialize)]
struct Subject {
    job_id: JobId,
    epoch_id: EpochId,
    escrow: Address,
    offline: bool,
}

async fn verify(session: &Session, receipt: &str, offline: bool) -> Result<()> {
    let proof = match receipt.parse::<JobId>() {
        Ok(job) => {
            let proof = fetch(session, job).await?;
            if proof.receipt.job() != job {
                let text = format!("the queen sent the receipt of {}", proof.receipt.job());
                return Err(Failure::check(text).into());
            }
            proof
        }
        Err(_) => read(receipt)?,
    };
    let job = proof.receipt.job();
    let mut checks = alone(&proof);
    if let Some(escrow) = session.escrow() {
        checks.push(Check::same("escrow", escrow, proof.escrow));
    }
    if !offline {
        checks.extend(on_chain(session, &proof).await?);
    }
    let subject = Subject {
        job_id: job,
        epoch_id: EpochId(proof.epoch),
        escrow: proof.escrow,
        offline,
    };
    let where_ = if offline {
        "by itself; its root was not compared with the chain"
    } else {
        "against the chain"
    };
    Report::new(subject, checks).print(&session.out, &format!("receipt of {job}, {where_}"))
}

fn read(path: &str) -> Result<ReceiptProof> {
    let size = std::fs::metadata(path).map(|file| file.len());
    let size =
        size.with_context(|| format!("'{path}' is neither a job such as job-001-0001 nor a file"))?;
    if size > RECEIPT_BYTES_MAX {
        let text = format!("{path} is larger than any receipt ({RECEIPT_BYTES_MAX} bytes)");
        return Err(Failure::usage(text).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("read {path}"))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{path} is not what `swarm receipt show --json` writes"))
}

/// What a receipt shows without the chain.
fn alone(proof: &ReceiptProof) -> Vec<Check> {
    let (receipt, order, execution) = (&proof.receipt, &proof.order.order, &proof.execution);
    let domain = Domain::new(proof.chain_id, proof.escrow);
    let same = |what: &str, holds: bool| (!holds).then(|| what.to_owned());
    let fields = [
        same("job", execution.job() == receipt.job()),
        same("client", order.client == receipt.client),
        same("order", execution.order == receipt.order),
        same(
            "model",
            order.model == receipt.model && execution.model == receipt.model,
        ),
        same(
            "input",
            order.input == receipt.input && execution.input == receipt.input,
        ),
        same("result", execution.result == receipt.result),
        same("power", execution.power == receipt.power),
        same("start", execution.started_at == receipt.started_at),
        same("completion", execution.completed_at == receipt.completed_at),
        same(
            "energy",
            execution.energy_millijoules == receipt.energy_millijoules,
        ),
        same(
            "fee",
            receipt.fee <= order.max_fee && receipt.fee <= receipt.client_total,
        ),
        same("deadline", receipt.completed_at <= order.deadline),
        same("epoch", receipt.job_epoch <= proof.epoch),
    ];
    let differing: Vec<String> = fields.into_iter().flatten().collect();
    let fields = match differing.is_empty() {
        true => Check::new("fields", true, "order, execution and receipt agree"),
        false => Check::new(
            "fields",
            false,
            format!("do not agree: {}", differing.join(", ")),
        ),
    };
    let signed = match proof.order.signers(&domain) {
        Err(error) => Check::new("order's signature", false, error.to_string()),
        Ok(signers) if signers.contains(&receipt.client) => Check::new(
            "order's signature",
            true,
            format!("by the client {}", receipt.client),
        ),
        Ok([signer, _]) => Check::new(
            "order's signature",
            true,
            format!("by {signer}, not the client; the chain knows whether it may"),
        ),
    };
    let worker = match execution.signer(&domain, &proof.execution_signature) {
        Err(error) => Check::new("execution's signature", false, error.to_string()),
        Ok(signer) => Check::same("execution's signature", receipt.worker, signer),
    };
    let root = tree::root_from_path(receipt.leaf(), proof.index, proof.size, &proof.path);
    let path = match root {
        Some(root) => Check::same("path to the root", proof.root, root),
        None => Check::new(
            "path to the root",
            false,
            "it has the wrong length for its tree",
        ),
    };
    vec![
        fields,
        signed,
        Check::same(
            "order's commitment",
            receipt.order,
            proof.order.commitment(),
        ),
        worker,
        Check::same(
            "execution's digest",
            receipt.execution,
            execution.digest(&domain),
        ),
        path,
    ]
}

/// What the chain says of it.
async fn on_chain(session: &Session, proof: &ReceiptProof) -> Result<Vec<Check>> {
    let chain = session.chain_at(proof.escrow, Some(proof.chain_id)).await?;
    let receipt = &proof.receipt;
    let verdict = match chain
        .verify_receipt(proof.epoch, proof.index, receipt, &proof.path)
        .await
    {
        Err(AuditError::NotSettled(epoch)) => {
            return Ok(vec![Check::new(
                "settled",
                false,
                format!("{epoch} is not on the chain"),
            )]);
        }
        other => other.context("ask the contract")?,
    };
    let epoch = chain.epoch(proof.epoch, At::Latest).await?;
    let epoch = epoch.context("the epoch vanished from the chain meanwhile; try again")?;
    let state = match verdict.state {
        EpochState::Final => "final".to_owned(),
        EpochState::Pending => format!("open to challenge until {}", time(epoch.final_at)),
        EpochState::Void => "void: the job settles again in another epoch".to_owned(),
    };
    let mut checks = vec![
        Check::same("root on the chain", proof.root, epoch.receipts_root),
        Check::same("size on the chain", proof.size, epoch.receipt_count),
        Check::new(
            "included",
            verdict.included && verdict.included_here,
            format!(
                "the contract says {}, this program {}",
                yes(verdict.included),
                yes(verdict.included_here)
            ),
        ),
        Check::new("epoch", verdict.state != EpochState::Void, state),
    ];
    let signers = proof.order.signers(chain.domain()).unwrap_or_default();
    if !signers.contains(&receipt.client) {
        let previous = chain
            .epoch(proof.epoch.saturating_sub(1), At::Latest)
            .await?;
        let since = previous.map_or(0, |epoch| epoch.sealed_at);
        let mut may = false;
        for signer in signers {
            may |= chain
                .signs_for(receipt.client, signer, since, At::Latest)
                .await?;
        }
        let detail = format!("{} for the client {}", signers[0], receipt.client);
        checks.push(Check::new("order signer", may, detail));
    }
    Ok(checks)
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}
