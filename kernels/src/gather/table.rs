//! Gathers whose source coordinate along each axis depends on that axis alone: a table per axis replaces all
//! coordinate arithmetic per voxel.

use rayon::prelude::*;

/// Linear interpolation between two input indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tap {
    pub(crate) low: usize,
    pub(crate) high: usize,
    /// Weight of `high`; `low` has the rest.
    pub(crate) weight: f64,
}

impl Tap {
    /// Around a coordinate that is clamped to `0..=n-1` first; NaN counts as 0.
    pub(crate) fn clamped(coordinate: f64, n: usize) -> Self {
        let last = n - 1;
        let c = coordinate.max(0.0).min(last as f64);
        let low = c as usize;
        Self {
            low,
            high: (low + 1).min(last),
            weight: c - low as f64,
        }
    }
}

/// The input index nearest to a coordinate, halves to the even one, clamped to `0..=n-1`.
pub(crate) fn nearest(coordinate: f64, n: usize) -> usize {
    coordinate.max(0.0).min((n - 1) as f64).round_ties_even() as usize
}

/// `output[x, y, z] = input[index[0][x], index[1][y], index[2][z]]`.
pub(crate) fn gather<T: Copy + Send + Sync>(
    input: &[T],
    dims: [usize; 3],
    index: &[Vec<usize>; 3],
) -> Vec<T> {
    let out = [index[0].len(), index[1].len(), index[2].len()];
    let mut output = vec![input[0]; out.iter().product()];
    output
        .par_chunks_mut(out[0] * out[1])
        .enumerate()
        .for_each(|(z, slice)| {
            for (y, row) in slice.chunks_mut(out[0]).enumerate() {
                let first = (index[2][z] * dims[1] + index[1][y]) * dims[0];
                let source = &input[first..first + dims[0]];
                for (voxel, &x) in row.iter_mut().zip(&index[0]) {
                    *voxel = source[x];
                }
            }
        });
    output
}

/// Trilinear gather in f64.
pub(crate) fn interpolate(input: &[f32], dims: [usize; 3], taps: &[Vec<Tap>; 3]) -> Vec<f32> {
    let out = [taps[0].len(), taps[1].len(), taps[2].len()];
    let mut output = vec![0.0; out.iter().product()];
    output
        .par_chunks_mut(out[0] * out[1])
        .enumerate()
        .for_each(|(z, slice)| {
            let mut blended = vec![0.0f64; dims[0]];
            for (y, row) in slice.chunks_mut(out[0]).enumerate() {
                interpolate_row(input, dims, taps, [y, z], &mut blended, row);
            }
        });
    output
}

/// The row `[y, z]` of [`interpolate`]. The four input rows around an output row are blended first, then that row is
/// interpolated: the same weights as eight corners per voxel, with a quarter of the reads. `blended` is for an input row.
pub(crate) fn interpolate_row(
    input: &[f32],
    dims: [usize; 3],
    taps: &[Vec<Tap>; 3],
    [y, z]: [usize; 2],
    blended: &mut [f64],
    row: &mut [f32],
) {
    let row_of = |y: usize, z: usize| &input[(z * dims[1] + y) * dims[0]..][..dims[0]];
    let (ty, tz) = (taps[1][y], taps[2][z]);
    let rows = [
        row_of(ty.low, tz.low),
        row_of(ty.high, tz.low),
        row_of(ty.low, tz.high),
        row_of(ty.high, tz.high),
    ];
    let (wy, wz) = (ty.weight, tz.weight);
    let weights = [
        (1.0 - wy) * (1.0 - wz),
        wy * (1.0 - wz),
        (1.0 - wy) * wz,
        wy * wz,
    ];
    for (x, sum) in blended.iter_mut().enumerate() {
        *sum = (0..4).map(|k| weights[k] * f64::from(rows[k][x])).sum();
    }
    for (voxel, tx) in row.iter_mut().zip(&taps[0]) {
        *voxel = (blended[tx.low] * (1.0 - tx.weight) + blended[tx.high] * tx.weight) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_outside_are_clamped() {
        assert_eq!(
            Tap::clamped(-3.0, 5),
            Tap {
                low: 0,
                high: 1,
                weight: 0.0
            }
        );
        assert_eq!(
            Tap::clamped(9.0, 5),
            Tap {
                low: 4,
                high: 4,
                weight: 0.0
            }
        );
        assert_eq!(
            Tap::clamped(f64::NAN, 5),
            Tap {
                low: 0,
                high: 1,
                weight: 0.0
            }
        );
        assert_eq!(
            Tap::clamped(2.25, 5),
            Tap {
                low: 2,
                high: 3,
                weight: 0.25
            }
        );
        assert_eq!(
            Tap::clamped(0.5, 1),
            Tap {
                low: 0,
                high: 0,
                weight: 0.0
            }
        );
    }

    #[test]
    fn halves_go_to_the_even_index() {
        assert_eq!(
            [0.5, 1.5, 2.5, 3.49, 9.0].map(|c| nearest(c, 5)),
            [0, 2, 2, 3, 4]
        );
    }

    #[test]
    fn interpolation_reproduces_a_linear_function() {
        let dims = [3, 4, 5];
        let value = |x: f64, y: f64, z: f64| 2.0 * x - 3.0 * y + 0.5 * z;
        let input: Vec<f32> = (0..60)
            .map(|i| value((i % 3) as f64, (i / 3 % 4) as f64, (i / 12) as f64) as f32)
            .collect();
        let coordinates = [vec![0.25, 1.75], vec![2.5], vec![0.0, 3.125, 4.0]];
        let taps: [Vec<Tap>; 3] = std::array::from_fn(|axis| {
            coordinates[axis]
                .iter()
                .map(|&c| Tap::clamped(c, dims[axis]))
                .collect()
        });
        let output = interpolate(&input, dims, &taps);
        let mut expected = Vec::new();
        for &z in &coordinates[2] {
            for &y in &coordinates[1] {
                for &x in &coordinates[0] {
                    expected.push(value(x, y, z) as f32);
                }
            }
        }
        assert_eq!(output, expected);
    }
}
