//! Uploaded packages on disk, in `models/` of the state directory:
//!
//! ```text
//! <digest>.tar       the package, packed anew from what was checked
//! <digest>.json      what is known of it; without this file there is no such model
//! incoming-*         an upload under way; gone at the next start
//! ```
//!
//! A file comes into its place by a rename, after its bytes are on disk; the directory is synced after each. So a crash at any
//! moment leaves a model whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use swarm_package::{Package, PackageError, read_tar, write_tar};
use swarm_types::{Address, B256, hex};

use super::directory::CatalogueError;
use super::{Model, Upload};
use crate::config::QueenConfig;

/// How the names of uploads under way begin.
const INCOMING: &str = "incoming-";
/// Bytes of a record at most.
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// The directory of uploaded packages. It is made with the first upload.
#[derive(Debug)]
pub struct ModelStore {
    dir: PathBuf,
    next: AtomicU64,
}

/// What is kept of an uploaded package beside its tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredModel {
    /// SHA-256 of the package's manifest.
    pub digest: B256,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Licence of the weights.
    pub licence: String,
    /// Job type it serves.
    pub job_type: String,
    /// `scan` or `tensor`.
    pub kind: String,
    /// Device memory it needs, MiB.
    pub memory_mib: u32,
    /// SHA-256 of the tar.
    pub sha256: B256,
    /// Bytes of the tar.
    pub size: u64,
    /// Who signed the upload.
    pub uploaded_by: Address,
    /// Unix seconds.
    pub uploaded_at: u64,
    /// Whether it can be ordered.
    pub active: bool,
}

impl StoredModel {
    /// As the catalogue has it.
    pub fn model(&self, config: &QueenConfig) -> Model {
        Model {
            digest: self.digest,
            name: self.name.clone(),
            version: self.version.clone(),
            licence: self.licence.clone(),
            job_type: self.job_type.clone(),
            kind: self.kind.clone(),
            memory_mib: self.memory_mib,
            fee: config.fee(&self.job_type),
            active: self.active,
            upload: Some(Upload {
                sha256: self.sha256,
                size: self.size,
                by: self.uploaded_by,
                at: self.uploaded_at,
            }),
        }
    }

    /// What a model of the catalogue was kept as; `None` for one of the models directory.
    pub fn of(model: &Model) -> Option<Self> {
        let upload = model.upload.as_ref()?;
        Some(Self {
            digest: model.digest,
            name: model.name.clone(),
            version: model.version.clone(),
            licence: model.licence.clone(),
            job_type: model.job_type.clone(),
            kind: model.kind.clone(),
            memory_mib: model.memory_mib,
            sha256: upload.sha256,
            size: upload.size,
            uploaded_by: upload.by,
            uploaded_at: upload.at,
            active: model.active,
        })
    }
}

/// Why an upload became no model.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The package is refused.
    #[error("the package is refused")]
    Package(#[source] PackageError),
    /// The disk failed.
    #[error("the package cannot be stored")]
    Io(#[source] io::Error),
}

impl From<io::Error> for UploadError {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// A file that goes when it is dropped, unless it was given a place.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "an upload was not removed");
        }
    }
}

/// A package that was uploaded, checked and packed anew, and has no place yet.
#[derive(Debug)]
pub struct Received {
    tar: Incoming,
    /// What is to be kept of it.
    pub stored: StoredModel,
}

