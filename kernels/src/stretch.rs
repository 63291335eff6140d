//! Stretches of equal bytes: most of a label map is background, so they are found many voxels at once.

/// Neighbours that are compared at once.
const PIECE: usize = 64;
/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Where the stretch of equal bytes that begins at `start` ends.
pub(crate) fn equal_until(row: &[u8], start: usize) -> usize {
    let value = row[start];
    let differs = |piece: &[u8]| piece.iter().fold(0, |differs, v| differs | (v ^ value)) != 0;
    let pieces = row[start..].chunks_exact(PIECE);
    let mut end = start + PIECE * pieces.take_while(|piece| !differs(piece)).count();
    let (words, _) = row[end..].as_chunks::<WORD>();
    for word in words {
        // The first byte is the lowest, so the lowest bit that differs tells which.
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes([value; WORD]);
        if differing != 0 {
            return end + differing.trailing_zeros() as usize / 8;
        }
        end += WORD;
    }
    end + row[end..].iter().take_while(|v| **v == value).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_the_value_does() {
        for n in [1, 7, 8, 9, 63, 64, 65, 128, 200] {
            let mut row = vec![7; n];
            assert_eq!(equal_until(&row, 0), n);
            assert_eq!(equal_until(&row, n - 1), n);
            row.extend([0x87; 90]);
            for start in 0..n {
                assert_eq!(equal_until(&row, start), n);
            }
            assert_eq!(equal_until(&row, n), n + 90);
        }
    }
}
