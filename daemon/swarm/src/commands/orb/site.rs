//! A static site in a directory: written file by file, whole or not at all, and never over a stranger's.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use swarm_orb::files::write_whole;
use swarm_orb::{Shown, assets};
use swarm_store::cid::DirectoryCid;
use swarm_types::orb::{INDEX, Index, account_file_name, epoch_file_name};
use swarm_types::{Address, B256, EpochId, canonical, sha256};

use crate::exit::Failure;

/// Marks a directory as a site of ours, and says of which escrow. IPFS leaves hidden files out.
const MARK: &str = ".swarm-orb.json";

/// The mark's content.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    chain_id: u64,
    escrow: Address,
}

/// A directory with a site.
pub struct SiteDir {
    root: PathBuf,
}

/// What was written.
pub struct Written {
    /// Files of the site.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// CIDv1 of the directory, as `ipfs add --recursive --cid-version=1` makes it.
    pub cid: String,
}

impl SiteDir {
    /// Opens `root` for a site of `escrow`: a new or empty directory, or one of an earlier export.
    pub fn open(root: &Path, chain_id: u64, escrow: Address) -> Result<Self> {
        let shown = root.display();
        let mark = Mark { chain_id, escrow };
        fs::create_dir_all(root).with_context(|| format!("create {shown}"))?;
        match fs::read(root.join(MARK)) {
            Ok(bytes) => {
                let found: Mark = serde_json::from_slice(&bytes)
                    .with_context(|| format!("read {MARK} in {shown}"))?;
                if found != mark {
                    let text = format!(
                        "{shown} is the site of escrow {} on chain {}: name another directory",
                        found.escrow, found.chain_id
                    );
                    return Err(Failure::usage(text).into());
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut entries = fs::read_dir(root).with_context(|| format!("read {shown}"))?;
                if entries.next().is_some() {
                    let text = format!(
                        "{shown} is not empty and not an earlier export: name another directory"
                    );
                    return Err(Failure::usage(text).into());
                }
                write_whole(&root.join(MARK), &serde_json::to_vec(&mark)?)
                    .with_context(|| format!("write in {shown}"))?;
            }
            Err(e) => return Err(e).with_context(|| format!("read {MARK} in {shown}")),
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Where the bundles are.
    pub fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    fn bundle_path(&self, epoch: EpochId, name: &str) -> Result<PathBuf> {
        let mut parts = Path::new(name).components();
        if name.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            let text = format!("{epoch} names a file outside of its bundle: {name:?}");
            return Err(Failure::check(text).into());
        }
        Ok(self.audit().join(epoch.to_string()).join(name))
    }

    /// Whether a file of a bundle is there already.
    pub fn has(&self, epoch: EpochId, name: &str, digest: &B256) -> Result<bool> {
        let path = self.bundle_path(epoch, name)?;
        Ok(fs::read(path).is_ok_and(|bytes| sha256(&bytes) == *digest))
    }

    /// Writes a file of a bundle.
    pub fn put(&self, epoch: EpochId, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_file(&self.bundle_path(epoch, name)?, bytes)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        write_whole(path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// Writes the app and everything that the index and the files beside it say. The index comes last, so
    /// that it never names what is not there.
    pub fn write(&self, index: &Index, shown: &Shown) -> Result<Written> {
        for id in shown.epochs() {
            if let Some(file) = shown.epoch(id) {
                let path = self.root.join(epoch_file_name(id));
                self.write_file(&path, &canonical::to_vec(&file))?;
            }
        }
        for account in shown.accounts() {
            if let Some(file) = shown.account(&account) {
                let path = self.root.join(account_file_name(&account));
                self.write_file(&path, &canonical::to_vec(&file))?;
            }
        }
        for (name, asset) in assets::all() {
            self.write_file(&self.root.join(name), &asset.bytes)?;
        }
        self.remove_old_assets()?;
        self.write_file(&self.root.join(INDEX), &canonical::to_vec(index))?;
        self.measure()
    }

    /// Removes hashed files of an app that was exported before.
    fn remove_old_assets(&self) -> Result<()> {
        let folder = self.root.join("assets");
        let entries =
            fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("read {}", folder.display()))?;
            let name = format!("assets/{}", entry.file_name().to_string_lossy());
            if assets::get(&name).is_none() {
                fs::remove_file(entry.path())
                    .with_context(|| format!("remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    fn measure(&self) -> Result<Written> {
        let mut files = Vec::new();
        list(&self.root, "", &mut files)
            .with_context(|| format!("read {}", self.root.display()))?;
        let mut cid = DirectoryCid::default();
        let mut bytes = 0;
        for name in &files {
            let path = self.root.join(name);
            let mut add = || -> io::Result<u64> {
                let file = fs::File::open(&path)?;
                let size = file.metadata()?.len();
                cid.add(name, file)?;
                Ok(size)
            };
            bytes += add().with_context(|| format!("read {}", path.display()))?;
        }
        Ok(Written {
            files: files.len(),
            bytes,
            cid: cid.cid(),
        })
    }
}

/// Every file below `dir` that is not hidden, by its path relative to the site.
fn list(dir: &Path, prefix: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_directory_and_another_escrows_site_are_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let (site, foreign) = (folder.path().join("site"), folder.path().join("foreign"));
        let escrow = Address::repeat_byte(1);
        assert!(SiteDir::open(&site, 1, escrow).is_ok());
        assert!(
            SiteDir::open(&site, 1, escrow).is_ok(),
            "an earlier export goes on"
        );
        assert!(SiteDir::open(&site, 2, escrow).is_err());
        assert!(SiteDir::open(&site, 1, Address::repeat_byte(2)).is_err());
        fs::create_dir(&foreign).expect("creates");
        fs::write(foreign.join("thesis.txt"), "precious").expect("writes");
        assert!(SiteDir::open(&foreign, 1, escrow).is_err());
        assert!(!foreign.join(MARK).exists());
    }

    #[test]
    fn files_of_a_bundle_stay_in_it() {
        let folder = tempfile::tempdir().expect("a directory");
        let site = SiteDir::open(folder.path(), 1, Address::ZERO).expect("opens");
        for bad in ["", "../x", "/etc/passwd", "jobs/../../x"] {
            assert!(site.put(EpochId(1), bad, b"x").is_err(), "{bad}");
        }
        site.put(EpochId(1), "jobs/00000.json", b"x")
            .expect("writes");
        let has = |digest| site.has(EpochId(1), "jobs/00000.json", &digest);
        assert!(has(sha256(b"x")).expect("reads"));
        assert!(!has(sha256(b"y")).expect("reads"));
    }
}
