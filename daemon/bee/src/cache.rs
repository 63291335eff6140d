//! Pulled packages on disk, by digest, within a budget. `<digest>.tar` is whole; `<digest>.part` is being pulled.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use swarm_types::{B256, hex};

const WHOLE: &str = "tar";
const PART: &str = "part";

/// The directory of pulled packages.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    bytes_max: u64,
}

/// A package in it.
struct Held {
    digest: B256,
    bytes: u64,
    /// When it was used last.
    used: SystemTime,
}

impl Cache {
    /// Opens or makes the directory; what was not pulled whole goes.
    pub fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == PART) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { dir, bytes_max })
    }

    /// Where the package is, or would be.
    pub fn path(&self, digest: &B256) -> PathBuf {
        self.dir.join(format!("{}.{WHOLE}", hex::encode(digest)))
    }

    /// Digests of the packages that are there.
    pub fn digests(&self) -> Vec<B256> {
        self.held().iter().map(|held| held.digest).collect()
    }

    /// Whether the package is there.
    pub fn has(&self, digest: &B256) -> bool {
        self.path(digest).is_file()
    }

    fn held(&self) -> Vec<Held> {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let held = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            if path.extension()? != WHOLE {
                return None;
            }
            let meta = fs::metadata(&path).ok()?;
            Some(Held {
                digest: path.file_stem()?.to_str()?.parse().ok()?,
                bytes: meta.len(),
                used: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            })
        };
        entries.filter_map(held).collect()
    }

    /// Makes room for `bytes`: packages that are not in `keep` go, the least recently used first. Answers those that went;
    /// `None`, and nothing goes, when there cannot be room.
    pub fn make_room(&self, bytes: u64, keep: &BTreeSet<B256>) -> Option<Vec<B256>> {
        let mut held = self.held();
        let mut total = held.iter().map(|held| held.bytes).sum::<u64>();
        held.retain(|held| !keep.contains(&held.digest));
        held.sort_by_key(|held| (held.used, held.digest));
        let mut gone = Vec::new();
        for held in held {
            if total.saturating_add(bytes) <= self.bytes_max {
                break;
            }
            total -= held.bytes;
            gone.push(held.digest);
        }
        if total.saturating_add(bytes) > self.bytes_max {
            return None;
        }
        for digest in &gone {
            self.remove(digest);
        }
        Some(gone)
    }

    /// A file for a package that is being pulled.
    pub fn begin(&self, digest: &B256) -> io::Result<Pull> {
        let path = self.path(digest).with_extension(PART);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Pull { file, path })
    }

    /// Gives a package that was pulled whole its place.
    pub fn keep(&self, pull: Pull, digest: &B256) -> io::Result<()> {
        pull.file.sync_all()?;
        fs::rename(&pull.path, self.path(digest))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Notes that the package was used.
    pub fn touch(&self, digest: &B256) {
        let touched =
            File::open(self.path(digest)).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            tracing::warn!(%digest, %error, "the use of a cached package was not noted");
        }
    }

    /// Removes a package.
    pub fn remove(&self, digest: &B256) {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%digest, %error, "a cached package was not removed");
            }
            _ => {}
        }
    }
}

/// A package that is being pulled; goes when it is dropped before it is [kept](Cache::keep).
#[derive(Debug)]
pub(crate) struct Pull {
    pub file: File,
    path: PathBuf,
}

impl Drop for Pull {
    fn drop(&mut self) {
        // Renamed already when it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn put(cache: &Cache, number: u8, bytes: usize, age: u64) -> B256 {
        let digest = B256::repeat_byte(number);
        let mut pull = cache.begin(&digest).expect("begun");
        pull.file.write_all(&vec![number; bytes]).expect("written");
        cache.keep(pull, &digest).expect("kept");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
        let file = File::open(cache.path(&digest)).expect("there");
        file.set_modified(at).expect("set");
        digest
    }

    #[test]
    fn the_least_recently_used_go_and_never_one_that_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(dir.path().join("cache"), 100).expect("opens");
        let (a, b, c) = (
            put(&cache, 1, 40, 1),
            put(&cache, 2, 30, 2),
            put(&cache, 3, 30, 3),
        );
        assert_eq!(cache.make_room(0, &BTreeSet::new()), Some(vec![]));
        // The oldest is in use.
        assert_eq!(cache.make_room(30, &BTreeSet::from([a])), Some(vec![b]));
        assert!(cache.has(&a) && !cache.has(&b) && cache.has(&c));
        // What could never fit takes nothing away.
        assert_eq!(cache.make_room(61, &BTreeSet::from([a])), None);
        assert_eq!(cache.make_room(101, &BTreeSet::new()), None);
        assert_eq!(cache.digests().len(), 2);
        cache.touch(&a);
        assert_eq!(cache.make_room(60, &BTreeSet::new()), Some(vec![c]));
        assert_eq!(cache.digests(), [a]);
    }

    #[test]
    fn what_was_not_pulled_whole_is_not_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(dir.path().to_owned(), 100).expect("opens");
        let digest = B256::repeat_byte(1);
        drop(cache.begin(&digest).expect("begun"));
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0);
        // Killed on the way.
        std::mem::forget(cache.begin(&digest).expect("begun"));
        assert!(!cache.has(&digest));
        Cache::open(dir.path().to_owned(), 100).expect("opens");
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 0);
    }
}
