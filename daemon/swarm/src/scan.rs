//! From what the user names to what may leave this machine: files gathered, checked in space,
//! de-identified, under names that say nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use swarm_imaging::dicom::seg::{PatientStudy, patient_study};
use swarm_imaging::{LoadOptions, Source, UidMap, Volume};
use swarm_package::npy;
use swarm_types::{B256, sha256};

use crate::cli::SubmitArgs;
use crate::exit::Failure;

/// What an array is called on its way.
const ARRAY_FILE: &str = "input.npy";

/// Files by name.
pub type Files = Vec<(String, Vec<u8>)>;

/// A scan that loads and has a place in space. It still names its patient.
pub struct Scan {
    /// The files of the one series, or the NIfTI file.
    files: Files,
    /// In a few words, for people.
    pub summary: String,
    /// Names the content, whatever the files are called.
    pub digest: B256,
    study: Study,
}

/// What of a study never leaves this machine: with it a result finds its way back to the patient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Study {
    /// Where the scan came from.
    pub sources: Vec<PathBuf>,
    /// Original and replaced UIDs; absent for NIfTI.
    #[serde(default)]
    pub uids: Option<UidMap>,
    /// The series; absent for NIfTI.
    #[serde(default)]
    pub series: Option<Series>,
    /// Whose scan it is; absent for NIfTI.
    #[serde(default)]
    pub patient: Option<PatientStudy>,
}

/// The original series, as it is called in the archive that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// StudyInstanceUID.
    pub study_uid: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// FrameOfReferenceUID, where the files say one.
    pub frame_of_reference_uid: Option<String>,
    /// SOPClassUID.
    pub class_uid: String,
    /// SOPInstanceUID and frame of each slice, in the order of the mask's z axis.
    pub slices: Vec<(String, u32)>,
}

/// Reads the scan that `args` name, and checks that it has a place in space.
pub fn read(args: &SubmitArgs) -> Result<Scan> {
    if let [path] = args.paths.as_slice()
        && path.extension().is_some_and(|end| end == "npy")
    {
        return array(path);
    }
    let options = LoadOptions {
        series: args.series.clone(),
        ..LoadOptions::default()
    };
    let mut files = Vec::new();
    for path in &args.paths {
        let read = swarm_imaging::read_path(path, &options.limits);
        files.extend(read.with_context(|| format!("read {}", path.display()))?);
    }
    // Here and not at the bee: names inside an archive may be the patient's.
    let mut files =
        swarm_imaging::unzip(files, &options.limits).context("this scan cannot be taken")?;
    let volume = swarm_imaging::load(&files, &options)
        .context("this scan cannot be taken (choose a series with --series, or give one scan)")?;
    let (mut series, mut patient) = (None, None);
    if let Source::Dicom(source) = volume.source() {
        // Only the series that was checked: a directory may hold others, and an index with names in it.
        files = swarm_imaging::dicom::files_of(files, source, &options.limits)?;
        if let Some((name, bytes)) = files.first() {
            patient = Some(patient_study(name, bytes, &options.limits)?);
        }
        series = Some(Series {
            study_uid: source.study_uid.clone(),
            series_uid: source.series_uid.clone(),
            frame_of_reference_uid: source.frame_of_reference_uid.clone(),
            class_uid: source.class_uid.clone(),
            slices: source
                .slices
                .iter()
                .map(|s| (s.instance_uid.clone(), s.frame))
                .collect(),
        });
    }
    let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    Ok(Scan {
        summary: summary(&volume, files.len()),
        digest: digest(&files),
        files,
        study: Study {
            sources: args.paths.iter().map(whole).collect(),
            uids: None,
            series,
            patient,
        },
    })
}

