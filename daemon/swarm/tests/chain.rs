//! The commands that move money and check it, against a real node with the real USDC and the real escrow.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::{Run, swarm};
use serde_json::Value;
use swarm_chain::devchain::{DEV_ACCOUNTS, DevChain, NodeConfig, USDC, dev_wallet};
use swarm_chain::settle::SealedEpoch;
use swarm_chain::{At, Chain};
use swarm_contracts::Params;
use swarm_types::api::ReceiptProof;
use swarm_types::bundle::{
    EpochInput, SIGNATURE, SettledJob, SettlerSignature, WorkerEpoch, build, signature_file,
    summary_digest,
};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::payout::Rates;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{B256, MicroUsdc, hex, sha256};

/// Accounts of the development chain by role.
const CLIENT: usize = 0;
const SETTLER: usize = 1;
const GUARDIAN: usize = 2;
const WORKER: usize = 4;
const OPERATOR: usize = 5;
const PROTOCOL: usize = 6;
const OWNER: usize = 7;

/// A chain, and homes for those who use it.
struct Stage {
    dev: DevChain,
    chain: Chain,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let [owner, guardian, settler] = [OWNER, GUARDIAN, SETTLER].map(|n| DEV_ACCOUNTS[n]);
        let params = Params::development(USDC, owner, guardian, vec![settler], 1);
        // Blocks come by themselves, so that `safe` moves.
        let config = NodeConfig {
            block_seconds: Some(1),
            ..NodeConfig::default()
        };
        let dev = DevChain::start(&config, params)
            .await
            .expect("a development chain");
        let chain = dev.chain().expect("a URL");
        let folder = tempfile::tempdir().expect("a directory");
        Self { dev, chain, folder }
    }

    /// The program as account `who`, with this chain and escrow, and no queen.
    fn run(&self, who: usize, arguments: &[&str]) -> Run {
        let home = self.folder.path().join(who.to_string());
        if !home.exists() {
            let file = self.folder.path().join(format!("{who}.key"));
            let secret = hex::encode(dev_wallet(who).secret().as_slice());
            swarm_host::keys::create_secret(&file, &secret).expect("a key file");
            let made = swarm(&home, &["key", "import", &file.display().to_string()]);
            assert_eq!(made.status, 0, "{}", made.err);
        }
        self.stranger(&home, arguments)
    }

    fn stranger(&self, home: &Path, arguments: &[&str]) -> Run {
        let escrow = self.dev.escrow.to_string();
        let mut all = vec!["--json", "--rpc", &self.dev.rpc_url, "--escrow", &escrow];
        all.extend(arguments);
        swarm(home, &all)
    }
}

#[tokio::test]
async fn a_client_deposits_and_leaves_without_any_queen() {
    let stage = Stage::new().await;
    let poor = stage.run(CLIENT, &["deposit", "5"]);
    assert_eq!(poor.status, 3, "{}", poor.err);
    assert!(poor.err.contains("send some to it first"), "{}", poor.err);

    stage
        .dev
        .mint(DEV_ACCOUNTS[CLIENT], MicroUsdc(10_000_000))
        .await
        .expect("minted");
    let deposit = stage.run(CLIENT, &["deposit", "5"]);
    assert_eq!(deposit.status, 0, "{}", deposit.err);
    assert_eq!(deposit.json()["amount"], "5000000");
    let block = deposit.json()["block"].as_u64().expect("a block");
    let safe = stage
        .chain
        .rpc()
        .block(At::Safe)
        .await
        .expect("a block")
        .number;
    assert!(
        safe >= block,
        "it waited until block {block} was safe ({safe})"
    );

    assert_eq!(stage.run(CLIENT, &["cap"]).json()["cap"], "100000000");
    let lowered = stage.run(CLIENT, &["cap", "1"]).json();
    assert_eq!(
        (&lowered["cap"], &lowered["next_cap"]),
        (&"100000000".into(), &"1000000".into())
    );
    let signer = DEV_ACCOUNTS[WORKER].to_string();
    assert_eq!(
        stage.run(CLIENT, &["signer", "add", &signer]).json()["added"],
        true
    );
    let signs = stage
        .chain
        .signs_for(DEV_ACCOUNTS[CLIENT], DEV_ACCOUNTS[WORKER], 0, At::Latest);
    assert!(signs.await.expect("answers"));
    assert_eq!(
        stage.run(CLIENT, &["signer", "remove", &signer]).json()["added"],
        false
    );

    let none = stage.run(CLIENT, &["withdraw", "execute"]);
    assert_eq!(none.status, 3, "{}", none.err);
    assert!(none.err.contains("withdraw request"), "{}", none.err);
    assert_eq!(
        stage.run(CLIENT, &["withdraw", "request", "2"]).json()["amount"],
        "2000000"
    );
    assert_eq!(
        stage.run(CLIENT, &["withdraw", "execute"]).status,
        3,
        "too early"
    );
    stage.dev.advance(3 * 3_600).await.expect("advances");
    let out = stage.run(CLIENT, &["withdraw", "execute"]);
    assert_eq!(out.json()["amount"], "2000000", "{}", out.err);
    let held = stage
        .chain
        .usdc(DEV_ACCOUNTS[CLIENT], At::Latest)
        .await
        .expect("answers");
    assert_eq!(held, MicroUsdc(7_000_000));

    let shown = stage.run(CLIENT, &["contract", "show"]).json();
    assert_eq!(
        (&shown["liabilities"], &shown["usdc"]),
        (&"3000000".into(), &"3000000".into())
    );
    let nothing = stage.run(WORKER, &["claim"]);
    assert_eq!(nothing.status, 3, "{}", nothing.err);

    let elsewhere = stage.run(CLIENT, &["--escrow", &DEV_ACCOUNTS[8].to_string(), "cap"]);
    assert_eq!(elsewhere.status, 2, "--escrow twice");
}

