//! The run of one seed: its people, its clock, the lives of its queen.

mod queen;
mod requests;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use swarm_chain::Chain;
use swarm_queen::SteppedQueen;
use swarm_queen::clock::Dial;
use swarm_types::digest::manifest_digest;
use swarm_types::{B256, EpochId, MicroUsdc, sha256};

use crate::bee::Bee;
use crate::client::Client;
use crate::http::Reply;
use crate::life::Life;
use crate::model::Model;
use crate::node::genesis::{self, ESCROW, START};
use crate::node::state::CHAIN_ID;
use crate::node::transport::{Line, SharedNode, Wire, lock};
use crate::node::{FINAL_BEHIND, Node};
use crate::people::*;
use crate::plant::Plant;
use crate::rng::Rng;
use crate::stats::Stats;

/// Fee of a job, µUSDC; odd, so that shares leave remainders.
pub const FEE: MicroUsdc = MicroUsdc(100_003);
/// The job type that the model serves.
pub const JOB_TYPE: &str = "brain_mri";
/// Where model packages are in a run's directory.
const MODELS: &str = "models";
/// Seconds of an epoch.
const EPOCH_SECONDS: u64 = 3_600;
/// Farthest deadline of an order.
pub const ORDER_LIFE_SECONDS: u64 = 24 * 3_600;
/// Steps of a run, at least and at most.
const STEPS: (u64, u64) = (30, 70);
/// Steps between two looks of the oracle at the whole ledger.
const STEPS_A_CHECK: u64 = 12;

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// What holds.
pub type Held<T = ()> = Result<T, Broken>;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SHA-256 over everything that happened, in order.
    pub trace: B256,
    /// What was seen.
    pub stats: Stats,
}

/// A queen who lives.
pub struct Running {
    /// She herself.
    pub queen: SteppedQueen,
    /// Her API.
    pub router: Router,
    /// Her process.
    pub life: Arc<Life>,
    /// Her clock.
    pub dial: Dial,
}

/// A request that waits for its answer.
pub type Waiting = Pin<Box<dyn Future<Output = Reply>>>;

/// Everything of a run.
pub struct World {
    /// Draws what happens.
    pub rng: Rng,
    /// Unix milliseconds.
    pub now: u64,
    /// The chain.
    pub node: SharedNode,
    /// The queen's line to it.
    pub line: Arc<Mutex<Line>>,
    /// The chain as everybody else sees it.
    pub chain: Chain,
    /// The queen, unless she is down.
    pub running: Option<Running>,
    /// How far her clock is off, milliseconds.
    pub skew: i64,
    /// Clients.
    pub clients: Vec<Client>,
    /// Bees.
    pub bees: Vec<Bee>,
    /// What they were told.
    pub model: Model,
    /// A backup of the ledger, with what they had been told by then.
    pub backup: Option<(PathBuf, Model)>,
    /// The ledger went on from a backup, and the chain holds seals that it does not know.
    pub lost_seals: bool,
    /// The operator's request for a seal.
    pub sealing: Option<Waiting>,
    /// What was seen.
    pub stats: Stats,
    /// Whether every line of the trace is printed.
    pub verbose: bool,
    trace: B256,
    lines: u64,
    home: tempfile::TempDir,
    model_digest: B256,
    lives: u64,
    nonce: u64,
    plant: Plant,
}

/// Runs `seed`; `verbose` prints every line of its trace.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64, verbose: bool) -> Held<Outcome> {
    run_with(seed, verbose, Plant::Nothing)
}

/// The same with something wrong.
///
/// # Errors
/// What did not hold.
pub fn run_with(seed: u64, verbose: bool, plant: Plant) -> Held<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| Broken(format!("no runtime: {error}")))?;
    let ran = runtime.block_on(async {
        let mut world = World::begin(seed, verbose, plant).await?;
        world.live().await?;
        world.heal().await?;
        world.settle_up().await?;
        Ok(Outcome {
            trace: world.trace,
            stats: world.stats,
        })
    });
    // What a dead queen left behind is dropped with the runtime.
    runtime.shutdown_background();
    ran
}

/// Puts the one model package into `models`; answers its digest.
fn put_model(models: &Path) -> std::io::Result<B256> {
    let description = "name = 'brain'\nversion = '1'\nlicence = 'MIT'\njob_type = 'brain_mri'\nmemory_mib = 512\n";
    let files = vec![
        ("model.onnx".to_owned(), b"weights".to_vec()),
        ("model.toml".to_owned(), description.as_bytes().to_vec()),
    ];
    let package = models.join("brain");
    std::fs::create_dir_all(&package)?;
    for (name, bytes) in &files {
        std::fs::write(package.join(name), bytes)?;
    }
    Ok(manifest_digest(&files))
}

/// A directory in memory where there is one: what survives a crash is decided here, not by a disk.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("swarm-sim-");
    match memory.is_dir() {
        true => builder.tempdir_in(memory),
        false => builder.tempdir(),
    }
}

