//! The simulator's escrow against the compiled one: the same calls at the same times, on a real node with
//! Circle's FiatToken and in memory; every outcome, event and view must be the same.

use std::collections::BTreeMap;

use alloy::primitives::{TxKind, keccak256};
use alloy::providers::Provider;
use alloy::sol_types::{SolCall, SolInterface, SolValue};
use swarm_chain::devchain::{DevChain, NodeConfig, USDC};
use swarm_chain::settle::SealedEpoch;
use swarm_chain::{At, Call, Chain};
use swarm_contracts::SwarmEscrow::SwarmEscrowErrors;
use swarm_sim::node::genesis;
use swarm_sim::node::state::{Message, State};
use swarm_sim::people::{self, CLIENTS, GAS, GUARDIAN, PASSER_BY, SETTLERS};
use swarm_sim::rng::Rng;
use swarm_types::bundle::{Seal, SettlerSignature};
use swarm_types::eip712::{Entry, EpochSeal};
use swarm_types::{Address, B256, MicroUsdc, tree};

/// Calls of each run.
const CALLS: u64 = 220;
/// No fault of a seal has this number.
const RIGHT: u64 = 99;
/// A right seal of an epoch without receipts.
const EMPTY: u64 = 98;
/// USDC of each client.
const FUNDS: u64 = 50_000_000;

