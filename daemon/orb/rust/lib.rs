//! SwarmOrb's other half: what the web app in this directory reads, and how it is served.
//!
//! - [`indexer`]: `index.json` and the files beside it, from the chain and the bundles alone;
//!   [`bundles`] compares a bundle with the chain, [`kept`] keeps final events between two starts.
//! - [`assets`]: the built app, part of the program.
//! - [`policy`]: what a page may load and reach.
//! - [`files`]: writing whole files.
//!
//! The formats are in [`swarm_types::orb`].

pub mod assets;
pub mod bundles;
pub mod files;
pub mod indexer;
pub mod kept;
pub mod names;
pub mod policy;

pub use assets::Asset;
pub use indexer::{Indexer, Shown};
