//! From the network's windows back to one image: their weighted mean, and its labels.

pub mod discrete;
mod reference;

pub use reference::Stitch;
