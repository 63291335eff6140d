//! `swarm doctor`: every check of a box, with its result, the reason and the next step.
//!
//! [`files`] finds the configurations, [`chain`], [`queen`] and [`engines`] ask their parts; what needs only the box
//! is in [`swarm_host::doctor`]. A part that fails costs no other its answer.

mod chain;
mod engines;
mod files;
mod power;
pub mod queen;

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use swarm_host::doctor::{Check, Outcome, Report, box_checks, disk, gpu, secrets};
use swarm_host::gpu::telemetry;

use crate::cli::DoctorArgs;
use crate::exit::Failure;
use crate::output::{Output, table};
use crate::redact::Redactor;
use crate::session::Session;

pub use files::Files;
pub use queen::client;

/// `swarm doctor`.
pub async fn run(session: &Session, args: DoctorArgs) -> Result<()> {
    let report = examine(session, &args.etc, args.gate).await;
    session.out.print(&report, show)?;
    match report
        .checks
        .iter()
        .find(|check| check.result == Outcome::Fail)
    {
        Some(check) => {
            let text = format!("{} failed: {}", check.name, check.reason);
            Err(Failure::reported(text).into())
        }
        None if report.ok => Ok(()),
        None => Err(Failure::reported("nothing was checked").into()),
    }
}

/// Every check, or only those that gate "online". No key of a node is in it; paths of this box are.
pub async fn examine(session: &Session, etc: &Path, gate_only: bool) -> Report {
    let now = unix_seconds();
    let (files, mut checks) = Files::read(etc);
    checks.extend(of_the_box(&files));
    checks.extend(engines::checks(&files));
    let seen = queen::ask(session, &files).await;
    checks.extend(queen::checks(&seen, files.queen.is_some(), now));
    checks.extend(chain::checks(session, &files, &seen, now).await);
    if let Some(queen) = &files.queen {
        checks.extend(power::sources(&queen.queen.power).await);
    }
    checks.extend(power::checks(&seen));
    if gate_only {
        checks.retain(|check| check.gates);
    }
    let redactor = Redactor::new();
    for check in &mut checks {
        check.reason = redactor.urls(&check.reason);
        check.next_step = check.next_step.take().map(|step| redactor.urls(&step));
    }
    Report::new(checks, now)
}

/// What needs nothing but the box.
fn of_the_box(files: &Files) -> Vec<Check> {
    let mut checks = vec![box_checks::time_sync(), box_checks::core_dumps()];
    let mut ports = Vec::new();
    if let Some(queen) = &files.queen {
        let (config, keys) = (&queen.queen, &queen.keys);
        checks.push(disk::check("disk.state", &config.state_dir));
        checks.push(ledger(&config.ledger_path()));
        checks.push(secrets::key("queen", &keys.queen));
        for (n, settler) in keys.settlers.iter().enumerate() {
            checks.push(secrets::key(&format!("settler.{}", n + 1), settler));
        }
        if let Some(gas) = &keys.gas {
            checks.push(secrets::key("gas", gas));
        }
        checks.push(box_checks::listens("socket.queen", config.listen.address));
        ports.push(config.listen.address.port());
    }
    for bee in &files.bees {
        checks.push(secrets::key(&bee.name, &bee.key));
        checks.push(secrets::secret(
            &format!("{}.identity", bee.name),
            &bee.identity,
        ));
    }
    checks.push(box_checks::open_ports(&ports));
    checks.extend(gpu::checks(&telemetry::look(), None, Instant::now()));
    checks
}

/// Whether the ledger opens and holds what it should, also while the queen has it open.
fn ledger(path: &Path) -> Check {
    let name = "ledger";
    if !path.exists() {
        return Check::ok(
            name,
            "there is no ledger yet; the queen makes it when she starts first",
        );
    }
    let check = match swarm_ledger::Ledger::check_file(path) {
        Ok(violations) if violations.is_empty() => {
            Check::ok(name, "opens, and every invariant holds")
        }
        Ok(violations) => Check::fail(
            name,
            format!(
                "{} invariants do not hold, first {}",
                violations.len(),
                violations[0].rule
            ),
            "stop the queen, keep the file, and restore the newest backup that `swarmd ledger check` passes",
        ),
        Err(error) => Check::fail(
            name,
            format!("cannot be read: {:#}", anyhow::Error::new(error)),
            "look at the disk and at the file's owner; `swarmd ledger check` says more",
        ),
    };
    check.gating()
}

fn show(report: &Report, out: &Output) -> String {
    let mut rows = Vec::new();
    for check in &report.checks {
        let row =
            |name: &str, result: String, text: &str| vec![name.to_owned(), result, text.to_owned()];
        rows.push(row(&check.name, out.outcome(check.result), &check.reason));
        if let Some(step) = check
            .next_step
            .as_ref()
            .filter(|_| check.result != Outcome::Ok)
        {
            rows.push(row("", String::new(), &format!("→ {step}")));
        }
    }
    let count = |outcome| {
        report
            .checks
            .iter()
            .filter(|check| check.result == outcome)
            .count()
    };
    let title = format!(
        "{}: {} ok, {} to look at, {} unknown, {} failed",
        report.host,
        count(Outcome::Ok),
        count(Outcome::Warn),
        count(Outcome::Unknown),
        count(Outcome::Fail)
    );
    format!("{}\n{}", out.bold(title), table(&rows))
}

/// Seconds since 1970; 0 on a machine whose clock is before that.
pub fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_secs())
}
