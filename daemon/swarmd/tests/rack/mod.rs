//! A rack of real processes on a real chain, for tests: anvil with the real USDC and the escrow, a proxy
//! before it that can misbehave, `swarmd queen`, `swarmd bee`, and clients over HTTP.
//!
//! A test starts one [`Rack`], arms points ([`Process::arm`]), kills ([`Process::kill_at`]), starts again,
//! lets everything run to its end ([`Rack::settle`]) and asks whether all is well ([`Rack::assert_sound`]).

#![allow(dead_code, reason = "each test crate uses a part")]

pub mod checks;
pub mod customer;
pub mod line;
pub mod model;
pub mod node;
pub mod process;
pub mod settings;
pub mod signed;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use swarm_chain::devchain::{DevChain, NodeConfig, USDC};
use swarm_chain::{At, Call, Chain, Mined, Wallet};
use swarm_client::{QueenClient, Tls};
use swarm_contracts::{Params, SwarmEscrow};
use swarm_host::keys;
use swarm_store::age;
use swarm_types::api::{Epoch, EpochStatus, Health};
use swarm_types::{Address, B256, EpochId, MicroUsdc};

use customer::{Customer, patiently};
use line::Line;
use node::Node;
use process::{LOOK, PATIENCE, Process, free_address};

/// What a client deposits at first: enough for every job of a test.
pub const DEPOSIT: MicroUsdc = MicroUsdc(50_000_000);
/// Longer than the escrow's window by this, the clock is moved to close an epoch.
const AFTER_WINDOW: u64 = 2;

/// What differs from rack to rack.
pub struct Plan {
    /// The escrow's parameters; token and roles are the rack's.
    pub params: Params,
    /// Seconds between blocks; by default a block a transaction, and whatever a test mines.
    pub block_seconds: Option<u64>,
    /// More of queen.toml, such as `[queen.retention]`.
    pub queen_toml: String,
    /// More of `[queen]` itself.
    pub queen_keys: String,
    /// Whether the queen takes the chain's clock for the time when it is ahead.
    pub follow_chain_clock: bool,
    /// Bees.
    pub bees: usize,
    /// Whether they reach the queen over a [`Line`].
    pub bees_on_a_line: bool,
}

/// Everything, running.
pub struct Rack {
    pub plan: Plan,
    pub dev: DevChain,
    /// Between the queen and the chain's node.
    pub node: Node,
    /// The chain, seen directly.
    pub chain: Chain,
    pub base: String,
    /// Between the bees and the queen, when the plan has it.
    pub line: Option<Line>,
    pub model: B256,
    pub queen: Process,
    pub bees: Vec<Bee>,
    pub keys: Keys,
    /// For requests as bytes.
    pub http: reqwest::Client,
    /// The operator, who seals.
    pub operator: QueenClient,
    /// A client with [`DEPOSIT`] in the escrow.
    pub customer: Customer,
    /// Every directory and configuration.
    pub dir: tempfile::TempDir,
}

/// A bee's process, its key and what its inputs are encrypted to.
pub struct Bee {
    pub process: Process,
    pub key: PrivateKeySigner,
    pub identity: age::Identity,
    pub payee: Address,
}

/// Who plays the other roles.
pub struct Keys {
    pub operator: PrivateKeySigner,
    pub settler: PrivateKeySigner,
    pub gas: PrivateKeySigner,
    pub guardian: PrivateKeySigner,
    pub protocol_payee: Address,
    pub operator_payee: Address,
}

impl Plan {
    fn new() -> Self {
        let mut params = Params::development(USDC, Address::ZERO, Address::ZERO, Vec::new(), 1);
        params.window = 2;
        params.default_cap = MicroUsdc(1_000_000_000);
        Self {
            params,
            block_seconds: None,
            queen_toml: String::new(),
            queen_keys: String::new(),
            follow_chain_clock: true,
            bees: 1,
            bees_on_a_line: false,
        }
    }
}

