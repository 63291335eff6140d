//! The box around the foreground, on the CPU and on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;
mod reference;

pub use reference::foreground_box;