#[tokio::test]
async fn an_escrow_is_deployed_after_a_dry_run() {
    let stage = Stage::new().await;
    let out = stage.folder.path().join("deployment").display().to_string();
    let [owner, guardian, settler] =
        [OWNER, GUARDIAN, SETTLER].map(|n| DEV_ACCOUNTS[n].to_string());
    let mut line = vec![
        "contract",
        "deploy",
        "--owner",
        &owner,
        "--guardian",
        &guardian,
        "--out",
        &out,
    ];
    line.extend(["--settler", &settler, "--dry-run"]);
    let planned = stage.run(OWNER, &line);
    assert_eq!(planned.status, 0, "{}", planned.err);
    assert!(!Path::new(&out).exists());
    line.pop();
    let made = stage.run(OWNER, &line);
    assert_eq!(made.status, 0, "{}", made.err);
    assert_eq!(made.json()["escrow"], planned.json()["escrow"]);
    let source =
        std::fs::read_to_string(Path::new(&out).join("SwarmEscrow.input.json")).expect("written");
    assert_eq!(source, swarm_contracts::source::STANDARD_JSON);
    let asked = std::fs::read(Path::new(&out).join("verification.json")).expect("written");
    let asked: serde_json::Value = serde_json::from_slice(&asked).expect("JSON");
    assert_eq!(
        asked["contractName"],
        swarm_contracts::source::CONTRACT_NAME
    );
    let file = std::fs::read(Path::new(&out).join("deployment.json")).expect("written");
    assert_eq!(
        serde_json::from_slice::<Value>(&file).expect("JSON"),
        made.json()
    );
    line[5] = &settler;
    let wrong = stage.run(OWNER, &line);
    assert_eq!(wrong.status, 2, "a guardian who settles: {}", wrong.err);
}

