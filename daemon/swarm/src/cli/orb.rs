//! `swarm orb` and its arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use swarm_types::{Address, EpochId};

/// `swarm orb`.
#[derive(Subcommand, Debug)]
pub enum OrbCommand {
    /// Rebuild index.json from the chain and a directory of bundles
    #[command(
        after_help = "Example:\n  swarm orb index --rpc URL --escrow 0x… --bundles audit --out index.json"
    )]
    Index {
        /// Directory with a directory an epoch: epoch-001, epoch-002, …
        #[arg(long, value_name = "DIR")]
        bundles: PathBuf,
        /// Where to write the index
        #[arg(long, value_name = "FILE", default_value = "index.json")]
        out: PathBuf,
        /// First block to read (default: the one that deployed the escrow, found by asking)
        #[arg(long, value_name = "BLOCK")]
        from_block: Option<u64>,
        /// What the index says of its site.
        #[command(flatten)]
        site: SiteArgs,
    },
    /// Write SwarmOrb as a static site: the app, its index and the bundles
    Export(Box<ExportArgs>),
}

/// What an index says of its site.
#[derive(Args, Debug)]
pub struct SiteArgs {
    /// Title of the pages
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Base URL of a block explorer, such as https://sepolia.basescan.org
    #[arg(long, value_name = "URL")]
    pub explorer: Option<String>,
    /// A node that visitors' browsers may read the chain from; give as many as you like. Without one
    /// the pages ask
    #[arg(long, value_name = "URL")]
    pub site_rpc: Vec<String>,
    /// ENS registry: the index tells the names that it has for addresses, and the pages' search asks it.
    /// Without one there are no names
    #[arg(long, value_name = "ADDRESS")]
    pub ens_registry: Option<Address>,
    /// Node of the chain that holds the registry (default: that of --rpc)
    #[arg(long, value_name = "URL", requires = "ens_registry")]
    pub ens_rpc: Option<String>,
}

/// `swarm orb export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  swarm orb export site/ --queen URL --rpc URL                      everything that a queen settled
  swarm orb export site/ --bundles audit/ --rpc URL --escrow 0x…    without any queen
  swarm orb export site/ --epochs 1..5                              only these bundles, both included

The site works from any web server or IPFS gateway, with nothing but a node that the reader names. Run
it again to bring it up to date: what is there and right is not fetched again. The CID is the one that
`ipfs add --recursive --cid-version=1` gives. Exit status 1: the site is written, and some bundles are
missing or not the settled ones; it says so too.")]
pub struct ExportArgs {
    /// Where to write the site: a new or empty directory, or one of an earlier export
    pub dir: PathBuf,
    /// Take the bundles from this directory instead of a queen
    #[arg(long, value_name = "DIR")]
    pub bundles: Option<PathBuf>,
    /// Bring only these epochs' bundles, such as 3, 1..5 or 7.. (both ends are included)
    #[arg(long, value_name = "RANGE")]
    pub epochs: Option<EpochRange>,
    /// First block to read (default: the one that deployed the escrow, found by asking)
    #[arg(long, value_name = "BLOCK")]
    pub from_block: Option<u64>,
    /// What the index says of its site.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// Epochs from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRange {
    first: u64,
    last: u64,
}

impl EpochRange {
    /// Whether `epoch` is among them.
    pub fn contains(self, epoch: u64) -> bool {
        (self.first..=self.last).contains(&epoch)
    }
}

impl std::str::FromStr for EpochRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, default: u64| match text {
            "" => Ok(default),
            text => text.parse::<EpochId>().map(|id| id.0),
        };
        let wrong = |_| format!("'{text}' is not a range of epochs, such as 3, 1..5 or 7..");
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (
                number(first, 1).map_err(wrong)?,
                number(last, u64::MAX).map_err(wrong)?,
            ),
            None => {
                let only = text.parse::<EpochId>().map_err(wrong)?.0;
                (only, only)
            }
        };
        if first > last {
            return Err(format!("'{text}' ends before it begins"));
        }
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_of_epochs_include_both_ends() {
        let range = |text: &str| text.parse::<super::EpochRange>();
        let five = range("1..5").expect("a range");
        assert!(five.contains(1) && five.contains(5) && !five.contains(6));
        let open = range("epoch-007..").expect("a range");
        assert!(!open.contains(6) && open.contains(u64::MAX));
        let one = range("3").expect("a range");
        assert!(one.contains(3) && !one.contains(2) && !one.contains(4));
        for bad in ["", "a..b", "5..1", "-1", "1...3"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
