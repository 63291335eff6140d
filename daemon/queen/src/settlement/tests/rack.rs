//! A ledger and a chain to settle on, and the parties by their numbers.

use std::time::Duration;

use swarm_chain::audit::AuditReport;
use swarm_chain::devchain::{DEV_ACCOUNTS, DevChain, NodeConfig, USDC, dev_wallet};
use swarm_chain::{At, Call, Mined};
use swarm_contracts::Params;
use swarm_ledger::LedgerConfig;
use swarm_ledger::commands::{ApproveWorker, BlobBegin, BlobComplete, Claim, Complete, Submit};
use swarm_ledger::records::{BlobKind, BlobRef, EpochRecord, EpochState};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{B256, EpochId, JobId, MicroUsdc, sha256};

use super::super::*;
use crate::config::Span;

pub(super) const CLIENT: usize = 0;
pub(super) const SETTLER: usize = 1;
pub(super) const GUARDIAN: usize = 2;
pub(super) const GAS: usize = 3;
pub(super) const WORKER: usize = 4;
pub(super) const OPERATOR: usize = 5;
pub(super) const PROTOCOL: usize = 6;
pub(super) const OWNER: usize = 7;
pub(super) const FEE: MicroUsdc = MicroUsdc(100_000);

pub(super) struct Rack {
    pub(super) dev: DevChain,
    pub(super) chain: Chain,
    pub(super) ledger: Ledger,
    pub(super) dir: tempfile::TempDir,
    pub(super) start_block: u64,
}

pub(super) fn params() -> Params {
    let [owner, guardian, settler] = [OWNER, GUARDIAN, SETTLER].map(|i| DEV_ACCOUNTS[i]);
    Params::development(USDC, owner, guardian, vec![settler], 1)
}

impl Rack {
    pub(super) async fn start() -> Self {
        Self::on(params()).await
    }

    pub(super) async fn on(params: Params) -> Self {
        let dev = DevChain::start(&NodeConfig::default(), params.clone()).await;
        let dev = dev.expect("a development chain");
        let dir = tempfile::tempdir().expect("a directory");
        let config = LedgerConfig {
            chain_id: 84_532,
            escrow: dev.escrow,
            default_cap: params.default_cap,
        };
        Self {
            chain: dev.chain().expect("a URL"),
            ledger: Ledger::open(&dir.path().join("ledger.db"), config).expect("a ledger"),
            start_block: dev.escrow_block,
            dev,
            dir,
        }
    }

    /// Settlement as after a start of the queen.
    pub(super) fn settlement(&self, gas: Option<usize>) -> Settlement {
        let keys = SettlementKeys {
            settlers: vec![dev_wallet(SETTLER)],
            gas: gas.map(dev_wallet),
        };
        let config = SettlementConfig {
            seal_every: Span::seconds(1_000_000_000),
            poll: Span::seconds(1),
            follow_chain_clock: true,
        };
        let shares = Shares {
            rates: Rates::default(),
            protocol_payee: DEV_ACCOUNTS[PROTOCOL],
            operator_payee: DEV_ACCOUNTS[OPERATOR],
        };
        Settlement::new(
            self.ledger.clone(),
            self.chain.clone(),
            config,
            keys,
            shares,
            self.dir.path().join("audit"),
            self.start_block,
        )
    }

    pub(super) async fn send(&self, from: usize, call: &Call) -> Mined {
        let tx = self
            .chain
            .send(&dev_wallet(from), call)
            .await
            .expect("sent");
        let wait = Duration::from_secs(30);
        let mined = self.chain.rpc().wait_for(tx, At::Latest, wait, |_| {});
        mined.await.expect("included")
    }

    pub(super) async fn deposit(&self, amount: MicroUsdc) {
        let client = DEV_ACCOUNTS[CLIENT];
        self.dev.mint(client, amount).await.expect("minted");
        self.send(CLIENT, &self.chain.approve(amount)).await;
        self.send(CLIENT, &self.chain.deposit(amount)).await;
        self.dev.mine(3).await.expect("mined");
    }

    pub(super) async fn time(&self) -> u64 {
        let head = self.chain.rpc().block(At::Latest).await.expect("a block");
        head.timestamp.max(Clock::system().seconds())
    }

    /// A job of the client, from order to completion, as the queen's API would do it.
    pub(super) async fn job(&self, nonce: u64) -> JobId {
        self.job_signed(nonce, CLIENT).await
    }

    /// The same, with the order signed by another.
    pub(super) async fn job_signed(&self, nonce: u64, by: usize) -> JobId {
        let (job, order) = self.submitted(nonce, by).await;
        self.completed(job, &order).await;
        job
    }

