//! Stretches of equal values: most of a label map is background, so they are found many voxels at once.

/// Neighbours that are compared at once.
const PIECE: usize = 32;

/// Where the stretch of equal values that begins at `start` ends.
pub(crate) fn equal_until<T: Copy + PartialEq>(row: &[T], start: usize) -> usize {
    let value = row[start];
    let whole = row[start..]
        .chunks_exact(PIECE)
        .take_while(|piece| piece.iter().fold(true, |equal, v| equal & (*v == value)))
        .count();
    let rest = start + whole * PIECE;
    rest + row[rest..].iter().take_while(|v| **v == value).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_the_value_does() {
        for n in [1, 31, 32, 33, 64, 100] {
            let mut row = vec![7_u16; n];
            assert_eq!(equal_until(&row, 0), n);
            assert_eq!(equal_until(&row, n - 1), n);
            row.extend([8; 40]);
            for start in 0..n {
                assert_eq!(equal_until(&row, start), n);
            }
            assert_eq!(equal_until(&row, n), n + 40);
        }
    }
}
