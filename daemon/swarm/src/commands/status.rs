//! `swarm status`: the rack on one screen, from the queen's API. [`Status`] is also what `swarm top` shows.

use anyhow::Result;
use serde::Serialize;
use swarm_client::{ClientError, QueenClient};
use swarm_types::MicroUsdc;
use swarm_types::api::{Epoch, Health, Info, SitePower, Stats, Worker};

use crate::output::{Output, fields, table, time};
use crate::session::Session;

/// Epochs that are shown.
const EPOCHS: u32 = 5;
/// Bees that are shown as rows.
const BEES: usize = 30;

/// What the queen says of her rack at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Who she is.
    pub info: Info,
    /// How she is.
    pub health: Health,
    /// Jobs by status, bees by status, money of final epochs.
    pub stats: Stats,
    /// Every bee.
    pub bees: Vec<Worker>,
    /// The newest epochs, newest first.
    pub epochs: Vec<Epoch>,
    /// The site's power.
    pub power: SitePower,
}

impl Status {
    /// Asks her for all of it.
    ///
    /// # Errors
    /// The first answer that did not come.
    pub async fn ask(queen: &QueenClient) -> Result<Self, ClientError> {
        Ok(Self {
            info: queen.info().await?,
            health: queen.health().await?,
            stats: queen.stats().await?,
            bees: queen.workers().await?,
            epochs: queen.epochs(None, Some(EPOCHS)).await?.items,
            power: queen.power().await?,
        })
    }

    /// Jobs in one state.
    pub fn jobs(&self, status: &str) -> u64 {
        self.stats.jobs.get(status).copied().unwrap_or(0)
    }

    /// Jobs that wait, and jobs that a bee holds.
    pub fn queue(&self) -> (u64, u64) {
        (
            self.jobs("pending"),
            self.jobs("claimed") + self.jobs("processing"),
        )
    }

    /// Fees that are on their way: of the open epoch, and of those that are not final yet.
    pub fn on_the_way(&self) -> MicroUsdc {
        use swarm_types::api::EpochStatus::{Finalized, Void};
        let open = self
            .epochs
            .iter()
            .filter(|epoch| !matches!(epoch.status, Finalized | Void));
        MicroUsdc(open.map(|epoch| epoch.total_revenue.0).sum())
    }
}

/// `swarm status`.
pub async fn run(session: &Session) -> Result<()> {
    let status = Status::ask(&session.queen()?).await?;
    session.out.print(&status, show)
}

fn show(status: &Status, out: &Output) -> String {
    let (waiting, working) = status.queue();
    let health = &status.health;
    let mut notes = health.notes.clone();
    if health.chain != "ok" {
        notes.insert(0, format!("chain: {}", health.chain));
    }
    let mut text = format!(
        "{}\n{}",
        out.bold(format!("{}, {}", status.info.name, health.status)),
        fields(&[
            (
                "queen",
                format!(
                    "version {}, her clock says {}",
                    status.info.version,
                    time(status.info.now)
                )
            ),
            (
                "escrow",
                format!("{} on chain {}", status.info.escrow, status.info.chain_id)
            ),
            (
                "bees",
                format!("{} online of {}", health.bees_online, status.bees.len())
            ),
            (
                "queue",
                format!(
                    "{waiting} waiting, {working} being worked on, {} completed, {} failed",
                    status.jobs("completed"),
                    status.jobs("failed")
                )
            ),
            ("power", power(&status.power)),
            (
                "money",
                format!(
                    "{} final, {} on the way",
                    status.stats.total_revenue,
                    status.on_the_way()
                )
            ),
        ])
    );
    for note in notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push('\n');
    text.push_str(&bees(status));
    text.push('\n');
    text.push_str(&epochs(status));
    text
}

fn bees(status: &Status) -> String {
    let heading = ["bee", "status", "ready", "jobs", "done", "heard", "device"]
        .map(String::from)
        .to_vec();
    let row = |bee: &Worker| {
        vec![
            bee.name.clone(),
            bee.status.clone(),
            match &bee.not_ready_reason {
                None => if bee.ready { "yes" } else { "no" }.to_owned(),
                Some(why) => format!("no: {why}"),
            },
            bee.current_jobs.len().to_string(),
            bee.jobs_completed.to_string(),
            heard(bee, status.info.now),
            bee.device.name.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(heading)
        .chain(status.bees.iter().take(BEES).map(row))
        .collect();
    let more = status.bees.len().saturating_sub(BEES);
    match more {
        0 => table(&rows),
        more => format!("{}and {more} more (swarm bee list)\n", table(&rows)),
    }
}

/// How long ago the queen heard a bee, by her own clock.
pub fn heard(bee: &Worker, now: u64) -> String {
    match bee.last_heartbeat {
        0 => "never".into(),
        at => format!("{} ago", ago(now.saturating_sub(at))),
    }
}

/// Seconds in the largest whole unit: `42s`, `7m`, `3h`, `12d`.
pub fn ago(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s}s"),
        s if s < 7_200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

fn epochs(status: &Status) -> String {
    let heading = ["epoch", "status", "jobs", "fees", "note"]
        .map(String::from)
        .to_vec();
    let row = |epoch: &Epoch| {
        vec![
            epoch.epoch_id.to_string(),
            epoch.status.to_string(),
            epoch.jobs_count.to_string(),
            epoch.total_revenue.to_string(),
            epoch.note.clone().unwrap_or_default(),
        ]
    };
    table(
        &std::iter::once(heading)
            .chain(status.epochs.iter().map(row))
            .collect::<Vec<_>>(),
    )
}

/// The site's power in a line; what nobody measured says so.
pub fn power(power: &SitePower) -> String {
    let watts = |name: &str, watts: Option<i32>| match watts {
        Some(watts) => format!("{name} {watts} W"),
        None => format!("{name} unknown"),
    };
    let charge = match power.battery_percent.percent {
        Some(percent) => format!("charge {percent} %"),
        None => "charge unknown".into(),
    };
    [
        power.ladder.state.clone(),
        watts("solar", power.solar.watts),
        watts("battery", power.battery.watts),
        watts("load", power.load.watts),
        watts("grid", power.grid.watts),
        charge,
    ]
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_unknown_power_are_told_as_they_are() {
        assert_eq!(
            [5, 119, 120, 7_300, 200_000].map(ago),
            ["5s", "119s", "2m", "2h", "2d"]
        );
        let line = power(&SitePower::unknown());
        assert_eq!(
            line,
            "unknown, solar unknown, battery unknown, load unknown, grid unknown, charge unknown"
        );
    }
}
