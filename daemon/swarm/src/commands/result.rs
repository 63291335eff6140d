//! A job's result: fetched, decrypted, checked against what the bee signed, and written. What is of a DICOM series is
//! written a second time as the patient's archive knows it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_client::QueenClient;
use swarm_imaging::dicom::seg::{self, Completed};
use swarm_imaging::{Limits, RESEARCH_USE};
use swarm_store::{age, archive};
use swarm_types::api::{Info, Job, JobResult, JobStatus};
use swarm_types::digest::{manifest_digest, salted};
use swarm_types::eip712::Domain;
use swarm_types::{JobId, MicroUsdc, sha256};

use crate::exit::Failure;
use crate::home::write_whole;
use crate::orders::{OpenOrder, Orders};
use crate::output::Output;
use crate::progress::Progress;
use crate::scan::Study;
use crate::session::Session;

/// Largest result that is decrypted, in bytes.
const RESULT_BYTES_MAX: u64 = 2 << 30;
/// What the bee signed, beside the result.
const EXECUTION_FILE: &str = "execution.json";
/// Where the result belongs, beside the result of a DICOM series.
const SERIES_FILE: &str = "series.json";
/// How the names of DICOM results end, as the bee signed them.
const DICOM_SUFFIX: &str = ".dcm";
/// How they end once they have their patient back.
const PATIENT_SUFFIX: &str = ".patient.dcm";

/// A result on disk.
#[derive(Debug, Serialize)]
pub struct Written {
    /// The directory.
    pub out: PathBuf,
    /// The files in it.
    pub files: Vec<String>,
    /// What could not be made of them, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Written {
    /// In words.
    pub fn describe(&self, out: &Output, job: JobId, fee: MicroUsdc) -> String {
        let mut text = format!("{} is completed, for {fee}\n", out.bold(job));
        for file in &self.files {
            text.push_str(&format!("  {}\n", self.out.join(file).display()));
        }
        for warning in &self.warnings {
            text.push_str(&format!("  {warning}\n"));
        }
        text + RESEARCH_USE
    }
}

/// Fetches the result of `job` into `out`, or into a directory named after the job.
pub async fn fetch(
    session: &Session,
    queen: &QueenClient,
    info: &Info,
    job: &Job,
    out: Option<&Path>,
) -> Result<Written> {
    if job.status != JobStatus::Completed {
        let why = job.error.as_deref().unwrap_or("no reason was given");
        let text = match job.status.is_terminal() {
            true => format!(
                "{} is {}: {why}. Nothing is charged",
                job.job_id, job.status
            ),
            false => format!(
                "{id} is {} and has no result yet; `swarm job why {id}` says what it waits for",
                job.status,
                id = job.job_id
            ),
        };
        return Err(Failure::refused(text).into());
    }
    let order = Orders(&session.home).of_job(info.escrow, job.job_id)?;
    let described = queen
        .result(job.job_id)
        .await
        .context("ask for the result")?;
    check_execution(info, job, &described, order.as_ref())?;

    let mut progress = Progress::new(job.job_id.to_string());
    let mut shown = |done, total| progress.show(done, total, "download");
    let ciphertext = queen.download_blob(described.result, &mut shown).await;
    let ciphertext = ciphertext.context("download the result")?;
    drop(progress);
    let plaintext = age::decrypt(&ciphertext, &session.identity()?, RESULT_BYTES_MAX)
        .context("the result is not encrypted to this home's identity, or damaged")?;
    let files = archive::unpack(&plaintext, &archive::ArchiveLimits::default())?;
    if manifest_digest(&files) != described.manifest {
        let text = "the files are not those that the bee signed for; they were not written";
        return Err(Failure::check(text).into());
    }

    let out = out.map_or_else(|| PathBuf::from(job.job_id.to_string()), Path::to_owned);
    let mut notes = vec![(
        EXECUTION_FILE.to_owned(),
        serde_json::to_vec_pretty(&described)?,
    )];
    let mut warnings = Vec::new();
    if let Some(study) = order.map(|order| order.study) {
        if let Some(series) = &study.series {
            notes.push((SERIES_FILE.to_owned(), serde_json::to_vec_pretty(series)?));
        }
        for made in attached(&study, &files, described.execution.completed_at) {
            match made {
                Ok(file) => notes.push(file),
                Err(why) => warnings.push(why),
            }
        }
    }
    let notes = notes.iter().map(|(name, bytes)| (name.as_str(), bytes));
    let all: Vec<(&str, &Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes))
        .chain(notes)
        .collect();
    write(&out, &all)?;
    Ok(Written {
        files: all.iter().map(|(name, _)| (*name).to_owned()).collect(),
        out,
        warnings,
    })
}

/// The DICOM files of a result on the original series, with its patient; or why one cannot be put there. Only this machine
/// knows enough to do it.
fn attached<'a>(
    study: &'a Study,
    files: &'a [(String, Vec<u8>)],
    completed_at: u64,
) -> impl Iterator<Item = Result<(String, Vec<u8>), String>> + 'a {
    let known = study.uids.as_ref().zip(study.patient.as_ref());
    let of_dicom = known.into_iter().flat_map(move |known| {
        let named = files.iter().filter_map(|(name, bytes)| {
            let stem = name.strip_suffix(DICOM_SUFFIX)?;
            Some((stem, name, bytes))
        });
        named.map(move |file| (known, file))
    });
    of_dicom.map(move |((uids, patient), (stem, name, bytes))| {
        let (completed, limits) = (Completed(completed_at), Limits::default());
        let whole = seg::attach(name, bytes, uids, patient, completed, &limits);
        let whole = whole.map_err(|error| {
            let error = anyhow::Error::new(error);
            format!("{name} cannot be put on your series: {error:#}")
        })?;
        Ok((format!("{stem}{PATIENT_SUFFIX}"), whole))
    })
}

