//! An anvil process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use alloy::network::TransactionBuilder;
use alloy::primitives::{Bytes, U256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::TransactionRequest;
use swarm_types::{Address, B256};
use tokio::process::{Child, Command};

use super::{CHAIN_ID, DEV_ACCOUNTS, DevChainError, TREASURER};
use crate::error::ChainError;
use crate::rpc::Rpc;

/// Path of anvil below the cache.
const ANVIL: &str = "npm/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
/// How often the node is asked whether it is up.
const START_POLL: Duration = Duration::from_millis(100);
/// How often at most, which makes 20 s.
const START_POLLS_MAX: u32 = 200;
/// A port found free can be taken before anvil binds it; so often another is tried.
const PORT_TRIES: u32 = 3;
/// How often a receipt is asked for.
const RECEIPT_POLLS_MAX: u32 = 600;
/// Between two such questions.
const RECEIPT_POLL: Duration = Duration::from_millis(20);
/// Gas of a deployment or call of the set-up; the contract's code fits with room.
const SETUP_GAS: u64 = 15_000_000;
/// After the clock moved, so many blocks are mined: `safe` is one block and `finalized` two blocks
/// behind `latest` with one slot an epoch, and one more makes sure.
const BLOCKS_AFTER_ADVANCE: u64 = 4;
/// Blocks mined with one request: a busy machine makes them within a request's time.
const BLOCKS_A_REQUEST: u64 = 200;
/// What [`Node::fund`] gives: 10 ETH.
const FUNDS: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);

/// How a development node runs.
#[derive(Clone, Debug, Default)]
pub struct NodeConfig {
    /// anvil's path; by default the cache's.
    pub anvil: Option<PathBuf>,
    /// Seconds between blocks; `None` mines a block for each transaction and no others.
    pub block_seconds: Option<u64>,
    /// Port on 127.0.0.1; by default a free one.
    pub port: Option<u16>,
}

/// A running anvil; dropping it ends the process.
#[derive(Debug)]
pub struct Node {
    // Held for its drop, which kills the process.
    _process: Child,
    url: String,
    rpc: Rpc,
}

/// The cache outside the tree: `$SWARM_CACHE`, else `~/.cache/swarmos`.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("SWARM_CACHE") {
        return dir.into();
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    Path::new(&home).join(".cache/swarmos")
}

impl Node {
    /// Starts anvil and waits until it answers.
    ///
    /// # Errors
    /// When anvil is missing or does not come up within 20 s.
    pub async fn start(config: &NodeConfig) -> Result<Self, DevChainError> {
        let anvil = config
            .anvil
            .clone()
            .unwrap_or_else(|| cache_dir().join(ANVIL));
        if !anvil.is_file() {
            return Err(DevChainError::Missing { path: anvil });
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let port = match config.port {
                Some(port) => port,
                None => free_port()?,
            };
            match Self::start_on(&anvil, config, port).await {
                Err(error) if config.port.is_some() || tries == PORT_TRIES => return Err(error),
                Err(_) => {}
                Ok(node) => return Ok(node),
            }
        }
    }

    async fn start_on(anvil: &Path, config: &NodeConfig, port: u16) -> Result<Self, DevChainError> {
        let start = |detail: String| DevChainError::Start { detail };
        let mut command = Command::new(anvil);
        command
            .args([
                "--host",
                "127.0.0.1",
                "--silent",
                "--slots-in-an-epoch",
                "1",
            ])
            .args([
                "--chain-id",
                &CHAIN_ID.to_string(),
                "--port",
                &port.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(seconds) = config.block_seconds {
            command.args(["--block-time", &seconds.to_string()]);
        }
        let mut process = command.spawn().map_err(|e| start(e.to_string()))?;
        let url = format!("http://127.0.0.1:{port}");
        let rpc = Rpc::new(&url).map_err(|e| start(e.to_string()))?;
        for _ in 0..START_POLLS_MAX {
            if let Some(status) = process.try_wait().map_err(|e| start(e.to_string()))? {
                return Err(start(format!("it ended with {status} on port {port}")));
            }
            if rpc.chain_id().await.is_ok() {
                return Ok(Self {
                    _process: process,
                    url,
                    rpc,
                });
            }
            tokio::time::sleep(START_POLL).await;
        }
        Err(start(format!("no answer on port {port}")))
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of it.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// See [`super::DevChain::advance`].
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn advance(&self, seconds: u64) -> Result<(), DevChainError> {
        let moved = self.rpc.provider().anvil_increase_time(seconds).await;
        moved.map_err(|e| step("time", ChainError::of("evm_increaseTime", e)))?;
        self.mine(BLOCKS_AFTER_ADVANCE).await
    }

    /// Mines `blocks` blocks.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn mine(&self, blocks: u64) -> Result<(), DevChainError> {
        let mut left = blocks;
        while left > 0 {
            let some = left.min(BLOCKS_A_REQUEST);
            let mined = self.rpc.provider().anvil_mine(Some(some), None).await;
            mined.map_err(|e| step("blocks", ChainError::of("anvil_mine", e)))?;
            left -= some;
        }
        Ok(())
    }

    /// Gives `account` 10 ETH to pay gas with.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn fund(&self, account: Address) -> Result<(), DevChainError> {
        let funded = self.rpc.provider().anvil_set_balance(account, FUNDS).await;
        funded.map_err(|e| step("funds", ChainError::of("anvil_setBalance", e)))
    }

    /// Deploys `code` from the treasurer's account.
    pub(super) async fn create(
        &self,
        what: &'static str,
        code: Bytes,
    ) -> Result<Address, DevChainError> {
        let request = TransactionRequest::default().with_deploy_code(code);
        let created = self
            .transact(what, DEV_ACCOUNTS[TREASURER], request)
            .await?;
        created.ok_or_else(|| {
            step(
                what,
                ChainError::nonsense("a deployment", "no contract address"),
            )
        })
    }

    /// Calls `to` with `data` as the unlocked account `from`.
    pub(super) async fn invoke(
        &self,
        what: &'static str,
        from: Address,
        to: Address,
        data: Vec<u8>,
    ) -> Result<(), DevChainError> {
        let request = TransactionRequest::default().with_to(to).with_input(data);
        self.transact(what, from, request).await.map(|_| ())
    }

    async fn transact(
        &self,
        what: &'static str,
        from: Address,
        request: TransactionRequest,
    ) -> Result<Option<Address>, DevChainError> {
        let request = request.with_from(from).with_gas_limit(SETUP_GAS);
        let sent = self.rpc.provider().send_transaction(request).await;
        let hash: B256 = *sent
            .map_err(|e| step(what, ChainError::of(what, e)))?
            .tx_hash();
        for _ in 0..RECEIPT_POLLS_MAX {
            let receipt = self.rpc.provider().get_transaction_receipt(hash).await;
            match receipt.map_err(|e| step(what, ChainError::of("a receipt", e)))? {
                Some(receipt) if receipt.status() => return Ok(receipt.contract_address),
                Some(_) => {
                    let reason = "it used up its gas or reverted".to_owned();
                    let error = ChainError::Reverted {
                        during: what,
                        reason,
                    };
                    return Err(step(what, error));
                }
                // With steady mining the set-up need not wait for the next block.
                None => self.mine(1).await?,
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
        Err(step(what, ChainError::nonsense("a receipt", "none came")))
    }
}

pub(super) fn step(step: &'static str, source: ChainError) -> DevChainError {
    DevChainError::Step { step, source }
}

fn free_port() -> Result<u16, DevChainError> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port())
        .map_err(|e| DevChainError::Start {
            detail: format!("no free port: {e}"),
        })
}
