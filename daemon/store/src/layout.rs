//! Where the bytes lie, and the synchronous work on them.
//!
//! ```text
//! uploads/<digest>/   size (announced, decimal), header, payload: an upload in progress
//! blobs/<digest>/     the same, once the digest was checked; the rename is what makes it a blob
//! deleted/<digest>/   being destroyed: the header is overwritten, flushed and unlinked before anything else
//! ```
//! `header` is the age header, which holds the wrapped keys; `payload` is the rest. Without the header nobody can
//! decrypt the payload, so destroying some hundred bytes destroys the blob, also where a large file's blocks would
//! outlive it. On flash an overwrite may leave the old page behind until the device reuses it; the appliance's state
//! partition is encrypted for that reason. A blob that is not an age file has an empty header.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use swarm_types::{B256, hex};

use crate::age::{HEADER_BYTES_MAX, Header, split};
use crate::error::{StoreError, io_at};

const HEADER: &str = "header";
const PAYLOAD: &str = "payload";
const SIZE: &str = "size";
/// Bytes read at once when a digest is checked.
const CHUNK_BYTES: usize = 256 << 10;

/// The three directories.
#[derive(Debug)]
pub(crate) struct Layout {
    uploads: PathBuf,
    blobs: PathBuf,
    deleted: PathBuf,
}

/// The directory of one upload or blob.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Layout {
    /// Makes the directories, and finishes deletions that a crash interrupted.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Self {
            uploads: root.join("uploads"),
            blobs: root.join("blobs"),
            deleted: root.join("deleted"),
        };
        for dir in [&layout.uploads, &layout.blobs, &layout.deleted] {
            fs::create_dir_all(dir).map_err(io_at("create", dir))?;
        }
        for place in layout.list(&layout.deleted)? {
            place.destroy()?;
        }
        Ok(layout)
    }

    pub fn upload(&self, digest: &B256) -> Place {
        Place(self.uploads.join(hex::encode(digest)))
    }

    pub fn blob(&self, digest: &B256) -> Place {
        Place(self.blobs.join(hex::encode(digest)))
    }

    /// Every upload in progress.
    pub fn uploads(&self) -> Result<Vec<Place>, StoreError> {
        self.list(&self.uploads)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Place>, StoreError> {
        let entries = fs::read_dir(dir).map_err(io_at("list", dir))?;
        entries
            .map(|e| e.map(|e| Place(e.path())).map_err(io_at("list", dir)))
            .collect()
    }

    /// Turns a checked upload into a blob, durably.
    pub fn publish(&self, digest: &B256) -> Result<(), StoreError> {
        let (upload, blob) = (self.upload(digest), self.blob(digest));
        for name in [HEADER, PAYLOAD, SIZE] {
            sync(&upload.0.join(name))?;
        }
        sync(&upload.0)?;
        fs::rename(&upload.0, &blob.0).map_err(io_at("rename", &upload.0))?;
        sync(&self.blobs)?;
        sync(&self.uploads)
    }

    /// Destroys a blob or an upload. From the first step on nobody can open it.
    pub fn delete(&self, place: &Place) -> Result<(), StoreError> {
        let name = place
            .0
            .file_name()
            .expect("a place is a directory in one of ours");
        let doomed = Place(self.deleted.join(name));
        if doomed.exists() {
            doomed.destroy()?;
        }
        fs::rename(&place.0, &doomed.0).map_err(io_at("rename", &place.0))?;
        sync(&self.deleted)?;
        swarm_faults::point("store.delete.renamed");
        doomed.destroy()
    }
}

impl Place {
    /// The digest that the directory is named by; `None` for a directory that is not ours.
    pub fn digest_of_name(&self) -> Option<B256> {
        let name = self.0.file_name()?.to_str()?;
        format!("0x{name}").parse().ok()
    }

