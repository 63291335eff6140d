//! The index of an escrow, kept in step with the chain and a directory of bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use swarm_chain::book::{Book, Follower, Progress, read};
use swarm_chain::ens::Ens;
use swarm_chain::{Chain, ChainError};
use swarm_types::bundle::hex_address;
use swarm_types::orb::{
    AccountFile, AccountWork, BundleState, EpochFile, INDEX_VERSION, Index, IndexBlock,
    IndexContract, IndexEpoch, Site,
};
use swarm_types::{Address, EpochId};
use tokio::time::Instant;

use crate::bundles::{self, BundleFacts, Expected};
use crate::kept::Kept;
use crate::names::Names;

/// The contract is asked again after this long also when nothing was emitted.
const CONTRACT_AGE_MAX: Duration = Duration::from_secs(60);
/// A bundle that is missing or wrong is looked at again after this long.
const RECHECK_BAD: Duration = Duration::from_secs(15);
/// A whole bundle is read again after this long: disks forget too.
const RECHECK_GOOD: Duration = Duration::from_secs(24 * 3_600);
/// Time that one round gives to bundles; at least one is looked at.
const BUNDLES_TIME: Duration = Duration::from_secs(2);
/// How often final events are kept.
const KEEP_EVERY: Duration = Duration::from_secs(60);

type Bundles = BTreeMap<u64, (Instant, BundleFacts)>;

/// Builds the index.
pub struct Indexer {
    follower: Follower,
    kept: Option<(Kept, Option<Instant>)>,
    bundles_dir: PathBuf,
    shown: Shown,
    contract: Option<(Instant, IndexContract)>,
    /// Something was emitted since the contract was asked.
    changed: bool,
    /// Where the chain stood when everything was last in step.
    block: Option<IndexBlock>,
    names: Option<Names>,
    /// Why names could not be asked for in the last round.
    names_trouble: Option<ChainError>,
}

/// What the files beside the index are made from; shared with whoever serves them.
#[derive(Clone)]
pub struct Shown {
    book: Arc<RwLock<Book>>,
    bundles: Arc<RwLock<Bundles>>,
    now: Arc<RwLock<u64>>,
}

/// How far a round came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Blocks read, and to read.
    pub progress: Progress,
    /// Epochs whose bundle nobody looked at yet.
    pub unchecked: usize,
    /// Addresses whose name nobody asked for yet.
    pub unnamed: usize,
}

impl Indexer {
    /// An index of the escrow of `chain` from block `start` on, with the bundles in
    /// `bundles_dir/epoch-001/…`. Final events are kept in `kept_dir`, if there is one.
    pub fn new(chain: &Chain, start: u64, bundles_dir: &Path, kept_dir: Option<&Path>) -> Self {
        let mut kept = kept_dir.map(Kept::new);
        let follower = match &mut kept {
            Some(kept) => kept.follower(chain, start),
            None => Follower::new(chain.clone(), start),
        };
        Self {
            shown: Shown {
                book: follower.book(),
                bundles: Arc::default(),
                now: Arc::default(),
            },
            follower,
            kept: kept.map(|kept| (kept, None)),
            bundles_dir: bundles_dir.to_owned(),
            contract: None,
            changed: false,
            block: None,
            names: None,
            names_trouble: None,
        }
    }

    /// The same, with the names that the registry of `ens` has for the addresses in it.
    #[must_use]
    pub fn with_names(mut self, ens: Ens) -> Self {
        self.names = Some(Names::new(ens));
        self
    }

    /// What the files beside the index are made from.
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Reads what is new on the chain, and looks at bundles and names for a while. That the registry's node
    /// is away, which may be another one, is no error here: see [`Self::names_trouble`].
    ///
    /// # Errors
    /// When the node is away; the index stays as of the block before.
    pub async fn round(&mut self) -> Result<Round, ChainError> {
        let progress = self.follower.step().await?;
        // Catching up takes several rounds; the last of them may see nothing new.
        self.changed |= progress.changed;
        if progress.caught_up {
            self.look_at_contract().await?;
            self.keep();
        }
        let unchecked = self.look_at_bundles().await;
        let unnamed = match progress.caught_up {
            true => self.look_at_names().await,
            false => 0,
        };
        Ok(Round {
            progress,
            unchecked,
            unnamed,
        })
    }