impl Rack {
    /// A rack with one bee that is ready, and a client with money.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with changes.
    pub async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::new();
        change(&mut plan);
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Keys::new(dir.path());
        plan.params.owner = Address::repeat_byte(0x0e);
        plan.params.guardian = keys.guardian.address();
        plan.params.settlers = vec![keys.settler.address()];
        let config = NodeConfig {
            block_seconds: plan.block_seconds,
            ..NodeConfig::default()
        };
        let dev = DevChain::start(&config, plan.params.clone()).await;
        let dev = dev.expect("a development chain: run scripts/setup");
        for who in [&keys.gas, &keys.guardian] {
            dev.node.fund(who.address()).await.expect("funded");
        }
        let node = Node::start(&dev.rpc_url).await;
        let chain = dev.chain().expect("a URL");
        let address = free_address();
        let base = format!("http://{address}");
        let line = match plan.bees_on_a_line {
            true => Some(Line::start(address).await),
            false => None,
        };
        let model = model::write(&dir.path().join("models/tiny"));
        let domain = chain.domain().clone();
        let mut rack = Self {
            operator: client(&base, &keys.operator),
            customer: Customer::new(&base, domain, model),
            queen: Process::new("queen", dir.path().join("queen.toml")),
            bees: Vec::new(),
            plan,
            dev,
            node,
            chain,
            base,
            line,
            model,
            keys,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            dir,
        };
        rack.write_queen_toml();
        rack.queen.start();
        for number in 1..=rack.plan.bees {
            rack.add_bee(number);
        }
        rack.bees_ready(rack.plan.bees).await;
        rack.give(&rack.customer, DEPOSIT).await;
        rack
    }

    /// Writes queen.toml anew, as the plan is now; counts from her next start.
    pub fn write_queen_toml(&self) {
        let text = settings::queen(self);
        std::fs::write(self.queen_toml(), text).expect("written");
    }

    pub fn queen_toml(&self) -> PathBuf {
        self.dir.path().join("queen.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn add_bee(&mut self, number: usize) {
        let dir = self.dir.path();
        let name = format!("bee-{number:02}");
        let key = keys::create_key(&dir.join(format!("{name}.key"))).expect("a key");
        let identity = age::Identity::generate();
        let file = dir.join(format!("{name}.age"));
        keys::create_secret(&file, &identity.secret_text()).expect("an identity");
        let config = dir.join(format!("{name}.toml"));
        std::fs::write(&config, settings::bee(self, &name)).expect("written");
        let mut process = Process::new("bee", config);
        process.start();
        self.bees.push(Bee {
            process,
            payee: PrivateKeySigner::random().address(),
            key,
            identity,
        });
    }

    /// Approves every bee and waits until `count` of them are ready.
    async fn bees_ready(&self, count: usize) {
        until("the bees register", async || {
            let bees = self.operator.workers().await.ok()?;
            (bees.len() >= count).then_some(())
        })
        .await;
        for bee in &self.bees {
            let (worker, payee) = (bee.key.address(), bee.payee);
            patiently(async || self.operator.approve(worker, payee).await).await;
        }
        until("the bees are ready", async || {
            let bees = self.operator.workers().await.ok()?;
            (bees.iter().filter(|bee| bee.ready).count() >= count).then_some(())
        })
        .await;
    }

    /// Waits until the queen answers; her health.
    pub async fn health(&self) -> Health {
        patiently(async || self.operator.health().await).await
    }

    /// Waits until her health is as `wanted` says; her health then.
    pub async fn health_says(&self, what: &str, wanted: impl Fn(&Health) -> bool) -> Health {
        let mut last = None;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let health = self.health().await;
            if wanted(&health) {
                return health;
            }
            last = Some(health);
            tokio::time::sleep(LOOK * 5).await;
        }
        panic!("never: {what}; {last:?}\n{}", self.queen.tail());
    }

    /// Makes money for a client and has it deposit; waits until the queen counts it.
    pub async fn give(&self, customer: &Customer, amount: MicroUsdc) {
        let client = customer.address();
        let before = self.available(client).await;
        self.deposit(customer, amount).await;
        until("the deposit counts", async || {
            // Blocks on top of it make it safe.
            self.tick().await;
            (self.available(client).await == before + amount.0).then_some(())
        })
        .await;
    }

    /// A deposit that is on the chain, whether anybody has seen it or not.
    pub async fn deposit(&self, customer: &Customer, amount: MicroUsdc) {
        let client = customer.address();
        self.dev.node.fund(client).await.expect("funded");
        self.dev.mint(client, amount).await.expect("minted");
        self.send(&customer.wallet, &self.chain.approve(amount))
            .await;
        self.send(&customer.wallet, &self.chain.deposit(amount))
            .await;
    }

    /// The block of a client's first deposit.
    pub async fn block_of_deposit(&self, customer: &Customer) -> u64 {
        let all = Filter::new().address(self.dev.escrow).from_block(0);
        let logs = self.dev.node.rpc().provider().get_logs(&all).await;
        let logs = logs.expect("events");
        let deposit = logs.iter().find(|log| {
            SwarmEscrow::Deposited::decode_log(&log.inner)
                .is_ok_and(|event| event.client == customer.address())
        });
        deposit.and_then(|log| log.block_number).expect("a deposit")
    }

    /// What the queen lets a client order for; 0 when she does not know it.
    pub async fn available(&self, client: Address) -> u64 {
        let known = self.operator.balance(&client.to_string()).await;
        known.map_or(0, |balance| balance.available.0)
    }

    /// Sends a transaction and waits until it is mined.
    pub async fn send(&self, from: &Wallet, call: &Call) -> Mined {
        let tx = self.chain.send(from, call).await.expect("sent");
        let wait = self.chain.rpc().wait_for(tx, At::Latest, PATIENCE, |_| {});
        wait.await.expect("included")
    }

    /// Puts the queen's clock off by so many seconds from her next start on.
    pub fn set_queens_clock(&mut self, seconds: i64) {
        let clock = (swarm_faults::CLOCK_VARIABLE.to_owned(), seconds.to_string());
        self.queen.env = vec![clock];
    }

    /// The same as the guardian.
    pub async fn guard(&self, call: &Call) -> Mined {
        let bytes = self.keys.guardian.to_bytes();
        self.send(&Wallet::from_bytes(&bytes).expect("a key"), call)
            .await
    }

    /// Mines a block, on a chain that does not do so by itself. Each is a second later at least.
    pub async fn tick(&self) {
        if self.plan.block_seconds.is_none() {
            self.dev.mine(1).await.expect("mined");
        }
    }

    /// Every epoch that the queen knows, newest first.
    pub async fn epochs(&self) -> Vec<Epoch> {
        let page = patiently(async || self.operator.epochs(None, Some(500)).await).await;
        page.items
    }

    pub async fn epoch(&self, id: EpochId) -> Epoch {
        patiently(async || self.operator.epoch(id).await).await
    }

    /// Waits until the epoch is as said, mining meanwhile.
    pub async fn epoch_becomes(&self, id: EpochId, status: EpochStatus) -> Epoch {
        until(&format!("{id} becomes {status}"), async || {
            self.tick().await;
            let epoch = self.epoch(id).await;
            (epoch.status == status).then_some(epoch)
        })
        .await
    }

    /// Lets every completed job settle and every epoch become final: what an operator would do, until
    /// nothing is left to do.
    pub async fn settle(&self) {
        let since = Instant::now();
        while self.push().await {
            if since.elapsed() > PATIENCE {
                let (health, epochs) = (self.health().await, self.epochs().await);
                panic!(
                    "settlement hangs: {health:?}, {epochs:?}\n{}",
                    self.queen.tail()
                );
            }
            tokio::time::sleep(LOOK * 2).await;
        }
    }

    /// Moves settlement a little on, as an operator and the chain would; whether anything was left to do.
    pub async fn push(&self) -> bool {
        let epochs = self.epochs().await;
        let under_way = epochs.iter().find(|epoch| {
            use EpochStatus::*;
            matches!(epoch.status, Sealing | Sealed | Submitted | Included)
        });
        let is_waiting =
            |epoch: &Epoch| epoch.status == EpochStatus::Active && epoch.jobs_count > 0;
        match under_way.map(|epoch| epoch.status) {
            // Once, and then the chain stands still: a queen on a busy machine would never catch up with one that runs away.
            Some(EpochStatus::Included) => {
                let block = self.chain.rpc().block(At::Finalized).await;
                let final_at = under_way.and_then(|epoch| epoch.final_at);
                if final_at.is_none_or(|at| block.expect("a block").timestamp < at) {
                    let seconds = self.plan.params.window + AFTER_WINDOW;
                    self.dev.advance(seconds).await.expect("time passes");
                }
            }
            Some(_) => self.tick().await,
            // Her answer may get lost, or say that she is not ready yet.
            None if epochs.iter().any(is_waiting) => drop(self.operator.seal_now().await),
            None => return false,
        }
        true
    }
}

impl Keys {
    fn new(dir: &std::path::Path) -> Self {
        let key = |name: &str| keys::create_key(&dir.join(format!("{name}.key"))).expect("a key");
        key("queen");
        Self {
            operator: key("operator"),
            settler: key("settler"),
            gas: key("gas"),
            guardian: key("guardian"),
            protocol_payee: PrivateKeySigner::random().address(),
            operator_payee: PrivateKeySigner::random().address(),
        }
    }
}

/// The queen's API with a key.
pub fn client(base: &str, key: &PrivateKeySigner) -> QueenClient {
    QueenClient::new(base, Tls::Plain, Some(key.clone())).expect("a URL")
}

/// Asks until there is an answer.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let since = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
