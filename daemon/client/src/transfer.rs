//! Blobs up and down, in pieces that go on where they stopped.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};
use swarm_types::api::{
    BLOB_PIECE_BYTES_MAX, BlobRef, BlobStatus, BlobUpload, HEADER_UPLOAD_OFFSET,
};
use swarm_types::{Address, B256, JobId, hex, sha256};

use crate::ClientError;
use crate::http::{Call, QueenClient, broken, shown};

/// How often a transfer may stop without having moved on before it is given up.
const STOPS_MAX: u32 = 5;
/// Pause after the first stop; it grows with each.
const STOP_PAUSE: Duration = Duration::from_millis(500);
/// Longest time for one piece: 8 MiB at 35 KiB/s.
const PIECE_MAX: Duration = Duration::from_secs(240);
/// Largest blob that is downloaded.
const BLOB_BYTES_MAX: u64 = 4 << 30;
/// What is reserved for a download at first: the size is what somebody else said.
const RESERVED_BYTES_MAX: u64 = 64 << 20;

/// Told how many bytes of how many are through.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Where a download goes: it grows at its end, and may have to begin anew.
pub(crate) trait Sink: Send {
    /// Bytes that are there.
    fn len(&self) -> u64;
    /// Adds bytes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Begins anew.
    fn clear(&mut self) -> io::Result<()>;
}

impl Sink for Vec<u8> {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// A file that was opened to append, and its size.
pub(crate) struct Part {
    pub file: File,
    pub size: u64,
}

impl Sink for Part {
    fn len(&self) -> u64 {
        self.size
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.size = 0;
        Ok(())
    }
}

/// What an upload is for, where the key alone does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadFor {
    /// An input of the signer's own.
    #[default]
    Own,
    /// An input of a client for whom the signer may order.
    Client(Address),
    /// The result of a job that the signer holds.
    Job(JobId),
}

/// Blobs: encrypted inputs and results. Every request is signed.
impl QueenClient {
    /// Uploads an input of the signer's own: [`Self::upload_blob_for`].
    pub async fn upload_blob(
        &self,
        bytes: impl Into<Bytes>,
        progress: Progress<'_>,
    ) -> Result<BlobRef, ClientError> {
        self.upload_blob_for(UploadFor::Own, bytes, progress).await
    }

    /// Uploads `bytes`, going on where an earlier attempt stopped. Safe to repeat.
    pub async fn upload_blob_for(
        &self,
        purpose: UploadFor,
        bytes: impl Into<Bytes>,
        progress: Progress<'_>,
    ) -> Result<BlobRef, ClientError> {
        let bytes: Bytes = bytes.into();
        let size = bytes.len() as u64;
        let blob = BlobRef {
            sha256: sha256(&bytes),
            size,
        };
        let mut status = self.blob_begin(blob, purpose).await?;
        let mut stops = 0;
        while !status.complete {
            progress(status.offset, size);
            let before = status.offset;
            let start = before.min(size) as usize;
            let piece = bytes.slice(start..(start + BLOB_PIECE_BYTES_MAX).min(bytes.len()));
            let answer = match self.blob_append(blob.sha256, before, piece).await {
                // The piece may have arrived although its answer did not, or somebody else sends the same blob.
                Err(e) if e.is_transient() || e.status() == Some(409) => {
                    match self.blob_begin(blob, purpose).await {
                        Ok(status) => status,
                        Err(again) if again.is_transient() && stops < STOPS_MAX => status,
                        Err(again) => return Err(again),
                    }
                }
                other => other?,
            };
            if answer.offset <= before && !answer.complete {
                stops += 1;
                if stops > STOPS_MAX {
                    let offset = answer.offset;
                    return Err(ClientError::Stuck { offset, size });
                }
                tokio::time::sleep(STOP_PAUSE * stops).await;
            } else {
                stops = 0;
            }
            status = answer;
        }
        progress(size, size);
        Ok(blob)
    }

    /// How far an upload is.
    pub async fn blob_status(&self, blob: B256) -> Result<BlobStatus, ClientError> {
        let url = self.url(&["blobs", &hex::encode(blob), "status"]);
        self.json(Call::get(url).signed()).await
    }

