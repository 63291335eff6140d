//! Start and end: open, read, bind, serve, wait.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use swarm_chain::Chain;
use swarm_chain::ens::Ens;
use swarm_chain::rpc::Rpc;
use swarm_ledger::{Ledger, LedgerConfig, LedgerError};
use swarm_orb::Indexer;
use swarm_store::{BlobLimits, BlobStore, StoreError};
use swarm_types::B256;
use swarm_types::eip712::Domain;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::PageCache;
use crate::catalogue::{Catalogue, CatalogueError};
use crate::clock::Clock;
use crate::config::{ChainConfig, ConfigError, QueenConfig};
use crate::connections::Limited;
use crate::feed::Feed;
use crate::limits::{Buckets, HANDSHAKE_TIME_MAX, PIECES_MAX};
use crate::live::{Live, Unchanged};
use crate::metrics::Metrics;
use crate::names::Names;
use crate::orb::{self, Orb};
use crate::power::{self, Power};
use crate::rails::Rails;
use crate::samples::Samples;
use crate::seam::{self, SettlementPort};
use crate::settlement::{RESTORED, Settlement, SettlementKeys, Shares};
use crate::state::{App, AppState, audit_dir};
use crate::tls::{self, Tls, TlsError};
use crate::uploads::Uploads;
use crate::{api, live, sweeper, webhooks};

/// How long tasks may take beyond the open requests.
const TASKS_END_MAX: Duration = Duration::from_secs(1);
/// How long closing the ledger may take: its log is written back.
const LEDGER_CLOSE_MAX: Duration = Duration::from_secs(20);

