//! A whole chain on this machine, for development, the demo and tests: anvil with the real
//! FiatTokenV2_2 at Base Sepolia's USDC address and a SwarmEscrow. Never for money: its keys are
//! public.

mod accounts;
mod artifact;
mod ens;
mod node;
mod usdc;

use std::path::PathBuf;

use swarm_contracts::deploy::CREATE2_FACTORY;
use swarm_contracts::{Params, ParamsError, predict};
use swarm_types::{Address, B256, MicroUsdc, address};

use crate::chain::Chain;
use crate::error::{ChainError, SetupError};

pub use accounts::{DEV_ACCOUNTS, dev_wallet};
pub use ens::DevNames;
pub use node::{Node, NodeConfig, cache_dir};

/// Chain id of Base Sepolia, which the development chain poses as, so that stock x402 clients pay it.
pub const CHAIN_ID: u64 = 84_532;
/// Base Sepolia's USDC.
pub const USDC: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
/// The account that holds every role of the token and pays for deployments.
pub const TREASURER: usize = 9;

/// Why a development chain does not come up.
#[derive(Debug, thiserror::Error)]
pub enum DevChainError {
    /// A tool or artifact of the cache is missing.
    #[error("{path} is missing: run scripts/setup")]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// An artifact is not what it should be.
    #[error("artifact {path}: {detail}")]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The process does not start.
    #[error("anvil does not start: {detail}")]
    Start {
        /// What happened.
        detail: String,
    },
    /// A step of the installation failed.
    #[error("while installing {step}")]
    Step {
        /// Which.
        step: &'static str,
        /// What the chain said.
        source: ChainError,
    },
    /// The escrow's parameters break one of its rules.
    #[error("the escrow's parameters")]
    Params(#[source] ParamsError),
}

/// A running development chain. Dropping it ends its node.
#[derive(Debug)]
pub struct DevChain {
    /// The node.
    pub node: Node,
    /// Its URL.
    pub rpc_url: String,
    /// The escrow.
    pub escrow: Address,
    /// Block from which the escrow exists.
    pub escrow_block: u64,
    /// USDC.
    pub token: Address,
}

impl DevChain {
    /// Starts anvil, installs USDC, deploys the escrow with `params` (their token is set to the one
    /// installed).
    ///
    /// # Errors
    /// When the cache lacks a tool, or a step fails.
    pub async fn start(config: &NodeConfig, mut params: Params) -> Result<Self, DevChainError> {
        let node = Node::start(config).await?;
        usdc::install(&node).await?;
        params.token = USDC;
        let escrow = node.deploy_escrow(&params).await?;
        let mut dev = Self {
            rpc_url: node.url().to_owned(),
            node,
            escrow,
            escrow_block: 0,
            token: USDC,
        };
        // The chain mines by the clock too: the newest block may be a later one.
        let step = "the escrow";
        let chain = dev.chain().map_err(|error| DevChainError::Step {
            step,
            source: error.into(),
        })?;
        let found = chain.deployment_block().await;
        dev.escrow_block = found.map_err(|source| DevChainError::Step { step, source })?;
        Ok(dev)
    }

    /// The daemon's view of it.
    ///
    /// # Errors
    /// [`SetupError::Url`], which its own URL never is.
    pub fn chain(&self) -> Result<Chain, SetupError> {
        Chain::new(&self.rpc_url, CHAIN_ID, self.escrow, self.token)
    }

    /// Makes `amount` of USDC for `to`.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn mint(&self, to: Address, amount: MicroUsdc) -> Result<(), DevChainError> {
        usdc::mint(&self.node, to, amount).await
    }

    /// Moves the chain's clock `seconds` forward and mines, so that `latest`, `safe` and `finalized`
    /// all have the new time.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn advance(&self, seconds: u64) -> Result<(), DevChainError> {
        self.node.advance(seconds).await
    }

    /// Mines `blocks` blocks.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn mine(&self, blocks: u64) -> Result<(), DevChainError> {
        self.node.mine(blocks).await
    }
}

impl Node {
    /// Deploys a SwarmEscrow with `params` as on any chain: through the CREATE2 factory.
    async fn deploy_escrow(&self, params: &Params) -> Result<Address, DevChainError> {
        params.check().map_err(DevChainError::Params)?;
        let data = [B256::ZERO.as_slice(), &params.init_code()].concat();
        let treasurer = DEV_ACCOUNTS[TREASURER];
        self.invoke("the escrow", treasurer, CREATE2_FACTORY, data)
            .await?;
        Ok(predict(params, B256::ZERO))
    }
}
