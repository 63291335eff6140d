//! Reports of a job's progress: the newest only, not more often than asked for, and never in the job's way.

use std::time::Duration;

use swarm_client::QueenClient;
use swarm_inference::Stage;
use swarm_types::JobId;
use swarm_types::api::JobProgress;
use tokio::sync::watch;

/// What a job does, and how far that is, in basis points of the whole job.
pub(crate) type Step = (&'static str, u32);

/// Where each stage lies in a job of 10 000. Inference takes most of the time.
pub(crate) const FETCH: (u32, u32) = (0, 500);
const PREPARE: (u32, u32) = (800, 2_000);
const INFER: (u32, u32) = (2_000, 8_000);
const FINISH: (u32, u32) = (8_000, 9_000);
const WRITE: (u32, u32) = (9_000, 9_400);
pub(crate) const UPLOAD: (u32, u32) = (9_400, 9_900);

/// `part` (0 to 1) of `range`.
pub(crate) fn within(range: (u32, u32), part: f32) -> u32 {
    let (start, end) = range;
    start + ((end - start) as f32 * part.clamp(0.0, 1.0)) as u32
}

/// A stage of the pipeline as a step of the job.
pub(crate) fn step(stage: Stage, part: f32) -> Step {
    let range = match stage {
        Stage::Prepare => PREPARE,
        Stage::Infer => INFER,
        Stage::Finish => FINISH,
        Stage::Write => WRITE,
    };
    (stage.name(), within(range, part))
}

/// Sends the newest step until the sender is dropped. A report that does not arrive is dropped: the next says more.
pub(crate) async fn report(
    queen: QueenClient,
    job: JobId,
    token: String,
    mut steps: watch::Receiver<Step>,
    interval: Duration,
) {
    while steps.changed().await.is_ok() {
        let (stage, progress_bps) = *steps.borrow_and_update();
        let progress = JobProgress {
            token: token.clone(),
            stage: stage.into(),
            progress_bps,
        };
        if let Err(error) = queen.progress(job, &progress).await {
            tracing::debug!(%job, %error, "a progress report was lost");
        }
        tokio::time::sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_only_grows_along_a_job() {
        let stages = [Stage::Prepare, Stage::Infer, Stage::Finish, Stage::Write];
        let mut last = within(FETCH, 1.0);
        for stage in stages {
            for part in [0.0, 0.5, 1.0] {
                let (_, bps) = step(stage, part);
                assert!(bps >= last, "{stage:?} {part}");
                last = bps;
            }
        }
        assert!(within(UPLOAD, 0.0) >= last && within(UPLOAD, 2.0) < 10_000);
        assert_eq!(within(UPLOAD, f32::NAN), UPLOAD.0);
    }
}
