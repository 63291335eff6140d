//! The client's directory: key, identity, settings, open orders, and the maps of de-identified studies.
//!
//! ```text
//! key            the signing key (or another file, with --key), mode 0600
//! identity       the age identity to which results are encrypted, mode 0600
//! config.toml    settings, all optional
//! orders/        one file an order, by the digest of its scan: a retry finds its order again. Until the queen has
//!                answered, the encrypted scan lies beside it
//! orb/           final events of an escrow that was indexed; can be deleted
//! jobs/          what belongs to a job: order, salt, and the original UIDs, which never leave this machine
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use swarm_types::Address;

use crate::cli::Global;

/// Settings from config.toml; the command line wins.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The queen's address.
    pub queen: Option<String>,
    /// SHA-256 of the queen's certificate.
    pub fingerprint: Option<String>,
    /// RPC address.
    pub rpc: Option<String>,
    /// The escrow to trust.
    pub escrow: Option<Address>,
}

/// The client's directory.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    key: PathBuf,
}

impl Home {
    /// The directory that the options name; it need not exist yet.
    pub fn new(global: &Global) -> Self {
        let root = global.home.clone();
        let key = global.key.clone().unwrap_or_else(|| root.join("key"));
        Self { root, key }
    }

    /// The key file.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The identity file.
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    /// Makes the directory, for its owner only.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.root)
            .with_context(|| format!("create {}", self.root.display()))
    }

    /// Reads config.toml, if there is one.
    pub fn config(&self) -> Result<Config> {
        let path = self.root.join("config.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("read {}", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
        }
    }

    /// A directory for `name` in `kind` whose content can be deleted at any time.
    pub fn cache(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(kind).join(name)
    }

    /// What was stored as `name` in `kind` (`orders`, `jobs`).
    pub fn load<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<T>> {
        let path = self.path(kind, &format!("{name}.json"));
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes);
        Ok(Some(
            value.with_context(|| format!("read {}", path.display()))?,
        ))
    }

    /// Stores `value` as `name` in `kind`: on disk before this returns, whole or not at all.
    pub fn store<T: Serialize>(&self, kind: &str, name: &str, value: &T) -> Result<()> {
        self.write(
            kind,
            &format!("{name}.json"),
            &serde_json::to_vec_pretty(value)?,
        )
    }

    /// The bytes of `file` in `kind`, if it is there.
    pub fn read(&self, kind: &str, file: &str) -> Result<Option<Vec<u8>>> {
        read(&self.path(kind, file))
    }

    /// Writes `bytes` to `file` in `kind`: on disk before this returns, whole or not at all.
    pub fn write(&self, kind: &str, file: &str, bytes: &[u8]) -> Result<()> {
        self.folder(kind)?;
        let path = self.path(kind, file);
        write_whole(&path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// Removes `file` in `kind`, if it is there.
    pub fn remove(&self, kind: &str, file: &str) -> Result<()> {
        let path = self.path(kind, file);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no other process holds `name` in `kind`, and holds it until the file is dropped.
    pub fn lock(&self, kind: &str, name: &str) -> Result<File> {
        self.folder(kind)?;
        let path = self.path(kind, &format!("{name}.lock"));
        let lock = || -> std::io::Result<File> {
            let file = File::options().create(true).append(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().with_context(|| format!("lock {}", path.display()))
    }

    fn path(&self, kind: &str, file: &str) -> PathBuf {
        self.root.join(kind).join(file)
    }

    fn folder(&self, kind: &str) -> Result<()> {
        self.create()?;
        let folder = self.root.join(kind);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))
    }
}

/// Writes a file through a temporary one beside it, so that a crash leaves the old one or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found_and_typos_are_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let home = Home {
            root: folder.path().join("home"),
            key: folder.path().join("home/key"),
        };
        assert!(home.load::<u32>("orders", "a").expect("reads").is_none());
        home.store("orders", "a", &7u32).expect("writes");
        assert_eq!(home.load::<u32>("orders", "a").expect("reads"), Some(7));
        std::fs::write(folder.path().join("home/config.toml"), "quen = \"x\"\n").expect("writes");
        let error = format!("{:#}", home.config().expect_err("a typo"));
        assert!(error.contains("quen"), "{error}");

        home.write("orders", "a.age", b"x").expect("writes");
        assert_eq!(
            home.read("orders", "a.age").expect("reads").as_deref(),
            Some(&b"x"[..])
        );
        home.remove("orders", "a.age").expect("removes");
        home.remove("orders", "a.age")
            .expect("removing nothing is no error");
        assert!(home.read("orders", "a.age").expect("reads").is_none());
    }
}