/// Reads an array: for models that are no scans'. It holds numbers only, so there is nobody's identity to take out.
fn array(path: &Path) -> Result<Scan> {
    let shown = path.display();
    let most = npy::FILE_BYTES_MAX;
    let length = std::fs::metadata(path)
        .with_context(|| format!("read {shown}"))?
        .len();
    if length > most {
        let text = format!("{shown} has {length} bytes; an array has {most} at most");
        return Err(Failure::usage(text).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("read {shown}"))?;
    let array = npy::read(&bytes).with_context(|| format!("{shown} cannot be taken"))?;
    // Written anew: what a header says beside the array stays here.
    let bytes = npy::write(&array);
    let files = vec![(ARRAY_FILE.to_owned(), bytes)];
    Ok(Scan {
        summary: format!("an array of float32 of shape {:?}", array.shape),
        digest: digest(&files),
        files,
        study: Study {
            sources: vec![path.canonicalize().unwrap_or_else(|_| path.to_owned())],
            ..Study::default()
        },
    })
}

impl Scan {
    /// Takes the patient's identity out. The files get names that say nothing.
    pub fn deidentify(self, burned_in_ok: bool) -> Result<(Files, Study)> {
        let limits = LoadOptions::default().limits;
        let mut study = self.study;
        if study.series.is_some() {
            let mut uids = UidMap::default();
            let clean = swarm_imaging::deidentify(&self.files, &mut uids, burned_in_ok, &limits).context(
                "this series cannot be de-identified (look at its pixels; if they show no text, give --burned-in-ok)",
            )?;
            study.uids = Some(uids);
            return Ok((clean, study));
        }
        if self.files.iter().any(|(name, _)| name == ARRAY_FILE) {
            return Ok((self.files, study));
        }
        let scrub = |(_, bytes): &(String, Vec<u8>)| {
            let gzip = bytes.starts_with(&[0x1f, 0x8b]);
            let name = if gzip { "scan.nii.gz" } else { "scan.nii" };
            let clean = swarm_imaging::nifti::scrub(bytes, &limits);
            Ok((
                name.to_owned(),
                clean.context("take the text out of the NIfTI header")?,
            ))
        };
        let clean = self.files.iter().map(scrub).collect::<Result<_>>()?;
        Ok((clean, study))
    }
}

/// SHA-256 over the sorted digests of the files: the same study under other names is the same.
fn digest(files: &[(String, Vec<u8>)]) -> B256 {
    let mut digests: Vec<B256> = files.iter().map(|(_, bytes)| sha256(bytes)).collect();
    digests.sort_unstable();
    sha256(digests.concat())
}

fn summary(volume: &Volume, files: usize) -> String {
    let [x, y, z] = volume.dims();
    let [dx, dy, dz] = volume.spacing();
    let files = if files == 1 {
        "one file".to_owned()
    } else {
        format!("{files} files")
    };
    format!("{files}, {x} × {y} × {z} voxels of {dx:.2} × {dy:.2} × {dz:.2} mm")
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_imaging::{Affine, Rescale, SeriesSpec, Voxels, write_series};

    fn args(paths: Vec<PathBuf>, series: Option<String>) -> SubmitArgs {
        use clap::Parser;
        let mut line: Vec<std::ffi::OsString> = vec!["swarm".into(), "submit".into()];
        line.extend(paths.into_iter().map(Into::into));
        line.extend(["--type".into(), "brain_mri".into()]);
        if let Some(series) = series {
            line.extend(["--series".into(), series.into()]);
        }
        match crate::cli::Cli::parse_from(line).command {
            crate::cli::Command::Submit(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn series(folder: &std::path::Path, seed: u64) -> Vec<PathBuf> {
        let affine = Affine([
            [-1.0, 0.0, 0.0, 2.0],
            [0.0, -1.0, 0.0, 3.0],
            [0.0, 0.0, 2.0, 4.0],
            [0.0, 0.0, 0.0, 1.0],
        ]);
        let voxels = Voxels::U8((0..60).collect());
        let volume = Volume::new(voxels, Rescale::IDENTITY, [3, 4, 5], affine).expect("a volume");
        let spec = SeriesSpec {
            seed,
            ..SeriesSpec::default()
        };
        let files = write_series(&volume, &spec).expect("writes");
        let write = |(name, bytes): (String, Vec<u8>)| {
            let path = folder.join(format!("{seed}-{name}"));
            std::fs::write(&path, bytes).expect("writes");
            path
        };
        files.into_iter().map(write).collect()
    }

    #[test]
    fn only_the_chosen_series_is_taken_and_its_patient_stays_here() {
        let folder = tempfile::tempdir().expect("a directory");
        let (one, two) = (series(folder.path(), 1), series(folder.path(), 2));
        let everything = vec![folder.path().to_owned()];
        assert!(
            read(&args(everything.clone(), None)).is_err(),
            "two series and no choice"
        );

        let alone = read(&args(one.clone(), None)).expect("loads");
        let uid = alone
            .study
            .series
            .as_ref()
            .expect("DICOM")
            .series_uid
            .clone();
        let chosen = read(&args(everything, Some(uid.clone()))).expect("loads");
        assert_eq!(chosen.digest, alone.digest);
        assert_ne!(chosen.digest, read(&args(two, None)).expect("loads").digest);
        assert_eq!(chosen.files.len(), 5);

        let (clean, study) = chosen.deidentify(false).expect("cleans");
        assert_eq!(clean.len(), 5);
        for secret in ["Invented", "FAKE-0001", &uid] {
            let secret = secret.as_bytes();
            assert!(!clean.iter().any(|(name, bytes)| {
                name.as_bytes().windows(secret.len()).any(|w| w == secret)
                    || bytes.windows(secret.len()).any(|w| w == secret)
            }));
        }
        let uids = study.uids.expect("a map");
        let series = study.series.expect("a series");
        assert!(uids.replacement(&series.series_uid).is_some());
        assert_eq!(series.slices.len(), 5);
    }
}
