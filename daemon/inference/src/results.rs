//! What a job gives back: mask (for a DICOM series also as a segmentation of it), report and picture, as named files.

use serde::Serialize;
use swarm_imaging::dicom::seg::{Algorithm, Code, Segment, write_segmentation};
use swarm_imaging::montage::Montage;
use swarm_imaging::report::{VolumeReport, volume_report};
use swarm_imaging::{Source, Volume, write_labels};
use swarm_types::{B256, digest};

use crate::engine::Considered;
use crate::pipeline::{LabelMap, Pipeline, PipelineError, Progress, Stage};

/// The label map as NIfTI on the scan's own grid.
pub const MASK_FILE: &str = "mask.nii.gz";
/// The label map as a DICOM segmentation on the slices of the series, where the scan is one.
pub const SEGMENTATION_FILE: &str = "mask.dcm";
/// Volumes, model and engine as JSON.
pub const REPORT_FILE: &str = "report.json";
/// The label map drawn on the scan.
pub const MONTAGE_FILE: &str = "montage.png";

/// The files of one result.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// What [`REPORT_FILE`] says.
    pub report: Report,
}

impl Results {
    /// SHA-256 of the result manifest, which an Execution commits to.
    pub fn digest(&self) -> B256 {
        digest::manifest_digest(&self.files)
    }
}

/// What was found, by which model, on which engine. It says nothing of when or for whom.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was asked for.
    pub job_type: String,
    /// By what.
    pub model: ModelName,
    /// The engine's descriptive string.
    pub engine: String,
    /// Engines that would have been preferred, and why they did not run.
    pub engines_passed_over: Vec<Considered>,
    /// Voxels of the scan that were NaN or infinite and counted as 0.
    pub nonfinite_voxels: usize,
    /// Notice, grid and volumes.
    #[serde(flatten)]
    pub volumes: VolumeReport,
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelName {
    /// From `model.toml`.
    pub name: String,
    /// From `model.toml`.
    pub version: String,
    /// Of the package.
    pub digest: B256,
}

impl Pipeline {
    /// The whole way: segments the scan and writes the result files.
    pub fn run(
        &mut self,
        volume: &Volume,
        progress: Progress<'_>,
    ) -> Result<Results, PipelineError> {
        let map = self.segment(volume, progress)?;
        progress(Stage::Write, 0.0);
        let results = self.write(volume, &map)?;
        progress(Stage::Write, 1.0);
        Ok(results)
    }

    fn write(&self, volume: &Volume, map: &LabelMap) -> Result<Results, PipelineError> {
        let spec = self.package().spec();
        let names: Vec<(u8, &str)> = spec
            .labels
            .iter()
            .map(|label| (label.value, label.name.as_str()))
            .collect();
        let report = Report {
            job_type: spec.job_type.clone(),
            model: ModelName {
                name: spec.name.clone(),
                version: spec.version.clone(),
                digest: self.package().digest(),
            },
            engine: self.engine().to_string(),
            engines_passed_over: self
                .considered()
                .iter()
                .map(Considered::in_report)
                .collect(),
            nonfinite_voxels: map.nonfinite_voxels,
            volumes: self
                .pool()
                .install(|| volume_report(volume, &map.labels, &names)),
        };
        let failed = |file| move |source| PipelineError::Write { file, source };
        let title = format!("{} {}", spec.name, spec.version);
        let series = match volume.source() {
            Source::Dicom(series) => Some(series),
            _ => None,
        };
        let (segments, algorithm) = (self.segments(), self.algorithm());
        let write_masks = || {
            let segmentation = series.map(|series| {
                write_segmentation(volume, series, &map.labels, &segments, &algorithm)
            });
            (write_labels(volume, &map.labels), segmentation)
        };
        let ((mask, segmentation), png) = self.pool().install(|| {
            // All threads draw; then one encodes the picture while another writes the masks.
            let picture = Montage::draw(volume, &map.labels, &report.volumes.labels, &title);
            let encode = || picture.and_then(|picture| picture.to_png());
            rayon::join(write_masks, encode)
        });
        let mask = mask.map_err(|error| failed(MASK_FILE)(error.into()))?;
        let png = png.map_err(|error| failed(MONTAGE_FILE)(error.into()))?;
        let json = serde_json::to_vec_pretty(&report)
            .map_err(|error| failed(REPORT_FILE)(error.into()))?;
        let files = [(MASK_FILE, mask), (REPORT_FILE, json), (MONTAGE_FILE, png)];
        let mut files: Vec<(String, Vec<u8>)> =
            files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
        if let Some(segmentation) = segmentation {
            let bytes = segmentation.map_err(|error| failed(SEGMENTATION_FILE)(error.into()))?;
            files.push((SEGMENTATION_FILE.to_owned(), bytes));
        }
        Ok(Results { files, report })
    }

    fn segments(&self) -> Vec<Segment> {
        let labels = self.package().spec().labels.iter();
        let segment = labels.map(|label| Segment {
            value: label.value,
            label: label.name.clone(),
            code: label.code.as_ref().map(|code| Code {
                value: code.value.clone(),
                scheme: code.scheme.clone(),
                meaning: code.meaning.clone(),
            }),
        });
        segment.collect()
    }

    fn algorithm(&self) -> Algorithm {
        let spec = self.package().spec();
        let digest = self.package().digest().to_string();
        Algorithm {
            name: spec.name.clone(),
            version: spec.version.clone(),
            // 64 hex digits are just what fits.
            serial: digest.trim_start_matches("0x").to_owned(),
        }
    }
}
