//! Exact percentiles, as `numpy.percentile`: on the CPU, and as a radix select on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;
mod reference;

pub use reference::percentiles;
