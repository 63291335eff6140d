//! The queen as clients, bees and operators meet her: a real server on loopback, a real ledger and a
//! real blob store in a temporary directory.

mod batch;
mod feed;
mod floods;
mod foreign;
mod models;
mod orb;
mod power;
mod privacy;
mod refusals;
mod rig;
mod routing;
mod sealed;
mod surface;
mod way;
mod wire;
