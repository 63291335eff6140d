//! What moves USDC: deposit, withdrawal, claim.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::tx::Progress as Seen;
use swarm_chain::{At, Call, Chain, Mined, Wallet};
use swarm_types::{Address, B256, MicroUsdc};

use crate::cli::WithdrawCommand;
use crate::exit::Failure;
use crate::output::{fields, time};
use crate::progress::Progress;
use crate::session::Session;

/// How long a permit counts.
const PERMIT_SECONDS: u64 = 3_600;
/// How long a transaction may take to be included.
const INCLUDED_MAX: Duration = Duration::from_secs(300);
/// How long a block may take to be safe: batches reach the parent chain within minutes, but not always.
const SAFE_MAX: Duration = Duration::from_secs(3_600);
/// How long the queen may take to see what is safe.
const QUEEN_MAX: Duration = Duration::from_secs(120);
/// Between two looks at the queen.
const POLL: Duration = Duration::from_millis(500);

/// A transaction that moved money.
#[derive(Serialize)]
struct Moved {
    transaction: B256,
    block: u64,
    amount: MicroUsdc,
    #[serde(skip_serializing_if = "Option::is_none")]
    payee: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Address>,
}

/// `swarm deposit`.
pub async fn deposit(session: &Session, amount: MicroUsdc) -> Result<()> {
    if amount == MicroUsdc::ZERO {
        return Err(Failure::usage("a deposit of nothing").into());
    }
    let wallet = session.wallet()?;
    let chain = session.chain().await?;
    let me = wallet.address();
    let held = chain.usdc(me, At::Latest).await?;
    if held < amount {
        let text = format!(
            "{me} holds {held} of USDC on chain {}, not {amount}: send some to it first",
            chain.chain_id()
        );
        return Err(Failure::refused(text).into());
    }
    // The chain's clock, not ours: the contract compares with it.
    let now = chain.rpc().block(At::Latest).await?.timestamp;
    let call = chain
        .deposit_with_permit(&wallet, amount, now + PERMIT_SECONDS)
        .await?;
    let (transaction, mined) = send(session, &chain, &wallet, &call, At::Safe, "deposit").await?;
    if session.has_queen() {
        wait_for_queen(session, me, transaction, amount).await?;
    }
    let moved = Moved {
        transaction,
        block: mined.block,
        amount,
        payee: None,
        to: None,
    };
    session.out.print(&moved, |moved, _| {
        format!(
            "{} is in your account, in block {} (transaction {})",
            moved.amount, moved.block, moved.transaction
        )
    })
}

