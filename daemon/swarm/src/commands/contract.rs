//! `swarm contract`: the escrow itself.

use std::path::Path;

use alloy::network::EthereumWallet;
use alloy::providers::ProviderBuilder;
use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::views::Gate;
use swarm_chain::{At, Call, Chain, Rpc, Terms};
use swarm_contracts::{Deployment, Network, Params, SwarmEscrow, deploy, source};
use swarm_types::{Address, B256, MicroUsdc};

use crate::cli::{ContractCommand, DeployArgs};
use crate::exit::Failure;
use crate::home::write_whole;
use crate::output::{fields, time};
use crate::session::Session;

/// Name of the file that a deployment writes.
const DEPLOYMENT_FILE: &str = "deployment.json";
/// Name of the compiler's input beside it, with which a block explorer verifies the source.
const SOURCE_FILE: &str = "SwarmEscrow.input.json";
/// Name of the file with the other things that an explorer asks for.
const VERIFICATION_FILE: &str = "verification.json";

/// `swarm contract …`.
pub async fn run(session: &Session, command: ContractCommand) -> Result<()> {
    match command {
        ContractCommand::Deploy(args) => deploy_escrow(session, &args).await,
        ContractCommand::Show => show(session).await,
        ContractCommand::Void { epoch } => {
            let chain = session.chain().await?;
            let call = chain.void_epoch(epoch.0);
            guard(session, &chain, &call, "void").await
        }
        ContractCommand::Resume => {
            let chain = session.chain().await?;
            let call = chain.resume();
            guard(session, &chain, &call, "resume").await
        }
    }
}

async fn deploy_escrow(session: &Session, args: &DeployArgs) -> Result<()> {
    let rpc = Rpc::new(session.rpc_url()?)?;
    let id = rpc.chain_id().await.context("ask the node")?;
    let network = Network::named(&id.to_string());
    let network = network.ok_or_else(|| {
        Failure::usage(format!(
            "chain {id} is neither Base (8453) nor Base Sepolia (84532)"
        ))
    })?;
    let params = Params::production(
        network.token,
        args.owner,
        args.guardian,
        args.settlers.clone(),
        args.threshold,
    );
    params.check().map_err(|e| Failure::usage(e.to_string()))?;
    let salt = B256::ZERO;
    deploy::check_network(rpc.provider(), &network, network.token).await?;
    if args.dry_run {
        let planned = Deployment {
            chain_id: id,
            escrow: swarm_contracts::predict(&params, salt),
            transaction: None,
            block: 0,
            salt,
            constructor_arguments: params.constructor_arguments(),
            params,
        };
        return session.out.print(&planned, |planned, _| {
            format!(
                "would deploy to {} on {}\n{}",
                planned.escrow,
                network.name,
                terms(&planned.params)
            )
        });
    }
    let wallet = EthereumWallet::from(session.signer()?);
    let provider = ProviderBuilder::new()
        .wallet(wallet)
        .connect_provider(rpc.provider().clone());
    session
        .out
        .progress(format!("deploying to {}", network.name));
    let made = swarm_contracts::deploy(&provider, &network, &params, salt).await?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("create {}", args.out.display()))?;
    let file = args.out.join(DEPLOYMENT_FILE);
    write_whole(&file, &serde_json::to_vec_pretty(&made)?)
        .with_context(|| format!("write {}", file.display()))?;
    write_verification(&args.out, &made)?;
    session.out.print(&made, |made, out| {
        format!(
            "{} on {}\n{}written to {}, with what a block explorer asks for to verify the source",
            out.bold(made.escrow),
            network.name,
            terms(&made.params),
            file.display()
        )
    })
}

