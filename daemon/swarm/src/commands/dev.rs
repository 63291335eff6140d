//! `swarm dev`: tools for demonstrations and tests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_imaging::{FakePatient, LoadOptions, SeriesSpec, write_series};

use crate::cli::DevCommand;
use crate::exit::Failure;
use crate::session::Session;

/// `swarm dev …`.
pub fn run(session: &Session, command: DevCommand) -> Result<()> {
    match command {
        DevCommand::Series { scan, out } => series(session, &scan, &out),
    }
}

/// The series that was written.
#[derive(Serialize)]
struct Written {
    out: PathBuf,
    files: usize,
    /// What of the (invented) patient must never be seen outside of the series.
    patient: Vec<String>,
}

fn series(session: &Session, scan: &Path, out: &Path) -> Result<()> {
    let options = LoadOptions::default();
    let files = swarm_imaging::read_path(scan, &options.limits).context("read the scan")?;
    let volume = swarm_imaging::load(&files, &options).context("this scan cannot be taken")?;
    let patient = FakePatient::default();
    let secrets = vec![
        patient.name.clone(),
        patient.id.clone(),
        patient.birth_date.clone(),
        patient.institution.clone(),
    ];
    let spec = SeriesSpec {
        patient: Some(patient),
        ..SeriesSpec::default()
    };
    let slices = write_series(&volume, &spec).context("write the series")?;
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let text = format!("{} is not empty; name another directory", out.display());
        return Err(Failure::usage(text).into());
    }
    std::fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
    for (name, bytes) in &slices {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    let written = Written {
        out: out.to_owned(),
        files: slices.len(),
        patient: secrets,
    };
    session.out.print(&written, |written, _| {
        format!(
            "{} slices of an invented patient in {}",
            written.files,
            written.out.display()
        )
    })
}
