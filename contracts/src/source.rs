//! What a block explorer needs to verify the source: the compiler's standard JSON input, the name of
//! the contract and the compiler's version. The constructor arguments are in the deployment file.

/// The compiler's input: every source, OpenZeppelin's too, and the settings. Compiling it gives
/// exactly [`crate::SwarmEscrow::BYTECODE`]; a test holds that.
pub const STANDARD_JSON: &str = include_str!("../artifacts/SwarmEscrow.input.json");
/// Path and name of the contract in it.
pub const CONTRACT_NAME: &str = "src/SwarmEscrow.sol:SwarmEscrow";
/// The compiler's version as block explorers write it.
pub const COMPILER_VERSION: &str = "v0.8.37+commit.f401782d";
