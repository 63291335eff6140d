//! Deployment by CREATE2: the same parameters give the same address on every chain, whoever sends.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, TxHash, address, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use serde::{Deserialize, Serialize};

use crate::network::USDC_DECIMALS;
use crate::{Network, Params, ParamsError, SwarmEscrow, Usdc};

/// The factory that Base, Base Sepolia and anvil have from their first block on: it takes salt ‖ init
/// code and creates the contract by CREATE2.
pub const CREATE2_FACTORY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");

/// What a deployment may use. An explicit limit, because estimates of a lagging node can be too low.
const DEPLOY_GAS: u64 = 8_000_000;

/// Where the escrow is and how it came there: the contents of a deployment file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The escrow.
    pub escrow: Address,
    /// The transaction that made it; absent when it was there already.
    pub transaction: Option<TxHash>,
    /// The block of that transaction. Nothing happened in the escrow before it.
    pub block: u64,
    /// CREATE2 salt.
    pub salt: B256,
    /// What it was made with.
    pub params: Params,
    /// The same, ABI-encoded, for a block explorer.
    pub constructor_arguments: Bytes,
}

/// Why the escrow was not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The parameters break a rule of the contract.
    #[error("the escrow's parameters are not valid")]
    Params(#[source] ParamsError),
    /// The node is on another chain.
    #[error("the node is on chain {found}, not on {network} ({expected})")]
    WrongChain {
        /// What was asked for.
        network: String,
        /// Its id.
        expected: u64,
        /// The node's id.
        found: u64,
    },
    /// The parameters name another token than the network's USDC.
    #[error("{found} is not USDC on {network}, which is {expected}")]
    WrongToken {
        /// The network.
        network: String,
        /// Its USDC.
        expected: Address,
        /// What the parameters say.
        found: Address,
    },
    /// There is no contract where one must be.
    #[error("there is no contract at {address} ({what})")]
    NoCode {
        /// What should be there.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// The token does not count in millionths.
    #[error("the token {token} has {found} decimals, not {USDC_DECIMALS}")]
    WrongDecimals {
        /// The token.
        token: Address,
        /// What it says.
        found: u8,
    },
    /// Permits and authorizations would be signed in the wrong domain.
    #[error(
        "the token {token} signs in another EIP-712 domain than (\"{name}\", \"2\") on this chain"
    )]
    WrongTokenDomain {
        /// The token.
        token: Address,
        /// The domain name that was expected.
        name: String,
    },
    /// The transaction was included and failed.
    #[error("the deployment {0} was included and reverted")]
    Reverted(TxHash),
    /// The node did not answer or refused.
    #[error("the node failed to {what}")]
    Node {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        #[source]
        source: alloy::transports::TransportError,
    },
    /// A call of a contract failed.
    #[error("calling {what} failed")]
    Call {
        /// What was called.
        what: &'static str,
        /// Why.
        #[source]
        source: alloy::contract::Error,
    },
    /// The transaction was sent, and it is not known what became of it.
    #[error("the deployment was sent, but whether it was included is not known")]
    Pending(#[source] alloy::providers::PendingTransactionError),
}

/// The address that `params` and `salt` lead to, on any chain with the factory.
pub fn predict(params: &Params, salt: B256) -> Address {
    CREATE2_FACTORY.create2(salt, keccak256(params.init_code()))
}

/// Checks chain, token and parameters, and deploys. Sends nothing when the escrow is there already.
///
/// # Errors
/// Any of [`DeployError`]; only `Reverted` and `Pending` happen after something was sent.
pub async fn deploy<P: Provider>(
    provider: &P,
    network: &Network,
    params: &Params,
    salt: B256,
) -> Result<Deployment, DeployError> {
    params.check().map_err(DeployError::Params)?;
    check_network(provider, network, params.token).await?;
    require_code(provider, "the CREATE2 factory", CREATE2_FACTORY).await?;

    let escrow = predict(params, salt);
    let mut deployment = Deployment {
        chain_id: network.chain_id,
        escrow,
        transaction: None,
        block: 0,
        salt,
        params: params.clone(),
        constructor_arguments: params.constructor_arguments(),
    };
    if has_code(provider, escrow).await? {
        return Ok(deployment);
    }
    let input = [salt.as_slice(), &params.init_code()].concat();
    let request = TransactionRequest::default()
        .with_to(CREATE2_FACTORY)
        .with_input(input)
        .with_gas_limit(DEPLOY_GAS);
    let receipt = provider
        .send_transaction(request)
        .await
        .map_err(|source| node("send the deployment", source))?
        .get_receipt()
        .await
        .map_err(DeployError::Pending)?;
    if !receipt.status() {
        return Err(DeployError::Reverted(receipt.transaction_hash));
    }
    require_code(provider, "the escrow", escrow).await?;
    deployment.transaction = Some(receipt.transaction_hash);
    deployment.block = receipt.block_number.unwrap_or_default();
    Ok(deployment)
}

/// Checks that the node is on `network` and that its USDC is what it should be.
///
/// # Errors
/// What differs, or that the node did not answer.
pub async fn check_network<P: Provider>(
    provider: &P,
    network: &Network,
    token: Address,
) -> Result<(), DeployError> {
    let found = provider
        .get_chain_id()
        .await
        .map_err(|source| node("tell its chain id", source))?;
    if found != network.chain_id {
        return Err(DeployError::WrongChain {
            network: network.name.clone(),
            expected: network.chain_id,
            found,
        });
    }
    if token != network.token {
        return Err(DeployError::WrongToken {
            network: network.name.clone(),
            expected: network.token,
            found: token,
        });
    }
    require_code(provider, "USDC", token).await?;
    let usdc = Usdc::new(token, provider);
    let decimals = usdc
        .decimals()
        .call()
        .await
        .map_err(|source| call("USDC's decimals", source))?;
    if decimals != USDC_DECIMALS {
        return Err(DeployError::WrongDecimals {
            token,
            found: decimals,
        });
    }
    let separator = usdc
        .DOMAIN_SEPARATOR()
        .call()
        .await
        .map_err(|source| call("USDC's DOMAIN_SEPARATOR", source))?;
    if separator != network.token_domain_separator() {
        return Err(DeployError::WrongTokenDomain {
            token,
            name: network.token_name.clone(),
        });
    }
    Ok(())
}

/// Checks that an escrow stands at `escrow` and holds `network`'s USDC.
///
/// # Errors
/// What differs, or that the node did not answer.
pub async fn check_escrow<P: Provider>(
    provider: &P,
    network: &Network,
    escrow: Address,
) -> Result<(), DeployError> {
    require_code(provider, "the escrow", escrow).await?;
    let token = SwarmEscrow::new(escrow, provider)
        .token()
        .call()
        .await
        .map_err(|source| call("the escrow's token", source))?;
    check_network(provider, network, token).await
}

async fn has_code<P: Provider>(provider: &P, address: Address) -> Result<bool, DeployError> {
    let code = provider
        .get_code_at(address)
        .await
        .map_err(|source| node("give a contract's code", source))?;
    Ok(!code.is_empty())
}

async fn require_code<P: Provider>(
    provider: &P,
    what: &'static str,
    address: Address,
) -> Result<(), DeployError> {
    if has_code(provider, address).await? {
        Ok(())
    } else {
        Err(DeployError::NoCode { what, address })
    }
}

fn node(what: &'static str, source: alloy::transports::TransportError) -> DeployError {
    DeployError::Node { what, source }
}

fn call(what: &'static str, source: alloy::contract::Error) -> DeployError {
    DeployError::Call { what, source }
}
