//! Stretches of equal labels: a label map has few of them beside its voxels.

use std::ops::Range;

/// Neighbours that are compared at once.
const PIECE: usize = 64;
/// Labels of a word.
const WORD: usize = size_of::<u64>();

/// Every maximal stretch of one label, in order.
pub(crate) fn stretches(labels: &[u8]) -> impl Iterator<Item = (Range<usize>, u8)> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let label = *labels.get(start)?;
        let stretch = start..start + equal_to_first(&labels[start..]);
        start = stretch.end;
        Some((stretch, label))
    })
}

/// How many labels from the first on are equal to it.
fn equal_to_first(labels: &[u8]) -> usize {
    let label = labels[0];
    let differs = |piece: &[u8]| piece.iter().fold(0, |differs, l| differs | (l ^ label)) != 0;
    let pieces = labels.chunks_exact(PIECE);
    let mut equal = PIECE * pieces.take_while(|piece| !differs(piece)).count();
    let (words, _) = labels[equal..].as_chunks::<WORD>();
    for word in words {
        // The first label is the lowest byte, so the lowest bit that differs tells which.
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes([label; WORD]);
        if differing != 0 {
            return equal + differing.trailing_zeros() as usize / 8;
        }
        equal += WORD;
    }
    equal + labels[equal..].iter().take_while(|l| **l == label).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_everything_once() {
        let mut labels = vec![7; 100];
        labels[33..97].fill(0);
        labels[64] = 1;
        let found: Vec<_> = stretches(&labels).collect();
        let expected = [
            (0..33, 7),
            (33..64, 0),
            (64..65, 1),
            (65..97, 0),
            (97..100, 7),
        ];
        assert_eq!(found, expected);
        assert_eq!(stretches(&[]).count(), 0);
    }

    #[test]
    fn a_stretch_ends_at_every_place_of_a_word_and_a_piece() {
        for n in 1..200 {
            let labels = [vec![0; n], vec![0x80; 3]].concat();
            let found: Vec<_> = stretches(&labels).collect();
            assert_eq!(found, [(0..n, 0), (n..n + 3, 0x80)]);
        }
    }
}
