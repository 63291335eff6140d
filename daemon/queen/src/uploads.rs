//! Whole uploads: what a submission asks of its input, without asking the ledger each time, and the lock that
//! keeps an input from being destroyed while a job comes to need it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use swarm_ledger::records::BlobRecord;
use swarm_ledger::{Ledger, LedgerError};
use swarm_types::B256;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records that are remembered.
const RECORDS_MAX: usize = 16_384;

/// What is known of whole uploads. Nothing changes in the record of a whole upload until it is destroyed, which
/// happens under [`Uploads::destroy`] only.
#[derive(Default)]
pub struct Uploads {
    lock: RwLock<()>,
    whole: Mutex<HashMap<B256, BlobRecord>>,
}

/// The right to destroy blobs; no submission is between its check and its job meanwhile.
pub struct Destroying<'a> {
    uploads: &'a Uploads,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl Uploads {
    /// Keeps all blobs from being destroyed.
    pub async fn keep(&self) -> RwLockReadGuard<'_, ()> {
        self.lock.read().await
    }

    /// Waits until no submission relies on a blob.
    pub async fn destroy(&self) -> Destroying<'_> {
        Destroying {
            _alone: self.lock.write().await,
            uploads: self,
        }
    }

    /// A blob's record, of which only `released_at` may be old. The caller [keeps](Self::keep) blobs.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn record(
        &self,
        ledger: &Ledger,
        sha256: B256,
    ) -> Result<Option<BlobRecord>, LedgerError> {
        if let Some(known) = self.whole().get(&sha256) {
            return Ok(Some(known.clone()));
        }
        let record = ledger.blob(sha256).await?;
        let whole =
            |record: &&BlobRecord| record.completed_at.is_some() && record.deleted_at.is_none();
        if let Some(record) = record.as_ref().filter(whole) {
            let mut known = self.whole();
            if known.len() >= RECORDS_MAX {
                // Most inputs are asked for once, soon after their upload.
                known.clear();
            }
            known.insert(sha256, record.clone());
        }
        Ok(record)
    }

    fn whole(&self) -> MutexGuard<'_, HashMap<B256, BlobRecord>> {
        // A panic cannot leave a half-changed record behind.
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destroying<'_> {
    /// A blob is about to be destroyed.
    pub fn forget(&self, sha256: &B256) {
        self.uploads.whole().remove(sha256);
    }
}
