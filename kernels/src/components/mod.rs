//! Connected components, the largest of each label, and filled holes.

pub mod holes;
mod reference;

pub(crate) use reference::Components;
pub use reference::{Connectivity, keep_largest};