/// Why the queen does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[source] ConfigError),
    /// A directory cannot be made.
    #[error("cannot make {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The models cannot be read.
    #[error("the models cannot be read")]
    Models(#[source] CatalogueError),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    Ledger(#[source] LedgerError),
    /// The blob store cannot be opened.
    #[error("the blob store cannot be opened")]
    Store(#[source] StoreError),
    /// TLS cannot be served.
    #[error("TLS cannot be served")]
    Tls(#[source] TlsError),
    /// The chain's node is not usable.
    #[error("chain.rpc_url cannot be used")]
    Chain(#[source] swarm_chain::error::SetupError),
    /// The name registry's node is not usable.
    #[error("chain.ens.rpc_url cannot be used")]
    Names(#[source] swarm_chain::error::SetupError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The queen's keys. They are different keys, each with its own job.
#[derive(Clone, Debug)]
pub struct QueenKeys {
    /// Signs quotes and webhooks; holds no money.
    pub queen: PrivateKeySigner,
    /// Seal and pay gas. Without them the queen mirrors no chain and seals nothing, and says so.
    pub settlement: Option<SettlementKeys>,
}

/// A queen that is not yet serving: everything is open, bound and checked.
pub struct Queen {
    app: App,
    listener: TcpListener,
    tls: Option<Tls>,
    port: SettlementPort,
    settlement: Option<Settlement>,
    indexer: Option<Indexer>,
}

/// A queen that serves.
pub struct QueenHandle {
    /// Where she listens.
    pub addr: SocketAddr,
    /// SHA-256 of her certificate, when she speaks TLS.
    pub fingerprint: Option<B256>,
    /// Her ledger.
    pub ledger: Ledger,
    app: App,
    /// What is configured by now.
    config: QueenConfig,
    tls: Option<RustlsConfig>,
    server: Handle<SocketAddr>,
    tasks: JoinSet<()>,
}

impl Queen {
    /// Opens, binds and serves.
    ///
    /// # Errors
    /// When anything that she needs is not there. A chain that is away is no error.
    pub async fn start(config: QueenConfig, keys: QueenKeys) -> Result<QueenHandle, StartError> {
        Ok(Self::open(config, keys).await?.serve())
    }

    /// Opens and binds everything, and serves nothing yet.
    ///
    /// # Errors
    /// When anything that she needs is not there. A chain that is away is no error.
    pub async fn open(config: QueenConfig, keys: QueenKeys) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        // An error only says that the process has chosen its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        make_dirs(&config)?;
        let ledger = Ledger::open(&config.ledger_path(), ledger_config(&config));
        let ledger = ledger.map_err(StartError::Ledger)?;
        let tls = match config.speaks_tls() {
            true => {
                let dir = config.state_dir.join("tls");
                Some(tls::load(&config.listen, &dir).map_err(StartError::Tls)?)
            }
            false => None,
        };
        let chain = match &config.chain.rpc_url {
            Some(url) => {
                let ChainConfig {
                    chain_id,
                    escrow,
                    token,
                    ..
                } = config.chain;
                let chain = Chain::new(url, chain_id, escrow, token);
                Some(chain.map_err(StartError::Chain)?)
            }
            None => None,
        };
        let ens = registry(&config)?.map(|(ens, _)| ens);
        let indexer = orb::indexer(&config, chain.as_ref(), ens);
        let address = config.listen.address;
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = bound.map_err(|source| StartError::Bind { address, source })?;
        let (app, port, settlement) =
            assemble(config, keys, ledger, chain, Clock::system()).await?;
        if let Some(indexer) = &indexer {
            app.orb.show(indexer.shown());
        }
        Ok(Self {
            app,
            listener,
            tls,
            port,
            settlement,
            indexer,
        })
    }

    /// Serves and starts every task (see the crate's documentation).
    pub fn serve(self) -> QueenHandle {
        let Self {
            app,
            listener,
            tls,
            port,
            settlement,
            indexer,
        } = self;
        let stop = app.stop.clone();
        let server = Handle::new();
        let addr = listener.local_addr().unwrap_or(app.config.listen.address);
        let fingerprint = tls.as_ref().map(|tls| tls.fingerprint);
        let mut tasks = JoinSet::new();
        let events = app.clone();
        tasks.spawn(async move {
            events
                .feed
                .run(events.ledger.clone(), events.stop.clone())
                .await
        });
        tasks.spawn(sweeper::run(app.clone()));
        tasks.spawn(webhooks::run(app.clone()));
        tasks.spawn(power::run(app.clone()));
        if let Some(indexer) = indexer {
            tasks.spawn(orb::run(app.clone(), indexer));
        }
        if let Some(settlement) = settlement {
            let task = settlement.spawn(port, stop.clone());
            tasks.spawn(async move {
                if let Err(error) = task.await {
                    tracing::error!(%error, "settlement ended");
                }
            });
        }
        let tls = tls.map(|tls| RustlsConfig::from_config(tls.config));
        tasks.spawn(listen(app.clone(), listener, tls.clone(), server.clone()));
        QueenHandle {
            addr,
            fingerprint,
            ledger: app.ledger.clone(),
            config: app.config.clone(),
            app,
            tls,
            server,
            tasks,
        }
    }
}

/// What the configuration says of the ledger.
pub(crate) fn ledger_config(config: &QueenConfig) -> LedgerConfig {
    LedgerConfig {
        chain_id: config.chain.chain_id,
        escrow: config.chain.escrow,
        default_cap: config.chain.default_cap,
    }
}

/// Makes her directories.
pub(crate) fn make_dirs(config: &QueenConfig) -> Result<(), StartError> {
    let state = &config.state_dir;
    for path in [state.clone(), audit_dir(state)] {
        private_dir(&path)?;
    }
    Ok(())
}

/// The registry of names, with the id of its chain.
fn registry(config: &QueenConfig) -> Result<Option<(Ens, u64)>, StartError> {
    let Some(ens) = &config.chain.ens else {
        return Ok(None);
    };
    let rpc = Rpc::new(&ens.rpc_url).map_err(StartError::Names)?;
    Ok(Some((Ens::new(rpc, ens.registry), ens.chain_id)))
}

/// Everything of a queen but her sockets and tasks.
pub(crate) async fn assemble(
    config: QueenConfig,
    keys: QueenKeys,
    ledger: Ledger,
    chain: Option<Chain>,
    clock: Clock,
) -> Result<(App, SettlementPort, Option<Settlement>), StartError> {
    let catalogue = Catalogue::read(&config).map_err(StartError::Models)?;
    let limits = BlobLimits {
        blob_bytes_max: config.limits.blob_bytes_max,
        uploads_max: config.limits.uploads_max,
    };
    let store = BlobStore::open(config.state_dir.join("blobs"), limits).await;
    let store = store.map_err(StartError::Store)?;
    let names = registry(&config)?;
    let restored = ledger.restored().await.map_err(StartError::Ledger)?;
    let settlement = chain.zip(keys.settlement).map(|(chain, keys)| {
        let shares = Shares {
            rates: config.fees.rates,
            protocol_payee: config.fees.protocol_payee,
            operator_payee: config.fees.operator_payee,
        };
        let settlement = Settlement::new(
            ledger.clone(),
            chain,
            config.settlement.clone(),
            keys,
            shares,
            audit_dir(&config.state_dir),
            config.chain.escrow_block,
        );
        settlement.with_clock(clock.clone()).of_a_copy(restored)
    });
    let trouble = match &settlement {
        Some(_) => "settlement has not reported yet",
        None => "off: the queen was started without chain.rpc_url or without settlement keys",
    };
    let old_copy = (restored && settlement.is_some()).then(|| RESTORED.to_owned());
    let (link, port) = seam::link(trouble, old_copy);
    let rails = Rails::start(ledger.clone(), config.rails.clone(), clock.clone()).await;
    let app = AppState {
        changeable: RwLock::new(Arc::new(Live::of(&config))),
        domain: Domain::new(config.chain.chain_id, config.chain.escrow),
        store,
        catalogue,
        rails: rails.map_err(StartError::Ledger)?,
        key: keys.queen,
        settlement: link,
        feed: Feed::default(),
        orb: Orb::new(&config),
        power: Power::new(&config, &clock),
        samples: Samples::default(),
        names: Names::new(names, ledger.clone(), clock.clone()),
        metrics: Metrics::default(),
        signers: Buckets::new(config.limits.per_signer),
        addresses: Buckets::new(config.limits.per_address),
        addresses_signed: Buckets::new(config.limits.per_address_signed),
        pieces: Semaphore::new(PIECES_MAX),
        packages: Semaphore::new(1),
        in_flight: Arc::new(Semaphore::new(config.limits.in_flight_max)),
        streams: Arc::new(Semaphore::new(config.limits.streams_max)),
        uploads: Uploads::default(),
        stop: CancellationToken::new(),
        cids: Mutex::default(),
        cid_turn: tokio::sync::Mutex::default(),
        pages: PageCache::default(),
        clock,
        ledger,
        config,
    };
    Ok((Arc::new(app), port, settlement))
}

fn private_dir(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| StartError::Directory {
        path: path.to_owned(),
        source,
    })
}

async fn listen(
    app: App,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
) {
    let head_time = app.config.limits.head_time.0;
    let limited = Limited::new(app.clone());
    let service = api::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let server = match axum_server::from_tcp(listener) {
        Ok(server) => server,
        Err(error) => {
            tracing::error!(%error, "the listener cannot be used");
            return;
        }
    };
    let mut server = server.handle(handle);
    // Whoever does not finish a request's head is not waited for.
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time);
    server
        .http_builder()
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_time);
    let served = match tls {
        None => server.acceptor(limited).serve(service).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls)
                .handshake_timeout(HANDSHAKE_TIME_MAX)
                .acceptor(limited);
            server.map(|_| acceptor).serve(service).await
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "the server ended");
    }
}

