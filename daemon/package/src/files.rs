//! The files of a package, from a directory or a tar archive, within limits.

use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path};

use crate::PackageError;

/// Most files of a package.
pub const FILES_MAX: usize = 64;
/// Most bytes of all files together: ONNX files end at 2 GiB.
pub const BYTES_MAX: u64 = 2 << 30;
/// Most files and directories together.
pub const ENTRIES_MAX: usize = 2 * FILES_MAX;
/// Deepest nesting of directories.
pub const DEPTH_MAX: usize = 4;
/// Longest path, so that it fits a ustar header whatever its parts are.
pub const PATH_BYTES_MAX: usize = 100;

/// Relative path with `/`, and content.
pub type Files = Vec<(String, Vec<u8>)>;

#[derive(Default)]
struct Collector {
    files: Files,
    entries: usize,
    bytes: u64,
}

impl Collector {
    fn count(&mut self) -> Result<(), PackageError> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(PackageError::TooLarge {
                what: "entries",
                max: ENTRIES_MAX as u64,
            });
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, size: u64, mut content: impl Read) -> Result<(), PackageError> {
        let name = checked_name(path)?;
        if self.files.len() == FILES_MAX {
            return Err(PackageError::TooLarge {
                what: "files",
                max: FILES_MAX as u64,
            });
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > BYTES_MAX {
            return Err(PackageError::TooLarge {
                what: "bytes",
                max: BYTES_MAX,
            });
        }
        if self.files.iter().any(|(other, _)| *other == name) {
            return Err(PackageError::Entry {
                path: name,
                reason: "is there twice",
            });
        }
        // The size is only what the archive or the file system claims.
        let mut bytes = Vec::new();
        let read = content.by_ref().take(size + 1).read_to_end(&mut bytes);
        read.map_err(|source| PackageError::Read {
            path: name.clone(),
            source,
        })?;
        if bytes.len() as u64 != size {
            return Err(PackageError::Entry {
                path: name,
                reason: "has another size than stated",
            });
        }
        self.files.push((name, bytes));
        Ok(())
    }
}

/// The path as the manifest writes it; only plain relative ones pass.
fn checked_name(path: &Path) -> Result<String, PackageError> {
    let refuse = |reason| {
        Err(PackageError::Entry {
            path: path.display().to_string(),
            reason,
        })
    };
    let Some(text) = path.to_str() else {
        return refuse("is not UTF-8");
    };
    let parts: Vec<_> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if parts.is_empty()
        || text.len() > PATH_BYTES_MAX
        || parts.len() > DEPTH_MAX
        || !parts
            .iter()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        return refuse("is not a short relative path");
    }
    // Manifest lines end with a line feed, and sha256sum escapes backslashes.
    if text.contains(|c: char| c.is_control() || c == '\\') {
        return refuse("has a control character or a backslash");
    }
    let names: Vec<_> = parts
        .iter()
        .filter_map(|part| part.as_os_str().to_str())
        .collect();
    Ok(names.join("/"))
}

/// Reads a directory. Symbolic links are refused.
///
/// # Errors
/// When something in it is no part of a package, cannot be read, or exceeds a limit.
pub fn read_dir(root: &Path) -> Result<Files, PackageError> {
    let mut collector = Collector::default();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        let failed = |source| PackageError::Read {
            path: dir.display().to_string(),
            source,
        };
        for entry in fs::read_dir(&dir).map_err(failed)? {
            collector.count()?;
            let path = entry.map_err(failed)?.path();
            let name = path
                .strip_prefix(root)
                .expect("entries of the root start with it")
                .to_path_buf();
            let failed = |source| PackageError::Read {
                path: name.display().to_string(),
                source,
            };
            let kind = fs::symlink_metadata(&path).map_err(failed)?;
            if kind.is_dir() {
                checked_name(&name)?;
                open.push(path);
            } else if kind.is_file() {
                collector.add(&name, kind.len(), fs::File::open(&path).map_err(failed)?)?;
            } else {
                let path = name.display().to_string();
                return Err(PackageError::Entry {
                    path,
                    reason: "is neither a file nor a directory",
                });
            }
        }
    }
    Ok(collector.files)
}

