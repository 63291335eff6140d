//! A development chain with USDC and the escrow, for a queen that runs elsewhere (the image's boot test starts it):
//!
//!     cargo run -p swarm-chain --example devchain -- PORT SETTLER FUNDED...
//!
//! Each FUNDED address gets ether and 10 USDC. It prints where everything is as one line of JSON, and ends when its input
//! ends.

use std::error::Error;

use swarm_chain::devchain::{CHAIN_ID, DevChain, NodeConfig, dev_wallet};
use swarm_contracts::Params;
use swarm_types::{Address, MicroUsdc};
use tokio::io::AsyncReadExt;

const DAY: u64 = 86_400;
const TEN_USDC: MicroUsdc = MicroUsdc(10_000_000);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: devchain PORT SETTLER FUNDED...";
    let port = arguments.next().ok_or(usage)?.parse()?;
    let settler: Address = arguments.next().ok_or(usage)?.parse()?;
    let config = NodeConfig {
        block_seconds: Some(1),
        port: Some(port),
        ..NodeConfig::default()
    };
    let params = Params {
        token: Address::ZERO,
        owner: dev_wallet(0).address(),
        guardian: dev_wallet(1).address(),
        settlers: vec![settler],
        threshold: 1,
        default_cap: TEN_USDC,
        window: 3_600,
        exit_delay: 2 * DAY,
        role_delay: 4 * DAY,
        settlement_timeout: 14 * DAY,
        max_seal_age: DAY,
        max_pause: DAY,
    };
    let chain = DevChain::start(&config, params).await?;
    for funded in arguments {
        let account: Address = funded.parse()?;
        chain.mint(account, TEN_USDC).await?;
        chain.node.fund(account).await?;
    }
    println!(
        "{}",
        serde_json::json!({
            "chain_id": CHAIN_ID,
            "rpc": chain.rpc_url,
            "escrow": chain.escrow,
            "escrow_block": chain.escrow_block,
            "token": chain.token,
        })
    );
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
