//! Connected components, the largest of each label, and filled holes, on the CPU; the largest of each label on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod holes;
pub mod launch;
mod reference;

pub(crate) use reference::{Components, same_until};
pub use reference::{Connectivity, keep_largest};
