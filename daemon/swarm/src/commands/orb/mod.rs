//! `swarm orb`: what SwarmOrb shows, rebuilt from the chain and bundles, and as a static site.

mod export;
mod site;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use swarm_chain::ens::Ens;
use swarm_chain::{Chain, Rpc};
use swarm_orb::Indexer;
use swarm_orb::indexer::write_index;
use swarm_orb::policy;
use swarm_types::Address;
use swarm_types::orb::{BundleState, Index, IndexBlock, IndexEpoch, NameRegistry, Site};

use crate::cli::{OrbCommand, SiteArgs};
use crate::exit::Failure;
use crate::output::{fields, table, time};
use crate::progress::Progress;
use crate::session::Session;

/// `swarm orb …`.
pub async fn run(session: &Session, command: OrbCommand) -> Result<()> {
    match command {
        OrbCommand::Index {
            bundles,
            out,
            from_block,
            site,
        } => index(session, &bundles, &out, from_block, &site).await,
        OrbCommand::Export(args) => export::run(session, &args).await,
    }
}

/// What the index says of each epoch's bundle.
#[derive(Serialize)]
struct EpochLine {
    epoch_id: swarm_types::EpochId,
    status: swarm_types::api::EpochStatus,
    receipts: String,
    charged: swarm_types::MicroUsdc,
    bundle: BundleState,
    detail: Option<String>,
}

impl From<&IndexEpoch> for EpochLine {
    fn from(row: &IndexEpoch) -> Self {
        Self {
            epoch_id: row.epoch_id,
            status: row.status,
            receipts: row.receipts.to_string(),
            charged: row.charged,
            bundle: row.bundle_state,
            detail: row.bundle_detail.clone(),
        }
    }
}

fn epochs_table(lines: &[EpochLine]) -> String {
    let heading = ["epoch", "status", "receipts", "charged", "bundle", ""];
    let mut rows = vec![heading.map(String::from).to_vec()];
    rows.extend(lines.iter().map(|line| {
        vec![
            line.epoch_id.to_string(),
            line.status.to_string(),
            line.receipts.clone(),
            line.charged.to_string(),
            format!("{:?}", line.bundle).to_lowercase(),
            line.detail.clone().unwrap_or_default(),
        ]
    }));
    table(&rows)
}

#[derive(Serialize)]
struct Indexed<'a> {
    out: &'a Path,
    chain_id: u64,
    escrow: Address,
    block: IndexBlock,
    names: usize,
    epochs: Vec<EpochLine>,
}

async fn index(
    session: &Session,
    bundles: &Path,
    out: &Path,
    from_block: Option<u64>,
    args: &SiteArgs,
) -> Result<()> {
    let chain = session.chain().await?;
    let (site, ens) = site_of(args, &chain).await?;
    let start = start_block(&chain, from_block).await?;
    let mut indexer = begin(session, &chain, start, bundles, ens);
    let index = read_all(&mut indexer, &site).await?;
    write_index(out, &index).with_context(|| format!("write {}", out.display()))?;
    let indexed = Indexed {
        out,
        chain_id: index.chain_id,
        escrow: index.escrow,
        block: index.block,
        names: index.names.len(),
        epochs: index.epochs.iter().map(EpochLine::from).collect(),
    };
    session.out.print(&indexed, |indexed, _| {
        let as_of = format!(
            "block {} of {}",
            indexed.block.number,
            time(indexed.block.time)
        );
        fields(&[
            ("index", indexed.out.display().to_string()),
            (
                "escrow",
                format!("{} on chain {}", indexed.escrow, indexed.chain_id),
            ),
            ("as of", as_of),
            ("names", indexed.names.to_string()),
        ]) + &epochs_table(&indexed.epochs)
    })
}

/// The site's own settings, checked, and where its names come from.
async fn site_of(args: &SiteArgs, chain: &Chain) -> Result<(Site, Option<Ens>)> {
    if let Some(bad) = args
        .site_rpc
        .iter()
        .find(|url| policy::http_url(url).is_none())
    {
        let text =
            format!("--site-rpc {bad}: not an http:// or https:// URL that may be told to all");
        return Err(Failure::usage(text).into());
    }
    let explorer = match &args.explorer {
        None => None,
        Some(text) => Some(policy::explorer_url(text).ok_or_else(|| {
            Failure::usage(format!("--explorer {text}: not an http:// or https:// URL"))
        })?),
    };
    let names = match args.ens_registry {
        None => None,
        Some(registry) => Some(names_of(args, registry, chain).await?),
    };
    let (registry, ens) = names.unzip();
    let site = Site {
        live: false,
        name: args.title.clone(),
        explorer,
        rpcs: args.site_rpc.clone(),
        ens: registry,
    };
    Ok((site, ens))
}

/// The registry of names, on whichever chain its node serves.
async fn names_of(
    args: &SiteArgs,
    registry: Address,
    chain: &Chain,
) -> Result<(NameRegistry, Ens)> {
    let rpc = match &args.ens_rpc {
        None => chain.rpc().clone(),
        Some(url) => Rpc::new(url).with_context(|| format!("use --ens-rpc {url}"))?,
    };
    let chain_id = rpc.chain_id().await.context("ask the registry's node")?;
    let code = rpc.code(registry).await.context("look at the registry")?;
    if code.is_empty() {
        let text = format!("--ens-registry {registry}: there is no contract on chain {chain_id}");
        return Err(Failure::usage(text).into());
    }
    let known = NameRegistry { chain_id, registry };
    Ok((known, Ens::new(rpc, registry)))
}

/// The first block to read.
async fn start_block(chain: &Chain, from_block: Option<u64>) -> Result<u64> {
    match from_block {
        Some(block) => Ok(block),
        None => chain
            .deployment_block()
            .await
            .context("find the block in which the escrow was deployed; --from-block names it"),
    }
}

/// An indexer of the escrow; final events are kept in the home directory, so that the next run is quick.
fn begin(
    session: &Session,
    chain: &Chain,
    start: u64,
    bundles: &Path,
    ens: Option<Ens>,
) -> Indexer {
    let name = format!("{}-{:#x}", chain.chain_id(), chain.escrow());
    let kept = session.home.cache("orb", &name);
    let indexer = Indexer::new(chain, start, bundles, Some(&kept));
    match ens {
        Some(ens) => indexer.with_names(ens),
        None => indexer,
    }
}

/// Reads the chain to its end, every bundle that is there, and every name.
async fn read_all(indexer: &mut Indexer, site: &Site) -> Result<Index> {
    let mut progress = Progress::new("chain");
    loop {
        let round = indexer.round().await.context("read the chain")?;
        if let Some(error) = indexer.names_trouble() {
            bail!("read names: {error}");
        }
        let step = match (round.progress.caught_up, round.unchecked) {
            (false, _) => "read the escrow's events",
            (true, 0) => "read names",
            (true, _) => "compare bundles with the chain",
        };
        progress.show(round.progress.read, round.progress.latest, step);
        if round.progress.caught_up && round.unchecked == 0 && round.unnamed == 0 {
            break;
        }
    }
    let index = indexer.index(site);
    index.context("the chain was read and there is no index")
}
