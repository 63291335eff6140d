//! The memory of a daemon holds keys and, in a bee, scans. It is not for the disk and not for other processes.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The kernel did not agree; it has no reason not to.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refuses to keep this process's memory out of core dumps")]
pub struct ProtectError(#[source] rustix::io::Errno);

/// Keeps this process out of core dumps, also those that are piped to a program, and keeps other processes of the same
/// user from attaching to it. Call it before a key is loaded.
///
/// # Errors
/// [`ProtectError`]; a daemon that cannot be protected should not go on.
pub fn protect() -> Result<(), ProtectError> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(ProtectError)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(ProtectError)
}
