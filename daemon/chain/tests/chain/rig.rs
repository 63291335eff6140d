//! A development chain with an escrow, and epochs to settle on it.

use std::collections::BTreeMap;
use std::time::Duration;

use swarm_chain::devchain::{DEV_ACCOUNTS, DevChain, NodeConfig, USDC, dev_wallet};
use swarm_chain::settle::SealedEpoch;
use swarm_chain::{At, Call, Chain, Mined, Wallet};
use swarm_contracts::Params;
use swarm_types::bundle::{
    EpochInput, SIGNATURE, SettledJob, SettlerSignature, WorkerEpoch, build, signature_file,
    summary_digest,
};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::payout::Rates;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, MicroUsdc, sha256};

/// Accounts by role.
pub const CLIENT: usize = 0;
pub const SETTLER: usize = 1;
pub const GUARDIAN: usize = 2;
pub const GAS: usize = 3;
pub const WORKER: usize = 4;
pub const OPERATOR: usize = 5;
pub const PROTOCOL: usize = 6;
pub const OWNER: usize = 7;

pub const WAIT: Duration = Duration::from_secs(30);

pub fn params() -> Params {
    Params::development(
        USDC,
        DEV_ACCOUNTS[OWNER],
        DEV_ACCOUNTS[GUARDIAN],
        vec![DEV_ACCOUNTS[SETTLER]],
        1,
    )
}

/// A chain that mines a block for each transaction.
pub async fn start() -> (DevChain, Chain) {
    let dev = DevChain::start(&NodeConfig::default(), params())
        .await
        .expect("a development chain");
    let chain = dev.chain().expect("a URL");
    (dev, chain)
}

pub async fn send(chain: &Chain, wallet: &Wallet, call: &Call) -> Mined {
    let tx = chain.send(wallet, call).await.expect("sent");
    let rpc = chain.rpc();
    rpc.wait_for(tx, At::Latest, WAIT, |_| {})
        .await
        .expect("included")
}

/// A client with `amount` in its account, by approve and deposit.
pub async fn deposit(dev: &DevChain, chain: &Chain, amount: MicroUsdc) {
    let client = dev_wallet(CLIENT);
    dev.mint(client.address(), amount).await.expect("minted");
    send(chain, &client, &chain.approve(amount)).await;
    send(chain, &client, &chain.deposit(amount)).await;
}

pub type Files = BTreeMap<String, Vec<u8>>;

/// A job of the client, run by the worker, completed at `at`.
pub fn job(chain: &Chain, epoch: u64, seq: u64, at: u64, signer: &Wallet) -> SettledJob {
    let domain = chain.domain();
    let order = Order {
        client: DEV_ACCOUNTS[CLIENT],
        model: B256::repeat_byte(4),
        input: B256::repeat_byte(5),
        max_fee: MicroUsdc(100_000),
        nonce: epoch * 1_000 + seq,
        deadline: at + 3_600,
    };
    let order = SignedOrder {
        signature: signer.sign(&order.digest(domain)),
        order,
    };
    let power = PowerRecord::unknown();
    let engine = "test/1".to_owned();
    let execution = Execution {
        job_epoch: epoch,
        job_seq: seq,
        order: order.commitment(),
        model: order.order.model,
        input: order.order.input,
        result: B256::repeat_byte(6),
        engine: sha256(engine.as_bytes()),
        device: sha256(b"cpu:test"),
        started_at: at,
        completed_at: at,
        energy_millijoules: u64::MAX,
        power: power.digest(),
    };
    let worker = dev_wallet(WORKER);
    SettledJob {
        worker: worker.address(),
        fee: MicroUsdc(100_000),
        execution_signature: worker.sign(&execution.digest(domain)),
        order,
        execution,
        engine,
        power,
    }
}

/// Seals `jobs` at the chain's time; the bundle's files and what goes on the chain.
pub async fn seal(
    chain: &Chain,
    epoch: u64,
    previous: B256,
    jobs: Vec<SettledJob>,
) -> (SealedEpoch, Files) {
    let now = chain
        .rpc()
        .block(At::Latest)
        .await
        .expect("block")
        .timestamp;
    let input = EpochInput {
        epoch,
        domain: chain.domain().clone(),
        previous,
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
    let mut files = Files::new();
    let built = build(input, jobs, |name, bytes| {
        files.insert(name.to_owned(), bytes.to_vec());
        Ok::<(), ()>(())
    })
    .expect("a sink that cannot fail");
    let settler = dev_wallet(SETTLER);
    let signature = SettlerSignature {
        settler: settler.address(),
        seal: settler.sign(&built.seal.digest(chain.domain())),
        summary: settler.sign(&summary_digest(&built.summary)),
    };
    let text = signature_file(std::slice::from_ref(&signature));
    files.insert(SIGNATURE.into(), text.into_bytes());
    let sealed = SealedEpoch {
        seal: built.seal,
        charges: built.charges,
        payouts: built.payouts,
        signatures: vec![signature],
    };
    (sealed, files)
}

pub async fn now(chain: &Chain) -> u64 {
    chain
        .rpc()
        .block(At::Latest)
        .await
        .expect("block")
        .timestamp
}

pub fn account(index: usize) -> Address {
    DEV_ACCOUNTS[index]
}
