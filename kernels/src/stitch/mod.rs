//! From the network's windows back to one image: their weighted mean, and its labels; on the CPU and on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod discrete;
pub mod launch;
mod reference;

pub use reference::Stitch;