/// Holds what the bee signed against the job, and against the order where it was made here.
fn check_execution(
    info: &Info,
    job: &Job,
    result: &JobResult,
    order: Option<&OpenOrder>,
) -> Result<()> {
    let execution = &result.execution;
    let domain = Domain::new(info.chain_id, info.escrow);
    let ours = |holds: &dyn Fn(&OpenOrder) -> bool| order.is_none_or(holds);
    let signer = execution.signer(&domain, &result.worker_signature);
    for (holds, what) in [
        (
            signer.ok().is_some_and(|signer| Some(signer) == job.worker),
            "the bee's signature",
        ),
        (execution.job() == job.job_id, "the job"),
        (execution.model == job.model, "the model"),
        (
            execution.result == salted(&result.salt, &result.manifest),
            "the result's digest",
        ),
        (execution.engine == sha256(&result.engine), "the engine"),
        (
            ours(&|order| order.request.salt == result.salt),
            "the salt of your order",
        ),
        (
            ours(&|order| order.request.order.input == execution.input),
            "your input",
        ),
        (
            ours(&|order| order.request.signed_order().commitment() == execution.order),
            "your order",
        ),
    ] {
        if !holds {
            let text = format!(
                "the result of {} does not hold together: {what} is not what it must be; nothing was written",
                job.job_id
            );
            return Err(Failure::check(text).into());
        }
    }
    Ok(())
}

/// Writes files into `out`. A file that is there with other content is left alone, with an error.
fn write(out: &Path, files: &[(&str, &Vec<u8>)]) -> Result<()> {
    for (name, bytes) in files {
        let path = out.join(name);
        let other = std::fs::read(&path).is_ok_and(|there| there != **bytes);
        if other {
            let text = format!(
                "{} is there with other content; name another directory with --out",
                path.display()
            );
            return Err(Failure::usage(text).into());
        }
    }
    for (name, bytes) in files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(folder)
            .with_context(|| format!("create {}", folder.display()))?;
        write_whole(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segmentation_comes_back_to_its_series_or_says_why_not() {
        use swarm_imaging::{
            Affine, LoadOptions, Rescale, SeriesSpec, Source, UidMap, Volume, Voxels, deidentify,
            load, write_series,
        };
        let voxels = Voxels::U8((0..60).collect());
        let volume = Volume::new(voxels, Rescale::IDENTITY, [3, 4, 5], Affine::IDENTITY);
        let spec = SeriesSpec::default();
        let files = write_series(&volume.expect("a volume"), &spec).expect("writes");
        let limits = Limits::default();
        let mut uids = UidMap::default();
        let clean = deidentify(&files, &mut uids, false, &limits).expect("cleans");
        let volume = load(&clean, &LoadOptions::default()).expect("loads");
        let Source::Dicom(source) = volume.source() else {
            panic!("a series");
        };
        let segment = seg::Segment {
            value: 1,
            label: "brain".into(),
            code: None,
        };
        let algorithm = seg::Algorithm {
            name: "test".into(),
            version: "1".into(),
            serial: "0".into(),
        };
        let mask = seg::write_segmentation(&volume, source, &[1; 60], &[segment], &algorithm);
        let results = [
            ("mask.nii.gz".to_owned(), vec![1]),
            ("mask.dcm".to_owned(), mask.expect("writes")),
            ("other.dcm".to_owned(), clean[0].1.clone()),
        ];
        let patient = seg::patient_study(&files[0].0, &files[0].1, &limits).expect("reads");
        let study = Study {
            uids: Some(uids),
            patient: Some(patient.clone()),
            ..Study::default()
        };
        let made: Vec<_> = attached(&study, &results, 1).collect();
        let (name, bytes) = made[0].as_ref().expect("attached");
        assert_eq!(name, "mask.patient.dcm");
        assert_eq!(
            seg::patient_study(name, bytes, &limits).expect("reads"),
            patient
        );
        let why = made[1].as_ref().expect_err("a slice is no segmentation");
        assert!(
            why.starts_with("other.dcm cannot be put on your series"),
            "{why}"
        );
        assert_eq!(made.len(), 2);
        assert_eq!(attached(&Study::default(), &results, 1).count(), 0);
    }

    #[test]
    fn another_jobs_files_are_not_overwritten() {
        let folder = tempfile::tempdir().expect("a directory");
        let out = folder.path().join("deep/out");
        let (one, two) = (b"one".to_vec(), b"two".to_vec());
        write(&out, &[("a", &one), ("sub/b", &two)]).expect("writes");
        write(&out, &[("a", &one)]).expect("the same again is fine");
        assert!(write(&out, &[("c", &one), ("a", &two)]).is_err());
        assert!(
            !out.join("c").exists(),
            "nothing is written when one file cannot be"
        );
        assert_eq!(std::fs::read(out.join("sub/b")).expect("reads"), two);
    }
}