    /// Downloads a blob, going on where the connection breaks, and checks its digest.
    pub async fn download_blob(
        &self,
        blob: BlobRef,
        progress: Progress<'_>,
    ) -> Result<Vec<u8>, ClientError> {
        let url = self.url(&["blobs", &hex::encode(blob.sha256)]);
        if blob.size > BLOB_BYTES_MAX {
            return Err(ClientError::TooLarge {
                url: shown(&url),
                max: BLOB_BYTES_MAX,
            });
        }
        let mut bytes = Vec::with_capacity(blob.size.min(RESERVED_BYTES_MAX) as usize);
        self.download(&url, blob.size, &mut bytes, progress).await?;
        match sha256(&bytes) {
            found if found == blob.sha256 => Ok(bytes),
            found => Err(ClientError::Digest {
                expected: blob.sha256,
                found,
            }),
        }
    }

    /// Reads on from where `to` ends until it has `size` bytes, going on where the connection breaks. What they are is
    /// for the caller to check.
    pub(crate) async fn download<S: Sink>(
        &self,
        url: &Url,
        size: u64,
        to: &mut S,
        progress: Progress<'_>,
    ) -> Result<(), ClientError> {
        let mut stops = 0;
        while to.len() < size {
            let before = to.len();
            progress(before, size);
            let stopped = self.download_from(url, size, to, progress).await;
            let moved = to.len() > before;
            match stopped {
                Ok(()) if moved => {}
                Err(e) if !e.is_transient() => return Err(e),
                Err(e) if stops >= STOPS_MAX => return Err(e),
                _ if stops >= STOPS_MAX => {
                    return Err(ClientError::Stuck {
                        offset: before,
                        size,
                    });
                }
                _ => {}
            }
            stops = if moved { 0 } else { stops + 1 };
            if to.len() < size {
                tokio::time::sleep(STOP_PAUSE * stops.max(1)).await;
            }
        }
        progress(size, size);
        Ok(())
    }

    /// Reads from where `to` ends, until the end or until the connection breaks.
    async fn download_from<S: Sink>(
        &self,
        url: &Url,
        size: u64,
        to: &mut S,
        progress: Progress<'_>,
    ) -> Result<(), ClientError> {
        let mut call = Call::get(url.clone()).signed();
        call.time_max = None;
        let from = to.len();
        if from > 0 {
            let range = HeaderValue::from_str(&format!("bytes={from}-")).expect("digits are ASCII");
            call.headers.insert(RANGE, range);
        }
        let mut response = self.send(call).await?;
        if from > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            // The range was not honoured: these are the bytes from the first on.
            to.clear().map_err(ClientError::Write)?;
        }
        let url = shown(url);
        while let Some(chunk) = response.chunk().await.map_err(|e| broken(&url, e))? {
            if to.len() + chunk.len() as u64 > size {
                return Err(ClientError::TooLarge { url, max: size });
            }
            to.append(&chunk).map_err(ClientError::Write)?;
            progress(to.len(), size);
        }
        Ok(())
    }

    async fn blob_begin(
        &self,
        blob: BlobRef,
        purpose: UploadFor,
    ) -> Result<BlobStatus, ClientError> {
        let mut url = self.url(&["blobs", &hex::encode(blob.sha256)]);
        let owner = match purpose {
            UploadFor::Own => None,
            UploadFor::Client(client) => Some(("client", format!("{client:#x}"))),
            UploadFor::Job(job) => Some(("job", job.to_string())),
        };
        if let Some((name, value)) = owner {
            url.query_pairs_mut().append_pair(name, &value);
        }
        let upload = BlobUpload { size: blob.size };
        self.json(
            Call::new(Method::PUT, url)
                .json(&upload)
                .signed()
                .repeatable(),
        )
        .await
    }

    async fn blob_append(
        &self,
        blob: B256,
        offset: u64,
        piece: Bytes,
    ) -> Result<BlobStatus, ClientError> {
        let url = self.url(&["blobs", &hex::encode(blob)]);
        let mut call = Call::new(Method::PATCH, url).signed().time_max(PIECE_MAX);
        call.body = piece;
        call.content_type = Some("application/octet-stream");
        call.headers.insert(HEADER_UPLOAD_OFFSET, offset.into());
        self.json(call).await
    }
}
