//! Connected components, the largest of each label, and filled holes, on the CPU; the largest of each label on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod holes;
pub mod launch;
mod reference;
mod runs;

pub(crate) use reference::Components;
pub use reference::{Connectivity, keep_largest};