    /// Asks for names that are due; how many addresses were never asked for.
    async fn look_at_names(&mut self) -> usize {
        let (Some(names), Some((_, contract))) = (&mut self.names, &self.contract) else {
            return 0;
        };
        let roles = [contract.owner, contract.guardian];
        let mut addresses: BTreeSet<Address> = self.shown.accounts().into_iter().collect();
        addresses.extend(roles.iter().chain(&contract.settlers));
        let (unnamed, trouble) = match names.round(&addresses).await {
            Ok(unnamed) => (unnamed, None),
            Err(error) => (addresses.len(), Some(error)),
        };
        match (&self.names_trouble, &trouble) {
            (None, Some(error)) => tracing::warn!(%error, "names cannot be read"),
            (Some(_), None) => tracing::info!("names can be read again"),
            _ => {}
        }
        self.names_trouble = trouble;
        unnamed
    }

    /// Why names could not be asked for in the last round. Those that are known stay.
    pub fn names_trouble(&self) -> Option<&ChainError> {
        self.names_trouble.as_ref()
    }

    /// The state of the contract in the newest block, when something was emitted or a while has passed.
    async fn look_at_contract(&mut self) -> Result<(), ChainError> {
        let Some(block) = self.follower.newest() else {
            return Ok(());
        };
        let crossed = |from: u64| {
            let book = read(&self.shown.book);
            let mut epochs = book.epochs().rev();
            // The last epochs only: an epoch settles after the one before is final or void.
            epochs
                .by_ref()
                .take(2)
                .any(|epoch| from < epoch.final_at && epoch.final_at <= block.time)
        };
        let stale = match (&self.contract, self.block) {
            (Some((at, _)), Some(before)) => {
                self.changed || at.elapsed() > CONTRACT_AGE_MAX || crossed(before.time)
            }
            _ => true,
        };
        if stale {
            let mut state = self.follower.chain().contract_state(&block).await?;
            state.pending = read(&self.shown.book).pending(block.time, state.role_delay);
            self.contract = Some((Instant::now(), state));
            self.changed = false;
        }
        self.block = Some(block);
        *self
            .shown
            .now
            .write()
            .unwrap_or_else(PoisonError::into_inner) = block.time;
        Ok(())
    }

    fn keep(&mut self) {
        let Some((kept, at)) = &mut self.kept else {
            return;
        };
        if at.is_none_or(|at| at.elapsed() > KEEP_EVERY) {
            *at = Some(Instant::now());
            if let Err(error) = kept.keep(&self.follower) {
                tracing::warn!(%error, "events cannot be kept; the next start reads them again");
            }
        }
    }

    /// Looks at the bundles that are due, newest first; how many were never looked at.
    async fn look_at_bundles(&mut self) -> usize {
        let began = Instant::now();
        let mut due = self.due();
        while let Some(epoch) = due.pop() {
            let Some(expected) = self.expected(epoch) else {
                continue;
            };
            let dir = self.bundles_dir.join(EpochId(epoch).to_string());
            let checked = tokio::task::spawn_blocking(move || bundles::check(&dir, &expected));
            match checked.await {
                Ok(facts) => {
                    let mut bundles = self.shown.bundles_mut();
                    bundles.insert(epoch, (Instant::now(), facts));
                }
                Err(error) => tracing::error!(%error, epoch, "a bundle could not be looked at"),
            }
            if began.elapsed() > BUNDLES_TIME {
                break;
            }
        }
        let bundles = self.shown.bundles();
        let unchecked = due.iter().filter(|epoch| !bundles.contains_key(epoch));
        unchecked.count()
    }

    /// Epochs whose bundle should be looked at, ascending.
    fn due(&self) -> Vec<u64> {
        let book = read(&self.shown.book);
        let bundles = self.shown.bundles();
        let fresh = |epoch: u64, digest| {
            bundles.get(&epoch).is_some_and(|(at, facts)| {
                let again = match facts.state {
                    BundleState::Complete => RECHECK_GOOD,
                    _ => RECHECK_BAD,
                };
                facts.digest == digest && at.elapsed() < again
            })
        };
        let due = book.epochs().filter(|e| !fresh(e.epoch, e.bundle));
        due.map(|facts| facts.epoch).collect()
    }

