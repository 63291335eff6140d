//! The store: uploads that can be resumed, blobs that are what their address says.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use swarm_types::api::{BLOB_PIECE_BYTES_MAX, BlobRef, BlobStatus};
use swarm_types::{B256, sha256};
use tokio::io::AsyncReadExt;

use crate::cid;
use crate::error::{StoreError, io_at};
use crate::layout::{Layout, Place};
use crate::read::BlobRead;

/// Locks that keep two requests from working on one blob at once; a power of two.
const LOCKS: usize = 64;

/// How much the store takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobLimits {
    /// Most bytes of a blob.
    pub blob_bytes_max: u64,
    /// Most uploads in progress.
    pub uploads_max: usize,
}

impl Default for BlobLimits {
    /// 2 GiB a blob, 1024 open uploads.
    fn default() -> Self {
        Self {
            blob_bytes_max: 2 << 30,
            uploads_max: 1024,
        }
    }
}

/// A directory of blobs. Cheap to clone; every method may be called from many tasks.
#[derive(Clone, Debug)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    limits: BlobLimits,
    locks: [Mutex<()>; LOCKS],
    /// Held while the number of uploads is compared with its limit.
    beginning: Mutex<()>,
}

impl BlobStore {
    /// Opens (or makes) the store in `dir`, and finishes deletions that a crash interrupted.
    pub async fn open(dir: impl Into<PathBuf>, limits: BlobLimits) -> Result<Self, StoreError> {
        let dir = dir.into();
        let layout = blocking(move || Layout::open(&dir)).await?;
        let inner = Inner {
            layout,
            limits,
            locks: [const { Mutex::new(()) }; LOCKS],
            beginning: Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Begins an upload of `blob.size` bytes, or finds where the one in progress stands, or that the blob is there.
    pub async fn begin(&self, blob: BlobRef) -> Result<BlobStatus, StoreError> {
        self.with(blob.sha256, move |inner, digest| {
            inner.begin(digest, blob.size)
        })
        .await
    }

    /// Appends `piece` at `offset`. With the last byte the digest is checked: the blob exists from then on, or the
    /// upload is discarded.
    pub async fn append(
        &self,
        digest: B256,
        offset: u64,
        piece: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<BlobStatus, StoreError> {
        self.with(digest, move |inner, digest| {
            inner.append(digest, offset, piece.as_ref())
        })
        .await
    }

    /// Stores `bytes` whole; finds them when they are there already.
    pub async fn put(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<BlobRef, StoreError> {
        let size = bytes.as_ref().len() as u64;
        // Hashing a large blob belongs off the async threads as much as writing it does.
        let (digest, bytes) = blocking(move || Ok((sha256(bytes.as_ref()), bytes))).await?;
        let blob = BlobRef {
            sha256: digest,
            size,
        };
        self.with(digest, move |inner, digest| {
            let mut status = inner.begin(digest, size)?;
            while !status.complete {
                let from = status.offset as usize;
                let to = (from + BLOB_PIECE_BYTES_MAX).min(bytes.as_ref().len());
                status = inner.append(digest, status.offset, &bytes.as_ref()[from..to])?;
            }
            Ok(blob)
        })
        .await
    }

    /// How far the upload is; `None` when there is neither upload nor blob.
    pub async fn status(&self, digest: B256) -> Result<Option<BlobStatus>, StoreError> {
        self.with(digest, |inner, digest| inner.status(digest))
            .await
    }

    /// Opens a blob for reading: `range` of it, or all.
    pub async fn read(
        &self,
        digest: B256,
        range: Option<Range<u64>>,
    ) -> Result<BlobRead, StoreError> {
        let (size, header, payload) = self
            .with(digest, |inner, digest| {
                let place = inner.layout.blob(digest);
                let size = place.size()?.ok_or(StoreError::Unknown(*digest))?;
                let (header, payload) = place.open()?;
                Ok((size, header, payload))
            })
            .await?;
        BlobRead::new(header, payload, size, range.unwrap_or(0..size)).await
    }

    /// All bytes of a blob of at most `bytes_max` bytes.
    pub async fn read_all(&self, digest: B256, bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        let mut reader = self.read(digest, None).await?;
        let size = reader.size;
        if size > bytes_max {
            return Err(StoreError::Size {
                size,
                max: bytes_max,
            });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        let read = reader.read_to_end(&mut bytes).await;
        read.map_err(io_at("read", "payload".as_ref()))?;
        Ok(bytes)
    }

    /// CIDv1 of a blob ([`cid`]).
    pub async fn cid(&self, digest: B256) -> Result<String, StoreError> {
        self.with(digest, |inner, digest| {
            let place = inner.layout.blob(digest);
            place.size()?.ok_or(StoreError::Unknown(*digest))?;
            let (header, payload) = place.open()?;
            cid::of_reader(std::io::Read::chain(&header[..], payload))
                .map_err(io_at("read", "payload".as_ref()))
        })
        .await
    }

    /// Destroys a blob or an upload, wrapped key first. True when there was one.
    pub async fn delete(&self, digest: B256) -> Result<bool, StoreError> {
        self.with(digest, |inner, digest| {
            let places = [inner.layout.blob(digest), inner.layout.upload(digest)];
            let mut found = false;
            for place in places.iter().filter(|place| place.exists()) {
                inner.layout.delete(place)?;
                found = true;
            }
            Ok(found)
        })
        .await
    }

    /// Destroys uploads to which nothing was added for `idle`; says how many.
    pub async fn sweep_uploads(&self, idle: Duration) -> Result<usize, StoreError> {
        let inner = self.inner.clone();
        blocking(move || {
            let before = SystemTime::now().checked_sub(idle);
            let mut swept = 0;
            for place in inner.layout.uploads()? {
                let digest = place.digest_of_name();
                let _one = digest.map(|d| inner.lock(&d));
                // Without a payload file there is nothing to lose: a crash came before the first byte.
                let stale = match place.touched() {
                    Ok(touched) => before.is_some_and(|before| touched <= before),
                    Err(_) => place.exists(),
                };
                if stale {
                    inner.layout.delete(&place)?;
                    swept += 1;
                }
            }
            Ok(swept)
        })
        .await
    }

    /// Runs `work` off the async threads, alone on this digest.
    async fn with<T: Send + 'static>(
        &self,
        digest: B256,
        work: impl FnOnce(&Inner, &B256) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.inner.clone();
        blocking(move || {
            let _one = inner.lock(&digest);
            work(&inner, &digest)
        })
        .await
    }
}

impl Inner {
    fn lock(&self, digest: &B256) -> std::sync::MutexGuard<'_, ()> {
        // Nothing is kept under the lock that a panic could leave half done; the files say where things stand.
        let lock = &self.locks[digest[31] as usize % LOCKS];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self, digest: &B256) -> Result<Option<BlobStatus>, StoreError> {
        let status = |place: Place, complete: bool| -> Result<_, StoreError> {
            let Some(size) = place.size()? else {
                return Ok(None);
            };
            let offset = if complete { size } else { place.length()? };
            Ok(Some(BlobStatus {
                offset,
                size,
                complete,
            }))
        };
        match status(self.layout.blob(digest), true)? {
            Some(blob) => Ok(Some(blob)),
            None => status(self.layout.upload(digest), false),
        }
    }

    fn begin(&self, digest: &B256, size: u64) -> Result<BlobStatus, StoreError> {
        if let Some(status) = self.status(digest)? {
            if status.size != size {
                return Err(StoreError::SizeDiffers {
                    begun: status.size,
                    given: size,
                });
            }
            // A crash between the last byte and the check: check now.
            let all_there = !status.complete && status.offset == size;
            return if all_there {
                self.complete(digest, size)
            } else {
                Ok(status)
            };
        }
        let max = self.limits.blob_bytes_max;
        if size == 0 || size > max {
            return Err(StoreError::Size { size, max });
        }
        let _count = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.layout.uploads()?.len() >= self.limits.uploads_max {
            return Err(StoreError::TooManyUploads(self.limits.uploads_max));
        }
        self.layout.upload(digest).create(size)?;
        Ok(BlobStatus {
            offset: 0,
            size,
            complete: false,
        })
    }

    fn append(&self, digest: &B256, offset: u64, piece: &[u8]) -> Result<BlobStatus, StoreError> {
        let status = self.status(digest)?.ok_or(StoreError::Unknown(*digest))?;
        if status.complete {
            return Ok(status);
        }
        let (size, length) = (status.size, piece.len());
        if length > BLOB_PIECE_BYTES_MAX {
            return Err(StoreError::PieceTooLong {
                length,
                max: BLOB_PIECE_BYTES_MAX,
            });
        }
        if offset != status.offset {
            return Err(StoreError::Offset {
                expected: status.offset,
                given: offset,
            });
        }
        let end = offset + length as u64;
        if end > size {
            return Err(StoreError::Overrun { end, size });
        }
        self.layout.upload(digest).append(piece)?;
        if end == size {
            return self.complete(digest, size);
        }
        Ok(BlobStatus {
            offset: end,
            size,
            complete: false,
        })
    }

    fn complete(&self, digest: &B256, size: u64) -> Result<BlobStatus, StoreError> {
        let upload = self.layout.upload(digest);
        let found = upload.digest()?;
        if found != *digest {
            self.layout.delete(&upload)?;
            return Err(StoreError::Digest {
                expected: *digest,
                found,
            });
        }
        swarm_faults::point("store.upload.checked");
        self.layout.publish(digest)?;
        Ok(BlobStatus {
            offset: size,
            size,
            complete: true,
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

#[cfg(test)]
#[path = "blob_tests.rs"]
mod tests;
