//! `swarmd first-boot`: a flashed box becomes a queen, a bee, or both, without a keyboard.
//!
//! The operator's `swarm.toml` comes from an SMBIOS credential, from a file on the boot partition, or from a page that the
//! box serves while it has none ([`source`], [`setup`]). It is checked as a whole ([`config`]), keys are made inside the box
//! and sealed ([`keys`]), the daemons' own configuration files are written ([`render`]), and the console says who the box
//! is ([`announce`]).
//!
//! It runs at every boot, before the daemons. Each step looks at what is there and does only what is missing, and each file
//! appears whole or not at all ([`files`]): after a power cut the next boot goes on where this one was.

mod announce;
mod config;
mod files;
mod keys;
mod render;
mod setup;
mod source;
mod update;

use std::path::PathBuf;

use anyhow::{Context, Result};

use config::BoxConfig;
use files::Root;
use keys::Sealer;

/// `swarmd first-boot`.
#[derive(clap::Args, Debug)]
pub struct FirstBootArgs {
    /// Take this directory for the root of the file system
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Check this swarm.toml and end: nothing is read or written besides
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// End when there is no swarm.toml, instead of serving the page that takes one
    #[arg(long)]
    no_page: bool,
    /// Address and port of that page
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8000")]
    page: std::net::SocketAddr,
}

/// The operator's configuration is wrong: a restart cannot help. One line for each thing that is.
#[derive(Debug, thiserror::Error)]
#[error("{from}: {}", .problems.join("\n  "))]
pub struct WrongBox {
    /// Where the configuration came from.
    from: String,
    /// Each names its field.
    problems: Vec<String>,
}

/// Configures the box, or says on the console what is in the way.
pub async fn run(args: FirstBootArgs) -> Result<()> {
    if let Some(file) = args.check {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        BoxConfig::read(&text).map_err(|problems| WrongBox {
            from: file.display().to_string(),
            problems,
        })?;
        println!("{}: good", file.display());
        return Ok(());
    }
    let root = Root::new(args.root);
    let sealer = keys::SystemdCreds;
    let image_role = root.image_role().context("read the image's role")?;
    let found = source::find(&root).context("look for swarm.toml")?;
    let (from, text) = match found {
        Some(found) => found,
        None if args.no_page => anyhow::bail!("there is no swarm.toml: {}", source::PLACES),
        None => setup::wait(&root, &sealer, args.page, image_role).await?,
    };
    let config = BoxConfig::read(&text)
        .and_then(|config| config.for_image(image_role))
        .map_err(|problems| WrongBox { from, problems })?;
    let made = apply(&root, &sealer, &config, &text)?;
    update::point(&root, config.update.as_ref()).context("point the updates at their source")?;
    announce::configured(&root, &config, &made);
    Ok(())
}

/// Brings keys and files into the state that `config` asks for.
fn apply(
    root: &Root,
    sealer: &dyn Sealer,
    config: &BoxConfig,
    text: &str,
) -> Result<keys::PublicHalves> {
    let made = keys::ensure(root, sealer, config)?;
    if config.has_queen() {
        let queen = render::queen(config).context("write queen.toml")?;
        root.write("etc/swarm/queen.toml", &queen, 0o644)?;
    }
    if config.has_bee() {
        let bee = render::bee(config, &made).context("write bee.toml")?;
        // It may hold a join code.
        root.write("etc/swarm/bee.toml", &bee, 0o640)?;
    }
    // Last: what is kept is what was applied.
    root.write(source::KEPT, text, 0o600)?;
    Ok(made)
}

#[cfg(test)]
mod tests;
