//! The sweeper: moves what a deadline has passed, destroys what need not be kept, and looks every bee up
//! again. Each part is repeated by itself, so that one that fails does not stop the others.

use std::time::{Duration, Instant};

use swarm_host::notify;
use swarm_ledger::LedgerError;
use swarm_ledger::commands::{BlobDeleted, Sweep};
use swarm_ledger::records::{BlobKind, BlobRecord};

use crate::limits::SECONDS_A_DAY;
use crate::problem::chain;
use crate::state::{App, AppState};

/// Time between sweeps of deadlines and leases.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Time between looks for blobs to destroy.
const RETENTION_EVERY: Duration = Duration::from_secs(5);
/// Time between looks at every bee.
const RECONCILE_EVERY: Duration = Duration::from_secs(10);
/// Longest time that one answer of the ledger or of the blob store takes on a slow disk.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Blobs destroyed while submissions wait.
const RETENTION_AT_ONCE: u32 = 32;

/// Sweeps until the queen stops.
pub async fn run(app: App) {
    let mut retained = None::<Instant>;
    let mut reconciled = Instant::now();
    notify::expect_watchdog(ANSWER_MAX);
    say(&app).await;
    loop {
        tokio::select! {
            // Cancel-safe: nothing was taken.
            () = app.stop.cancelled() => return,
            // Cancel-safe: a pause.
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        report("deadlines", deadlines(&app).await);
        // The ledger's writer answered, if only with an error: she is not hung.
        notify::watchdog();
        if retained.is_none_or(|at| at.elapsed() >= RETENTION_EVERY) {
            retained = Some(Instant::now());
            retention(&app).await;
        }
        if reconciled.elapsed() >= RECONCILE_EVERY {
            reconciled = Instant::now();
            report("bees", app.rails.reconcile().await);
            say(&app).await;
        }
    }
}

/// One line for `systemctl status`: the work, and what is in its way.
async fn say(app: &AppState) {
    let trouble = match (app.ledger.trouble(), app.settlement.status().chain_trouble) {
        (Some(trouble), _) => format!("the ledger takes no changes: {trouble}"),
        (None, Some(trouble)) => format!("chain: {trouble}"),
        (None, None) => "chain: ok".into(),
    };
    let bees = app.rails.online(None);
    let line = match app.ledger.stats().await {
        Ok(stats) => {
            let open = stats.jobs.iter().filter(|(state, _)| !state.is_terminal());
            let jobs: u64 = open.map(|(_, count)| count).sum();
            format!(
                "bees: {bees}; open jobs: {jobs}; epoch: {}; {trouble}",
                stats.open_epoch
            )
        }
        Err(error) => format!("the ledger does not answer: {}", chain(&error)),
    };
    notify::status(&line);
}

/// Everything that [`run`] does from time to time, once.
pub async fn once(app: &App) {
    report("deadlines", deadlines(app).await);
    retention(app).await;
    report("bees", app.rails.reconcile().await);
}

fn report(what: &str, outcome: Result<(), LedgerError>) {
    if let Err(error) = outcome {
        tracing::warn!(what, error = %chain(&error), "the sweeper waits for the ledger");
    }
}

/// Moves every job whose deadline or lease has passed, and routes what is pending again. An older copy ends nothing: what
/// it takes for open may be done and paid.
async fn deadlines(app: &App) -> Result<(), LedgerError> {
    while app.settlement.newest().is_ok() {
        let now = app.clock.seconds();
        let swept = app
            .ledger
            .sweep(Sweep { now })
            .await
            .map_err(LedgerError::from)?;
        for (jobs, became) in [(&swept.expired, "expired"), (&swept.dead, "dead")] {
            for job in jobs {
                swarm_faults::point("queen.sweep.ended");
                tracing::info!(%job, became, "a job ended by time; its fee was released");
            }
        }
        for id in &swept.requeued {
            swarm_faults::point("queen.sweep.requeued");
            tracing::info!(job = %id, "a lease lapsed; the job is pending again");
            if let Some(job) = app.ledger.job(*id).await? {
                let shared = app.clone();
                tokio::spawn(
                    async move { shared.rails.job_pending(&job, &shared.catalogue).await },
                );
            }
        }
        if !swept.requeued.is_empty() || !swept.dead.is_empty() {
            app.rails.reconcile().await?;
        }
        if !swept.more {
            break;
        }
    }
    Ok(())
}

/// Destroys inputs whose job ended, results after their days, and uploads that nobody used.
async fn retention(app: &AppState) {
    loop {
        let now = app.clock.seconds();
        let retention = app.live().retention.clone();
        let orphans = now.saturating_sub(retention.orphans.as_seconds_down());
        let days = u64::from(retention.result_days);
        let results = now.saturating_sub(days * SECONDS_A_DAY);
        // Mostly there is none, and no submission waits.
        match app.ledger.retention_due(orphans, results, 1).await {
            Ok(due) if due.is_empty() => return,
            Ok(_) => {}
            Err(error) => return report("retention", Err(error)),
        }
        // No job can come to need one of them while they are destroyed.
        let destroying = app.uploads.destroy().await;
        let due = match app
            .ledger
            .retention_due(orphans, results, RETENTION_AT_ONCE)
            .await
        {
            Ok(due) => due,
            Err(error) => return report("retention", Err(error)),
        };
        let full = due.len() == RETENTION_AT_ONCE as usize;
        let mut destroyed = 0;
        for blob in due {
            notify::watchdog();
            destroying.forget(&blob.blob.sha256);
            match destroy(app, &blob, now).await {
                Ok(()) => destroyed += 1,
                Err(error) => {
                    tracing::error!(sha256 = %blob.blob.sha256, error = %chain(&*error), "a blob could not be destroyed; it is tried again");
                }
            }
        }
        // What cannot be destroyed stays due: without this a full disk would spin here.
        if !full || destroyed == 0 {
            return;
        }
    }
}

/// Key and bytes first, then the record: after a crash in between it is done again.
async fn destroy(
    app: &AppState,
    blob: &BlobRecord,
    now: u64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let reason = match (blob.kind, blob.completed_at, blob.released_at) {
        (BlobKind::Input, _, Some(_)) => "its job ended",
        (_, None, _) => "the upload was not finished",
        (BlobKind::Input, ..) => "no job used it",
        (BlobKind::Result, ..) => "its days were over",
    };
    app.store.delete(blob.blob.sha256).await?;
    swarm_faults::point("queen.retention.deleted");
    let command = BlobDeleted {
        now,
        sha256: blob.blob.sha256,
        reason: reason.into(),
    };
    app.ledger.blob_deleted(command).await?;
    Ok(())
}
