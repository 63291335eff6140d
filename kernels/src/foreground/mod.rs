//! The box around the foreground.

mod reference;

pub use reference::foreground_box;
