//! The queen: API, rails (queue and routing), sealer. One per rack; the only writer of the ledger.
//!
//! # Tasks
//! [`Queen::open`] opens ledger, blob store and models and binds the socket; [`Queen::serve`] starts:
//!
//! | Task | In | Out |
//! |---|---|---|
//! | server | requests | commands to the ledger, blobs to the store, answers |
//! | routing (inside requests) | jobs that became pending, long-polls that wait | leases |
//! | feed | the ledger's journal | events to every listener of `/api/v1/events` |
//! | sweeper | the clock | lapsed leases and deadlines moved on; inputs and results destroyed, each with a record; bees looked up again; watchdog and status line for systemd |
//! | webhooks | deliveries that are due | signed requests to clients' URLs |
//! | settlement | the chain, seals that are asked for | blocks to the ledger, bundles, seals to the chain |
//! | power, and one for each meter | the site's meters | what the rails allow, outlets and wake-up calls |
//! | index | the chain and the bundles, never the ledger | SwarmOrb's `index.json` and what is beside it |
//!
//! Every task ends at [`QueenHandle::shutdown`]. The ledger is the only state that matters: what is kept
//! in memory (bees, waiting polls, rate limits, counters) is rebuilt or may be lost.
//!
//! # State directory
//! ```text
//! ledger.sqlite     money and jobs (with -wal and -shm while open)
//! blobs/            encrypted inputs and results, by SHA-256
//! models/           uploaded model packages, by digest
//! power-rung        where the ladder stood last
//! audit/epoch-001/  the bundle of each sealed epoch
//! orb/              the last index, and final events of the escrow; can be deleted
//! tls/              her own certificate and its key (0600), when she needs one
//! ```

mod api;
mod auth;
mod catalogue;
pub mod clock;
mod config;
mod connections;
mod convert;
mod extract;
mod feed;
mod file;
pub mod limits;
mod live;
mod metrics;
mod middleware;
mod names;
mod orb;
mod power;
mod problem;
mod queen;
mod rails;
mod samples;
pub mod seam;
pub mod settlement;
mod state;
mod stepped;
mod sweeper;
mod tls;
mod uploads;
mod webhooks;

pub use api::openapi;
pub use catalogue::{Catalogue, CatalogueError, Model};
pub use config::{
    ChainConfig, ConfigError, EnsConfig, FeesConfig, LimitsConfig, ListenConfig, OrbConfig,
    QueenConfig, RailsConfig, Rate, RetentionConfig, Span,
};
pub use file::{QueenFile, QueenKeyFiles};
pub use live::Unchanged;
pub use queen::{Queen, QueenHandle, QueenKeys, StartError};
pub use rails::Strategy;
pub use state::audit_dir;
pub use stepped::SteppedQueen;
pub use tls::TlsError;
