//! Draws a label map on its scan: `montage <scan.nii.gz> <labels.nii.gz> <out.png>`. Any value above zero is a label.

use std::path::Path;
use swarm_imaging::montage::Montage;
use swarm_imaging::report::volume_report;
use swarm_imaging::{Limits, LoadOptions, Volume, load, read_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [scan, labels, out] = &paths[..] else {
        return Err("give a scan, its labels and an output file".into());
    };
    let read = |path: &str| -> Result<Volume, Box<dyn std::error::Error>> {
        let files = read_path(Path::new(path), &Limits::default())?;
        load(&files, &LoadOptions::default()).map_err(|e| e.explain().into())
    };
    let (scan, labels) = (read(scan)?, read(labels)?);
    let labels: Vec<u8> = labels.to_f32().iter().map(|&v| u8::from(v > 0.0)).collect();
    let report = volume_report(&scan, &labels, &[(1, "labelled")]);
    let picture = Montage::draw(&scan, &labels, &report.labels, "SwarmOS")?;
    std::fs::write(out, picture.to_png()?)?;
    Ok(())
}
