//! The RFC 9162 (Certificate Transparency) Merkle tree with SHA-256.
//!
//! leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right), a lone node is promoted, the
//! empty tree is SHA-256(""). An inclusion proof fixes the leaf's index and the tree's size.
//!
//! `rs_merkle` builds a tree whole and gives proofs ([`Tree`]). An epoch's root is folded from left to
//! right instead ([`CompactRange`]), with one subtree a level in memory; tests hold the two equal.

use alloy_primitives::B256;
use rs_merkle::{Hasher, MerkleTree};

use crate::digest::{sha256, sha256_parts};
use crate::schema;

/// `rs_merkle`'s hasher with the node prefix; leaves come in hashed ([`crate::receipt::Receipt::leaf`]).
#[derive(Clone)]
struct Rfc9162;

impl Hasher for Rfc9162 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        sha256_parts(&[&[0], data]).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => node(&B256::new(*left), &B256::new(*right)).0,
            None => *left,
        }
    }
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node(left: &B256, right: &B256) -> B256 {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_slice());
    bytes[33..].copy_from_slice(right.as_slice());
    sha256(bytes)
}

/// A tree over leaf hashes, ready to give proofs.
pub struct Tree {
    inner: MerkleTree<Rfc9162>,
}

impl Tree {
    /// Builds the tree of `leaves` (leaf hashes, in order).
    pub fn new(leaves: &[B256]) -> Self {
        let leaves: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
        Self {
            inner: MerkleTree::from_leaves(&leaves),
        }
    }

    /// The root; SHA-256("") for no leaves.
    pub fn root(&self) -> B256 {
        self.inner.root().map_or_else(|| sha256(b""), B256::new)
    }

    /// The audit path of leaf `index`, from the leaf upwards; `None` past the end.
    pub fn path(&self, index: usize) -> Option<Vec<B256>> {
        (index < self.inner.leaves_len()).then(|| {
            self.inner
                .proof(&[index])
                .proof_hashes()
                .iter()
                .map(|hash| B256::new(*hash))
                .collect()
        })
    }
}

/// The root over `leaves`.
pub fn root(leaves: &[B256]) -> B256 {
    root_of_cover(&cover(0, leaves))
}

