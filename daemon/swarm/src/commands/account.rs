//! The client's account: balance, cap, order signers.

use anyhow::Result;
use serde::Serialize;
use swarm_chain::At;
use swarm_types::api::Balance;
use swarm_types::{Address, B256, MicroUsdc};

use super::money::send;
use crate::cli::SignerCommand;
use crate::output::{fields, time};
use crate::session::Session;

/// `swarm balance`.
pub async fn balance(session: &Session, client: Option<String>) -> Result<()> {
    let client = match client {
        Some(client) => client,
        None => format!("{:#x}", session.address()?),
    };
    let balance = session.queen()?.balance(&client).await?;
    session.out.print(&balance, |balance: &Balance, out| {
        let mut rows = vec![
            ("client", balance.client.to_string()),
            ("available", out.bold(balance.available)),
            ("in the escrow", balance.balance.to_string()),
            ("reserved for open jobs", balance.reserved.to_string()),
            ("charged, not settled", balance.unsettled.to_string()),
            ("being withdrawn", balance.withdrawing.to_string()),
            ("deposited, not safe yet", balance.unconfirmed.to_string()),
        ];
        rows.push((
            "cap per epoch",
            format!("{}, {} of it used", balance.cap, balance.cap_used),
        ));
        fields(&rows)
    })
}

/// What the escrow says of a cap.
#[derive(Serialize)]
struct Cap {
    cap: MicroUsdc,
    next_cap: Option<MicroUsdc>,
    next_cap_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

/// `swarm cap`.
pub async fn cap(session: &Session, amount: Option<MicroUsdc>) -> Result<()> {
    let chain = session.chain().await?;
    let mut transaction = None;
    let me = match amount {
        None => session.address()?,
        Some(amount) => {
            let wallet = session.wallet()?;
            let call = chain.set_cap(amount);
            let sent = send(session, &chain, &wallet, &call, At::Latest, "cap").await?;
            transaction = Some(sent.0);
            wallet.address()
        }
    };
    let account = chain.account(me, At::Latest).await?;
    let lowers = account.next_cap_at != 0;
    let cap = Cap {
        cap: account.cap,
        next_cap: lowers.then_some(account.next_cap),
        next_cap_at: lowers.then(|| account.next_cap_at.to_string()),
        transaction,
    };
    session.out.print(&cap, |cap, _| match cap.next_cap {
        None => format!("one epoch may charge you {} at most", cap.cap),
        Some(next) => format!(
            "one epoch may charge you {} at most; {next} from {} on",
            cap.cap,
            time(account.next_cap_at)
        ),
    })
}

/// `swarm signer …`.
pub async fn signer(session: &Session, command: SignerCommand) -> Result<()> {
    #[derive(Serialize)]
    struct Changed {
        transaction: B256,
        signer: Address,
        added: bool,
    }
    let wallet = session.wallet()?;
    let chain = session.chain().await?;
    let (signer, added, call) = match command {
        SignerCommand::Add { signer } => (signer, true, chain.add_order_signer(signer)),
        SignerCommand::Remove { signer } => (signer, false, chain.remove_order_signer(signer)),
    };
    let (transaction, _) = send(session, &chain, &wallet, &call, At::Latest, "signer").await?;
    let changed = Changed {
        transaction,
        signer,
        added,
    };
    session
        .out
        .print(&changed, |changed, _| match changed.added {
            true => format!("{signer} may sign orders that you pay for"),
            false => {
                format!("{signer} may sign orders until the exit delay has passed, then no more")
            }
        })
}