/// Only the chain credits; this waits until the queen has seen it, so that an order can follow at once.
async fn wait_for_queen(
    session: &Session,
    client: Address,
    transaction: B256,
    amount: MicroUsdc,
) -> Result<()> {
    let queen = session.queen()?;
    let mut progress = Progress::new("deposit");
    let wait = async {
        loop {
            progress.show(1, 1, "the queen has not seen it yet");
            match queen.topup(&format!("{client:#x}"), transaction).await {
                Ok(status) if status.state == "safe" && status.amount >= amount => return,
                Err(error) if !error.is_transient() => {
                    session.out.progress(format!(
                        "the queen does not say whether she has seen the deposit: {error}"
                    ));
                    return;
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    if tokio::time::timeout(QUEEN_MAX, wait).await.is_err() {
        session
            .out
            .progress("the deposit is safe on the chain; the queen has not seen it yet, and will");
    }
    Ok(())
}

/// `swarm withdraw …`.
pub async fn withdraw(session: &Session, command: WithdrawCommand) -> Result<()> {
    let wallet = session.wallet()?;
    let chain = session.chain().await?;
    let me = wallet.address();
    match command {
        WithdrawCommand::Request { amount } => {
            let call = chain.request_withdrawal(amount);
            let (transaction, mined) =
                send(session, &chain, &wallet, &call, At::Latest, "request").await?;
            let account = chain.account(me, At::Latest).await?;
            #[derive(Serialize)]
            struct Requested {
                transaction: B256,
                block: u64,
                amount: MicroUsdc,
                matures_at: String,
            }
            let requested = Requested {
                transaction,
                block: mined.block,
                amount,
                matures_at: account.matures_at.to_string(),
            };
            session.out.print(&requested, |requested, _| {
                if requested.amount == MicroUsdc::ZERO {
                    return "the request is taken back".into();
                }
                format!(
                    "{} can be paid out from {} on: swarm withdraw execute",
                    requested.amount,
                    time(account.matures_at)
                )
            })
        }
        WithdrawCommand::Execute { to } => {
            let to = to.unwrap_or(me);
            let account = chain.account(me, At::Latest).await?;
            let before = account.balance;
            let call = chain.withdraw(to);
            let sent = send(session, &chain, &wallet, &call, At::Latest, "withdrawal").await;
            let (transaction, mined) = sent.with_context(|| match account.matures_at {
                0 => "nothing was requested: swarm withdraw request AMOUNT".to_owned(),
                at => format!("{} is due from {} on", account.withdrawing, time(at)),
            })?;
            let after = chain.account(me, At::Number(mined.block)).await?.balance;
            let moved = Moved {
                transaction,
                block: mined.block,
                amount: before.saturating_sub(after),
                payee: None,
                to: Some(to),
            };
            session.out.print(&moved, |moved, _| {
                format!(
                    "{} paid to {to} (transaction {})",
                    moved.amount, moved.transaction
                )
            })
        }
    }
}

/// `swarm claim`.
pub async fn claim(session: &Session, payee: Option<Address>, to: Option<Address>) -> Result<()> {
    let wallet = session.wallet()?;
    let chain = session.chain().await?;
    let me = wallet.address();
    let whose = payee.unwrap_or(me);
    let owed = chain.owed(whose, At::Latest).await?;
    if owed.claimable == MicroUsdc::ZERO {
        let text = format!(
            "there is nothing to claim for {whose}; {} waits for its epoch to become final",
            owed.pending
        );
        return Err(Failure::refused(text).into());
    }
    let call = match payee {
        Some(payee) => chain.claim_for(payee),
        None => chain.claim(to.unwrap_or(me)),
    };
    let (transaction, mined) = send(session, &chain, &wallet, &call, At::Latest, "claim").await?;
    let moved = Moved {
        transaction,
        block: mined.block,
        amount: owed.claimable,
        payee: Some(whose),
        to: Some(to.unwrap_or(whose)),
    };
    session.out.print(&moved, |moved, _| {
        fields(&[
            ("paid", moved.amount.to_string()),
            ("to", to.unwrap_or(whose).to_string()),
            ("transaction", moved.transaction.to_string()),
        ])
    })
}

/// Sends `call` and waits until its block is as old as `until`, saying so.
pub async fn send(
    session: &Session,
    chain: &Chain,
    wallet: &Wallet,
    call: &Call,
    until: At,
    what: &str,
) -> Result<(B256, Mined)> {
    let wei = chain.rpc().wei(wallet.address()).await?;
    if wei.is_zero() {
        let text = format!(
            "{} has no ETH on chain {} to pay gas with: send it a little",
            wallet.address(),
            chain.chain_id()
        );
        return Err(Failure::refused(text).into());
    }
    let hash = chain
        .send(wallet, call)
        .await
        .with_context(|| format!("send the {what}"))?;
    session.out.progress(format!("{what}: transaction {hash}"));
    let limit = if until == At::Latest {
        INCLUDED_MAX
    } else {
        SAFE_MAX
    };
    let mut progress = Progress::new(what);
    let mut first_left = 1;
    let seen = |seen| match seen {
        Seen::NodeAway => progress.show(0, 3, "the node does not answer; waiting for it"),
        Seen::Waiting => progress.show(0, 3, "waiting for a block"),
        Seen::Included { mined, blocks_left } => {
            first_left = blocks_left.max(first_left);
            let step = format!(
                "in block {}, {blocks_left} blocks until it is safe",
                mined.block
            );
            progress.show(first_left - blocks_left, first_left, &step);
        }
        Seen::Reached(mined) => progress.show(1, 1, &format!("done, in block {}", mined.block)),
    };
    let mined = chain.rpc().wait_for(hash, until, limit, seen).await;
    let mined = mined.with_context(|| {
        format!("the {what} was sent as {hash}; look whether it arrived before you send it again")
    })?;
    Ok((hash, mined))
}
