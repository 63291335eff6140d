//! Faults that must be noticed: a simulation that never fails shows nothing.

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    /// Nothing.
    #[default]
    Nothing,
    /// The disk loses what it said was synced, at every end of the queen's process.
    ForgetfulDisk,
    /// The node leaves deposits out of its answers now and then.
    LostEvents,
    /// The escrow takes a µUSDC more than it says from who is charged.
    GreedyEscrow,
    /// The escrow forgets to give back what a void epoch charged.
    StubbornEscrow,
}
