//! SwarmOrb: the index that the queen serves, made from the chain and her bundles and never from her
//! ledger, so that what she shows is what anybody can rebuild.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use swarm_chain::Chain;
use swarm_chain::ens::Ens;
use swarm_orb::{Indexer, Shown, assets, files, policy};
use swarm_types::canonical;
use swarm_types::orb::{INDEX, Index, NameRegistry, Site};
use tokio::time::Instant;

use crate::config::QueenConfig;
use crate::problem::chain;
use crate::state::{App, audit_dir};

/// How often at most the index is written to the state directory.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// The pause after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What the handlers know of SwarmOrb.
pub struct Orb {
    policy: HeaderValue,
    site: Site,
    shown: OnceLock<Shown>,
    newest: RwLock<Option<Arc<Published>>>,
}

/// An index, and its text once somebody asked for it.
pub struct Published {
    index: Index,
    text: OnceLock<Text>,
}

/// The text of an index.
pub struct Text {
    /// Canonical JSON.
    pub bytes: Bytes,
    /// The same, compressed.
    pub gzip: Option<Bytes>,
    /// Names its content.
    pub etag: String,
}

impl Published {
    /// The index as text.
    pub fn text(&self) -> &Text {
        self.text.get_or_init(|| {
            let bytes = canonical::to_vec(&self.index);
            Text {
                gzip: assets::gzip(&bytes).map(Bytes::from),
                etag: assets::etag(&bytes),
                bytes: Bytes::from(bytes),
            }
        })
    }
}

impl Orb {
    /// SwarmOrb as it is configured, with the index of the run before.
    pub fn new(config: &QueenConfig) -> Self {
        let orb = &config.orb;
        let site = Site {
            live: true,
            name: Some(orb.title.clone().unwrap_or_else(|| config.name.clone())),
            explorer: orb.block_explorer.as_deref().and_then(policy::explorer_url),
            rpcs: orb.rpc_urls.clone(),
            ens: config.chain.ens.as_ref().map(|ens| NameRegistry {
                chain_id: ens.chain_id,
                registry: ens.registry,
            }),
        };
        let policy = policy::content_security_policy(&site.rpcs);
        let before = std::fs::read(index_path(&config.state_dir)).ok();
        let before = before.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        let ours = (config.chain.chain_id, config.chain.escrow);
        let before = before.filter(|index| (index.chain_id, index.escrow) == ours);
        let before = before.map(|index| Index {
            site: site.clone(),
            ..index
        });
        Self {
            policy: HeaderValue::from_str(&policy).expect("origins of URLs are plain text"),
            site,
            shown: OnceLock::new(),
            newest: RwLock::new(before.map(Published::new).map(Arc::new)),
        }
    }

    /// The content security policy of every answer.
    pub fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// What the files beside the index are made from; `None` without a chain.
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.get()
    }

    /// Says what the files beside the index are made from. Once, before anybody is served.
    pub fn show(&self, shown: Shown) {
        // A second indexer would be a second queen.
        let _ = self.shown.set(shown);
    }

    /// The newest index, which is as of the block that it names; `None` before the first.
    pub fn newest(&self) -> Option<Arc<Published>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }

    /// Publishes an index unless it is the one that is there.
    fn publish(&self, index: Index) {
        if self.newest().is_some_and(|newest| newest.index == index) {
            return;
        }
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(Arc::new(Published::new(index)));
    }
}

impl Published {
    fn new(index: Index) -> Self {
        Self {
            index,
            text: OnceLock::new(),
        }
    }
}

fn orb_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("orb")
}

fn index_path(state_dir: &Path) -> PathBuf {
    orb_dir(state_dir).join(INDEX)
}

/// The indexer of the configured escrow, with the names of `ens`; `None` without a node.
pub fn indexer(config: &QueenConfig, chain: Option<&Chain>, ens: Option<Ens>) -> Option<Indexer> {
    let bundles = audit_dir(&config.state_dir);
    let kept = orb_dir(&config.state_dir);
    let start = config.chain.escrow_block;
    let indexer = Indexer::new(chain?, start, &bundles, Some(&kept));
    Some(match ens {
        Some(ens) => indexer.with_names(ens),
        None => indexer,
    })
}

/// Keeps the index in step with the chain and the bundles, until the queen stops.
pub async fn run(app: App, mut indexer: Indexer) {
    let mut trouble = None;
    let mut written: Option<(Instant, usize)> = None;
    loop {
        let pause = match indexer.round().await {
            Ok(round) => {
                if trouble.take().is_some() {
                    tracing::info!("the index is in step with the chain again");
                }
                let more = !round.progress.caught_up || round.unchecked > 0;
                if more {
                    Duration::ZERO
                } else {
                    app.config.settlement.poll.0
                }
            }
            Err(error) => {
                let words = chain(&error);
                if trouble.as_ref() != Some(&words) {
                    tracing::warn!(error = %words, "the index stays as of an earlier block");
                }
                trouble = Some(words);
                AFTER_FAILURE
            }
        };
        if let Some(index) = indexer.index(&app.orb.site) {
            let epochs = index.epochs.len();
            app.orb.publish(index);
            let due =
                written.is_none_or(|(at, known)| known != epochs || at.elapsed() > WRITE_EVERY);
            if due && let Some(newest) = app.orb.newest() {
                written = Some((Instant::now(), epochs));
                let path = index_path(&app.config.state_dir);
                let write = move || files::write_whole(&path, &newest.text().bytes);
                match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the index cannot be written"),
                    Err(error) => tracing::error!(%error, "the index could not be written"),
                }
            }
        }
        tokio::select! {
            // Cancel-safe: nothing is held.
            () = app.stop.cancelled() => return,
            // Cancel-safe: the next round comes a little later.
            () = tokio::time::sleep(pause) => {}
        }
    }
}