/// What Etherscan's, Blockscout's and Sourcify's forms ask for: the compiler's standard JSON input, the
/// contract's name, the compiler's version, the constructor's arguments.
fn write_verification(out: &Path, made: &Deployment) -> Result<()> {
    let asked = serde_json::json!({
        "contractName": source::CONTRACT_NAME,
        "compilerVersion": source::COMPILER_VERSION,
        "codeFormat": "solidity-standard-json-input",
        "constructorArguments": made.constructor_arguments,
        "address": made.escrow,
        "chainId": made.chain_id,
    });
    let files = [
        (SOURCE_FILE, source::STANDARD_JSON.as_bytes().to_vec()),
        (VERIFICATION_FILE, serde_json::to_vec_pretty(&asked)?),
    ];
    for (name, bytes) in files {
        let file = out.join(name);
        write_whole(&file, &bytes).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// What a call of the guardian did.
#[derive(Serialize)]
struct Guarded {
    transaction: B256,
    block: u64,
}

/// Sends a call of the guardian and waits until it is on the chain.
async fn guard(session: &Session, chain: &Chain, call: &Call, what: &'static str) -> Result<()> {
    let wallet = session.wallet()?;
    let (transaction, mined) =
        super::money::send(session, chain, &wallet, call, At::Latest, what).await?;
    let done = Guarded {
        transaction,
        block: mined.block,
    };
    session.out.print(&done, |done, _| {
        format!(
            "{what}: in block {} (transaction {})",
            done.block, done.transaction
        )
    })
}

fn terms(params: &Params) -> String {
    let days = |seconds: u64| {
        humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
    };
    let settlers: Vec<_> = params.settlers.iter().map(Address::to_string).collect();
    fields(&[
        ("token", params.token.to_string()),
        ("owner", params.owner.to_string()),
        ("guardian", params.guardian.to_string()),
        (
            "settlers",
            format!("{} of {}", params.threshold, settlers.join(", ")),
        ),
        ("default cap", params.default_cap.to_string()),
        ("challenge window", days(params.window)),
        ("exit delay", days(params.exit_delay)),
        ("role delay", days(params.role_delay)),
        ("settlement timeout", days(params.settlement_timeout)),
    ])
}

/// The escrow as the chain has it.
#[derive(Serialize)]
struct Shown {
    chain_id: u64,
    escrow: Address,
    token: Address,
    owner: Address,
    guardian: Address,
    settlers: Vec<Address>,
    threshold: u64,
    liabilities: MicroUsdc,
    usdc: MicroUsdc,
    last_epoch: u64,
    stopped: bool,
    window_seconds: u64,
    exit_delay_seconds: u64,
}

async fn show(session: &Session) -> Result<()> {
    let chain = session.chain().await?;
    let at = At::Latest;
    let Terms {
        window, exit_delay, ..
    } = chain.terms().await?;
    let Gate {
        last_epoch,
        stopped,
        paused_until,
        ..
    } = chain.gate(at).await?;
    let (settlers, threshold) = chain.settlers(at).await?;
    let shown = Shown {
        chain_id: chain.chain_id(),
        escrow: chain.escrow(),
        token: chain.token(),
        owner: chain.view(&SwarmEscrow::ownerCall {}, at).await?,
        guardian: chain.view(&SwarmEscrow::guardianCall {}, at).await?,
        settlers,
        threshold,
        liabilities: chain.liabilities(at).await?,
        usdc: chain.usdc(chain.escrow(), at).await?,
        last_epoch,
        stopped,
        window_seconds: window,
        exit_delay_seconds: exit_delay,
    };
    session.out.print(&shown, |shown, out| {
        let settlers: Vec<_> = shown.settlers.iter().map(Address::to_string).collect();
        let state = match (shown.stopped, paused_until) {
            (true, _) => "stopped after a void epoch, until the guardian resumes it".to_owned(),
            (false, 0) => "open".to_owned(),
            (false, until) => format!("last pause until {}", time(until)),
        };
        fields(&[
            (
                "escrow",
                format!("{} on chain {}", out.bold(shown.escrow), shown.chain_id),
            ),
            ("token", shown.token.to_string()),
            ("owner", shown.owner.to_string()),
            ("guardian", shown.guardian.to_string()),
            (
                "settlers",
                format!("{} of {}", shown.threshold, settlers.join(", ")),
            ),
            (
                "owes",
                format!("{}, and holds {}", shown.liabilities, shown.usdc),
            ),
            ("last epoch", shown.last_epoch.to_string()),
            ("settlement", state),
        ])
    })
}
