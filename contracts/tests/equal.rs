//! Rust and the contract say the same of every structure, leaf and tree, on a real node.
//!
//! `Equal.sol` is a third voice: the protocol's structures written once more in Solidity.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod common;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::DynProvider;
use alloy::signers::SignerSync;
use alloy::sol;
use alloy::sol_types::{SolError, SolEvent, SolStruct, SolValue};
use common::random::Random;
use common::{Chain, dev_key};
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowInstance};
use swarm_types::eip712::{self, Domain};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::receipt::Receipt;
use swarm_types::signature::eip191_digest;
use swarm_types::tree::{Tree, root_from_path};
use swarm_types::{MicroUsdc, Signature65};

sol! {
    #[sol(rpc)]
    contract Equal {
        function domain() external view returns (bytes32);
        function jobOrder(bytes calldata data) external view returns (bytes32, bytes32);
        function execution(bytes calldata data) external view returns (bytes32, bytes32);
        function epochSeal(bytes calldata data) external view returns (bytes32, bytes32);
        function leaf(bytes calldata data) external pure returns (bytes32);
        function commitment(bytes calldata data, bytes calldata signature) external pure returns (bytes32);
        function vector(bytes calldata data) external pure returns (bytes32);
        function signer(bytes32 digest, bytes calldata signature) external pure returns (address);
    }
}

/// Random structures of each kind.
const STRUCTS: usize = 60;
/// Up to this size every leaf is proved, above it some are.
const EVERY_LEAF_SIZE_MAX: u64 = 12;
/// Leaves proved of a larger tree, besides the first and the last.
const LEAVES_PROVED: u64 = 4;

/// The escrow, the third voice, and the domain.
struct World {
    chain: Chain,
    escrow: SwarmEscrowInstance<DynProvider>,
    equal: Equal::EqualInstance<DynProvider>,
    domain: Domain,
}

impl World {
    async fn new() -> Self {
        let chain = Chain::start().await;
        let address = chain.deploy().await.escrow;
        let code = common::compile("tests/Equal.sol", "Equal");
        let arguments = address.abi_encode();
        let equal = chain
            .create([code.as_ref(), &arguments].concat().into())
            .await;
        Self {
            escrow: SwarmEscrow::new(address, chain.provider.clone()),
            equal: Equal::new(equal, chain.provider.clone()),
            domain: Domain::new(chain.network.chain_id, address),
            chain,
        }
    }

    /// Settles an epoch in which nobody pays anything, under the hash that Rust gives its seal.
    async fn settle(&self, root: B256, count: u64) -> u64 {
        let epoch = self.escrow.lastEpoch().call().await.unwrap() + 1;
        if epoch > 1 {
            let window = self.escrow.window().call().await.unwrap();
            self.chain.advance(window).await;
        }
        let none = Vec::<eip712::Entry>::new().abi_encode();
        let none = alloy::primitives::keccak256(none);
        let seal = eip712::EpochSeal {
            epoch,
            previous: self.escrow.epochs(epoch - 1).call().await.unwrap().sealHash,
            receiptsRoot: root,
            receiptCount: count,
            bundle: B256::repeat_byte(0xb0),
            charged: 0,
            charges: none,
            payouts: none,
            sealedAt: self.chain.now().await,
        };
        let digest = self.domain.digest(&seal);
        let approvals = [2, 3].map(|index| SwarmEscrow::Approval {
            signer: dev_key(index).address(),
            signature: dev_key(index)
                .sign_hash_sync(&digest)
                .unwrap()
                .as_bytes()
                .into(),
        });
        let call = self
            .escrow
            .settle((&seal).into(), vec![], vec![], approvals.into());
        let pending = call.send().await.unwrap();
        let receipt = pending.get_receipt().await.unwrap();
        let settled = receipt
            .logs()
            .iter()
            .find_map(|log| SwarmEscrow::EpochSettled::decode_log(&log.inner).ok())
            .expect("the epoch settled");
        assert_eq!(settled.sealHash, seal.eip712_hash_struct());
        epoch
    }

    /// What the contract says of a receipt's place, after checking that Rust says the same.
    async fn included(&self, at: &Place, index: u64, receipt: &Receipt, path: &[B256]) -> bool {
        let answer = self
            .escrow
            .verifyReceipt(at.epoch, index, receipt.into(), path.to_vec());
        let included = answer.call().await.unwrap()._0;
        let rust = root_from_path(receipt.leaf(), index, at.size, path) == Some(at.root);
        assert_eq!(
            included,
            rust,
            "size {} index {index} path {}",
            at.size,
            path.len()
        );
        included
    }
}

/// A settled tree.
struct Place {
    epoch: u64,
    size: u64,
    root: B256,
}

fn order(random: &mut Random) -> Order {
    Order {
        client: random.address(),
        model: random.word(),
        input: random.word(),
        max_fee: MicroUsdc(random.u64()),
        nonce: random.u64(),
        deadline: random.u64(),
    }
}

