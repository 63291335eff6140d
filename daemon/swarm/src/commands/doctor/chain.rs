//! The chain: whether the node is the right one, whether it can be read and written, and who pays for it.

use alloy::primitives::U256;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use swarm_chain::settle::SealedEpoch;
use swarm_chain::{At, Chain, ChainError};
use swarm_host::doctor::Check;
use swarm_host::keys::KeySource;
use swarm_types::bundle::Seal;
use swarm_types::eip712::EpochSeal;
use swarm_types::{Address, B256, MicroUsdc};

use super::Files;
use super::queen::{SKEW_FAIL_SECONDS, Seen};
use crate::session::Session;

/// Gas of a settlement of a few clients and payees with one signature; a large one takes 16 times as much.
const SETTLEMENT_GAS: u64 = 1_000_000;
/// With less than so many settlements in the purse somebody should fill it: a month of nights.
const SETTLEMENTS_WARN: u64 = 30;
/// A newest block that is older means a node that does not follow its chain.
const BLOCK_AGE_WARN_SECONDS: u64 = 600;
/// What the escrow says to a seal that nobody signed: the call arrived, and it is refused as it must be.
const UNSIGNED: &str = "TooFewApprovals";

/// Which escrow, on which chain, through which node.
struct Place {
    rpc: String,
    chain_id: u64,
    escrow: Address,
    token: Address,
}

/// Everything about the chain.
pub(super) async fn checks(session: &Session, files: &Files, seen: &Seen, now: u64) -> Vec<Check> {
    let place = match place(session, files, seen) {
        Ok(Some(place)) => place,
        Ok(None) => return Vec::new(),
        Err(check) => return vec![*check],
    };
    let Place {
        rpc,
        chain_id,
        escrow,
        token,
    } = place;
    let chain = match Chain::new(&rpc, chain_id, escrow, token) {
        Ok(chain) => chain,
        Err(error) => {
            let next = "correct queen.chain.rpc_url (or --rpc)";
            return vec![Check::fail("chain.node", said(error), next).gating()];
        }
    };
    match chain.check().await {
        Ok(_) => {}
        Err(error @ ChainError::Setup(_)) => {
            let next = "queen.chain names the node, the chain, the escrow and the token: they must belong together";
            return vec![Check::fail("chain.node", said(error), next).gating()];
        }
        // Not a gate: an update that arrives while the link is down must not be judged by the link.
        Err(error) => {
            let next = "look whether the node is up and this box reaches it; jobs go on, deposits and seals wait";
            return vec![Check::fail("chain.node", said(error), next)];
        }
    }
    let mut checks = vec![
        Check::ok(
            "chain.node",
            format!("chain {chain_id}, escrow {escrow}: read and as configured"),
        )
        .gating(),
    ];
    checks.push(clock(&chain, now).await);
    checks.push(gate(&chain, now).await);
    let gas = files.queen.as_ref().map(|queen| queen.keys.gas.as_ref());
    match gas {
        // Not a queen's box: nobody here pays for settlements.
        None => {}
        Some(None) => checks.push(Check::warn(
            "chain.gas",
            "no gas key is configured: somebody else must submit the seals",
            "give keys.gas in queen.toml, if this box is to settle",
        )),
        Some(Some(key)) => checks.extend(payer(&chain, key).await),
    }
    checks
}

fn place(session: &Session, files: &Files, seen: &Seen) -> Result<Option<Place>, Box<Check>> {
    if let Some(queen) = &files.queen {
        let chain = &queen.queen.chain;
        let Some(rpc) = chain.rpc_url.clone() else {
            return Err(Box::new(Check::warn(
                "chain.node",
                "no node is configured: deposits do not count and nothing is settled",
                "give queen.chain.rpc_url in queen.toml",
            )));
        };
        return Ok(Some(Place {
            rpc,
            chain_id: chain.chain_id,
            escrow: chain.escrow,
            token: chain.token,
        }));
    }
    Ok(match (session.rpc_url().ok(), seen) {
        (Some(rpc), Seen::Here(answers)) => Some(Place {
            rpc: rpc.to_owned(),
            chain_id: answers.info.chain_id,
            escrow: answers.info.escrow,
            token: answers.info.token,
        }),
        // A bee needs no chain.
        _ => None,
    })
}

/// The chain's time cannot be ahead of the world's, and its newest block is young.
async fn clock(chain: &Chain, now: u64) -> Check {
    let name = "clock.chain";
    let block = match chain.rpc().block(At::Latest).await {
        Ok(block) => block,
        Err(error) => return Check::unknown(name, said(error), "look at the node"),
    };
    let at = block.timestamp;
    if at > now + SKEW_FAIL_SECONDS {
        let reason = format!(
            "block {} is {} s ahead of this box: this clock is behind",
            block.number,
            at - now
        );
        return Check::fail(
            name,
            reason,
            "set the clock and keep it right (`timedatectl set-ntp true`)",
        )
        .gating();
    }
    let age = now.saturating_sub(at);
    let reason = format!("block {} is {age} s old", block.number);
    if age > BLOCK_AGE_WARN_SECONDS {
        let next = "either the node does not follow its chain, or this clock is ahead: compare with a block explorer";
        return Check::warn(name, reason, next).gating();
    }
    Check::ok(name, reason).gating()
}

