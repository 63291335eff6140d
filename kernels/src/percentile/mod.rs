//! Exact percentiles.

mod reference;

pub use reference::percentiles;
