//! What every handler and task shares.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use swarm_ledger::Ledger;
use swarm_store::BlobStore;
use swarm_types::eip712::Domain;
use swarm_types::{Address, B256, EpochId, Signature65};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::PageCache;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::QueenConfig;
use crate::feed::Feed;
use crate::limits::Buckets;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::orb::Orb;
use crate::power::Power;
use crate::problem::{Answer, Refused};
use crate::rails::Rails;
use crate::samples::Samples;
use crate::seam::SettlementLink;
use crate::uploads::Uploads;

/// CIDs that are remembered.
const CIDS_MAX: usize = 1_024;

/// A shared [`AppState`].
pub type App = Arc<AppState>;

/// What every handler and task shares.
pub struct AppState {
    /// The time.
    pub clock: Clock,
    /// Configuration, checked, as she was started. What can change since is in [`Self::live`].
    pub config: QueenConfig,
    /// What can change.
    pub changeable: RwLock<Arc<Live>>,
    /// Money and jobs.
    pub ledger: Ledger,
    /// Blobs.
    pub store: BlobStore,
    /// Models.
    pub catalogue: Catalogue,
    /// Routing.
    pub rails: Rails,
    /// Where signatures of orders and executions count.
    pub domain: Domain,
    /// Signs quotes and webhooks.
    pub key: PrivateKeySigner,
    /// Settlement.
    pub settlement: SettlementLink,
    /// Events.
    pub feed: Feed,
    /// SwarmOrb.
    pub orb: Orb,
    /// The site's power.
    pub power: Power,
    /// What bees said of late.
    pub samples: Samples,
    /// Names on chain.
    pub names: Names,
    /// Counters.
    pub metrics: Metrics,
    /// Buckets by signer.
    pub signers: Buckets<Address>,
    /// Buckets of unsigned requests by network address.
    pub addresses: Buckets<IpAddr>,
    /// Buckets of signed requests by network address.
    pub addresses_signed: Buckets<IpAddr>,
    /// Requests in flight.
    pub in_flight: Arc<Semaphore>,
    /// Pieces of uploads that are being received.
    pub pieces: Semaphore,
    /// Held while a package is received and checked: one at a time.
    pub packages: Semaphore,
    /// Event streams.
    pub streams: Arc<Semaphore>,
    /// Whole uploads.
    pub uploads: Uploads,
    /// Ends long-polls, event streams and tasks.
    pub stop: CancellationToken,
    /// CIDs of bundles, by epoch and summary.
    pub cids: Mutex<BTreeMap<EpochId, (B256, String)>>,
    /// Held while a CID is computed.
    pub cid_turn: tokio::sync::Mutex<()>,
    /// Pages of receipts that were asked for lately.
    pub pages: PageCache,
}

impl AppState {
    /// Seconds for which an order may be open, as far as the escrow's terms allow what is configured.
    pub fn order_life(&self) -> u64 {
        let configured = self.live().max_order_life.as_seconds_down();
        self.settlement
            .order_life()
            .map_or(configured, |safe| safe.min(configured))
    }

    /// What the configuration says by now of what can change.
    pub fn live(&self) -> Arc<Live> {
        let live = self.changeable.read();
        Arc::clone(&live.unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes it.
    pub fn set_live(&self, live: Live) {
        let changeable = self.changeable.write();
        *changeable.unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    /// Takes a token of the signer's bucket.
    pub fn limit_signer(&self, signer: Address) -> Answer<()> {
        self.signers.take(signer, Instant::now()).map_err(|wait| {
            self.metrics.limited.add(1);
            let detail = format!("{signer} sends more requests than one signer may");
            Refused::too_many(detail, wait.as_secs() + 1)
        })
    }

    /// EIP-191 by the queen's key.
    pub fn sign_text(&self, text: &str) -> Signature65 {
        let signature = self.key.sign_message_sync(text.as_bytes());
        signature.expect("a local key signs any digest").into()
    }

    /// Where the bundles are.
    pub fn audit_dir(&self) -> PathBuf {
        audit_dir(&self.config.state_dir)
    }

    /// CIDv1 of a sealed epoch's bundle; `None` while it cannot be read. `summary` names its content.
    pub async fn bundle_cid(&self, epoch: EpochId, summary: B256) -> Option<String> {
        let known = |cids: &BTreeMap<EpochId, (B256, String)>| {
            let (of, cid) = cids.get(&epoch)?;
            (*of == summary).then(|| cid.clone())
        };
        if let Some(cid) = known(&self.cids()) {
            return Some(cid);
        }
        // A large bundle takes seconds to read: once, however many ask.
        let _one = self.cid_turn.lock().await;
        if let Some(cid) = known(&self.cids()) {
            return Some(cid);
        }
        let dir = self.bundle_dir(epoch);
        let cid = tokio::task::spawn_blocking(move || directory_cid(&dir)).await;
        let cid = cid.ok()?.inspect_err(|error| {
            tracing::warn!(%epoch, %error, "the CID of a bundle cannot be computed");
        });
        let cid = cid.ok()?;
        let mut cids = self.cids();
        if cids.len() >= CIDS_MAX {
            cids.pop_first();
        }
        cids.insert(epoch, (summary, cid.clone()));
        Some(cid)
    }

    fn cids(&self) -> MutexGuard<'_, BTreeMap<EpochId, (B256, String)>> {
        self.cids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the bundle of an epoch is.
    pub fn bundle_dir(&self, epoch: EpochId) -> PathBuf {
        self.audit_dir().join(epoch.to_string())
    }
}

/// Where the bundles are in a state directory.
pub fn audit_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("audit")
}

/// CIDv1 of a bundle's directory.
fn directory_cid(dir: &Path) -> std::io::Result<String> {
    let mut names = Vec::new();
    for (prefix, at) in [("", dir.to_owned()), ("jobs/", dir.join("jobs"))] {
        for entry in std::fs::read_dir(at)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = entry.file_name().into_string();
                let name = name.map_err(|_| std::io::Error::other("a name is not UTF-8"))?;
                names.push(format!("{prefix}{name}"));
            }
        }
    }
    let mut cid = swarm_store::cid::DirectoryCid::default();
    for name in names {
        cid.add(&name, std::fs::File::open(dir.join(&name))?)?;
    }
    Ok(cid.cid())
}