    /// An order that was accepted.
    pub(super) async fn submitted(&self, nonce: u64, by: usize) -> (JobId, SignedOrder) {
        let now = self.time().await;
        let domain = self.chain.domain();
        let order = Order {
            client: DEV_ACCOUNTS[CLIENT],
            model: B256::repeat_byte(4),
            input: B256::repeat_byte(5),
            max_fee: FEE,
            nonce,
            deadline: now + 3_600,
        };
        let order = SignedOrder {
            signature: dev_wallet(by).sign(&order.digest(domain)),
            order,
        };
        let blob = |byte| BlobRef {
            sha256: B256::repeat_byte(byte),
            size: 1,
        };
        let submit = Submit {
            now,
            commitment: order.commitment(),
            signers: order.signers(domain).expect("signers"),
            order: order.clone(),
            fee: FEE,
            salt: B256::repeat_byte(1),
            job_type: "test".into(),
            input: blob(7),
            reply_to: None,
            recipients: Vec::new(),
            label: None,
            webhook: None,
            max_attempts: 1,
        };
        self.upload(blob(7), now).await;
        let job = self.ledger.submit(submit).await.expect("accepted").job.id;
        (job, order)
    }

    /// A job that was done.
    pub(super) async fn completed(&self, job: JobId, order: &SignedOrder) {
        let now = self.time().await;
        let domain = self.chain.domain();
        let blob = |byte| BlobRef {
            sha256: B256::repeat_byte(byte),
            size: 1,
        };
        let worker = DEV_ACCOUNTS[WORKER];
        let approve = ApproveWorker {
            now,
            worker,
            payee: worker,
        };
        self.ledger.approve_worker(approve).await.expect("approved");
        let claim = Claim {
            now,
            worker,
            models: vec![B256::repeat_byte(4)],
            job: Some(job),
            lease_seconds: 60,
        };
        let lease = self
            .ledger
            .claim(claim)
            .await
            .expect("claims")
            .expect("a job");
        let (engine, power) = ("test/1".to_owned(), PowerRecord::unknown());
        let execution = Execution {
            job_epoch: job.epoch,
            job_seq: job.seq,
            order: order.commitment(),
            model: order.order.model,
            input: order.order.input,
            result: swarm_types::digest::sha256_parts(&[
                B256::repeat_byte(1).as_slice(),
                B256::repeat_byte(6).as_slice(),
            ]),
            engine: sha256(engine.as_bytes()),
            device: sha256(b"cpu:test"),
            started_at: now,
            completed_at: now,
            energy_millijoules: u64::MAX,
            power: power.digest(),
        };
        let complete = Complete {
            now,
            worker,
            lease: lease.lease_ref(),
            execution_signature: dev_wallet(WORKER).sign(&execution.digest(domain)),
            execution,
            engine,
            power,
            result: blob(8),
            manifest: B256::repeat_byte(6),
        };
        self.ledger.complete(complete).await.expect("completed");
    }

    /// An input that is there, as far as the ledger cares.
    pub(super) async fn upload(&self, blob: BlobRef, now: u64) {
        let begin = BlobBegin {
            now,
            blob,
            kind: BlobKind::Input,
            uploader: DEV_ACCOUNTS[CLIENT],
            job: None,
        };
        self.ledger.blob_begin(begin).await.expect("begun");
        let complete = BlobComplete {
            now,
            sha256: blob.sha256,
        };
        self.ledger.blob_complete(complete).await.expect("whole");
    }

    pub(super) async fn epoch(&self, number: u64) -> EpochRecord {
        let epoch = self.ledger.epoch(EpochId(number)).await.expect("reads");
        epoch.expect("the epoch exists")
    }

    pub(super) async fn audit(&self, number: u64) -> AuditReport {
        let dir = bundle_dir::path(&self.dir.path().join("audit"), EpochId(number));
        let read = |name: &str| std::fs::read(dir.join(name)).ok();
        self.chain.audit(read).await.expect("an audit")
    }

    pub(super) async fn assert_sound(&self) {
        let violations = self.ledger.check().await.expect("a check");
        assert_eq!(violations, []);
    }
}

pub(super) async fn demand(settlement: &mut Settlement) -> Option<EpochId> {
    settlement.demanded = true;
    let begun = settlement.round().await.expect("a round").begun;
    settlement.demanded = false;
    begun
}

pub(super) async fn round(settlement: &mut Settlement) {
    settlement.round().await.expect("a round");
}

/// Rounds and blocks until the ledger has epoch `number` on the chain.
pub(super) async fn until_included(rack: &Rack, settlement: &mut Settlement, number: u64) {
    for _ in 0..200 {
        round(settlement).await;
        if rack.epoch(number).await.state == EpochState::Included {
            return;
        }
        // A seal is taken from a block whose time is at or after its own.
        rack.dev.mine(1).await.expect("mined");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", rack.epoch(number).await);
}
