//! The queen's process, and the handle of it that the driving process has.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use alloy::signers::local::PrivateKeySigner;
use serde_json::json;
use swarm_ledger::commands::*;
use swarm_ledger::records::{BlobKind, BlobRef};
use swarm_ledger::{Ledger, LedgerConfig};
use swarm_queen::{Queen, QueenConfig, QueenKeys};
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::{Address, MicroUsdc, api, sha256};

use crate::Options;
use crate::parties::{self, CHAIN_ID, ESCROW, now};

/// Clients in one block of deposits.
const BLOCK_DEPOSITS: u64 = 500;

fn config(folder: &Path) -> QueenConfig {
    let much = json!({ "per_second": 1e9, "burst": 1e9 });
    let value = json!({
        "state_dir": folder.join("state"),
        "models_dir": folder.join("models"),
        "operators": [Address::repeat_byte(0x0e)],
        "listen": { "address": "127.0.0.1:0" },
        "chain": {
            "chain_id": CHAIN_ID,
            "escrow": ESCROW,
            "token": Address::repeat_byte(0x70),
            "default_cap": (1_u64 << 50).to_string(),
        },
        "fees": {
            "protocol_payee": Address::repeat_byte(0xa1),
            "operator_payee": Address::repeat_byte(0xa2),
        },
        // All come from one address here; each signer keeps a bucket.
        "limits": { "per_signer": much, "per_address": much, "per_address_signed": much },
        "rails": { "lease": "1h" },
    });
    serde_json::from_value(value).expect("a configuration")
}

/// Deposits, bees, inputs and results, as chain, operator and uploads would have left them.
async fn prepare(ledger: &Ledger, options: &Options) {
    let now = now();
    for block in 0..options.signers.div_ceil(BLOCK_DEPOSITS) {
        let number = block + 1;
        let clients = block * BLOCK_DEPOSITS..options.signers.min(number * BLOCK_DEPOSITS);
        let deposit = |client: u64| EscrowLog {
            block_number: number,
            tx: sha256(client.to_be_bytes()),
            log_index: client,
            event: EscrowEvent::Deposited {
                client: parties::client(client).address(),
                amount: MicroUsdc(1 << 45),
            },
        };
        let at = BlockRef {
            number,
            hash: sha256(number.to_be_bytes()),
            parent: sha256(block.to_be_bytes()),
            timestamp: number,
        };
        let blocks = vec![(at, clients.map(deposit).collect())];
        let safe = number;
        let command = ApplyBlocks { now, blocks, safe };
        ledger.apply_blocks(command).await.expect("deposits");
    }
    for bee in (0..options.bees).chain([parties::HOLDER]) {
        let worker = parties::bee(bee).address();
        let mut signature = [1; 65];
        signature[64] = 27;
        let profile = json!({
            "recipient_signature": swarm_types::Signature65::normalise(&signature).expect("sound"),
            "device": { "name": "cpu", "uuid": null, "memory_mib": 4_096 },
            "models": [parties::model()],
            "engines": [parties::ENGINE],
            "concurrency": 64,
            "version": "0.1.0",
        });
        let command = RegisterWorker {
            now: 1,
            worker,
            label: Some(format!("bee-{bee}")),
            recipient: Some(parties::reply_to()),
            profile,
            join_code: None,
        };
        ledger.register_worker(command).await.expect("registered");
        let payee = Address::repeat_byte(0xb0);
        let command = ApproveWorker { now, worker, payee };
        ledger.approve_worker(command).await.expect("approved");
        let command = Heartbeat {
            now_millis: now * 1_000,
            worker,
            ready: true,
            draining: false,
            stats: json!({}),
        };
        ledger.heartbeat(command).await.expect("a heartbeat");
        uploaded(ledger, parties::result(bee), BlobKind::Result, worker).await;
    }
    for client in 0..options.signers {
        let uploader = parties::client(client).address();
        uploaded(ledger, parties::input(client), BlobKind::Input, uploader).await;
    }
}

async fn uploaded(ledger: &Ledger, blob: api::BlobRef, kind: BlobKind, uploader: Address) {
    let now = now();
    let api::BlobRef { sha256, size } = blob;
    let command = BlobBegin {
        now,
        blob: BlobRef { sha256, size },
        kind,
        uploader,
        job: None,
    };
    ledger.blob_begin(command).await.expect("begun");
    let command = BlobComplete { now, sha256 };
    ledger.blob_complete(command).await.expect("whole");
}

/// Leases pending jobs for a long time, so that their inputs stay while other jobs come and go.
async fn hold(ledger: &Ledger, jobs: u64) {
    for _ in 0..jobs {
        let command = Claim {
            now: now(),
            worker: parties::bee(parties::HOLDER).address(),
            models: vec![parties::model()],
            job: None,
            lease_seconds: 3_600,
        };
        let lease = ledger.claim(command).await.expect("a claim");
        lease.expect("a pending job");
    }
}

/// Is the queen until its input ends. A line `hold N` on it leases N jobs.
pub async fn serve(options: &Options) {
    let folder = &options.folder;
    let package = folder.join("models/brain");
    std::fs::create_dir_all(&package).expect("made");
    for (name, bytes) in parties::package() {
        std::fs::write(package.join(name), bytes).expect("written");
    }
    let config = config(folder);
    std::fs::create_dir_all(&config.state_dir).expect("made");
    let ledger_config = LedgerConfig {
        chain_id: CHAIN_ID,
        escrow: ESCROW,
        default_cap: config.chain.default_cap,
    };
    let path = config.ledger_path();
    if !path.exists() {
        let ledger = Ledger::open(&path, ledger_config).expect("a ledger");
        prepare(&ledger, options).await;
        ledger.close().await;
    }
    let keys = QueenKeys {
        queen: PrivateKeySigner::random(),
        settlement: None,
    };
    let handle = Queen::start(config, keys).await.expect("starts");
    println!("{}", handle.addr);
    let ledger = handle.ledger.clone();
    let (say, mut said) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if say.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = said.recv().await {
        let jobs = line.strip_prefix("hold ").and_then(|n| n.parse().ok());
        hold(&ledger, jobs.expect("hold N")).await;
        println!("held");
    }
    handle.shutdown().await;
}

/// A queen in a process of her own.
pub struct Served {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Where she listens.
    pub address: String,
}

impl Served {
    /// Starts her on an empty folder.
    pub fn start(options: &Options) -> Self {
        let folder = &options.folder;
        // What a run before has left.
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).expect("made");
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new(this)
            .arg("serve")
            .args(["--signers", &options.signers.to_string()])
            .args(["--bees", &options.bees.to_string()])
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the queen starts");
        let input = child.stdin.take();
        let mut served = Self {
            output: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            input,
            address: String::new(),
        };
        served.address = served.line();
        served
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// Her process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Leases `jobs` pending jobs.
    pub fn hold(&mut self, jobs: u64) {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "hold {jobs}").expect("written");
        assert_eq!(self.line(), "held");
    }

    /// Shuts her down and removes what she kept.
    pub fn stop(mut self, folder: &Path) {
        drop(self.input.take());
        let ended = self.child.wait().expect("ends");
        assert!(ended.success(), "the queen ended badly");
        let _ = std::fs::remove_dir_all(folder);
    }
}
