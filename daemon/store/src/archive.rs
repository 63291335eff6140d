//! The tar (ustar) that inputs and results are: plain files with relative paths, nothing else.
//!
//! Packing gives the same bytes for the same files. Unpacking is of bytes from a stranger: it refuses every other kind
//! of entry, every path that could lead out of a directory, duplicates, and more than the limits say.

use std::io::Read;
use std::ops::Deref;

use zeroize::Zeroize;

/// Most bytes of a path, so that it fits a ustar header whatever its parts are.
pub const PATH_BYTES_MAX: usize = 100;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Most files.
    pub files_max: usize,
    /// Most bytes of all files together.
    pub bytes_max: u64,
}

impl Default for ArchiveLimits {
    /// The longest series that clinics make, and 2 GiB.
    fn default() -> Self {
        Self {
            files_max: 8192,
            bytes_max: 2 << 30,
        }
    }
}

/// Why an archive was refused. Paths are shown: a client that de-identified its files named them itself.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No file at all.
    #[error("the archive holds no file")]
    Empty,
    /// More files than allowed.
    #[error("the archive holds more than {0} files")]
    TooManyFiles(usize),
    /// More bytes than allowed.
    #[error("the archive holds more than {0} bytes")]
    TooLarge(u64),
    /// A link, directory, device or extension.
    #[error("entry {0} is not a plain file")]
    Kind(usize),
    /// An absolute path, `..`, a control character, a backslash, or a path too long or not UTF-8.
    #[error("the path of entry {0} is not a relative path of at most {PATH_BYTES_MAX} plain bytes")]
    Path(usize),
    /// Two files of one name, or a file that is another one's directory.
    #[error("'{0}' is there twice, or as a file and a directory")]
    Duplicate(String),
    /// Cut or damaged.
    #[error("the archive is damaged")]
    Damaged(#[source] std::io::Error),
}

/// Unpacked files: path and bytes. Wiped when dropped.
#[derive(Default, PartialEq, Eq)]
pub struct Files(Vec<(String, Vec<u8>)>);