    pub fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Makes the directory of an upload of `size` bytes.
    pub fn create(&self, size: u64) -> Result<(), StoreError> {
        fs::create_dir_all(&self.0).map_err(io_at("create", &self.0))?;
        for name in [HEADER, PAYLOAD] {
            let path = self.0.join(name);
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(io_at("create", &path))?;
        }
        // Last, and whole or not at all: a directory without it is no upload.
        let (partial, path) = (self.0.join("size.new"), self.0.join(SIZE));
        fs::write(&partial, size.to_string()).map_err(io_at("write", &partial))?;
        fs::rename(&partial, &path).map_err(io_at("rename", &partial))
    }

    /// The announced size, or `None` when there is no (whole) upload or blob here.
    pub fn size(&self) -> Result<Option<u64>, StoreError> {
        let path = self.0.join(SIZE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.parse().ok()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_at("read", &path)(e)),
        }
    }

    /// Bytes there.
    pub fn length(&self) -> Result<u64, StoreError> {
        let length = |name| {
            let path = self.0.join(name);
            fs::metadata(&path)
                .map(|m| m.len())
                .map_err(io_at("read", &path))
        };
        Ok(length(HEADER)? + length(PAYLOAD)?)
    }

    /// When the last byte came.
    pub fn touched(&self) -> Result<std::time::SystemTime, StoreError> {
        let path = self.0.join(PAYLOAD);
        fs::metadata(&path)
            .and_then(|m| m.modified())
            .map_err(io_at("read", &path))
    }

    /// Appends bytes, each to the file it belongs to, in order, so that a crash leaves a prefix.
    pub fn append(&self, piece: &[u8]) -> Result<(), StoreError> {
        let (header, payload) = (self.0.join(HEADER), self.0.join(PAYLOAD));
        let begun = fs::metadata(&payload)
            .map_err(io_at("read", &payload))?
            .len()
            > 0;
        let mut rest = piece;
        if !begun {
            let known = fs::read(&header).map_err(io_at("read", &header))?;
            let mut start = known.clone();
            start.extend_from_slice(&piece[..piece.len().min(HEADER_BYTES_MAX)]);
            let end = match split(&start) {
                Header::Ends(end) => end,
                Header::Open => start.len(),
                Header::None if known.is_empty() => 0,
                // It began like an age file and then was none: nothing that anybody could decrypt.
                Header::None | Header::TooLong => {
                    return Err(StoreError::HeaderTooLong(HEADER_BYTES_MAX));
                }
            };
            let here;
            (here, rest) = piece.split_at(end - known.len());
            append(&header, here)?;
        }
        append(&payload, rest)
    }

    /// SHA-256 of what is there.
    pub fn digest(&self) -> Result<B256, StoreError> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        for name in [HEADER, PAYLOAD] {
            let path = self.0.join(name);
            let mut file = File::open(&path).map_err(io_at("open", &path))?;
            loop {
                match file.read(&mut chunk).map_err(io_at("read", &path))? {
                    0 => break,
                    read => hasher.update(&chunk[..read]),
                }
            }
        }
        Ok(B256::new(hasher.finalize().into()))
    }

    /// The header, and the open payload.
    pub fn open(&self) -> Result<(Vec<u8>, File), StoreError> {
        let (header, payload) = (self.0.join(HEADER), self.0.join(PAYLOAD));
        // The payload first: once it is open, a header that can still be read is the blob's.
        let file = File::open(&payload).map_err(io_at("open", &payload))?;
        let header = fs::read(&header).map_err(io_at("read", &header))?;
        Ok((header, file))
    }

    fn destroy(&self) -> Result<(), StoreError> {
        let header = self.0.join(HEADER);
        match overwrite(&header) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(io_at("overwrite", &header))?,
        }
        swarm_faults::point("store.delete.key_gone");
        sync(&self.0)?;
        fs::remove_dir_all(&self.0).map_err(io_at("remove", &self.0))
    }
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    fs::remove_file(path)
}

fn append(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(io_at("open", path))?;
    file.write_all(bytes).map_err(io_at("write", path))
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(io_at("flush", path))
}
