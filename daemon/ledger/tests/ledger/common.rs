//! A ledger on a real file, with a client that has money and a bee that may work.

use std::path::{Path, PathBuf};

use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_ledger::{CommandError, Ledger, LedgerConfig};
use swarm_types::bundle::{Built, EpochInput, SettlerSignature, build};
use swarm_types::eip712::Domain;
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::payout::Rates;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Address, B256, JobId, MicroUsdc, Signature65, digest, sha256};

pub const CHAIN: u64 = 84_532;
pub const FEE: MicroUsdc = MicroUsdc(100_000);
pub const DEADLINE: u64 = 100_000;
pub const LEASE: u64 = 90;
pub const CAP: MicroUsdc = MicroUsdc(50_000_000);
pub const ENGINE: &str = "onnxruntime 1.22 cpu fp32";
pub const SALT: B256 = B256::repeat_byte(0x5a);

pub fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

pub fn model() -> B256 {
    B256::repeat_byte(0x33)
}

pub const CLIENT: u8 = 0xc1;
pub const WORKER: u8 = 0xb1;
pub const PAYEE: u8 = 0xa1;

pub fn config() -> LedgerConfig {
    LedgerConfig {
        chain_id: CHAIN,
        escrow: address(0xe5),
        default_cap: CAP,
    }
}

pub fn domain() -> Domain {
    Domain::new(CHAIN, address(0xe5))
}

/// A well-formed signature; the ledger does not recover it.
pub fn signature(n: u8) -> Signature65 {
    let mut bytes = [n.max(1); 65];
    bytes[32] = 1;
    bytes[64] = 27;
    Signature65::normalise(&bytes).unwrap()
}

pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub ledger: Ledger,
}

pub fn file(folder: &Path) -> PathBuf {
    folder.join("ledger.db")
}

impl Fixture {
    /// An empty ledger.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&file(folder.path()), config()).unwrap();
        Self { folder, ledger }
    }

    /// A client with 5 USDC (safe) and an approved bee.
    pub async fn new() -> Self {
        let fixture = Self::empty();
        fixture.deposit(CLIENT, MicroUsdc(5_000_000), 1, 1).await;
        fixture.approve(WORKER, PAYEE).await;
        fixture
    }

    /// Closes and opens it again.
    pub async fn reopen(&mut self) {
        self.ledger.close().await;
        self.ledger = Ledger::open(&file(self.folder.path()), config()).unwrap();
    }

    pub async fn deposit(&self, client: u8, amount: MicroUsdc, block: u64, safe: u64) -> Applied {
        let event = EscrowEvent::Deposited {
            client: address(client),
            amount,
        };
        self.block(block, vec![event], safe).await.unwrap()
    }

    pub async fn block(
        &self,
        number: u64,
        events: Vec<EscrowEvent>,
        safe: u64,
    ) -> Result<Applied, CommandError<ChainRefusal>> {
        self.ledger
            .apply_blocks(ApplyBlocks {
                now: number,
                blocks: vec![block(number, 0, events)],
                safe,
            })
            .await
    }

    pub async fn approve(&self, worker: u8, payee: u8) -> WorkerRecord {
        let command = ApproveWorker {
            now: 1,
            worker: address(worker),
            payee: address(payee),
        };
        self.ledger.approve_worker(command).await.unwrap()
    }

    pub async fn submit(&self, nonce: u64) -> JobRecord {
        self.ledger.submit(order(CLIENT, nonce)).await.unwrap().job
    }

    pub async fn claim(&self, now: u64) -> Option<Lease> {
        self.ledger.claim(claim(WORKER, now)).await.unwrap()
    }

    /// Submits and completes a job.
    pub async fn done(&self, nonce: u64, now: u64) -> Completed {
        let job = self.submit(nonce).await;
        let command = Claim {
            job: Some(job.id),
            ..claim(WORKER, now)
        };
        let lease = self.ledger.claim(command).await.unwrap().unwrap();
        self.ledger.complete(complete(&lease, now)).await.unwrap()
    }

    /// Builds, signs and records the seal of the epoch that is sealing.
    pub async fn seal(&self, now: u64) -> (EpochRecord, Built) {
        let command = BeginSeal {
            now,
            trigger: SealTrigger::Demand,
        };
        let start = self.ledger.begin_seal(command).await.unwrap();
        let (record, built) = self.record_seal(start.epoch, now).await;
        (record.unwrap(), built)
    }

    pub async fn record_seal(
        &self,
        epoch: swarm_types::EpochId,
        now: u64,
    ) -> (Result<EpochRecord, CommandError<EpochRefusal>>, Built) {
        let contents = self.ledger.seal_contents(epoch).await.unwrap().unwrap();
        let built = build_seal(&self.ledger, contents).await;
        let command = RecordSealed {
            now,
            epoch,
            seal: built.seal.clone(),
            charges: built.charges.clone(),
            payouts: built.payouts.clone(),
            agents: built.agents.clone(),
            signatures: vec![SettlerSignature {
                settler: address(0x55),
                seal: signature(1),
                summary: signature(2),
            }],
        };
        (self.ledger.record_sealed(command).await, built)
    }

    /// What the escrow says when it settles a seal.
    pub fn settlement(&self, built: &Built, final_at: u64) -> Vec<EscrowEvent> {
        settlement(built, final_at)
    }

    pub async fn assert_sound(&self) {
        assert_eq!(self.ledger.check().await.unwrap(), []);
    }
}