impl Deref for Files {
    type Target = [(String, Vec<u8>)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Files {
    /// Gives every file another path, by its place. A path may say who a scan is of; messages must not.
    pub fn rename(&mut self, mut name: impl FnMut(usize) -> String) {
        for (index, (path, _)) in self.0.iter_mut().enumerate() {
            path.zeroize();
            *path = name(index);
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for (path, bytes) in &mut self.0 {
            path.zeroize();
            bytes.zeroize();
        }
    }
}

impl From<Vec<(String, Vec<u8>)>> for Files {
    fn from(files: Vec<(String, Vec<u8>)>) -> Self {
        Self(files)
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({} files)", self.0.len())
    }
}

/// Packs `files` in their order, with no owner, no time and mode 0644.
pub fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ArchiveError> {
    if files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    refuse_clashes(files)?;
    let size: usize = files.iter().map(|(_, bytes)| bytes.len() + 1024).sum();
    let mut builder = tar::Builder::new(Vec::with_capacity(size + 1024));
    for (index, (path, bytes)) in files.iter().enumerate() {
        if !is_safe(path) {
            return Err(ArchiveError::Path(index));
        }
        let mut header = tar::Header::new_ustar();
        header
            .set_path(path)
            .map_err(|_| ArchiveError::Path(index))?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        builder
            .append(&header, &bytes[..])
            .map_err(ArchiveError::Damaged)?;
    }
    builder.into_inner().map_err(ArchiveError::Damaged)
}

/// Unpacks `bytes` in memory.
pub fn unpack(bytes: &[u8], limits: &ArchiveLimits) -> Result<Files, ArchiveError> {
    let mut archive = tar::Archive::new(bytes);
    let mut files = Files::default();
    let mut room = limits.bytes_max;
    // Raw: extension headers that change names and sizes come as entries of their own, and are refused.
    for (index, entry) in archive
        .entries()
        .map_err(ArchiveError::Damaged)?
        .raw(true)
        .enumerate()
    {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        if index >= limits.files_max {
            return Err(ArchiveError::TooManyFiles(limits.files_max));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(ArchiveError::Kind(index));
        }
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .ok()
            .filter(|path| is_safe(path));
        let path = path.ok_or(ArchiveError::Path(index))?;
        let size = entry.size();
        room = room
            .checked_sub(size)
            .ok_or(ArchiveError::TooLarge(limits.bytes_max))?;
        // A header may promise more than there is: never reserve more than the archive itself holds.
        let mut content = Vec::with_capacity(size.min(bytes.len() as u64) as usize);
        entry
            .read_to_end(&mut content)
            .map_err(ArchiveError::Damaged)?;
        let whole = content.len() as u64 == size;
        files.0.push((path, content));
        if !whole {
            return Err(ArchiveError::Damaged(
                std::io::ErrorKind::UnexpectedEof.into(),
            ));
        }
    }
    if files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    refuse_clashes(&files)?;
    Ok(files)
}

fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn refuse_clashes(files: &[(String, Vec<u8>)]) -> Result<(), ArchiveError> {
    let all: std::collections::HashSet<&str> =
        files.iter().map(|(path, _)| path.as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    for (path, _) in files {
        let above = path
            .match_indices('/')
            .any(|(at, _)| all.contains(&path[..at]));
        if above || !seen.insert(path) {
            return Err(ArchiveError::Duplicate(path.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: tar::EntryType, size: u64, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Files, ArchiveError> {
        unpack(
            bytes,
            &ArchiveLimits {
                files_max: 3,
                bytes_max: 5000,
            },
        )
    }

    #[test]
    fn files_come_back_and_bytes_are_the_same_each_time() {
        let files: Vec<_> = [("b/2.dcm", 513), ("a.dcm", 0), ("b/1.dcm", 512)]
            .map(|(path, size)| (path.to_string(), vec![3u8; size]))
            .into();
        let packed = pack(&files).expect("packs");
        assert_eq!(packed, pack(&files).expect("packs"));
        assert_eq!(*open(&packed).expect("unpacks"), *files);
    }

    #[test]
    fn hostile_entries_are_refused() {
        use tar::EntryType::*;
        for path in [
            "../x",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "c:\\x",
            "a\nb",
            "\u{1b}[2J",
        ] {
            let refused = open(&entry(path.as_bytes(), Regular, 1, b"x"));
            assert!(matches!(refused, Err(ArchiveError::Path(0))), "{path:?}");
        }
        assert!(matches!(
            open(&entry(b"\xff\xfe", Regular, 1, b"x")),
            Err(ArchiveError::Path(0))
        ));
        assert!(matches!(
            open(&entry(b"", Regular, 1, b"x")),
            Err(ArchiveError::Path(0))
        ));
        for kind in [
            Symlink,
            Link,
            Directory,
            Char,
            Block,
            Fifo,
            GNULongName,
            GNUSparse,
            XHeader,
            XGlobalHeader,
        ] {
            assert!(
                matches!(open(&entry(b"a", kind, 0, b"")), Err(ArchiveError::Kind(0))),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn limits_lies_and_cuts_are_refused() {
        use tar::EntryType::Regular;
        let one = |name: &[u8]| entry(name, Regular, 1, b"x");
        let four = [one(b"a"), one(b"b"), one(b"c"), one(b"d")].concat();
        assert!(matches!(open(&four), Err(ArchiveError::TooManyFiles(3))));
        assert!(matches!(
            open(&entry(b"a", Regular, 5001, &[0; 5001])),
            Err(ArchiveError::TooLarge(5000))
        ));
        assert!(matches!(
            open(&entry(b"a", Regular, u64::MAX / 2, b"")),
            Err(ArchiveError::TooLarge(_))
        ));
        assert!(matches!(
            open(&entry(b"a", Regular, 4000, b"x")),
            Err(ArchiveError::Damaged(_))
        ));
        assert!(matches!(
            open(&one(b"a")[..300]),
            Err(ArchiveError::Damaged(_))
        ));
        assert!(matches!(
            open(&[one(b"a"), one(b"a")].concat()),
            Err(ArchiveError::Duplicate(_))
        ));
        assert!(matches!(
            open(&[one(b"a/b"), one(b"a")].concat()),
            Err(ArchiveError::Duplicate(_))
        ));
        assert!(matches!(open(&[0; 1024]), Err(ArchiveError::Empty)));
        let mut bent = one(b"a");
        bent[0] = b'z';
        assert!(matches!(open(&bent), Err(ArchiveError::Damaged(_))));
        let long = vec![("x".repeat(PATH_BYTES_MAX + 1), Vec::new())];
        assert!(matches!(pack(&long), Err(ArchiveError::Path(0))));
        assert!(matches!(pack(&[]), Err(ArchiveError::Empty)));
    }
}
