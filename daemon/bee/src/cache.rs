//! Pulled packages on disk, by digest, within a budget. `<digest>.tar` is whole; `<digest>.part` is what came of one so far,
//! and stays when a pull breaks or the bee ends, so that the next one goes on there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
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
    /// Opens or makes the directory.
    pub fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        // That it can be read shows at the start.
        fs::read_dir(&dir)?;
        Ok(Self { dir, bytes_max })
    }

    /// Where the package is, or would be.
    pub fn path(&self, digest: &B256) -> PathBuf {
        self.dir.join(format!("{}.{WHOLE}", hex::encode(digest)))
    }

    /// Where what came of the package so far is, or would be.
    pub fn part(&self, digest: &B256) -> PathBuf {
        self.path(digest).with_extension(PART)
    }

    /// Digests of the packages that are there.
    pub fn digests(&self) -> Vec<B256> {
        self.held(WHOLE).iter().map(|held| held.digest).collect()
    }

    /// Whether the package is there.
    pub fn has(&self, digest: &B256) -> bool {
        self.path(digest).is_file()
    }

    /// The files that end so.
    fn held(&self, end: &str) -> Vec<Held> {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let held = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            if path.extension()? != end {
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

    /// Makes room for the `bytes` of a package: others that are not in `keep` go, the least recently used first. Answers those
    /// that went; `None`, and nothing goes, when there cannot be room.
    pub fn make_room(&self, digest: &B256, bytes: u64, keep: &BTreeSet<B256>) -> Option<Vec<B256>> {
        let mut held = self.held(WHOLE);
        let parts = self.held(PART).into_iter();
        let parts = parts.filter(|part| part.digest != *digest);
        let all = held.iter().map(|held| held.bytes);
        let mut total = all.chain(parts.map(|part| part.bytes)).sum::<u64>();
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

    /// Gives a package whose part is whole its place.
    pub fn keep(&self, digest: &B256) -> io::Result<()> {
        let part = self.part(digest);
        File::open(&part)?.sync_all()?;
        fs::rename(&part, self.path(digest))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Removes what came of packages that are not `wanted` any more.
    pub fn drop_parts(&self, wanted: &BTreeSet<B256>) {
        let parts = self.held(PART).into_iter().map(|part| part.digest);
        for digest in parts.filter(|digest| !wanted.contains(digest)) {
            remove(&self.part(&digest), &digest);
        }
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
        remove(&self.path(digest), digest);
    }
}

fn remove(path: &Path, digest: &B256) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%digest, %error, "a file of the model cache was not removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn put(cache: &Cache, number: u8, bytes: usize, age: u64) -> B256 {
        let digest = B256::repeat_byte(number);
        fs::write(cache.part(&digest), vec![number; bytes]).expect("written");
        cache.keep(&digest).expect("kept");
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
        let new = B256::repeat_byte(9);
        let room =
            |bytes, keep: &[B256]| cache.make_room(&new, bytes, &keep.iter().copied().collect());
        assert_eq!(room(0, &[]), Some(vec![]));
        // The oldest is in use.
        assert_eq!(room(30, &[a]), Some(vec![b]));
        assert!(cache.has(&a) && !cache.has(&b) && cache.has(&c));
        // What could never fit takes nothing away.
        assert_eq!(room(61, &[a]), None);
        assert_eq!(room(101, &[]), None);
        assert_eq!(cache.digests().len(), 2);
        cache.touch(&a);
        assert_eq!(room(60, &[]), Some(vec![c]));
        assert_eq!(cache.digests(), [a]);
    }

    #[test]
    fn what_came_of_a_package_stays_while_it_is_wanted_and_takes_room_from_others_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(dir.path().to_owned(), 100).expect("opens");
        let (begun, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        fs::write(cache.part(&begun), [0; 30]).expect("written");
        // Killed on the way.
        let cache = Cache::open(dir.path().to_owned(), 100).expect("opens");
        assert!(!cache.has(&begun) && cache.digests().is_empty());
        let none = BTreeSet::new();
        assert_eq!(cache.make_room(&begun, 100, &none), Some(vec![]));
        assert_eq!(cache.make_room(&other, 70, &none), Some(vec![]));
        assert_eq!(cache.make_room(&other, 71, &none), None);
        cache.drop_parts(&BTreeSet::from([begun]));
        assert!(cache.part(&begun).exists());
        cache.drop_parts(&BTreeSet::from([other]));
        assert!(!cache.part(&begun).exists());
    }
}
