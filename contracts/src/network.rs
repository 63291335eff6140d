//! The chains that the escrow is made for, and what is known of USDC on each.

use alloy::primitives::{Address, B256, address};
use alloy::sol_types::{Eip712Domain, eip712_domain};

/// USDC's decimals; amounts everywhere are in units of 10⁻⁶ USDC.
pub const USDC_DECIMALS: u8 = 6;
/// `version` of USDC's EIP-712 domain.
pub const USDC_VERSION: &str = "2";

/// A chain and its USDC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What people call it.
    pub name: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// USDC's address.
    pub token: Address,
    /// `name` of USDC's EIP-712 domain: it differs from chain to chain.
    pub token_name: String,
}

impl Network {
    /// Base's main network.
    pub fn base() -> Self {
        Self {
            name: "base".into(),
            chain_id: 8453,
            token: address!("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
            token_name: "USD Coin".into(),
        }
    }

    /// Base's test network. The development chain takes its id and token address too, so that
    /// ordinary x402 clients pay there.
    pub fn base_sepolia() -> Self {
        Self {
            name: "base-sepolia".into(),
            chain_id: 84532,
            token: address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
            token_name: "USDC".into(),
        }
    }

    /// A local chain with a token of ours.
    pub fn local(chain_id: u64, token: Address, token_name: impl Into<String>) -> Self {
        Self {
            name: "local".into(),
            chain_id,
            token,
            token_name: token_name.into(),
        }
    }

    /// The network that is known under this name or chain id.
    pub fn named(text: &str) -> Option<Self> {
        [Self::base(), Self::base_sepolia()]
            .into_iter()
            .find(|network| network.name == text || network.chain_id.to_string() == text)
    }

    /// The EIP-712 domain of its USDC: permits and authorizations are signed in it.
    pub fn token_domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: self.token_name.clone(),
            version: USDC_VERSION,
            chain_id: self.chain_id,
            verifying_contract: self.token,
        }
    }

    /// The separator that the token must answer with.
    pub fn token_domain_separator(&self) -> B256 {
        self.token_domain().separator()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::b256;

    #[test]
    fn known_networks_are_found_by_name_and_id() {
        assert_eq!(Network::named("base"), Some(Network::base()));
        assert_eq!(Network::named("84532"), Some(Network::base_sepolia()));
        assert_eq!(Network::named("mainnet"), None);
    }

    #[test]
    fn the_token_domain_of_base_is_the_deployed_one() {
        // DOMAIN_SEPARATOR() of USDC on Base, recomputed here from EIP-712's text with keccak-256.
        assert_eq!(
            Network::base().token_domain_separator(),
            b256!("0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f")
        );
    }
}
