//! One entry for every input: decides by content what the files are, and reads them.

use crate::dicom::{self, looks_like_dicom};
use crate::error::LoadError;
use crate::limits::Limits;
use crate::nifti::{self, looks_like_nifti};
use crate::unzip::{looks_like_zip, unzip};
use crate::volume::Volume;
use flate2::bufread::GzDecoder;
use std::io::Read;
use std::path::Path;

/// Bytes of a gzip stream that are inflated to see what is inside.
const SNIFF_BYTES: u64 = 544;
/// How deep [`read_path`] goes into directories.
const DIRECTORY_DEPTH_MAX: usize = 8;

/// What the caller may choose.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// SeriesInstanceUID to take when the input holds several series.
    pub series: Option<String>,
    /// Share of the slice spacing by which a distance between neighbours may differ (default 0.01).
    pub gap_tolerance: f64,
    /// Turn MONOCHROME1 (low is bright) into its mirror image in value. Off, as in MONAI and ITK.
    pub invert_monochrome1: bool,
    /// Take a NIfTI file without sform and qform in Analyze's convention: a guess about left and right.
    pub allow_unknown_orientation: bool,
    /// Refuse DICOM files that were not de-identified (what a bee asks for).
    pub refuse_identified: bool,
    /// How much to take in.
    pub limits: Limits,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            series: None,
            gap_tolerance: 0.01,
            invert_monochrome1: false,
            allow_unknown_orientation: false,
            refuse_identified: false,
            limits: Limits::default(),
        }
    }
}

/// What the first bytes of a file say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `DICM` after 128 bytes.
    Dicom,
    /// NIfTI-1 or NIfTI-2, compressed or not.
    Nifti,
}

/// Decides by content what a file is; an error says what else it seems to be.
///
/// # Errors
/// A few words on what the file is instead.
pub fn format_of(bytes: &[u8]) -> Result<Format, &'static str> {
    if looks_like_dicom(bytes) {
        return Ok(Format::Dicom);
    }
    if looks_like_nifti(bytes) {
        return Ok(Format::Nifti);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut start = Vec::new();
        // A damaged stream still shows its first bytes, or none: both are judged below.
        let _ = GzDecoder::new(bytes)
            .take(SNIFF_BYTES)
            .read_to_end(&mut start);
        return if looks_like_nifti(&start) {
            Ok(Format::Nifti)
        } else {
            Err("a gzip file without a NIfTI scan in it")
        };
    }
    Err(match bytes {
        [] => "empty",
        _ => "neither a DICOM nor a NIfTI file",
    })
}

/// Reads a scan: one NIfTI file, or the files of a DICOM series in any order, or zip archives of them. Names only appear
/// in messages.
///
/// # Errors
/// [`LoadError`]; [`LoadError::explain`] says in one line what is wrong and where.
pub fn load(files: &[(String, Vec<u8>)], options: &LoadOptions) -> Result<Volume, LoadError> {
    let limits = &options.limits;
    if files.is_empty() {
        return Err(LoadError::Empty);
    }
    for (name, bytes) in files {
        if bytes.len() as u64 > limits.bytes_max {
            return Err(LoadError::TooLarge {
                path: name.clone(),
                max: limits.bytes_max,
            });
        }
    }
    if files.iter().any(|(_, bytes)| looks_like_zip(bytes)) {
        return load(&unzip(files.to_vec(), limits)?, options);
    }
    let mut nifti_file = None;
    for (name, bytes) in files {
        match format_of(bytes) {
            Ok(Format::Dicom) => {}
            Ok(Format::Nifti) => nifti_file = nifti_file.or(Some((name, bytes))),
            Err(what) => {
                return Err(LoadError::Unknown {
                    file: name.clone(),
                    what,
                });
            }
        }
    }
    match nifti_file {
        Some((file, _)) if files.len() > 1 => Err(LoadError::Several {
            file: file.clone(),
            files: files.len(),
        }),
        Some((file, bytes)) => nifti::read(bytes, limits, options.allow_unknown_orientation)
            .map_err(|source| LoadError::Nifti {
                file: file.clone(),
                source,
            }),
        None => dicom::read(files, options).map_err(LoadError::Dicom),
    }
}

/// Reads the bytes of a file, or of every file in a directory and below, sorted by path. Hidden files (`.DS_Store`) are
/// left out; symbolic links to directories are not followed.
///
/// # Errors
/// [`LoadError::Io`], [`LoadError::TooLarge`] or [`LoadError::TooManyFiles`].
pub fn read_path(path: &Path, limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let mut found = Vec::new();
    let io = |p: &Path, source| LoadError::Io {
        path: p.display().to_string(),
        source,
    };
    if path.metadata().map_err(|e| io(path, e))?.is_dir() {
        collect(path, &mut found, limits, 0)?;
        found.sort();
    } else {
        found.push(path.to_owned());
    }
    let mut total = 0;
    let mut files = Vec::with_capacity(found.len());
    for file in found {
        // Relative names read better in messages, and say nothing of the machine.
        let name = file
            .strip_prefix(path)
            .ok()
            .filter(|p| !p.as_os_str().is_empty());
        let name = name.map_or_else(
            || file.file_name().unwrap_or_default().to_string_lossy(),
            |p| p.to_string_lossy(),
        );
        total += file.metadata().map_err(|e| io(&file, e))?.len();
        if total > limits.bytes_max {
            return Err(LoadError::TooLarge {
                path: path.display().to_string(),
                max: limits.bytes_max,
            });
        }
        let bytes = std::fs::read(&file).map_err(|e| io(&file, e))?;
        files.push((name.into_owned(), bytes));
    }
    Ok(files)
}

fn collect(
    dir: &Path,
    found: &mut Vec<std::path::PathBuf>,
    limits: &Limits,
    depth: usize,
) -> Result<(), LoadError> {
    let io = |source| LoadError::Io {
        path: dir.display().to_string(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(io)?.is_dir() {
            if depth < DIRECTORY_DEPTH_MAX {
                collect(&entry.path(), found, limits, depth + 1)?;
            }
        } else {
            found.push(entry.path());
        }
        if found.len() > limits.files_max {
            return Err(LoadError::TooManyFiles {
                path: dir.display().to_string(),
                max: limits.files_max,
            });
        }
    }
    Ok(())
}
