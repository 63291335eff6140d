//! DICOM series: order, geometry, samples, and the refusals that name the slices.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod pixels;
mod refusals;
mod series;

use swarm_imaging::{SeriesSpec, write_series};

use common::{Files, load, names_in_space, volume};

fn spec() -> SeriesSpec {
    SeriesSpec {
        slope: 0.5,
        intercept: -1000.0,
        ..SeriesSpec::default()
    }
}

fn series() -> Files {
    write_series(&volume(), &spec()).unwrap()
}

/// The series with the file of slice `k` (in space) changed.
fn changed(files: &Files, k: usize, change: impl Fn(&[u8]) -> Vec<u8>) -> (Files, String) {
    let name = names_in_space(files)[k].clone();
    let files = files
        .iter()
        .map(|(n, b)| (n.clone(), if *n == name { change(b) } else { b.clone() }))
        .collect();
    (files, name)
}

fn refusal(files: &Files) -> String {
    load(files).expect_err("a refusal")
}
