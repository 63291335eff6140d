//! Models: what there is, and packages up and down.

use std::io::Write;
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
use crate::http::{Call, QueenClient, broken, shown};
use crate::transfer::Progress;

/// Longest time for a package: the queen waits as long.
const UPLOAD_MAX: Duration = Duration::from_secs(3_600);
/// How often an upload tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);
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

    /// Writes the package's tar into `to` and checks its SHA-256. Signed by an approved bee or the operator.
    pub async fn download_model(
        &self,
        digest: B256,
        package: BlobRef,
        to: &mut (dyn Write + Send),
        progress: Progress<'_>,
    ) -> Answer<()> {
        let url = self.url(&["models", &digest.to_string(), "package"]);
        let mut call = Call::get(url.clone()).signed();
        call.time_max = None;
        let mut response = self.send(call).await?;
        let url = shown(&url);
        let (mut hasher, mut size) = (Sha256::new(), 0u64);
        while let Some(chunk) = response.chunk().await.map_err(|e| broken(&url, e))? {
            size += chunk.len() as u64;
            if size > package.size {
                let max = package.size;
                return Err(ClientError::TooLarge { url, max });
            }
            hasher.update(&chunk);
            to.write_all(&chunk).map_err(ClientError::Write)?;
            progress(size, package.size);
        }
        let found = B256::new(hasher.finalize().into());
        match found == package.sha256 {
            true => Ok(()),
            false => Err(ClientError::Digest {
                expected: package.sha256,
                found,
            }),
        }
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