impl ModelStore {
    /// The store in `dir`, which need not be there.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            next: AtomicU64::new(0),
        }
    }

    /// Removes what uploads left that never ended, and reads what is known of every package.
    pub fn open(&self) -> Result<Vec<StoredModel>, CatalogueError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogueError::Read { path, source }
        };
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed(&self.dir))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(failed(&self.dir))?.path());
        }
        let mut found = Vec::new();
        for path in &paths {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if let Some(hex) = name.strip_suffix(".json") {
                let stored = read_record(path)?;
                let tar = self.tar(&stored.digest);
                let size = fs::metadata(&tar).map_err(failed(&tar))?.len();
                if hex != hex::encode(stored.digest) || size != stored.size {
                    let what = "does not belong to the package beside it; restore both from a backup, or remove both";
                    let path = path.clone();
                    return Err(CatalogueError::Package { path, what });
                }
                found.push(stored);
            }
        }
        let kept = |name: &str| {
            let digest = name.strip_suffix(".json").or(name.strip_suffix(".tar"));
            digest.is_some_and(|digest| found.iter().any(|one| hex::encode(one.digest) == digest))
        };
        for path in &paths {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let ours = name.starts_with(INCOMING) || name.ends_with(".tar");
            if ours && !kept(name) {
                tracing::warn!(path = %path.display(), "removes what an upload left that never ended");
                fs::remove_file(path).map_err(failed(path))?;
            }
        }
        Ok(found)
    }

    /// A new file for an upload's bytes.
    pub fn incoming(&self) -> io::Result<(Incoming, File)> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{INCOMING}{number}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        Ok((Incoming { path }, file))
    }

    /// Checks the package in `upload` and packs it anew: what is kept is what was checked, and nothing beside it.
    pub fn receive(&self, upload: Incoming, by: Address, at: u64) -> Result<Received, UploadError> {
        let archive = BufReader::new(File::open(&upload.path)?);
        let files = read_tar(archive).map_err(UploadError::Package)?;
        drop(upload);
        let (tar, file) = self.incoming()?;
        let mut hashed = Hashed {
            to: BufWriter::new(&file),
            hasher: Sha256::new(),
            size: 0,
        };
        write_tar(&files, &mut hashed)?;
        let (sha256, size) = (B256::new(hashed.hasher.finalize().into()), hashed.size);
        file.sync_all()?;
        let package = Package::from_files(files).map_err(UploadError::Package)?;
        let head = package.head();
        let stored = StoredModel {
            digest: package.digest(),
            name: head.name.to_owned(),
            version: head.version.to_owned(),
            licence: head.licence.to_owned(),
            job_type: head.job_type.to_owned(),
            kind: head.kind.name().to_owned(),
            memory_mib: head.memory_mib,
            sha256,
            size,
            uploaded_by: by,
            uploaded_at: at,
            active: false,
        };
        Ok(Received { tar, stored })
    }

    /// Gives a received package its place.
    pub fn keep(&self, received: Received) -> io::Result<StoredModel> {
        let Received { tar, stored } = received;
        fs::rename(&tar.path, self.tar(&stored.digest))?;
        self.sync_dir()?;
        self.record(&stored)?;
        Ok(stored)
    }

    /// Writes what is known of a package, in place of what was.
    pub fn record(&self, stored: &StoredModel) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(stored).expect("a record is plain data");
        let (new, mut file) = self.incoming()?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&new.path, self.json(&stored.digest))?;
        self.sync_dir()
    }

    /// Removes a package: first what makes it a model, then its bytes.
    pub fn remove(&self, digest: &B256) -> io::Result<()> {
        fs::remove_file(self.json(digest))?;
        self.sync_dir()?;
        fs::remove_file(self.tar(digest))
    }

    /// Where the tar of a package is.
    pub fn tar(&self, digest: &B256) -> PathBuf {
        self.dir.join(format!("{}.tar", hex::encode(digest)))
    }

    fn json(&self, digest: &B256) -> PathBuf {
        self.dir.join(format!("{}.json", hex::encode(digest)))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

fn read_record(path: &Path) -> Result<StoredModel, CatalogueError> {
    let failed = |source| CatalogueError::Read {
        path: path.to_owned(),
        source,
    };
    let what = "is not what is known of an uploaded package; restore it from a backup, or remove it and the tar beside it";
    let refuse = || CatalogueError::Package {
        path: path.to_owned(),
        what,
    };
    if fs::metadata(path).map_err(failed)?.len() > RECORD_BYTES_MAX {
        return Err(refuse());
    }
    serde_json::from_slice(&fs::read(path).map_err(failed)?).map_err(|_| refuse())
}

/// Counts and hashes what is written.
struct Hashed<W> {
    to: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> StoredModel {
        StoredModel {
            digest: B256::repeat_byte(1),
            name: "tiny".into(),
            version: "1".into(),
            licence: "MIT".into(),
            job_type: "tiny".into(),
            kind: "scan".into(),
            memory_mib: 0,
            sha256: B256::repeat_byte(2),
            size: 3,
            uploaded_by: Address::repeat_byte(4),
            uploaded_at: 5,
            active: false,
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        };
        let mut names: Vec<String> = fs::read_dir(dir).expect("a directory").map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_crash_at_any_moment_leaves_a_model_whole_or_not_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path().join("models");
        let store = ModelStore::new(at.clone());
        assert_eq!(store.open().expect("opens"), []);
        assert!(!at.exists(), "nothing is made before the first upload");
        // Killed while bytes came in, and after the tar had its place but no record.
        let (upload, mut file) = store.incoming().expect("a file");
        file.write_all(b"half").expect("written");
        std::mem::forget(upload);
        let one = stored();
        fs::write(store.tar(&one.digest), b"tar").expect("written");
        assert_eq!(ModelStore::new(at.clone()).open().expect("opens"), []);
        assert_eq!(names(&at), Vec::<String>::new());
        // Whole.
        fs::write(store.tar(&one.digest), b"tar").expect("written");
        store.record(&one).expect("recorded");
        assert_eq!(store.open().expect("opens"), std::slice::from_ref(&one));
        let active = StoredModel {
            active: true,
            ..one.clone()
        };
        store.record(&active).expect("recorded");
        assert_eq!(store.open().expect("opens"), [active]);
        // Killed between the two steps of a removal.
        fs::remove_file(store.json(&one.digest)).expect("removed");
        assert_eq!(store.open().expect("opens"), []);
        assert_eq!(names(&at), Vec::<String>::new());
        // An upload that is dropped leaves nothing.
        drop(store.incoming().expect("a file"));
        assert_eq!(names(&at), Vec::<String>::new());
    }

    #[test]
    fn damage_is_noticed_at_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = ModelStore::new(dir.path().to_owned());
        let one = stored();
        store.record(&one).expect("recorded");
        assert!(
            matches!(store.open(), Err(CatalogueError::Read { .. })),
            "no tar"
        );
        fs::write(store.tar(&one.digest), b"longer").expect("written");
        assert!(matches!(store.open(), Err(CatalogueError::Package { .. })));
        fs::write(store.tar(&one.digest), b"tar").expect("written");
        fs::write(store.json(&one.digest), b"{}").expect("written");
        assert!(matches!(store.open(), Err(CatalogueError::Package { .. })));
    }
}
