//! A bee against a queen on loopback. The network is a stand-in; keys, encryption, imaging, requests and signatures are
//! the real ones.

#[path = "../common/mod.rs"]
mod common;
mod hive;
mod inputs;
mod life;
mod metrics;
mod power;
