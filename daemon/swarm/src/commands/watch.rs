//! Waiting for a job: its events where they come, a look now and then where they do not.

use std::time::Duration;

use anyhow::{Context, Result};
use swarm_client::{EventFilter, QueenClient};
use swarm_types::JobId;
use swarm_types::api::{Job, JobStatus};
use tokio::time::Instant;

use crate::progress::Progress;

/// Between two looks when no event comes.
const POLL: Duration = Duration::from_secs(2);
/// Least time between two looks, however many events come.
const PAUSE: Duration = Duration::from_millis(150);
/// How long a queen that does not answer is waited for.
const AWAY_MAX: Duration = Duration::from_secs(300);

/// Waits until nothing more happens to the job, showing where it is.
pub async fn until_done(queen: &QueenClient, id: JobId) -> Result<Job> {
    let filter = EventFilter {
        job: Some(id),
        client: None,
    };
    let mut events = queen.events(filter, None);
    let mut progress = Progress::new(id.to_string());
    let mut heard_instant = Instant::now();
    loop {
        match queen.job(id).await {
            Ok(job) => {
                heard_instant = Instant::now();
                show(&mut progress, &job);
                if job.status.is_terminal() {
                    return Ok(job);
                }
            }
            Err(error) if error.is_transient() && heard_instant.elapsed() < AWAY_MAX => {
                progress.show(0, 1, "the queen does not answer; waiting for her");
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "the job goes on without you; `swarm job result {id}` fetches its result"
                    )
                });
            }
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            // Cancel-safe: the feed keeps what it has read. An event only says that it is time to look.
            event = events.next() => if event.is_err() { tokio::time::sleep(POLL).await },
            // Cancel-safe: a clock.
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn show(progress: &mut Progress, job: &Job) {
    let step = match (job.status, &job.stage, &job.error) {
        (JobStatus::Claimed | JobStatus::Processing, Some(stage), _) => stage.clone(),
        (JobStatus::Failed, _, Some(error)) => format!("failed, tried again: {error}"),
        (status, _, _) => status.to_string(),
    };
    progress.show(job.progress_bps.unwrap_or(0).into(), 10_000, &step);
}
