//! Every DICOM file that pydicom ships decodes to pydicom's pixels, or is refused by name; `PYDICOM.md` is the table.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::python;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use swarm_imaging::dicom::{Frames, frames};
use swarm_imaging::{Limits, Voxels};

/// How far a lossy decoder may be from another one, in grey levels.
const LOSSY_LEVELS_MAX: i64 = 2;
/// Fewest files that must be there: of pydicom 3.0.2 and pydicom-data 1.0.0.
const FILES_MIN: usize = 250;
const TABLE: &str = "PYDICOM.md";

/// What pydicom says about a file.
#[derive(Deserialize)]
struct Theirs {
    /// Path below its package.
    name: String,
    /// Where it is.
    path: PathBuf,
    /// Name of the transfer syntax, or that there is none.
    syntax: String,
    /// Its pixels as little-endian i64, for grey images that pydicom decodes.
    pixels: Option<PathBuf>,
    /// Why it gives none.
    why: Option<String>,
}

fn same(ours: &Frames, pixels: &Path) -> Result<i64, String> {
    let theirs = std::fs::read(pixels).unwrap();
    let theirs = theirs.as_chunks::<8>().0;
    if theirs.len() != ours.voxels.len() {
        return Err(format!(
            "{} pixels, pydicom has {}",
            ours.voxels.len(),
            theirs.len()
        ));
    }
    let pairs = theirs.iter().enumerate();
    let far = pairs.map(|(i, t)| (ours.voxels.stored(i) as i64 - i64::from_le_bytes(*t)).abs());
    Ok(far.max().unwrap_or(0))
}

fn outcome(file: &Theirs, bytes: &[u8]) -> Result<String, String> {
    let ours = match frames(&file.name, bytes, &Limits::default()) {
        Ok(ours) => ours,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            let chain = std::iter::successors(error.source(), |e| e.source());
            let words: Vec<String> = chain.map(ToString::to_string).collect();
            return match words.join(": ") {
                empty if empty.is_empty() => Err("a refusal without a reason".into()),
                reason => Ok(format!("refused: {reason}")),
            };
        }
    };
    assert!(!matches!(ours.voxels, Voxels::F32(_) | Voxels::F64(_)));
    let flag = if ours.lossy { ", flagged as lossy" } else { "" };
    let Some(pixels) = &file.pixels else {
        let why = file.why.as_deref().unwrap_or("?");
        return Err(format!("decoded here, and not by pydicom: {why}"));
    };
    match same(&ours, pixels)? {
        0 => Ok(format!("same pixels{flag}")),
        far if ours.lossy && far <= LOSSY_LEVELS_MAX => Ok(format!(
            "same pixels within {far} grey level{}{flag}",
            if far == 1 { "" } else { "s" }
        )),
        far => Err(format!("{far} grey levels off{flag}")),
    }
}

#[test]
fn every_file_of_pydicom_has_the_same_pixels_or_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let printed = python("pydicom_pixels.py", &[folder.path()]);
    let files: Vec<Theirs> = serde_json::from_str(&printed).unwrap();
    assert!(files.len() >= FILES_MIN, "{} files", files.len());
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for file in &files {
        match outcome(file, &std::fs::read(&file.path).unwrap()) {
            Ok(outcome) => rows.push((file.name.as_str(), file.syntax.as_str(), outcome)),
            Err(fault) => faults.push(format!("{} ({}): {fault}", file.name, file.syntax)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let text = table(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("SWARM_WRITE_TABLE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{TABLE} is stale: SWARM_WRITE_TABLE=1 cargo test -p swarm-imaging --test pydicom"
    );
}

/// Markdown. A folder whose files all have one outcome is one row.
fn table(rows: &[(&str, &str, String)]) -> String {
    let same = rows
        .iter()
        .filter(|(_, _, o)| o.starts_with("same"))
        .count();
    let mut text = format!(
        "# The files of pydicom\n\n\
         Made by `tests/pydicom.rs` and checked by it: the {} DICOM files of pydicom 3.0.2 and pydicom-data 1.0.0,\n\
         decoded by `swarm_imaging::dicom::frames` and by pydicom with its plugins (GDCM, OpenJPEG, CharLS). {same} give the\n\
         same stored values; the others are refused, with the reason that is printed here.\n\n\
         | File | Transfer syntax | |\n|---|---|---|\n",
        rows.len()
    );
    let mut folders: BTreeMap<&str, Vec<&(&str, &str, String)>> = BTreeMap::new();
    for row in rows {
        folders
            .entry(row.0.rsplit_once('/').map_or("", |f| f.0))
            .or_default()
            .push(row);
    }
    let safe = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for (folder, rows) in folders {
        let uniform = rows.len() > 1 && rows.iter().all(|r| (r.1, &r.2) == (rows[0].1, &rows[0].2));
        if uniform {
            let (_, syntax, outcome) = rows[0];
            let _ = writeln!(
                text,
                "| {folder}/ ({} files) | {syntax} | {} |",
                rows.len(),
                safe(outcome)
            );
            continue;
        }
        for (name, syntax, outcome) in rows {
            let _ = writeln!(text, "| {name} | {syntax} | {} |", safe(outcome));
        }
    }
    text
}
