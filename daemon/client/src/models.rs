//! Models: what there is, and packages up and down.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use swarm_types::api::*;
use swarm_types::{B256, hex, sha256};

use crate::ClientError;
use crate::http::{Call, QueenClient};
use crate::transfer::{Part, Progress, Sink};

/// Longest time for a package: the queen waits as long.
const UPLOAD_MAX: Duration = Duration::from_secs(3_600);
/// How often an upload tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Bytes of a file that are hashed at once.
const HASHED_BYTES: usize = 256 << 10;
/// Beyond the wait of an inference: the upload of the order and the answer.
const INFERENCE_GRACE: Duration = Duration::from_secs(15);

type Answer<T> = Result<T, ClientError>;

impl QueenClient {
    /// Every model, also those that cannot be ordered now.
    pub async fn all_models(&self) -> Answer<Vec<ModelInfo>> {
        let mut url = self.url(&["models"]);
        url.query_pairs_mut().append_pair("all", "true");
        self.json(Call::get(url)).await
    }

    /// A model, the bees that serve it, and why others do not.
    pub async fn model(&self, digest: B256) -> Answer<ModelDetail> {
        self.json(Call::get(self.url(&["models", &digest.to_string()])))
            .await
    }

    /// Uploads a package as one tar. The same package again gets the first answer. Signed by the operator.
    pub async fn upload_model(
        &self,
        tar: impl Into<Bytes>,
        progress: Progress<'_>,
    ) -> Answer<ModelDetail> {
        let tar: Bytes = tar.into();
        let size = tar.len() as u64;
        let sent = Arc::new(AtomicU64::new(0));
        let mut call = Call::new(Method::POST, self.url(&["models"]))
            .signed()
            .repeatable()
            .time_max(UPLOAD_MAX);
        let digest = HeaderValue::from_str(&hex::encode(sha256(&tar))).expect("hex is ASCII");
        call.headers
            .insert(HeaderName::from_static(HEADER_CONTENT_SHA256), digest);
        call.content_type = Some("application/x-tar");
        call.body = tar;
        call.sent = Some(sent.clone());
        let upload = self.json(call);
        tokio::pin!(upload);
        loop {
            // Cancel-safe: the upload is only looked at.
            tokio::select! {
                done = &mut upload => {
                    progress(size, size);
                    return done;
                }
                () = tokio::time::sleep(TELL_EVERY) => progress(sent.load(Ordering::Relaxed).min(size), size),
            }
        }
    }

    /// Lets a model be ordered, or ends that. Signed by the operator.
    pub async fn set_model_active(&self, digest: B256, active: bool) -> Answer<ModelDetail> {
        let what = if active { "activate" } else { "deactivate" };
        let url = self.url(&["models", &digest.to_string(), what]);
        self.json(Call::new(Method::POST, url).signed().repeatable())
            .await
    }

    /// Removes a model that is not active and that no open job orders. Signed by the operator.
    pub async fn delete_model(&self, digest: B256) -> Answer<()> {
        let url = self.url(&["models", &digest.to_string()]);
        self.done(Call::new(Method::DELETE, url).signed()).await
    }

    /// Downloads the package's tar to the file at `path` and checks its SHA-256. What is in the file already counts as its
    /// beginning, so that a download which broke, in this process or in one before, goes on where it stopped; a file that
    /// turns out to be something else is removed. Signed by an approved bee or the operator.
    pub async fn download_model(
        &self,
        digest: B256,
        package: BlobRef,
        path: &Path,
        progress: Progress<'_>,
    ) -> Answer<()> {
        let mut part = open_part(path, package.size).map_err(ClientError::Write)?;
        let url = self.url(&["models", &digest.to_string(), "package"]);
        self.download(&url, package.size, &mut part, progress)
            .await?;
        drop(part);
        let whole = path.to_owned();
        let hashed = tokio::task::spawn_blocking(move || hash(&whole)).await;
        let found = hashed.map_err(io::Error::other).and_then(|found| found);
        let found = found.map_err(ClientError::Write)?;
        if found == package.sha256 {
            return Ok(());
        }
        std::fs::remove_file(path).map_err(ClientError::Write)?;
        Err(ClientError::Digest {
            expected: package.sha256,
            found,
        })
    }

    /// Submits an order and waits for its result. Safe to repeat: the same order again waits on.
    pub async fn infer(&self, job: &SubmitJob, wait: Duration) -> Answer<Inference> {
        let mut url = self.url(&["inference", &job.order.model.to_string()]);
        let text = format!("{}ms", wait.as_millis());
        url.query_pairs_mut().append_pair("wait", &text);
        let call = Call::post(url, job).repeatable();
        self.json(call.time_max(wait + INFERENCE_GRACE)).await
    }
}

/// The file at `path`, to be appended to; begun anew when it is longer than what belongs there.
fn open_part(path: &Path, size_max: u64) -> io::Result<Part> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    let mut part = Part { file, size };
    if size > size_max {
        part.clear()?;
    }
    Ok(part)
}

fn hash(path: &Path) -> io::Result<B256> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; HASHED_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    Ok(B256::new(hasher.finalize().into()))
}
