//! CIDv1 (UnixFS) of a blob and of a bundle's directory, the way Kubo makes them with `--cid-version=1`: SHA-256,
//! chunks of 256 KiB as raw leaves, a balanced tree of dag-pb nodes with at most 174 links, base32.
//!
//! Only the names are computed here; nothing is pinned.

use std::collections::BTreeMap;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// Bytes of a leaf.
const CHUNK_BYTES: usize = 256 << 10;
/// Links of a node.
const LINKS_MAX: usize = 174;
const RAW: u8 = 0x55;
const DAG_PB: u8 = 0x70;
const UNIXFS_DIRECTORY: u64 = 1;
const UNIXFS_FILE: u64 = 2;

/// A node or leaf that a parent can link.
#[derive(Clone)]
struct Node {
    /// Version, codec and multihash.
    cid: Vec<u8>,
    /// Bytes of the file below it.
    file_bytes: u64,
    /// Bytes of all blocks from it down.
    dag_bytes: u64,
}

/// CID of a file with these bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    text(&file(bytes).expect("reading from memory does not fail"))
}

/// CID of a file with what `reader` gives.
pub fn of_reader(reader: impl Read) -> io::Result<String> {
    file(reader).map(|node| text(&node))
}

/// CID of a directory with these files; `/` in a path makes a directory below it. Of one path given twice the last
/// counts.
pub fn of_directory<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut root = DirectoryCid::default();
    for (path, bytes) in files {
        root.add(path, bytes)
            .expect("reading from memory does not fail");
    }
    root.cid()
}

/// CID of a directory whose files are read one after the other; nothing of them is kept.
#[derive(Default)]
pub struct DirectoryCid(Directory);

impl DirectoryCid {
    /// Adds a file; `/` in `path` makes a directory below. Of one path given twice the last counts.
    ///
    /// # Errors
    /// When `reader` fails.
    pub fn add(&mut self, path: &str, reader: impl Read) -> io::Result<()> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut at = &mut self.0;
        for part in parts {
            at = at.directories.entry(part.to_owned()).or_default();
        }
        at.files.insert(name.to_owned(), file(reader)?);
        Ok(())
    }

    /// The directory's CID.
    pub fn cid(&self) -> String {
        text(&self.0.node())
    }
}

#[derive(Default)]
struct Directory {
    files: BTreeMap<String, Node>,
    directories: BTreeMap<String, Directory>,
}

impl Directory {
    fn node(&self) -> Node {
        // A map sorts by bytes, which is the order of links in a directory.
        let mut links = self.files.clone();
        links.extend(
            self.directories
                .iter()
                .map(|(name, below)| (name.clone(), below.node())),
        );
        let links: Vec<_> = links
            .iter()
            .map(|(name, node)| (name.as_str(), node))
            .collect();
        pb_node(&links, UNIXFS_DIRECTORY)
    }
}

fn file(mut reader: impl Read) -> io::Result<Node> {
    let mut level = Vec::new();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        reader
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)?;
        if chunk.is_empty() && !level.is_empty() {
            break;
        }
        let size = chunk.len() as u64;
        level.push(Node {
            cid: cid(RAW, &chunk),
            file_bytes: size,
            dag_bytes: size,
        });
        if chunk.len() < CHUNK_BYTES {
            break;
        }
    }
    while level.len() > 1 {
        let parents = level.chunks(LINKS_MAX).map(|children| {
            let links: Vec<_> = children.iter().map(|node| ("", node)).collect();
            pb_node(&links, UNIXFS_FILE)
        });
        level = parents.collect();
    }
    Ok(level.remove(0))
}

/// A dag-pb node: its links first, then its UnixFS data, as the canonical form wants it.
fn pb_node(links: &[(&str, &Node)], kind: u64) -> Node {
    let file_bytes = links.iter().map(|(_, node)| node.file_bytes).sum();
    let mut data = Vec::new();
    number(&mut data, 1, kind);
    if kind == UNIXFS_FILE {
        number(&mut data, 3, file_bytes);
        for (_, node) in links {
            number(&mut data, 4, node.file_bytes);
        }
    }
    let mut block = Vec::new();
    for (name, node) in links {
        let mut link = Vec::new();
        bytes(&mut link, 1, &node.cid);
        bytes(&mut link, 2, name.as_bytes());
        number(&mut link, 3, node.dag_bytes);
        bytes(&mut block, 2, &link);
    }
    bytes(&mut block, 1, &data);
    Node {
        cid: cid(DAG_PB, &block),
        file_bytes,
        dag_bytes: block.len() as u64 + links.iter().map(|(_, node)| node.dag_bytes).sum::<u64>(),
    }
}

/// Version 1, codec, multihash code of SHA-256, its length, the hash.
fn cid(codec: u8, block: &[u8]) -> Vec<u8> {
    let mut cid = vec![1, codec, 0x12, 32];
    cid.extend_from_slice(&Sha256::digest(block));
    cid
}

/// Multibase base32 (RFC 4648, lower case, no padding), prefix `b`.
fn text(node: &Node) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::from("b");
    let (mut pending, mut bits) = (0u32, 0);
    for byte in &node.cid {
        pending = (pending << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(ALPHABET[(pending >> bits & 31) as usize].into());
        }
    }
    if bits > 0 {
        out.push(ALPHABET[(pending << (5 - bits) & 31) as usize].into());
    }
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i * 31 + (i >> 8)) as u8).collect()
    }

    // Made once with ipfs-unixfs-importer (JavaScript) and Kubo's settings.
    #[test]
    fn files_have_the_names_that_ipfs_gives_them() {
        for (size, expected) in [
            (
                0,
                "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            ),
            (
                1,
                "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
            ),
            (
                262_144,
                "bafkreicyf2rsjlabvogs5vfihpzfegm2q5hjwrohaneftr2crm6gsnlznm",
            ),
            (
                262_145,
                "bafybeidgoqoyg4yhalu6oks2gnsjbs74tnoepwkl77plj4i4rd6lhvt424",
            ),
            (
                1_000_000,
                "bafybeif47thwqop25vmml3tn3rekom7ximqq3dk7jh2dyrk7nkksmsqtjq",
            ),
            (
                CHUNK_BYTES * LINKS_MAX,
                "bafybeictnhkryr6nrwjc27yponmmlpktev4dnsvngaji55edlddqcrcwqu",
            ),
            (
                CHUNK_BYTES * LINKS_MAX + 1,
                "bafybeibceeiwyvx3pxrrewxawlbhjvw5ia7lqgj7pt6zjsw56m6vxph5dq",
            ),
        ] {
            assert_eq!(of_bytes(&pattern(size)), expected, "{size}");
        }
        assert_eq!(
            of_bytes(b"hello world"),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
    }

    #[test]
    fn directories_too() {
        let files = [
            ("jobs/00001.json", pattern(5)),
            ("SUMMARY.json", pattern(100)),
            ("jobs/00000.json", pattern(300_000)),
            ("agents.json", pattern(10)),
        ];
        let cid = of_directory(files.iter().map(|(path, bytes)| (*path, &bytes[..])));
        assert_eq!(
            cid,
            "bafybeicuxhp3dw7nkc6zacalx5xdgwiqkicex676rlctlkpxs4nauacre4"
        );
        assert_eq!(
            of_directory([]),
            "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
        );
    }
}