/// Both escrows.
struct Pair {
    dev: DevChain,
    chain: Chain,
    model: State,
    rng: Rng,
    nonces: BTreeMap<usize, u64>,
    /// The last seal that was settled, and its hash.
    previous: B256,
    epoch: u64,
    /// How many calls went through, by what they are.
    done: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl Pair {
    async fn start(seed: u64) -> Self {
        let dev = DevChain::start(&NodeConfig::default(), genesis::params()).await;
        let dev = dev.expect("a development chain");
        let chain = dev.chain().expect("a URL");
        let clients: Vec<Address> = (0..CLIENTS)
            .map(|n| people::address(people::client(n)))
            .collect();
        for client in &clients {
            dev.mint(*client, MicroUsdc(FUNDS)).await.expect("minted");
        }
        let payers = (0..CLIENTS).map(people::client);
        for who in payers.chain([GUARDIAN, GAS, PASSER_BY]) {
            dev.node.fund(people::address(who)).await.expect("funded");
        }
        let deployed = chain.rpc().block(At::Number(dev.escrow_block)).await;
        let deployed = deployed.expect("a block").timestamp;
        Self {
            model: State::new(genesis::params(), dev.escrow, &clients, FUNDS, deployed),
            chain,
            dev,
            rng: Rng::new(seed),
            nonces: BTreeMap::new(),
            previous: B256::ZERO,
            epoch: 0,
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Sends `call` on both sides; true when it went through.
    async fn call(&mut self, what: &'static str, who: usize, call: Call) -> bool {
        let nonce = self.nonces.entry(who).or_default();
        let fees = self.chain.rpc().fees().await.expect("fees");
        let wallet = people::wallet(who);
        let tx = swarm_chain::tx::sign(wallet, self.chain.chain_id(), &call, *nonce, fees);
        *nonce += 1;
        self.chain.broadcast(&tx).await.expect("sent");
        let provider = self.chain.rpc().provider();
        let receipt = loop {
            if let Some(receipt) = provider
                .get_transaction_receipt(tx.hash)
                .await
                .expect("asked")
            {
                break receipt;
            }
            self.dev.mine(1).await.expect("mined");
        };
        let number = receipt.block_number.expect("included");
        let block = self.chain.rpc().block(At::Number(number)).await;
        let now = block.expect("a block").timestamp;
        let message = Message {
            from: people::address(who),
            to: TxKind::Call(call.to),
            input: call.data,
        };
        let outcome = self.model.transact(now, &message);
        assert_eq!(outcome.success, receipt.status(), "{what} at {now}");
        let logs: Vec<_> = receipt.logs().iter().map(|log| log.inner.clone()).collect();
        // The real token says more (what is left of an allowance); only the escrow's events are compared
        // one by one, and its token's transfers.
        let ours = |logs: Vec<alloy::primitives::Log>| -> Vec<_> {
            let mine = |log: &alloy::primitives::Log| log.address == self.chain.escrow();
            logs.into_iter().filter(mine).collect()
        };
        assert_eq!(ours(outcome.logs), ours(logs), "{what} at {now}");
        let count = match receipt.status() {
            true => &mut self.done,
            false => &mut self.refused,
        };
        *count.entry(what).or_default() += 1;
        self.compare(what, At::Number(number), now).await;
        receipt.status()
    }

    /// Why both refuse `call` now, which must be the same; both are asked at the newest block.
    async fn reasons(&self, what: &str, who: usize, call: &Call) {
        let head = self.chain.rpc().block(At::Latest).await.expect("a block");
        let message = Message {
            from: people::address(who),
            to: TxKind::Call(call.to),
            input: call.data.clone(),
        };
        let here = self.model.call(head.timestamp, &message);
        let there = self.chain.rpc().call_raw(
            "it",
            Some(message.from),
            call.to,
            call.data.to_vec(),
            At::Hash(head.hash),
        );
        match there.await {
            Ok(output) => assert_eq!((true, output), (here.success, here.output), "{what}"),
            Err(error) => {
                assert!(!here.success, "{what}: {error}");
                // The token's own words are its own.
                if let Ok(ours) = SwarmEscrowErrors::abi_decode(&here.output) {
                    let (words, ours) = (error.to_string(), format!("{ours:?}"));
                    assert!(
                        words.contains(&ours),
                        "{what}: {words}, and the model: {ours}"
                    );
                }
            }
        }
    }

    /// Every view.
    async fn compare(&self, what: &str, at: At, now: u64) {
        let view = |input: Vec<u8>, to: Address| {
            let message = Message {
                from: Address::ZERO,
                to: TxKind::Call(to),
                input: input.into(),
            };
            let outcome = self.model.call(now, &message);
            assert!(outcome.success);
            outcome.output
        };
        use swarm_contracts::{SwarmEscrow as S, Usdc};
        let escrow = self.chain.escrow();
        let mut calls = vec![
            S::liabilitiesCall {}.abi_encode(),
            S::lastEpochCall {}.abi_encode(),
            S::stoppedCall {}.abi_encode(),
            S::pausedUntilCall {}.abi_encode(),
            S::escapeAtCall {}.abi_encode(),
            S::tokenCall {}.abi_encode(),
            S::settlersCall {}.abi_encode(),
            S::thresholdCall {}.abi_encode(),
            S::domainSeparatorCall {}.abi_encode(),
            S::MAX_ENTRIESCall {}.abi_encode(),
        ];
        for n in 0..CLIENTS {
            let client = people::address(people::client(n));
            let signer = people::address(people::signer(n));
            calls.push(S::accountCall { client }.abi_encode());
            calls.push(S::orderSignerCall { client, signer }.abi_encode());
        }
        for payee in people::payees() {
            calls.push(S::owedCall { payee }.abi_encode());
        }
        for epoch in self.epoch.saturating_sub(1)..=self.epoch + 1 {
            calls.push(S::epochsCall { epoch }.abi_encode());
        }
        for input in calls {
            let there = self
                .chain
                .rpc()
                .call_raw("a view", None, escrow, input.clone(), at);
            let there = there.await.expect("a view");
            assert_eq!(
                view(input.clone(), escrow),
                there,
                "after {what}, {input:02x?}"
            );
        }
        let account = escrow;
        let input = Usdc::balanceOfCall { account }.abi_encode();
        let there = self
            .chain
            .rpc()
            .call_raw("a view", None, USDC, input.clone(), at)
            .await;
        assert_eq!(
            view(input, USDC),
            there.expect("a view"),
            "the token, after {what}"
        );
    }

    /// A seal, right or (below 12) wrong in one way.
    async fn seal(&mut self, wrong: u64) -> Call {
        let head = self.chain.rpc().block(At::Latest).await.expect("a block");
        let mut charges = BTreeMap::new();
        for n in 0..CLIENTS {
            if wrong != EMPTY && self.rng.chance(60) {
                let most = if wrong == 0 { 90_000_000 } else { 300_000 };
                charges.insert(people::address(people::client(n)), self.rng.range(1, most));
            }
        }
        let total: u64 = charges.values().sum();
        let payees = people::payees();
        let mut payouts = BTreeMap::new();
        let mut left = total;
        for (place, payee) in payees.iter().enumerate() {
            let part = match place + 1 == payees.len() {
                true => left,
                false => self.rng.below(left + 1),
            };
            if part > 0 {
                payouts.insert(*payee, part);
            }
            left -= part;
        }
        let entries = |of: &BTreeMap<Address, u64>| -> Vec<Entry> {
            of.iter()
                .map(|(account, amount)| Entry {
                    account: *account,
                    amount: alloy::primitives::Uint::from(*amount),
                })
                .collect()
        };
        let (mut charges, payouts) = (entries(&charges), entries(&payouts));
        if wrong == 1 {
            charges.reverse();
        }
        let hash = |of: &[Entry]| keccak256(of.to_vec().abi_encode());
        let empty = charges.is_empty();
        let seal = EpochSeal {
            epoch: self.epoch + 1 + u64::from(wrong == 2),
            previous: match wrong {
                3 => B256::repeat_byte(1),
                _ => self.previous,
            },
            receiptsRoot: if empty {
                tree::root(&[])
            } else {
                B256::repeat_byte(7)
            },
            receiptCount: if empty || wrong == 4 { 0 } else { 3 },
            bundle: B256::repeat_byte(3),
            charged: u128::from(total + u64::from(wrong == 5)),
            charges: if wrong == 6 {
                B256::ZERO
            } else {
                hash(&charges)
            },
            payouts: if wrong == 7 {
                B256::ZERO
            } else {
                hash(&payouts)
            },
            sealedAt: match wrong {
                8 => head.timestamp + 10_000,
                9 => head.timestamp.saturating_sub(10_000),
                _ => head.timestamp,
            },
        };
        let digest = self.chain.domain().digest(&seal);
        let signers: Vec<usize> = match wrong {
            10 => vec![SETTLERS[0]],
            11 => vec![SETTLERS[0], GUARDIAN],
            _ => SETTLERS.to_vec(),
        };
        let signatures = signers.into_iter().map(|who| SettlerSignature {
            settler: people::address(who),
            seal: people::wallet(who).sign(&digest),
            summary: people::wallet(who).sign(&digest),
        });
        let sealed = SealedEpoch {
            signatures: signatures.collect(),
            seal: Seal(seal),
            charges,
            payouts,
        };
        self.chain.settle(&sealed)
    }

    async fn step(&mut self) {
        let n = self.rng.index(CLIENTS).expect("clients");
        let (client, chain) = (people::client(n), self.chain.clone());
        let amount = MicroUsdc(self.rng.range(0, 2_000_000));
        let signer = people::address(people::signer(n));
        let (what, who, call) = match self.rng.below(100) {
            0..4 => ("approve", client, chain.approve(MicroUsdc(u64::MAX))),
            4..20 => ("deposit", client, chain.deposit(amount)),
            20..30 => ("request", client, chain.request_withdrawal(amount)),
            30..38 => ("withdraw", client, chain.withdraw(people::address(client))),
            38..46 => ("cap", client, chain.set_cap(MicroUsdc(amount.0 / 4))),
            46..50 => ("add signer", client, chain.add_order_signer(signer)),
            50..54 => ("remove signer", client, chain.remove_order_signer(signer)),
            54..78 => {
                let wrong = if self.rng.chance(35) {
                    self.rng.below(12)
                } else {
                    RIGHT
                };
                ("settle", GAS, self.seal(wrong).await)
            }
            78..83 => {
                let guardian = if self.rng.chance(80) { GUARDIAN } else { GAS };
                ("void", guardian, chain.void_epoch(self.epoch))
            }
            83..88 => ("resume", GUARDIAN, chain.resume()),
            88..89 => ("pause", GUARDIAN, chain.pause()),
            89..92 => ("unpause", GUARDIAN, chain.unpause()),
            _ => {
                let payees = people::payees();
                let payee = self.rng.pick(&payees).copied().expect("payees");
                ("claim", PASSER_BY, chain.claim_for(payee))
            }
        };
        self.reasons(what, who, &call).await;
        match what {
            "settle" => self.settled(call).await,
            _ => {
                self.call(what, who, call).await;
            }
        }
        let seconds = match self.rng.below(100) {
            0..60 => return,
            60..85 => self.rng.range(1, 400),
            85..97 => self.rng.range(400, 8_000),
            _ => self.rng.range(80_000, 120_000),
        };
        self.dev.advance(seconds).await.expect("time");
        let head = self.chain.rpc().block(At::Latest).await.expect("a block");
        self.compare("time", At::Hash(head.hash), head.timestamp)
            .await;
    }
}

impl Pair {
    /// What chance may not bring: void epochs, and charges after them.
    async fn void_and_settle_again(&mut self) {
        let chain = self.chain.clone();
        // Whatever was paused or pending is over by then.
        self.dev.advance(100_000).await.expect("time");
        self.call("resume", GUARDIAN, chain.resume()).await;
        // After so long only an empty epoch settles.
        let call = self.seal(EMPTY).await;
        self.settled(call).await;
        self.dev.advance(700).await.expect("time");
        for _ in 0..6 {
            let call = self.seal(RIGHT).await;
            self.settled(call).await;
            let void = chain.void_epoch(self.epoch);
            self.call("void", GUARDIAN, void).await;
            self.call("resume", GUARDIAN, chain.resume()).await;
            self.dev.advance(1).await.expect("time");
            let call = self.seal(RIGHT).await;
            self.settled(call).await;
            self.dev.advance(700).await.expect("time");
            for payee in people::payees() {
                let claim = chain.claim_for(payee);
                self.call("claim", PASSER_BY, claim).await;
            }
        }
    }

    /// Sends a settlement, and remembers it when it went through.
    async fn settled(&mut self, call: Call) {
        if !self.call("settle", GAS, call.clone()).await {
            return;
        }
        let settled = swarm_contracts::SwarmEscrow::settleCall::abi_decode(&call.data);
        self.epoch = settled.expect("a settlement").epochSeal.epoch;
        let view = self.chain.epoch(self.epoch, At::Latest).await;
        self.previous = view.expect("a view").expect("settled").seal_hash;
    }
}

#[tokio::test]
async fn the_simulated_escrow_is_the_compiled_one() {
    let mut pair = Pair::start(7).await;
    for n in 0..CLIENTS {
        let call = pair.chain.approve(MicroUsdc(u64::MAX));
        pair.call("approve", people::client(n), call).await;
        let call = pair.chain.deposit(MicroUsdc(5_000_000));
        pair.call("deposit", people::client(n), call).await;
    }
    for _ in 0..CALLS {
        pair.step().await;
    }
    pair.void_and_settle_again().await;
    println!("went through: {:?}\nrefused: {:?}", pair.done, pair.refused);
    for what in [
        "deposit", "request", "withdraw", "cap", "settle", "void", "resume", "claim",
    ] {
        assert!(
            pair.done.get(what).is_some_and(|times| *times >= 1),
            "{what}"
        );
    }
    assert!(pair.refused.get("settle").is_some_and(|times| *times >= 8));
    assert!(pair.done["settle"] >= 8);
}
