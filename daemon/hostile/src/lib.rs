//! Damaged input for every decoder that touches the network. Nothing here ships.
//!
//! [`mutate`] makes damage from a seed, by structure where the format has one; [`samples`] are whole inputs to begin
//! with; [`targets`] are the decoders, each as a function of bytes. `tests/` runs them by seed within a limit of
//! memory; `daemon/fuzz` gives the same targets to libFuzzer.

pub mod mutate;
pub mod onnx;
pub mod samples;
pub mod targets;