pub async fn build_seal(ledger: &Ledger, contents: SealContents) -> Built {
    let ids = contents.jobs.iter().map(|charge| charge.job).collect();
    let jobs = ledger.settled_jobs(contents.epoch, ids).await.unwrap();
    let charged = jobs.iter().map(|job| (job.order.order.client, job.fee));
    let listed = contents
        .jobs
        .iter()
        .map(|charge| (charge.client, charge.fee));
    assert!(charged.eq(listed));
    let input = EpochInput {
        epoch: contents.epoch.0,
        domain: domain(),
        previous: contents.previous,
        sealed_at: contents.sealed_at,
        rates: Rates::default(),
        protocol_payee: address(0xf1),
        operator_payee: address(0xf2),
        workers: contents.workers,
    };
    build::<()>(input, jobs, |_, _| Ok(())).unwrap()
}

pub fn settlement(built: &Built, final_at: u64) -> Vec<EscrowEvent> {
    let seal = &built.seal.0;
    let amount = |entry: &swarm_types::eip712::Entry| MicroUsdc(entry.amount.to::<u64>());
    let mut events = vec![EscrowEvent::EpochSettled {
        epoch: seal.epoch,
        seal_hash: built.seal.struct_hash(),
        receipts_root: seal.receiptsRoot,
        receipt_count: seal.receiptCount,
        charged: MicroUsdc(u64::try_from(seal.charged).unwrap()),
        bundle: seal.bundle,
        final_at,
    }];
    events.extend(built.charges.iter().map(|entry| EscrowEvent::Charged {
        epoch: seal.epoch,
        client: entry.account,
        amount: amount(entry),
    }));
    events.extend(built.payouts.iter().map(|entry| EscrowEvent::Credited {
        epoch: seal.epoch,
        payee: entry.account,
        amount: amount(entry),
    }));
    events
}

/// Block `number` of branch `branch` with events. Branches share nothing but the heights.
pub fn block(number: u64, branch: u8, events: Vec<EscrowEvent>) -> (BlockRef, Vec<EscrowLog>) {
    let hash = |number: u64| sha256([&number.to_be_bytes()[..], &[branch]].concat());
    let reference = BlockRef {
        number,
        hash: hash(number),
        parent: hash(number - 1),
        timestamp: number,
    };
    let log = |(index, event): (usize, EscrowEvent)| EscrowLog {
        block_number: number,
        tx: sha256([&reference.hash[..], &[7]].concat()),
        log_index: index as u64,
        event,
    };
    (reference, events.into_iter().enumerate().map(log).collect())
}

pub fn order(client: u8, nonce: u64) -> Submit {
    let input = BlobRef {
        sha256: sha256(nonce.to_be_bytes()),
        size: 1_000,
    };
    let order = SignedOrder {
        order: Order {
            client: address(client),
            model: model(),
            input: digest::salted(&SALT, &input.sha256),
            max_fee: FEE,
            nonce,
            deadline: DEADLINE,
        },
        signature: signature(3),
    };
    Submit {
        now: 10,
        commitment: order.commitment(),
        signers: [address(client), address(0x01)],
        order,
        fee: FEE,
        salt: SALT,
        job_type: "brain_mri".into(),
        input,
        reply_to: Some("age1client".into()),
        recipients: Vec::new(),
        label: None,
        webhook: None,
        max_attempts: 3,
    }
}

pub fn claim(worker: u8, now: u64) -> Claim {
    Claim {
        now,
        worker: address(worker),
        models: vec![model()],
        job: None,
        lease_seconds: LEASE,
    }
}

pub fn complete(lease: &Lease, now: u64) -> Complete {
    let manifest = sha256(lease.job.id.to_string());
    let power = PowerRecord::unknown();
    Complete {
        now,
        worker: lease.job.worker.unwrap(),
        lease: lease.lease_ref(),
        execution: Execution {
            job_epoch: lease.job.id.epoch,
            job_seq: lease.job.id.seq,
            order: lease.job.commitment,
            model: lease.job.order.order.model,
            input: lease.job.order.order.input,
            result: digest::salted(&lease.job.salt, &manifest),
            engine: sha256(ENGINE),
            device: sha256("cpu:test"),
            started_at: now,
            completed_at: now,
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        },
        execution_signature: signature(4),
        engine: ENGINE.into(),
        power,
        result: BlobRef {
            sha256: sha256(manifest),
            size: 2_000,
        },
        manifest,
    }
}

pub fn job(epoch: u64, seq: u64) -> JobId {
    JobId { epoch, seq }
}

/// A field, and a change of a command that makes it wrong.
pub type Change<'a, C> = (&'static str, &'a dyn Fn(&mut C));

/// The refusal of a command that must be refused.
pub fn refused<T: std::fmt::Debug, R: std::error::Error>(outcome: Result<T, CommandError<R>>) -> R {
    match outcome {
        Err(CommandError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
