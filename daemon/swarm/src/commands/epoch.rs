//! `swarm epoch` and `swarm seal`.

use anyhow::Result;
use serde::Serialize;
use swarm_types::EpochId;
use swarm_types::api::{Epoch, EpochPayout, EpochStatus};

use crate::cli::EpochCommand;
use crate::output::{fields, table, time};
use crate::session::Session;

/// Epochs that `swarm epoch list` shows: the newest, as many as a page may have.
const EPOCHS_SHOWN: u32 = 500;

/// `swarm epoch …`.
pub async fn run(session: &Session, command: EpochCommand) -> Result<()> {
    match command {
        EpochCommand::List => list(session).await,
        EpochCommand::Show { epoch } => show(session, epoch).await,
    }
}

async fn list(session: &Session) -> Result<()> {
    let page = session.queen()?.epochs(None, Some(EPOCHS_SHOWN)).await?;
    let epochs = page.items;
    session.out.print(&epochs, |epochs, _| {
        let heading = ["epoch", "status", "jobs", "revenue", "from", "final at"]
            .map(String::from)
            .to_vec();
        let row = |epoch: &Epoch| {
            vec![
                epoch.epoch_id.to_string(),
                epoch.status.to_string(),
                epoch.jobs_count.to_string(),
                epoch.total_revenue.to_string(),
                time(epoch.started_at),
                epoch.final_at.map(time).unwrap_or_default(),
            ]
        };
        table(
            &std::iter::once(heading)
                .chain(epochs.iter().map(row))
                .collect::<Vec<_>>(),
        )
    })
}

/// An epoch with who is credited.
#[derive(Serialize)]
struct Shown {
    epoch: Epoch,
    payouts: Vec<EpochPayout>,
}

async fn show(session: &Session, id: EpochId) -> Result<()> {
    let queen = session.queen()?;
    let epoch = queen.epoch(id).await?;
    let payouts = match epoch.status {
        EpochStatus::Active | EpochStatus::Sealing => Vec::new(),
        _ => queen.epoch_payouts(id).await?,
    };
    session.out.print(&Shown { epoch, payouts }, |shown, out| {
        let epoch = &shown.epoch;
        let mut rows = vec![
            ("epoch", out.bold(epoch.epoch_id)),
            ("status", epoch.status.to_string()),
            ("jobs", epoch.jobs_count.to_string()),
            ("revenue", epoch.total_revenue.to_string()),
            ("from", time(epoch.started_at)),
        ];
        let mut more = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
        more("sealed at", epoch.sealed_at.map(time));
        more(
            "receipts root",
            epoch.receipts_root.map(|hash| hash.to_string()),
        );
        more("seal", epoch.seal_hash.map(|hash| hash.to_string()));
        more("bundle", epoch.bundle.map(|hash| hash.to_string()));
        more("CID", epoch.cid.clone());
        more(
            "transaction",
            epoch.transaction.map(|hash| hash.to_string()),
        );
        more("final at", epoch.final_at.map(time));
        more("note", epoch.note.clone());
        let row = |payout: &EpochPayout| {
            let parts = payout.parts.iter().map(|part| {
                format!(
                    "{} {}",
                    format!("{:?}", part.kind).to_lowercase(),
                    part.amount
                )
            });
            vec![
                payout.payee.to_string(),
                payout.amount.to_string(),
                payout.status.clone(),
                parts.collect::<Vec<_>>().join(" + "),
            ]
        };
        let payouts: Vec<_> = shown.payouts.iter().map(row).collect();
        fields(&rows) + &table(&payouts)
    })
}

/// `swarm seal`.
pub async fn seal(session: &Session) -> Result<()> {
    let answer = session.signing_queen()?.seal_now().await?;
    session.out.print(&answer, |answer, _| {
        let id = answer.epoch_id;
        format!("{id} is being sealed; `swarm epoch show {id}` says where it is")
    })
}