    /// What the bundle of an epoch must agree with.
    fn expected(&self, epoch: u64) -> Option<Expected> {
        let book = read(&self.shown.book);
        let facts = book.epoch(epoch)?;
        Some(Expected {
            previous: book.previous(epoch),
            domain: self.follower.chain().domain().clone(),
            settlers: book.settlers_at(facts.block).to_vec(),
            facts: facts.clone(),
        })
    }

    /// The index; `None` before the chain was read once.
    pub fn index(&self, site: &Site) -> Option<Index> {
        let (block, (_, contract)) = (self.block?, self.contract.as_ref()?);
        let chain = self.follower.chain();
        Some(Index {
            version: INDEX_VERSION,
            site: site.clone(),
            chain_id: chain.chain_id(),
            escrow: chain.escrow(),
            token: chain.token(),
            deployed_block: self.follower.start(),
            block,
            contract: contract.clone(),
            epochs: self.shown.rows(block.time),
            names: self.names.as_ref().map(Names::bound).unwrap_or_default(),
        })
    }
}

impl Shown {
    fn bundles(&self) -> RwLockReadGuard<'_, Bundles> {
        self.bundles.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn bundles_mut(&self) -> std::sync::RwLockWriteGuard<'_, Bundles> {
        self.bundles.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        *self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self, now: u64) -> Vec<IndexEpoch> {
        let mut rows = read(&self.book).rows(now);
        let bundles = self.bundles();
        for row in &mut rows {
            let known = bundles.get(&row.epoch);
            // After a reorganisation the epoch of this number may be another one.
            if let Some((_, facts)) = known.filter(|(_, facts)| facts.digest == row.bundle) {
                row.bundle_state = facts.state;
                row.bundle_detail = facts.detail.clone();
                row.summary = facts.summary.clone();
            }
        }
        rows
    }

    /// What the chain emitted for an epoch; `None` when it was never settled.
    pub fn epoch(&self, id: EpochId) -> Option<EpochFile> {
        let book = read(&self.book);
        let facts = book.epoch(id.0)?;
        Some(EpochFile {
            version: INDEX_VERSION,
            epoch_id: id,
            charges: facts.charges.clone(),
            credits: facts.credits.clone(),
        })
    }

    /// What the chain and the bundles say of an address; `None` when they never name it.
    pub fn account(&self, account: &Address) -> Option<AccountFile> {
        let now = self.now();
        let book = read(&self.book);
        let bundles = self.bundles();
        let work = bundles.iter().flat_map(|(epoch, (_, facts))| {
            let known = book.epoch(*epoch).filter(|e| e.bundle == facts.digest);
            let agents = facts.agents.iter().filter(|agent| agent.worker == *account);
            agents.filter_map(move |agent| {
                Some(AccountWork {
                    epoch: EpochId(*epoch),
                    status: known?.status(now),
                    payee: agent.payee,
                    receipts: agent.receipts,
                    fees: agent.fees,
                    ready_seconds: agent.ready_seconds,
                    work: agent.work,
                    readiness: agent.readiness,
                })
            })
        });
        let file = AccountFile {
            version: INDEX_VERSION,
            account: *account,
            work: work.collect(),
            lines: book.account(account, now),
        };
        (!file.lines.is_empty() || !file.work.is_empty()).then_some(file)
    }

    /// Every epoch that was settled.
    pub fn epochs(&self) -> Vec<EpochId> {
        let book = read(&self.book);
        book.epochs().map(|facts| EpochId(facts.epoch)).collect()
    }

    /// Every address that has a file, ascending.
    pub fn accounts(&self) -> Vec<Address> {
        let book = read(&self.book);
        let bundles = self.bundles();
        let workers = bundles.values().flat_map(|(_, facts)| &facts.agents);
        let mut all: Vec<Address> = book.accounts().copied().collect();
        all.extend(workers.map(|agent| agent.worker));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Reads an address as the name of its file has it: lower-case hex with 0x, so that one address has one
/// path.
pub fn account_of_path(text: &str) -> Option<Address> {
    let account: Address = text.parse().ok()?;
    (hex_address(&account) == text).then_some(account)
}

/// Writes the index into `path`, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_index(path: &Path, index: &Index) -> io::Result<()> {
    crate::files::write_whole(path, &swarm_types::canonical::to_vec(index))
}