/// Reads an uncompressed tar archive of plain files and directories; links, devices and extension headers, which change
/// names and sizes, are refused.
///
/// # Errors
/// When something in it is no part of a package, the archive is damaged, or exceeds a limit.
pub fn read_tar(archive: impl Read) -> Result<Files, PackageError> {
    let failed = |source| PackageError::Read {
        path: "the archive".to_owned(),
        source,
    };
    let mut collector = Collector::default();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(failed)?.raw(true) {
        collector.count()?;
        let entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => {}
            tar::EntryType::Regular => collector.add(&path, entry.size(), entry)?,
            _ => {
                let path = path.display().to_string();
                return Err(PackageError::Entry {
                    path,
                    reason: "is neither a file nor a directory",
                });
            }
        }
    }
    Ok(collector.files)
}

/// Writes the files as the one tar that a package has: ustar, sorted by path, no owner, no time, mode 0644. The same files
/// give the same bytes.
///
/// # Errors
/// When writing fails, or a path does not fit a ustar header.
pub fn write_tar(files: &Files, to: impl Write) -> std::io::Result<()> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut builder = tar::Builder::new(to);
    for (path, bytes) in sorted {
        let mut header = tar::Header::new_ustar();
        header.set_path(path)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, &bytes[..])?;
    }
    builder.into_inner()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            // Set by hand: the builder itself refuses hostile paths.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder
                .append(&header, *bytes)
                .expect("memory does not fail");
        }
        builder.into_inner().expect("memory does not fail")
    }

    #[test]
    fn a_directory_and_its_tar_give_the_same_files() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("sub")).expect("created");
        fs::write(dir.path().join("model.toml"), "a").expect("written");
        fs::write(dir.path().join("sub/b"), "bb").expect("written");
        let mut from_dir = read_dir(dir.path()).expect("plain files");
        from_dir.sort();
        let regular = tar::EntryType::Regular;
        let archive = tar_of(&[
            ("./sub", tar::EntryType::Directory, b""),
            ("./model.toml", regular, b"a"),
            ("./sub/b", regular, b"bb"),
        ]);
        let mut from_archive = read_tar(&archive[..]).expect("plain files");
        from_archive.sort();
        assert_eq!(from_dir, from_archive);
        assert_eq!(from_dir[1], ("sub/b".to_owned(), b"bb".to_vec()));
        let packed = |files: &Files| {
            let mut bytes = Vec::new();
            write_tar(files, &mut bytes).expect("memory does not fail");
            bytes
        };
        let once = packed(&from_dir);
        from_dir.reverse();
        assert_eq!(once, packed(&from_dir), "the order does not count");
        assert_eq!(read_tar(&once[..]).expect("our own"), from_archive);
    }

    #[test]
    fn hostile_archives_are_refused() {
        let regular = tar::EntryType::Regular;
        for path in [
            "../model.toml",
            "/etc/x",
            "a/../b",
            "a/b/c/d/e",
            "a\\b",
            "a\nb",
            ".",
        ] {
            let result = read_tar(&tar_of(&[(path, regular, b"x")])[..]);
            assert!(
                matches!(result, Err(PackageError::Entry { .. })),
                "{path:?}: {result:?}"
            );
        }
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Fifo,
            tar::EntryType::Char,
            tar::EntryType::GNULongName,
            tar::EntryType::GNUSparse,
            tar::EntryType::XHeader,
            tar::EntryType::XGlobalHeader,
        ] {
            let result = read_tar(&tar_of(&[("a", kind, b"")])[..]);
            assert!(
                matches!(result, Err(PackageError::Entry { .. })),
                "{kind:?}: {result:?}"
            );
        }
        let twice = tar_of(&[("a", regular, b"1"), ("./a", regular, b"2")]);
        assert!(matches!(
            read_tar(&twice[..]),
            Err(PackageError::Entry {
                reason: "is there twice",
                ..
            })
        ));
        let many: Vec<String> = (0..65).map(|i| format!("f{i}")).collect();
        let entries: Vec<_> = many
            .iter()
            .map(|name| (name.as_str(), regular, &b""[..]))
            .collect();
        assert!(matches!(
            read_tar(&tar_of(&entries)[..]),
            Err(PackageError::TooLarge { what: "files", .. })
        ));
    }

    #[test]
    fn a_size_that_lies_is_refused_without_reserving_it() {
        let mut archive = tar_of(&[("a", tar::EntryType::Regular, b"short")]);
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&archive[..512]);
        header.set_size(BYTES_MAX + 1);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        assert!(matches!(
            read_tar(&archive[..]),
            Err(PackageError::TooLarge { what: "bytes", .. })
        ));
        header.set_size(1 << 20);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        assert!(read_tar(&archive[..]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::os::unix::fs::symlink("/dev/null", dir.path().join("model.onnx")).expect("linked");
        assert!(matches!(
            read_dir(dir.path()),
            Err(PackageError::Entry { .. })
        ));
    }
}
