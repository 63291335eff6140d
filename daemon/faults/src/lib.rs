//! Faults that a test can switch on in a debug build, from outside the process. A release build has none
//! of them: every function here is empty there.
//!
//! - [`point`] names a line where the process may be killed. A test arms the point; the process that
//!   reaches it says so, and waits there for ever, until it is killed from outside with SIGKILL.
//! - [`clock_skew_seconds`] is how far the process's clock is to be off.
//!
//! The environment switches them on ([`DIR_VARIABLE`], [`CLOCK_VARIABLE`]); without it nothing is looked at.

#[cfg(debug_assertions)]
mod switched;

/// Names the directory in which points are armed. An armed point is a file of the point's name that holds
/// the number of times that it is to be reached, 1 for the first; the process that stops there removes
/// it and writes [`HERE_SUFFIX`] behind the name.
pub const DIR_VARIABLE: &str = "SWARM_FAULTS_DIR";
/// Ending of the file by which a process says that it waits at a point.
pub const HERE_SUFFIX: &str = ".here";
/// Holds the seconds by which the process's clock is ahead; negative when it is behind.
pub const CLOCK_VARIABLE: &str = "SWARM_FAULTS_CLOCK_SECONDS";

/// A line where the process may be killed. `name` is unique in the workspace and says where the line
/// stands: `who.what.done`. Tests find every point by this call in the sources, so it is written out in
/// full: `swarm_faults::point("queen.submit.committed")`.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    switched::point(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// Seconds by which the clock is to be ahead of the machine's; negative when behind.
#[inline]
pub fn clock_skew_seconds() -> i64 {
    #[cfg(debug_assertions)]
    return switched::clock_skew_seconds();
    #[cfg(not(debug_assertions))]
    0
}