fn execution(random: &mut Random) -> eip712::Execution {
    eip712::Execution {
        jobEpoch: random.u64(),
        jobSeq: random.u64(),
        order: random.word(),
        model: random.word(),
        input: random.word(),
        result: random.word(),
        engine: random.word(),
        device: random.word(),
        startedAt: random.u64(),
        completedAt: random.u64(),
        energyMillijoules: random.u64(),
        power: random.word(),
    }
}

fn seal(random: &mut Random) -> eip712::EpochSeal {
    eip712::EpochSeal {
        epoch: random.u64(),
        previous: random.word(),
        receiptsRoot: random.word(),
        receiptCount: random.u64(),
        bundle: random.word(),
        charged: u128::from(random.u64()) << 64 | u128::from(random.u64()),
        charges: random.word(),
        payouts: random.word(),
        sealedAt: random.u64(),
    }
}

fn receipt(random: &mut Random) -> Receipt {
    Receipt {
        job_epoch: random.u64(),
        job_seq: random.u64(),
        client: random.address(),
        worker: random.address(),
        order: random.word(),
        model: random.word(),
        input: random.word(),
        result: random.word(),
        execution: random.word(),
        power: random.word(),
        fee: MicroUsdc(random.u64()),
        client_total: MicroUsdc(random.u64()),
        started_at: random.u64(),
        completed_at: random.u64(),
        energy_millijoules: random.u64(),
    }
}

fn entries(random: &mut Random) -> Vec<eip712::Entry> {
    let count = random.below(5);
    let entry = |random: &mut Random| eip712::Entry {
        account: random.address(),
        amount: U256::from(random.u64()).to(),
    };
    (0..count).map(|_| entry(random)).collect()
}