#[tokio::test]
async fn a_stranger_audits_an_epoch_and_its_receipts_and_sees_a_flipped_byte() {
    let stage = Stage::new().await;
    stage
        .dev
        .mint(DEV_ACCOUNTS[CLIENT], MicroUsdc(1_000_000))
        .await
        .expect("minted");
    assert_eq!(stage.run(CLIENT, &["deposit", "1"]).status, 0);
    let (files, proofs) = settle(&stage).await;
    let bundle = stage.folder.path().join("bundle");
    let write = |files: &BTreeMap<String, Vec<u8>>| {
        for (name, bytes) in files {
            let path = bundle.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
            std::fs::write(path, bytes).expect("writes");
        }
    };
    write(&files);
    let nobody = stage.folder.path().join("nobody");
    let audit = || {
        stage.stranger(
            &nobody,
            &["audit", "1", "--bundle", &bundle.display().to_string()],
        )
    };
    let good = audit();
    assert_eq!(good.status, 0, "{}{}", good.out, good.err);
    assert!(good.json()["checks"].as_array().expect("checks").len() > 10);
    for name in files.keys() {
        let mut bent = files[name].clone();
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        std::fs::write(bundle.join(name), bent).expect("writes");
        let bad = audit();
        assert_eq!(bad.status, 1, "{name}: {}{}", bad.out, bad.err);
        write(&files);
    }
    assert_eq!(
        stage
            .stranger(
                &nobody,
                &["audit", "2", "--bundle", &bundle.display().to_string()]
            )
            .status,
        1
    );

    let path = stage
        .folder
        .path()
        .join("receipt.json")
        .display()
        .to_string();
    for proof in &proofs {
        std::fs::write(&path, serde_json::to_vec(proof).expect("JSON")).expect("writes");
        let run = stage.stranger(&nobody, &["receipt", "verify", &path]);
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    }
    // A receipt of an epoch that never was: everything holds but the chain.
    let elsewhere = ReceiptProof {
        epoch: 9,
        ..proofs[0].clone()
    };
    std::fs::write(&path, serde_json::to_vec(&elsewhere).expect("JSON")).expect("writes");
    assert_eq!(
        stage
            .stranger(&nobody, &["receipt", "verify", &path])
            .status,
        1
    );

    let early = stage.run(WORKER, &["claim"]);
    assert_eq!(early.status, 3, "the window is open: {}", early.err);
    stage.dev.advance(3_600).await.expect("advances");
    let claimed = stage.run(WORKER, &["claim"]);
    assert_eq!(claimed.status, 0, "{}", claimed.err);
    let pay: u64 = claimed.json()["amount"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an amount");
    let held = stage
        .chain
        .usdc(DEV_ACCOUNTS[WORKER], At::Latest)
        .await
        .expect("answers");
    assert_eq!(held, MicroUsdc(pay));
}

/// Settles an epoch of three jobs; its bundle, and the proofs as a queen gives them.
async fn settle(stage: &Stage) -> (BTreeMap<String, Vec<u8>>, Vec<ReceiptProof>) {
    let chain = &stage.chain;
    let now = chain
        .rpc()
        .block(At::Latest)
        .await
        .expect("a block")
        .timestamp;
    let input = EpochInput {
        epoch: 1,
        domain: chain.domain().clone(),
        previous: B256::ZERO,
        sealed_at: now,
        rates: Rates::default(),
        protocol_payee: DEV_ACCOUNTS[PROTOCOL],
        operator_payee: DEV_ACCOUNTS[OPERATOR],
        workers: vec![WorkerEpoch {
            worker: DEV_ACCOUNTS[WORKER],
            payee: DEV_ACCOUNTS[WORKER],
            ready_seconds: 60,
        }],
    };
    let mut files = BTreeMap::new();
    let jobs = (1..=3).map(|seq| job(chain, seq, now)).collect();
    let built = build(input, jobs, |name, bytes| {
        files.insert(name.to_owned(), bytes.to_vec());
        Ok::<(), ()>(())
    });
    let built = built.expect("a sink that cannot fail");
    let settler = dev_wallet(SETTLER);
    let signature = SettlerSignature {
        settler: settler.address(),
        seal: settler.sign(&built.seal.digest(chain.domain())),
        summary: settler.sign(&summary_digest(&built.summary)),
    };
    files.insert(
        SIGNATURE.into(),
        signature_file(std::slice::from_ref(&signature)).into_bytes(),
    );
    let sealed = SealedEpoch {
        seal: built.seal,
        charges: built.charges,
        payouts: built.payouts,
        signatures: vec![signature],
    };
    let sent = chain
        .send(&settler, &chain.settle(&sealed))
        .await
        .expect("sent");
    let wait = chain
        .rpc()
        .wait_for(sent, At::Latest, Duration::from_secs(30), |_| {});
    wait.await.expect("settled");
    let proofs = common::proofs_of(|name| files[name].clone());
    (files, proofs)
}

fn job(chain: &Chain, seq: u64, at: u64) -> SettledJob {
    let (domain, client, worker) = (chain.domain(), dev_wallet(CLIENT), dev_wallet(WORKER));
    let order = Order {
        client: client.address(),
        model: B256::repeat_byte(4),
        input: B256::repeat_byte(5),
        max_fee: MicroUsdc(100_000),
        nonce: seq,
        deadline: at + 3_600,
    };
    let order = SignedOrder {
        signature: client.sign(&order.digest(domain)),
        order,
    };
    let power = PowerRecord::unknown();
    let execution = Execution {
        job_epoch: 1,
        job_seq: seq,
        order: order.commitment(),
        model: order.order.model,
        input: order.order.input,
        result: B256::repeat_byte(6),
        engine: sha256("test/1"),
        device: sha256("cpu:test"),
        started_at: at,
        completed_at: at,
        energy_millijoules: u64::MAX,
        power: power.digest(),
    };
    SettledJob {
        worker: worker.address(),
        fee: MicroUsdc(100_000),
        execution_signature: worker.sign(&execution.digest(domain)),
        order,
        execution,
        engine: "test/1".into(),
        power,
    }
}