impl World {
    async fn begin(seed: u64, verbose: bool, plant: Plant) -> Held<Self> {
        let mut rng = Rng::new(seed);
        let node: SharedNode = Arc::new(Mutex::new(Node::new(plant)));
        let token = genesis::params().token;
        let line = Line {
            away: false,
            lost_percent: 0,
            moving_percent: 0,
            rng: rng.split(),
        };
        let home = scratch().map_err(|error| Broken(format!("no directory: {error}")))?;
        let model = put_model(&home.path().join(MODELS));
        let model_digest = model.map_err(|error| Broken(format!("the model package: {error}")))?;
        let mut world = Self {
            now: START * 1_000,
            chain: Chain::over(Wire::clean(node.clone()), CHAIN_ID, ESCROW, token),
            node,
            line: Arc::new(Mutex::new(line)),
            running: None,
            skew: 0,
            clients: (0..CLIENTS).map(Client::new).collect(),
            bees: (0..BEES).map(Bee::new).collect(),
            model: Model::default(),
            backup: None,
            lost_seals: false,
            sealing: None,
            stats: Stats::default(),
            verbose,
            trace: sha256(seed.to_be_bytes()),
            lines: 0,
            home,
            model_digest,
            lives: 0,
            nonce: 0,
            plant,
            rng,
        };
        world.found().await?;
        Ok(world)
    }

    /// Everybody's first steps, before anything breaks.
    async fn found(&mut self) -> Held {
        for n in 0..CLIENTS {
            self.open_account(n).await?;
        }
        for _ in 0..=FINAL_BEHIND {
            self.pass(2_000).await?;
        }
        self.start().await?;
        self.round().await?;
        for n in 0..BEES {
            self.register(n).await?;
            self.approve(n).await?;
            self.beat(n).await?;
        }
        Ok(())
    }

    /// The steps of the run, with all that can happen.
    async fn live(&mut self) -> Held {
        let steps = self.rng.range(STEPS.0, STEPS.1);
        for step in 0..steps {
            self.step().await?;
            if step % STEPS_A_CHECK == 0 {
                self.look().await?;
            }
        }
        self.stats.add("steps", steps);
        Ok(())
    }

    async fn step(&mut self) -> Held {
        if self.running.is_none() && self.rng.chance(60) {
            self.start().await?;
        }
        match self.rng.below(100) {
            0..30 => self.client_acts().await?,
            30..70 => self.bee_acts().await?,
            70..82 => self.chain_acts().await?,
            82..90 => self.operator_acts().await?,
            _ => self.fault().await?,
        }
        if self.rng.chance(60) {
            self.sweep().await?;
        }
        if self.rng.chance(60) {
            self.round().await?;
        }
        let millis = match self.rng.below(200) {
            0..150 => self.rng.range(200, 8_000),
            150..190 => self.rng.range(8_000, 60_000),
            190..199 => self.rng.range(60_000, 3_000_000),
            _ => self.rng.range(3_000_000, 110_000_000),
        };
        self.pass(millis).await?;
        for n in 0..BEES {
            if self.bees[n].alive && self.rng.chance(35) {
                self.beat(n).await?;
            }
        }
        Ok(())
    }

    // Time

    /// Unix seconds.
    pub fn seconds(&self) -> u64 {
        self.now / 1_000
    }

    /// Lets time pass: the chain makes blocks, the queen's clock runs, polls end.
    pub async fn pass(&mut self, millis: u64) -> Held {
        self.now += millis;
        {
            let mut node = lock(&self.node);
            let now = self.now / 1_000;
            // A long time ends with blocks enough for it to be safe and final that it has passed.
            let blocks = if millis > 100_000 {
                FINAL_BEHIND + 1
            } else {
                1
            };
            for left in (0..blocks).rev() {
                node.set_time(now - (left * 2).min(millis / 1_000));
                node.mine_now();
            }
            node.set_time(now);
        }
        if let Some(running) = &self.running {
            running.dial.turn(Duration::from_millis(millis));
        }
        self.say(format!("{} ms pass", millis));
        self.quiet().await
    }

    /// A file of an epoch's bundle, as she published it.
    pub fn bundle_file(&self, epoch: u64, name: &str) -> Option<Vec<u8>> {
        let dir = swarm_queen::audit_dir(&self.state_dir());
        std::fs::read(dir.join(EpochId(epoch).to_string()).join(name)).ok()
    }

    /// What the queen's clock must show.
    fn queens_millis(&self) -> u64 {
        self.now.saturating_add_signed(self.skew)
    }

    /// Unix seconds of the queen's clock; clients and bees set theirs by it.
    pub fn queens_seconds(&self) -> u64 {
        self.queens_millis() / 1_000
    }

    /// Sets the queen's clock off by `skew` milliseconds.
    pub fn set_skew(&mut self, skew: i64) {
        self.skew = skew;
        let millis = self.queens_millis();
        if let Some(running) = &self.running {
            running.dial.set(millis);
        }
    }

    // The trace

    /// Writes a line.
    pub fn say(&mut self, line: String) {
        self.lines += 1;
        let text = format!(
            "{:>5} {}.{:03} {line}",
            self.lines,
            self.now / 1_000,
            self.now % 1_000
        );
        if self.verbose {
            println!("{text}");
        }
        self.trace = swarm_types::digest::sha256_parts(&[self.trace.as_slice(), text.as_bytes()]);
    }

    /// Digest of the one model.
    pub fn model_digest(&self) -> B256 {
        self.model_digest
    }
}
