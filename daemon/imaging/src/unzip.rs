//! Scans that come in a zip archive: its files in memory, within limits. Nothing is written to a disk under a name that an
//! archive gives.

use crate::error::LoadError;
use crate::limits::Limits;
use std::io::{Cursor, Read};
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

/// Most bytes out of one byte of archive. Scans come to 2 to 5, empty slices to some tens.
const RATIO_MAX: u64 = 100;
/// Up to here the ratio does not matter.
const RATIO_FREE_BYTES: u64 = 16 << 20;
/// Longest path in an archive, in bytes.
const PATH_BYTES_MAX: usize = 1024;
/// File type of a Unix mode, and the two types that are taken.
const MODE_TYPE: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;
const MODE_DIRECTORY: u32 = 0o040_000;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// Directory or headers are damaged.
    #[error("the archive is damaged")]
    Archive(#[source] zip::result::ZipError),
    /// The data of one file are damaged.
    #[error("{entry:?} is damaged")]
    Entry {
        /// Its path in the archive.
        entry: String,
        /// How.
        #[source]
        source: std::io::Error,
    },
    /// A path that leaves its folder, or that two systems read differently.
    #[error("{entry:?} is not a plain relative path")]
    Path {
        /// The path.
        entry: String,
    },
    /// Two entries of one path: which of them is meant, readers disagree.
    #[error("two of its entries have one path")]
    Twice,
    /// A link or a device.
    #[error("{entry:?} is neither a file nor a folder")]
    Kind {
        /// Its path.
        entry: String,
    },
    /// A file under a password.
    #[error("{entry:?} is encrypted")]
    Encrypted {
        /// Its path.
        entry: String,
    },
    /// A compression other than deflate.
    #[error("{entry:?} is compressed with {method}, and only deflate is read")]
    Method {
        /// Its path.
        entry: String,
        /// The method.
        method: String,
    },
    /// A file that is an archive itself.
    #[error("{entry:?} is an archive in an archive")]
    Nested {
        /// Its path.
        entry: String,
    },
    /// More files than the limit.
    #[error("the archive holds more than {max} entries")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// More bytes than the limit.
    #[error("the archive holds more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// A zip bomb.
    #[error("the archive holds more than {RATIO_MAX} times its own size")]
    Bomb,
}

/// Whether `bytes` begin like a zip archive.
pub(crate) fn looks_like_zip(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..])
}

/// The files, with those of zip archives in the archives' places, under their paths there. Folders and hidden files
/// (`.DS_Store`, `__MACOSX`) are left out.
///
/// # Errors
/// [`LoadError::Zip`] around a [`ZipError`], with the archive's name.
pub fn unzip(
    files: Vec<(String, Vec<u8>)>,
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let mut out = Vec::with_capacity(files.len());
    let mut total = 0;
    for (name, bytes) in files {
        if looks_like_zip(&bytes) {
            entries(&bytes, limits, &mut total, &mut out)
                .map_err(|source| LoadError::Zip { file: name, source })?;
        } else {
            out.push((name, bytes));
        }
    }
    Ok(out)
}

/// Adds the files of one archive to `out`, and their bytes to `total`.
fn entries(
    archive: &[u8],
    limits: &Limits,
    total: &mut u64,
    out: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), ZipError> {
    let too_many = ZipError::TooMany {
        max: limits.files_max,
    };
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(ZipError::Archive)?;
    let declared = entries_declared(archive);
    if zip.len().max(declared) > limits.files_max {
        return Err(too_many);
    }
    // The library keeps the last entry of a path and forgets the others.
    if declared != zip.len() {
        return Err(ZipError::Twice);
    }
    let allowed = RATIO_FREE_BYTES.max(archive.len() as u64 * RATIO_MAX);
    let mut inflated = 0;
    for index in 0..zip.len() {
        let file = zip.by_index_raw(index).map_err(ZipError::Archive)?;
        let entry = path_of(&file)?;
        if file.is_dir() || is_hidden(&entry) {
            continue;
        }
        drop(file);
        let mut file = zip.by_index(index).map_err(ZipError::Archive)?;
        let room = (limits.bytes_max - (*total).min(limits.bytes_max)).min(allowed - inflated);
        let mut bytes = Vec::new();
        // The declared size is a claim: what counts is what comes out.
        if let Err(source) = (&mut file).take(room + 1).read_to_end(&mut bytes) {
            return Err(ZipError::Entry { entry, source });
        }
        *total += bytes.len() as u64;
        inflated += bytes.len() as u64;
        if *total > limits.bytes_max {
            return Err(ZipError::TooLarge {
                max: limits.bytes_max,
            });
        }
        if inflated > allowed {
            return Err(ZipError::Bomb);
        }
        if looks_like_zip(&bytes) {
            return Err(ZipError::Nested { entry });
        }
        out.push((entry, bytes));
        if out.len() > limits.files_max {
            return Err(too_many);
        }
    }
    Ok(())
}

/// How many entries the end of the archive says there are (APPNOTE 4.3.16). 65535 there means that another record says it:
/// more than any limit here.
fn entries_declared(archive: &[u8]) -> usize {
    let ends = archive.windows(12).rev();
    let mut counts = ends.filter_map(|record| match record {
        [b'P', b'K', 5, 6, _, _, _, _, _, _, low, high] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    });
    counts.next().unwrap_or_default().into()
}

/// The path of an entry of a kind that is read.
fn path_of<R: Read>(file: &ZipFile<'_, R>) -> Result<String, ZipError> {
    let entry = file.name().map_err(ZipError::Archive)?.into_owned();
    let parts = entry.strip_suffix('/').unwrap_or(&entry);
    let plain = (1..=PATH_BYTES_MAX).contains(&entry.len())
        && !entry.contains(|c: char| c.is_control() || c == '\\' || c == ':')
        && parts
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."));
    if !plain {
        return Err(ZipError::Path { entry });
    }
    let kind = file.unix_mode().map_or(0, |mode| mode & MODE_TYPE);
    if !matches!(kind, 0 | MODE_FILE | MODE_DIRECTORY) {
        return Err(ZipError::Kind { entry });
    }
    if file.encrypted() {
        return Err(ZipError::Encrypted { entry });
    }
    match file.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(entry),
        method => Err(ZipError::Method {
            entry,
            method: method.to_string(),
        }),
    }
}

fn is_hidden(entry: &str) -> bool {
    entry
        .split('/')
        .any(|part| part.starts_with('.') || part == "__MACOSX")
}
