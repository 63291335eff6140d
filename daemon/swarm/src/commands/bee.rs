//! `swarm bee`: what an operator does with bees.

use anyhow::Result;
use swarm_types::api::{Approval, Worker};

use crate::cli::BeeCommand;
use crate::output::{table, time};
use crate::session::Session;

/// `swarm bee …`.
pub async fn run(session: &Session, command: BeeCommand) -> Result<()> {
    match command {
        BeeCommand::List => {
            let bees = session.queen()?.workers().await?;
            session.out.print(&bees, |bees, _| list(bees))
        }
        BeeCommand::Approve { bee, payee } => {
            let bee = session.signing_queen()?.approve(bee, payee).await?;
            session.out.print(&bee, |bee, _| {
                format!("{} may work; its earnings go to {payee}", bee.name)
            })
        }
        BeeCommand::Drain { bee, undo } => {
            let bee = session.signing_queen()?.drain(bee, !undo).await?;
            session.out.print(&bee, |bee, _| match undo {
                true => format!("{} takes work again", bee.name),
                false => format!("{} finishes what it has and takes nothing new", bee.name),
            })
        }
        BeeCommand::JoinCode => {
            let code = session.signing_queen()?.join_code().await?;
            session.out.print(&code, |code, out| {
                format!(
                    "{}   (counts once, until {})",
                    out.bold(&code.code),
                    time(code.expires_at)
                )
            })
        }
    }
}

fn list(bees: &[Worker]) -> String {
    if bees.is_empty() {
        return "no bee has registered yet".into();
    }
    let heading = [
        "bee", "address", "status", "ready", "jobs", "ready s", "payee", "device",
    ];
    let row = |bee: &Worker| {
        let ready = match (&bee.approval, bee.ready, &bee.not_ready_reason) {
            (Approval::Waiting, _, _) => "waits for approval".to_owned(),
            (_, true, _) => "yes".to_owned(),
            (_, false, Some(reason)) => format!("no: {reason}"),
            (_, false, None) => "no".to_owned(),
        };
        vec![
            bee.name.clone(),
            bee.worker.to_string(),
            bee.status.clone(),
            ready,
            bee.jobs_completed.to_string(),
            bee.ready_seconds.to_string(),
            bee.payee.map(|payee| payee.to_string()).unwrap_or_default(),
            bee.device.name.clone(),
        ]
    };
    let heading = heading.map(String::from).to_vec();
    table(
        &std::iter::once(heading)
            .chain(bees.iter().map(row))
            .collect::<Vec<_>>(),
    )
}