/// The root that `leaf` at `index` of a tree of `size` leaves and its `path` lead to (RFC 9162,
/// 2.1.3.2); `None` when the index is past the end or the path has the wrong length.
pub fn root_from_path(leaf: B256, index: u64, size: u64, path: &[B256]) -> Option<B256> {
    if index >= size {
        return None;
    }
    let (mut position, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if position & 1 == 1 || position == last {
            hash = node(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// A maximal perfect subtree inside a range of leaves: its height above the leaves, its number at
/// that height, its root. A page of the bundle states its own, so that a page can be checked alone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subtree {
    /// Height above the leaves (0 is a leaf).
    pub level: u32,
    /// Which one at that height, from 0: it covers leaves index·2^level to (index+1)·2^level.
    #[serde(with = "crate::dec")]
    #[schema(value_type = schema::Decimal)]
    pub index: u64,
    /// Its root.
    #[schema(value_type = schema::Hash)]
    pub hash: B256,
}

/// The perfect subtrees that cover exactly the leaves from `begin` to `end`, left to right: Certificate
/// Transparency's compact range. Leaves are added at its end; it never holds two subtrees that join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactRange {
    end: u64,
    subtrees: Vec<Subtree>,
}

impl CompactRange {
    /// The range that begins and ends at leaf `begin`.
    pub fn new(begin: u64) -> Self {
        Self {
            end: begin,
            subtrees: Vec::new(),
        }
    }

    /// Index of the leaf that comes next.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The subtrees.
    pub fn subtrees(&self) -> &[Subtree] {
        &self.subtrees
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: B256) {
        self.join(Subtree {
            level: 0,
            index: self.end,
            hash: leaf,
        });
    }

    /// Adds the leaves that `subtree` covers, which come next.
    pub fn join(&mut self, mut subtree: Subtree) {
        self.end = subtree.index.wrapping_add(1).wrapping_shl(subtree.level);
        // A right child joins its left sibling when that is in the range too.
        while subtree.index & 1 == 1 {
            match self.subtrees.last() {
                Some(left) if left.level == subtree.level && left.index + 1 == subtree.index => {
                    subtree = Subtree {
                        level: subtree.level + 1,
                        index: subtree.index / 2,
                        hash: node(&left.hash, &subtree.hash),
                    };
                    self.subtrees.pop();
                }
                _ => break,
            }
        }
        self.subtrees.push(subtree);
    }

    /// The root of the tree of these leaves, when the range begins with the first leaf.
    pub fn root(&self) -> B256 {
        // The subtrees are the peaks of the tree, from the tallest to the lowest.
        self.subtrees
            .iter()
            .rev()
            .map(|subtree| subtree.hash)
            .reduce(|right, left| node(&left, &right))
            .unwrap_or_else(|| sha256(b""))
    }
}

/// The perfect subtrees that cover exactly leaves `first..first + leaves.len()`, from left to right.
pub fn cover(first: u64, leaves: &[B256]) -> Vec<Subtree> {
    let mut range = CompactRange::new(first);
    for leaf in leaves {
        range.push(*leaf);
    }
    range.subtrees
}

/// The root of the tree whose leaves the subtrees cover from the first to the last, in order.
pub fn root_of_cover(subtrees: &[Subtree]) -> B256 {
    let mut range = CompactRange::new(0);
    for subtree in subtrees {
        range.join(subtree.clone());
    }
    range.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<B256> {
        (0..count)
            .map(|i| sha256_parts(&[&[0], &(i as u64).to_be_bytes()]))
            .collect()
    }

    /// RFC 9162, 2.1.1, as it is written there.
    fn mth(leaves: &[B256]) -> B256 {
        match leaves {
            [] => sha256(b""),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn roots_and_paths_are_rfc_9162_for_every_small_size() {
        for size in 0..=130usize {
            let leaves = leaves(size);
            let tree = Tree::new(&leaves);
            assert_eq!(tree.root(), mth(&leaves), "size {size}");
            assert_eq!(root(&leaves), mth(&leaves), "size {size}, folded");
            for (index, leaf) in leaves.iter().enumerate() {
                let path = tree.path(index).expect("inside");
                let found = root_from_path(*leaf, index as u64, size as u64, &path);
                assert_eq!(found, Some(tree.root()), "leaf {index} of {size}");
            }
            assert_eq!(tree.path(size), None);
        }
    }

    #[test]
    fn a_proof_holds_at_one_place_only() {
        let leaves = leaves(7);
        let tree = Tree::new(&leaves);
        let path = tree.path(6).expect("inside");
        assert_eq!(root_from_path(leaves[6], 7, 7, &path), None);
        for (index, size) in [(5, 7), (0, 7)] {
            assert_ne!(
                root_from_path(leaves[6], index, size, &path),
                Some(tree.root())
            );
        }
        let mut long = path.clone();
        long.push(B256::ZERO);
        assert_eq!(root_from_path(leaves[6], 6, 7, &long), None);
        assert_eq!(root_from_path(leaves[6], 6, 7, &path[1..]), None);
    }

    #[test]
    fn pages_join_to_the_root() {
        for size in 0..=70usize {
            let leaves = leaves(size);
            for page in [1usize, 3, 8, 10, 33] {
                let cover: Vec<Subtree> = leaves
                    .chunks(page)
                    .enumerate()
                    .flat_map(|(n, chunk)| cover((n * page) as u64, chunk))
                    .collect();
                assert_eq!(
                    root_of_cover(&cover),
                    mth(&leaves),
                    "size {size} page {page}"
                );
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn a_folded_root_is_the_builders_for_large_trees(size in 0usize..40_000, page in 1usize..15_000) {
            let leaves = leaves(size);
            let mut range = CompactRange::new(0);
            for (number, chunk) in leaves.chunks(page).enumerate() {
                for subtree in cover((number * page) as u64, chunk) {
                    range.join(subtree);
                }
            }
            proptest::prop_assert_eq!(range.root(), Tree::new(&leaves).root());
            proptest::prop_assert_eq!(range.end(), size as u64);
            proptest::prop_assert_eq!(range.root(), root(&leaves));
        }
    }
}
