//! `swarm job`: list, show, why, result, cancel.

use anyhow::Result;
use swarm_client::{JobFilter, QueenClient};
use swarm_types::api::{Job, JobStatus, Why};
use swarm_types::{Address, JobId};

use super::result;
use crate::cli::JobCommand;
use crate::output::{fields, table, time};
use crate::session::Session;

/// Most jobs that a list fetches.
const JOBS_MAX: usize = 1_000;
/// Jobs a page.
const PAGE_JOBS: u32 = 100;

/// `swarm job …`.
pub async fn run(session: &Session, command: JobCommand) -> Result<()> {
    match command {
        JobCommand::List { status } => list(session, status).await,
        JobCommand::Show { job } => show(session, &session.queen()?.job(job).await?),
        JobCommand::Why { job } => why(session, job).await,
        JobCommand::Result { job, out } => {
            let queen = session.signing_queen()?;
            let info = session.info(&queen).await?;
            let job = queen.job(job).await?;
            let written = result::fetch(session, &queen, &info, &job, out.as_deref()).await?;
            session.out.print(&written, |written, out| {
                written.describe(out, job.job_id, job.fee)
            })
        }
        JobCommand::Cancel { job } => show(session, &session.signing_queen()?.cancel(job).await?),
    }
}

async fn list(session: &Session, status: Option<JobStatus>) -> Result<()> {
    let queen = session.queen()?;
    let (jobs, more) = jobs_of(&queen, session.address()?, status).await?;
    if more {
        session.out.progress(format!(
            "the newest {} jobs; there are more (use --status)",
            jobs.len()
        ));
    }
    session.out.print(&jobs, |jobs, _| {
        if jobs.is_empty() {
            return "no jobs yet: swarm submit --help".into();
        }
        let heading = ["job", "status", "type", "fee", "submitted", "settled in"]
            .map(String::from)
            .to_vec();
        let row = |job: &Job| {
            vec![
                job.job_id.to_string(),
                job.status.to_string(),
                job.job_type.clone(),
                job.fee.to_string(),
                time(job.submitted_at),
                job.settled_in
                    .map(|epoch| epoch.to_string())
                    .unwrap_or_default(),
            ]
        };
        table(
            &std::iter::once(heading)
                .chain(jobs.iter().map(row))
                .collect::<Vec<_>>(),
        )
    })
}

async fn jobs_of(
    queen: &QueenClient,
    client: Address,
    status: Option<JobStatus>,
) -> Result<(Vec<Job>, bool)> {
    let mut filter = JobFilter {
        client: Some(client),
        status,
        after: None,
        limit: Some(PAGE_JOBS),
    };
    let mut jobs = Vec::new();
    while jobs.len() < JOBS_MAX {
        let page = queen.jobs(&filter).await?;
        jobs.extend(page.items);
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok((jobs, filter.after.is_some()))
}

fn show(session: &Session, job: &Job) -> Result<()> {
    session.out.print(job, |job, out| {
        let mut rows = vec![
            ("job", out.bold(job.job_id)),
            ("status", job.status.to_string()),
            ("type", job.job_type.clone()),
            ("fee", job.fee.to_string()),
            ("client", job.client.to_string()),
            ("model", job.model.to_string()),
            ("submitted", time(job.submitted_at)),
            ("deadline", time(job.deadline)),
            ("attempts", job.attempts.to_string()),
        ];
        let mut more = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
        more("bee", job.worker.map(|worker| worker.to_string()));
        let stage = job.stage.clone().filter(|_| !job.status.is_terminal());
        more(
            "doing",
            stage.map(|stage| format!("{stage}, {} %", job.progress_bps.unwrap_or(0) / 100)),
        );
        more("completed", job.completed_at.map(time));
        more(
            "took",
            job.execution_ms
                .map(|ms| format!("{}.{:03} s", ms / 1000, ms % 1000)),
        );
        more("last failure", job.error.clone());
        more("settled in", job.settled_in.map(|epoch| epoch.to_string()));
        fields(&rows)
    })
}

async fn why(session: &Session, job: JobId) -> Result<()> {
    let why = session.queen()?.why(job).await?;
    session.out.print(&why, |why: &Why, out| {
        let mut text = format!(
            "{} is {}: {}\n",
            out.bold(why.job_id),
            why.status,
            why.summary
        );
        if let Some(at) = why.moves_on_at {
            text.push_str(&format!(
                "this ends by itself at {}; {} jobs are before it\n",
                time(at),
                why.ahead
            ));
        }
        let row = |bee: &swarm_types::api::WhyBee| {
            let name = bee.name.clone().unwrap_or_else(|| bee.worker.to_string());
            vec![format!("  {name}"), bee.code.clone(), bee.reason.clone()]
        };
        text + &table(&why.bees.iter().map(row).collect::<Vec<_>>())
    })
}
