//! Files below the box's root that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::config::Role;

/// Most bytes of a file that is read here: swarm.toml, a certificate, a sealed key.
pub const FILE_BYTES_MAX: u64 = 64 << 10;

/// The root of the box's file system; a directory in tests.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The root at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// A path below it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.join(relative)
    }

    /// The file's text; `None` when there is no such file.
    pub fn read(&self, relative: &str) -> Result<Option<String>> {
        read_file(&self.path(relative))
    }

    /// Writes `text`, durably, by way of a file beside it: a power cut leaves the old file or the new one. Nothing happens
    /// when the file says that already.
    pub fn write(&self, relative: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.path(relative);
        if self.read(relative)?.as_deref() == Some(text) {
            return Ok(());
        }
        replace(&path, text.as_bytes(), mode).with_context(|| format!("write {}", path.display()))
    }

    /// What the image was built for; `None` on a machine that is no image.
    pub fn image_role(&self) -> Result<Option<Role>> {
        let Some(text) = self.read("usr/lib/swarm/role")? else {
            return Ok(None);
        };
        let role = text.trim();
        Role::ALL
            .into_iter()
            .find(|known| known.name() == role)
            .map(Some)
            .with_context(|| format!("usr/lib/swarm/role: '{role}' is not a role"))
    }

    /// Whether this machine has a TPM.
    pub fn has_tpm(&self) -> bool {
        self.path("sys/class/tpm/tpm0").exists()
    }
}

/// The text of a file; `None` when there is none.
pub fn read_file(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {}", path.display()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= FILE_BYTES_MAX,
        "{} is larger than {FILE_BYTES_MAX} bytes",
        path.display()
    );
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| anyhow::anyhow!("{} is not text", path.display()))
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = parent.join(name);
    // One that a power cut left behind may have other bits.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(parent)?.sync_all()
}
