//! Stretches of equal labels: a label map has few of them beside its voxels.

use std::ops::Range;

/// Neighbours that are compared at once.
const PIECE: usize = 32;

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
    let whole = labels
        .chunks_exact(PIECE)
        .take_while(|piece| !differs(piece))
        .count();
    let rest = &labels[whole * PIECE..];
    whole * PIECE + rest.iter().take_while(|l| **l == label).count()
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
}
