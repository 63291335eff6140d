//! How a simulation steps a ledger: it stands between every caller and the writer.

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs, or its answer is given.
    Go,
    /// Its caller's process dies: the caller never hears of it again.
    Halt,
    /// The disk is full while it runs: the file cannot grow.
    DiskFull,
}

/// Stands before the writer of a ledger that was opened with [`crate::Ledger::open_stepped`].
pub trait Gate: Send + Sync + 'static {
    /// Before command `name` runs.
    fn before(&self, name: &'static str) -> Fate;
    /// After it is durable and before its caller has the answer; [`Fate::Go`] or [`Fate::Halt`].
    fn after(&self) -> Fate;
    /// Whether the process is dead: then no query answers either.
    fn halted(&self) -> bool;
}
