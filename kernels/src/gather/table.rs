//! Gathers whose source coordinate along each axis depends on that axis alone: a table per axis replaces all
//! coordinate arithmetic per voxel.

use rayon::prelude::*;

use super::view::Source;

/// Linear interpolation between two input indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tap {
    pub(crate) low: usize,
    pub(crate) high: usize,
    /// Weight of `high`; `low` has the rest.
    pub(crate) weight: f64,
}

impl Tap {
    /// Just the voxel `index`.
    pub(crate) fn at(index: usize) -> Self {
        Self {
            low: index,
            high: index,
            weight: 0.0,
        }
    }

    /// The same place on an axis of `n` voxels that counts from the other end.
    pub(crate) fn mirrored(self, n: usize) -> Self {
        Self {
            low: n - 1 - self.low,
            high: n - 1 - self.high,
            ..self
        }
    }

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

/// The voxels that the taps are at: `output[x, y, z] = source[taps[0][x], taps[1][y], taps[2][z]]`.
pub(crate) fn gather<T>(source: &dyn Source<T>, taps: &[Vec<Tap>; 3]) -> Vec<T>
where
    T: Copy + Default + Send + Sync,
{
    let out = [taps[0].len(), taps[1].len(), taps[2].len()];
    let width = source.dims()[0];
    let mut output = vec![T::default(); out.iter().product()];
    output
        .par_chunks_mut(out[0] * out[1])
        .enumerate()
        .for_each_init(
            || vec![T::default(); width],
            |buffer, (z, slice)| {
                for (row, ty) in slice.chunks_exact_mut(out[0]).zip(&taps[1]) {
                    let stored = source.row(0..width, [ty.low, taps[2][z].low], buffer);
                    for (voxel, tx) in row.iter_mut().zip(&taps[0]) {
                        *voxel = stored[tx.low];
                    }
                }
            },
        );
    output
}

/// Trilinear gather in f64.
pub(crate) fn interpolate(source: &dyn Source<f32>, taps: &[Vec<Tap>; 3]) -> Vec<f32> {
    let out = [taps[0].len(), taps[1].len(), taps[2].len()];
    let mut output = vec![0.0; out.iter().product()];
    output
        .par_chunks_mut(out[0] * out[1])
        .enumerate()
        .for_each_init(
            || Rows::new(source),
            |rows, (z, slice)| {
                for (row, &ty) in slice.chunks_exact_mut(out[0]).zip(&taps[1]) {
                    let blended = rows.blended(ty, taps[2][z]);
                    for (voxel, tx) in row.iter_mut().zip(&taps[0]) {
                        *voxel = between(blended[tx.low], blended[tx.high], tx.weight) as f32;
                    }
                }
            },
        );
    output
}

/// From `low` to `high` by `weight`.
pub(crate) fn between(low: f64, high: f64, weight: f64) -> f64 {
    low * (1.0 - weight) + high * weight
}

/// One voxel of [`interpolate`], to the bit; `at` is the source at x, y, z.
pub(crate) fn interpolated(at: impl Fn(usize, usize, usize) -> f64, [x, y, z]: [Tap; 3]) -> f64 {
    let along_z = |x, y| between(at(x, y, z.low), at(x, y, z.high), z.weight);
    let along_y = |x| between(along_z(x, y.low), along_z(x, y.high), y.weight);
    between(along_y(x.low), along_y(x.high), x.weight)
}

/// Source rows on their way into output rows: blended along z, then along y. The two that were blended along z last are
/// kept, because the next output row often needs them again.
pub(crate) struct Rows<'a> {
    source: &'a dyn Source<f32>,
    buffers: [Vec<f32>; 2],
    kept: [Kept; 2],
    blended: Vec<f64>,
}

/// A row that is blended along z.
struct Kept {
    /// Its y and z.
    of: Option<(usize, Tap)>,
    sums: Vec<f64>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(source: &'a dyn Source<f32>) -> Self {
        let width = source.dims()[0];
        Self {
            source,
            buffers: [vec![0.0; width], vec![0.0; width]],
            kept: [0, 1].map(|_| Kept {
                of: None,
                sums: vec![0.0; width],
            }),
            blended: vec![0.0; width],
        }
    }

    /// The source row at `[ty, tz]`.
    pub(crate) fn blended(&mut self, ty: Tap, tz: Tap) -> &[f64] {
        let low = self.along_z(ty.low, tz, ty.high);
        let high = self.along_z(ty.high, tz, ty.low);
        let (low, high) = (&self.kept[low].sums, &self.kept[high].sums);
        for ((sum, low), high) in self.blended.iter_mut().zip(low).zip(high) {
            *sum = between(*low, *high, ty.weight);
        }
        &self.blended
    }

    /// Which of the kept rows is row `y` blended along z. It does not replace row `other`.
    fn along_z(&mut self, y: usize, tz: Tap, other: usize) -> usize {
        if let Some(found) = self.kept.iter().position(|row| row.of == Some((y, tz))) {
            return found;
        }
        let slot = usize::from(self.kept[0].of == Some((other, tz)));
        let Kept { of, sums } = &mut self.kept[slot];
        *of = Some((y, tz));
        let [low, high] = &mut self.buffers;
        let width = sums.len();
        let low = self.source.row(0..width, [y, tz.low], low);
        let high = self.source.row(0..width, [y, tz.high], high);
        for ((sum, &low), &high) in sums.iter_mut().zip(low).zip(high) {
            *sum = between(low.into(), high.into(), tz.weight);
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::view::Dense;

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
        let output = interpolate(&Dense::whole(&input, dims), &taps);
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