/// Whether the escrow lets settlement go on.
async fn gate(chain: &Chain, now: u64) -> Check {
    let name = "chain.escrow";
    match chain.gate(At::Latest).await {
        Err(error) => Check::unknown(name, said(error), "look at the node"),
        Ok(gate) if gate.stopped => Check::warn(
            name,
            "a void epoch stopped settlement",
            "find out why it was voided; the guardian lets it go on with `swarm contract resume`",
        ),
        Ok(gate) if gate.paused_until > now => Check::warn(
            name,
            format!(
                "the guardian paused deposits and settlement for {} s more",
                gate.paused_until - now
            ),
            "ask the guardian; the pause ends by itself",
        ),
        Ok(gate) => Check::ok(
            name,
            format!("settlement is open, epoch {} was the last", gate.last_epoch),
        ),
    }
}

/// The gas key: what it has, and a settlement as it would send it.
async fn payer(chain: &Chain, key: &KeySource) -> Vec<Check> {
    let payer = match key.load() {
        Ok(signer) => signer.address(),
        // The key's own check says why.
        Err(_) => {
            let next = "run the doctor where the key can be read, as the unit does";
            return vec![Check::unknown(
                "chain.gas",
                "the gas key cannot be read here",
                next,
            )];
        }
    };
    vec![balance(chain, payer).await, write(chain, payer).await]
}

async fn balance(chain: &Chain, payer: Address) -> Check {
    let name = "chain.gas";
    let (wei, fees) = match (chain.rpc().wei(payer).await, chain.rpc().fees().await) {
        (Ok(wei), Ok(fees)) => (wei, fees),
        (Err(error), _) | (_, Err(error)) => {
            return Check::unknown(name, said(error), "look at the node");
        }
    };
    let one = U256::from(fees.max_fee) * U256::from(SETTLEMENT_GAS);
    let settlements = wei.checked_div(one).unwrap_or(U256::MAX);
    let next = format!(
        "send ETH of this chain to {payer}: a month needs some {} ETH at today's fees",
        ether(one * U256::from(SETTLEMENTS_WARN))
    );
    let reason = format!(
        "{payer} has {} ETH, enough for {settlements} settlements at today's fees",
        ether(wei)
    );
    match settlements {
        n if n < U256::from(1) => Check::fail(name, reason, next),
        n if n < U256::from(SETTLEMENTS_WARN) => Check::warn(name, reason, next),
        _ => Check::ok(name, format!("{payer} has {} ETH", ether(wei))),
    }
    .gating()
}

/// A write that is simulated: a seal that nobody signed, which the escrow must refuse for exactly that, and the gas
/// of a call that would go through. Nothing is sent.
async fn write(chain: &Chain, payer: Address) -> Check {
    let name = "chain.write";
    let sample = SealedEpoch {
        seal: Seal(EpochSeal {
            epoch: 1,
            previous: B256::ZERO,
            receiptsRoot: B256::ZERO,
            receiptCount: 0,
            bundle: B256::ZERO,
            charged: 0,
            charges: B256::ZERO,
            payouts: B256::ZERO,
            sealedAt: 0,
        }),
        charges: Vec::new(),
        payouts: Vec::new(),
        signatures: Vec::new(),
    };
    let next = "look at the node: it must run calls for this account (eth_call, eth_estimateGas)";
    match chain.simulate_settle(&sample, payer, At::Latest).await {
        Err(ChainError::Reverted { reason, .. }) if reason.contains(UNSIGNED) => {}
        Err(ChainError::Reverted { reason, .. }) => {
            return Check::warn(
                name,
                format!("the escrow takes no settlement now: {reason}"),
                "see chain.escrow",
            )
            .gating();
        }
        Ok(()) => {
            let reason = "the escrow took a seal that nobody signed: it is not a SwarmEscrow";
            return Check::fail(
                name,
                reason,
                "stop, and compare queen.chain.escrow with `swarm contract show`",
            )
            .gating();
        }
        Err(error) => return Check::fail(name, said(error), next).gating(),
    }
    let call = chain.approve(MicroUsdc(0));
    let request = TransactionRequest::default()
        .from(payer)
        .to(call.to)
        .input(call.data.into());
    match chain.rpc().provider().estimate_gas(request).await {
        Ok(gas) => Check::ok(name, format!("a settlement reaches the escrow, which refuses it unsigned; a call from {payer} is estimated at {gas} gas")),
        Err(error) => Check::fail(name, format!("the node estimates no gas for {payer}: {error}"), next),
    }
    .gating()
}

/// Wei as ETH with six digits, rounded down.
fn ether(wei: U256) -> String {
    let micro = wei / U256::from(10).pow(U256::from(12));
    let (whole, part) = micro.div_rem(U256::from(1_000_000));
    format!("{whole}.{:06}", part.to::<u64>())
}

fn said(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wei_are_told_as_ether_rounded_down() {
        let wei = |text: &str| ether(text.parse().expect("a number"));
        assert_eq!(wei("0"), "0.000000");
        assert_eq!(wei("1999999999999"), "0.000001");
        assert_eq!(wei("12345678900000000000"), "12.345678");
    }
}