fn sign(key: u8, digest: &B256) -> Signature65 {
    Signature65::normalise(&dev_key(key).sign_hash_sync(digest).unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn structures_hash_alike() {
    let world = World::new().await;
    let (equal, escrow) = (&world.equal, &world.escrow);
    let separator = eip712::domain(world.domain.chain_id, world.domain.escrow).separator();
    assert_eq!(equal.domain().call().await.unwrap(), separator);
    assert_eq!(escrow.domainSeparator().call().await.unwrap(), separator);

    let random = &mut Random::new(712);
    for _ in 0..STRUCTS {
        let order = order(random);
        let rust = order.to_sol();
        let there = equal
            .jobOrder(rust.abi_encode().into())
            .call()
            .await
            .unwrap();
        assert_eq!(there._0, rust.eip712_hash_struct(), "{order:?}");
        assert_eq!(there._1, order.digest(&world.domain), "{order:?}");
        // Signed over the contract's digest, recovered by Rust; and over Rust's, recovered there.
        let signature = sign(4, &there._1);
        assert_eq!(
            signature.recover(&order.digest(&world.domain)).unwrap(),
            dev_key(4).address()
        );
        let bytes = Bytes::copy_from_slice(signature.as_bytes());
        let found = equal
            .signer(order.digest(&world.domain), bytes.clone())
            .call()
            .await
            .unwrap();
        assert_eq!(found, dev_key(4).address());
        let commitment = equal
            .commitment(rust.abi_encode().into(), bytes)
            .call()
            .await
            .unwrap();
        assert_eq!(commitment, SignedOrder { order, signature }.commitment());

        let rust = execution(random);
        let there = equal
            .execution(rust.abi_encode().into())
            .call()
            .await
            .unwrap();
        assert_eq!(there._0, rust.eip712_hash_struct(), "{rust:?}");
        assert_eq!(there._1, world.domain.digest(&rust), "{rust:?}");

        let rust = seal(random);
        let there = equal
            .epochSeal(rust.abi_encode().into())
            .call()
            .await
            .unwrap();
        assert_eq!(there._0, rust.eip712_hash_struct(), "{rust:?}");
        assert_eq!(there._1, world.domain.digest(&rust), "{rust:?}");

        let rust = receipt(random);
        assert_eq!(
            equal.leaf(rust.encode().into()).call().await.unwrap(),
            rust.leaf(),
            "{rust:?}"
        );
        let there = escrow.receiptLeaf((&rust).into()).call().await.unwrap();
        assert_eq!(there, rust.leaf(), "{rust:?}");

        let rust = entries(random).abi_encode();
        let there = equal.vector(rust.clone().into()).call().await.unwrap();
        assert_eq!(there, alloy::primitives::keccak256(&rust));
    }
}

#[tokio::test]
async fn receipts_verify_at_their_place_and_nowhere_else() {
    let world = World::new().await;
    let random = &mut Random::new(9162);
    let sizes = (0..=40).chain([63, 64, 65, 127, 128, 129, 1000, 4097]);
    let mut refused = 0;
    for size in sizes {
        let receipts: Vec<Receipt> = (0..size).map(|_| receipt(random)).collect();
        let leaves: Vec<B256> = receipts.iter().map(Receipt::leaf).collect();
        let tree = Tree::new(&leaves);
        let root = tree.root();
        let epoch = world.settle(root, size).await;
        let at = Place { epoch, size, root };

        let stranger = receipt(random);
        for path in [vec![], vec![random.word()]] {
            assert!(!world.included(&at, 0, &stranger, &path).await);
            assert!(!world.included(&at, size, &stranger, &path).await);
        }
        let indexes: Vec<u64> = if size <= EVERY_LEAF_SIZE_MAX {
            (0..size).collect()
        } else {
            let some = (0..LEAVES_PROVED).map(|_| random.below(size));
            [0, size - 1].into_iter().chain(some).collect()
        };
        for index in indexes {
            let place = usize::try_from(index).unwrap();
            let (receipt, path) = (&receipts[place], tree.path(place).unwrap());
            assert!(
                world.included(&at, index, receipt, &path).await,
                "leaf {index} of {size}"
            );
            assert!(!world.included(&at, index, &stranger, &path).await);
            for wrong in [index ^ 1, index + 1, size, size + index, u64::MAX] {
                assert!(
                    !world.included(&at, wrong, receipt, &path).await,
                    "{index} at {wrong} of {size}"
                );
            }
            let long = [path.as_slice(), &[random.word()]].concat();
            assert!(!world.included(&at, index, receipt, &long).await);
            if !path.is_empty() {
                assert!(!world.included(&at, index, receipt, &path[1..]).await);
                assert!(
                    !world
                        .included(&at, index, receipt, &path[..path.len() - 1])
                        .await
                );
                let mut bent = path.clone();
                let step = usize::try_from(random.below(path.len() as u64)).unwrap();
                bent[step] = random.word();
                assert!(!world.included(&at, index, receipt, &bent).await);
            }
            refused += 1;
        }
        let nowhere = Place {
            epoch: epoch + 1,
            size: 0,
            root: B256::ZERO,
        };
        assert!(!world.included(&nowhere, 0, &stranger, &[]).await);
    }
    assert!(refused > 200, "{refused} leaves were tried");
}

/// The same root under another size: the last leaf no longer has its place, and Rust agrees on the rest.
#[tokio::test]
async fn the_size_is_part_of_the_claim() {
    let world = World::new().await;
    let random = &mut Random::new(2);
    for size in [1u64, 2, 3, 5, 6, 8, 13] {
        let receipts: Vec<Receipt> = (0..size).map(|_| receipt(random)).collect();
        let tree = Tree::new(&receipts.iter().map(Receipt::leaf).collect::<Vec<_>>());
        for claimed in [size + 1, 2 * size, 2 * size + 1] {
            let root = tree.root();
            let epoch = world.settle(root, claimed).await;
            let at = Place {
                epoch,
                size: claimed,
                root,
            };
            for index in 0..size {
                let place = usize::try_from(index).unwrap();
                let path = tree.path(place).unwrap();
                let included = world.included(&at, index, &receipts[place], &path).await;
                let last = index == size - 1;
                assert!(
                    !(last && included),
                    "leaf {index} of {size} passed for one of {claimed}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_order_signed_in_rust_counts_on_chain() {
    let world = World::new().await;
    let random = &mut Random::new(191);
    let client = dev_key(4).address();
    let sealed_at = world.chain.now().await;
    let elsewhere = Domain::new(world.domain.chain_id, Address::repeat_byte(0xee));
    let order = Order {
        client,
        max_fee: MicroUsdc(7),
        deadline: sealed_at,
        ..order(random)
    };
    let digest = order.digest(&world.domain);
    let cases = [
        (sign(4, &digest), true),
        (sign(4, &eip191_digest(&digest)), true),
        (sign(5, &digest), false),
        (sign(4, &order.digest(&elsewhere)), false),
    ];
    for (signature, counts) in cases {
        let signed = SignedOrder {
            order: order.clone(),
            signature,
        };
        assert_eq!(
            signed.signers(&world.domain).unwrap().contains(&client),
            counts
        );
        let receipt = Receipt {
            job_epoch: 1,
            client,
            order: signed.commitment(),
            model: order.model,
            input: order.input,
            fee: MicroUsdc(7),
            completed_at: sealed_at,
            ..receipt(random)
        };
        let epoch = world.settle(receipt.leaf(), 1).await;
        let leaf = SwarmEscrow::Leaf {
            index: 0,
            data: receipt.encode().into(),
            path: vec![],
        };
        let call = SwarmEscrow::proveUnauthorisedCall {
            epoch,
            leaf,
            order: signed.preimage().into(),
        };
        let answer = world.chain.call(world.domain.escrow, &call).await.map(drop);
        match counts {
            true => assert_eq!(answer.unwrap_err(), SwarmEscrow::NoFault {}.abi_encode()),
            false => assert!(answer.is_ok(), "a fault was not seen"),
        }
    }
}