impl QueenHandle {
    /// Takes nothing new, lets what is open end within the configured time, stops every task, and
    /// closes the ledger.
    pub async fn shutdown(mut self) {
        let grace = self.config.shutdown.0;
        self.app.stop.cancel();
        self.server.graceful_shutdown(Some(grace));
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace + TASKS_END_MAX, ended)
            .await
            .is_err()
        {
            tracing::warn!("a task did not end in time and was dropped");
            self.tasks.shutdown().await;
        }
        self.ledger.close().await;
    }

    /// How long [`Self::shutdown`] may take.
    pub fn shutdown_max(&self) -> Duration {
        self.config.shutdown.0 + TASKS_END_MAX + LEDGER_CLOSE_MAX
    }

    /// Takes another configuration, as far as it can while she runs, or nothing of it. Answers the keys that changed.
    ///
    /// # Errors
    /// [`Unchanged`].
    pub fn reload(&mut self, new: QueenConfig) -> Result<Vec<String>, Unchanged> {
        let keys = live::reload(&self.app, self.tls.as_ref(), &self.config, &new)?;
        self.config = new;
        Ok(keys)
    }

    /// Waits until any task ends by itself, which none should: the caller then shuts down.
    pub async fn failed(&mut self) {
        self.tasks.join_next().await;
    }
}
