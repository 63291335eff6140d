//! Intensity: MONAI's `ScaleIntensityRange`, `ScaleIntensityRangePercentiles`, `NormalizeIntensity` and
//! `ScaleIntensity`, in place. Values are f32 as there; sums are f64.

use rayon::prelude::*;

use crate::KernelError;
use crate::percentile::percentiles;

/// Voxels per partial result: fixed, so that a sum does not depend on the number of threads, and few enough to be in the
/// cache when they are read again.
const PART_VOXELS: usize = 1 << 16;
/// Sums that run side by side, as wide registers do it.
const LANES: usize = 8;

/// A linear map of intensities, and whether values outside the target are clipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleRange {
    /// Source value that becomes `b_min`.
    pub a_min: f32,
    /// Source value that becomes `b_max`.
    pub a_max: f32,
    /// Target range; without it the source range becomes 0 to 1 and the clip has no bounds.
    pub target: Option<(f32, f32)>,
    /// Clip to the target range.
    pub clip: bool,
}

/// `(x - a_min) / (a_max - a_min) * (b_max - b_min) + b_min`, then clip. An empty source range only shifts, and
/// does not clip, as in MONAI.
pub fn scale_range(voxels: &mut [f32], range: &ScaleRange) {
    let ScaleRange {
        a_min,
        a_max,
        target,
        clip,
    } = *range;
    let (b_min, b_max) = target.unwrap_or((0.0, 1.0));
    if a_max == a_min {
        voxels.par_iter_mut().for_each(|v| *v = *v - a_min + b_min);
        return;
    }
    let (width, width_after) = (a_max - a_min, b_max - b_min);
    let (low, high) = match target {
        Some(bounds) if clip => bounds,
        _ => (f32::NEG_INFINITY, f32::INFINITY),
    };
    voxels.par_chunks_mut(PART_VOXELS).for_each(|part| {
        for v in part {
            let scaled = (*v - a_min) / width * width_after + b_min;
            let raised = if scaled < low { low } else { scaled };
            *v = if raised > high { high } else { raised };
        }
    });
}

/// [`scale_range`] from the percentiles `lower` and `upper` (0 to 100) of all voxels.
pub fn scale_range_percentiles(
    voxels: &mut [f32],
    (lower, upper): (f64, f64),
    target: Option<(f32, f32)>,
    clip: bool,
) -> Result<(), KernelError> {
    let [a_min, a_max] = percentiles(voxels, [lower, upper])?;
    scale_range(
        voxels,
        &ScaleRange {
            a_min,
            a_max,
            target,
            clip,
        },
    );
    Ok(())
}

/// Which voxels a normalisation counts and changes, and which standard deviation divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Normalize {
    /// Only voxels that are not 0; the others stay 0.
    pub nonzero: bool,
    /// Divide the squares by n-1 instead of MONAI's n.
    pub unbiased: bool,
}

/// `(x - mean) / standard deviation`; a deviation of 0 divides by 1.
pub fn normalize(voxels: &mut [f32], rule: Normalize) -> Result<(), KernelError> {
    let moments = Moments::of(voxels, rule.nonzero);
    let n = moments.count;
    if n == 0.0 {
        return Ok(());
    }
    let degrees = if rule.unbiased && n > 1.0 { n - 1.0 } else { n };
    let deviation = (moments.squares / degrees).sqrt();
    if !deviation.is_finite() {
        return Err(KernelError::NotFinite);
    }
    let factor = if deviation == 0.0 {
        1.0
    } else {
        1.0 / deviation
    };
    voxels.par_chunks_mut(PART_VOXELS).for_each(|part| {
        for v in part {
            let normal = ((f64::from(*v) - moments.mean) * factor) as f32;
            *v = if rule.nonzero && *v == 0.0 {
                *v
            } else {
                normal
            };
        }
    });
    Ok(())
}

/// How many values there are, their mean, and the sum of squared distances from it.
#[derive(Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    const NONE: Self = Self {
        count: 0.0,
        mean: 0.0,
        squares: 0.0,
    };

    /// Of all voxels, or of those that are not 0. Each part has a mean of its own, so that no digits are lost to a large
    /// common one; memory is read once.
    fn of(voxels: &[f32], nonzero: bool) -> Self {
        let parts: Vec<Self> = voxels
            .par_chunks(PART_VOXELS)
            .map(|part| Self::of_part(part, nonzero))
            .collect();
        parts.into_iter().fold(Self::NONE, Self::and)
    }

    fn of_part(part: &[f32], nonzero: bool) -> Self {
        let counted = |v: f32, term: f64| if nonzero && v == 0.0 { 0.0 } else { term };
        let count = sum(part, |v| counted(v, 1.0));
        if count == 0.0 {
            return Self::NONE;
        }
        let mean = sum(part, f64::from) / count;
        let squares = sum(part, |v| {
            let distance = f64::from(v) - mean;
            counted(v, distance * distance)
        });
        Self {
            count,
            mean,
            squares,
        }
    }

    /// Of the values of both (Chan, Golub and LeVeque 1983).
    fn and(self, other: Self) -> Self {
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + distance * (other.count / count),
            squares: self.squares
                + other.squares
                + distance * distance * (self.count * other.count / count),
        }
    }
}

fn sum(part: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (pieces, rest) = part.as_chunks::<LANES>();
    for piece in pieces.iter().map(<[f32; LANES]>::as_slice).chain([rest]) {
        sums.iter_mut()
            .zip(piece)
            .for_each(|(sum, &v)| *sum += term(v));
    }
    sums.iter().sum()
}

/// `(x - min) / (max - min)` onto `minv` to `maxv`; a constant volume becomes `x * minv`.
pub fn scale(voxels: &mut [f32], (minv, maxv): (f32, f32)) -> Result<(), KernelError> {
    let (low, high, finite) = voxels.par_chunks(PART_VOXELS).map(extremes).reduce(
        || NO_EXTREMES,
        |a, b| (a.0.min(b.0), a.1.max(b.1), a.2 & b.2),
    );
    if !finite {
        return Err(KernelError::NotFinite);
    }
    if low == high {
        voxels.par_iter_mut().for_each(|v| *v *= minv);
        return Ok(());
    }
    let width = high - low;
    voxels
        .par_iter_mut()
        .for_each(|v| *v = (*v - low) / width * (maxv - minv) + minv);
    Ok(())
}

/// Smallest, largest, and whether all are finite.
const NO_EXTREMES: (f32, f32, bool) = (f32::INFINITY, f32::NEG_INFINITY, true);

fn extremes(part: &[f32]) -> (f32, f32, bool) {
    part.iter().fold(NO_EXTREMES, |(low, high, finite), &v| {
        (low.min(v), high.max(v), finite & v.is_finite())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_scales_then_clips() {
        let mut voxels = [-10.0, 0.0, 5.0, 10.0, 30.0];
        scale_range(
            &mut voxels,
            &ScaleRange {
                a_min: 0.0,
                a_max: 10.0,
                target: Some((1.0, 3.0)),
                clip: true,
            },
        );
        assert_eq!(voxels, [1.0, 1.0, 2.0, 3.0, 3.0]);
        let mut voxels = [-10.0, 30.0];
        scale_range(
            &mut voxels,
            &ScaleRange {
                a_min: 0.0,
                a_max: 10.0,
                target: None,
                clip: true,
            },
        );
        assert_eq!(voxels, [-1.0, 3.0]);
    }

    #[test]
    fn an_empty_range_shifts() {
        let mut voxels = [4.0, 9.0];
        scale_range(
            &mut voxels,
            &ScaleRange {
                a_min: 4.0,
                a_max: 4.0,
                target: Some((1.0, 2.0)),
                clip: true,
            },
        );
        assert_eq!(voxels, [1.0, 6.0]);
    }

    #[test]
    fn normalise_counts_all_or_only_nonzero() {
        let mut voxels = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        normalize(&mut voxels, Normalize::default()).expect("finite");
        assert_eq!(voxels[0], -1.5);
        let mut voxels = [0.0, 1.0, 3.0, 0.0];
        normalize(
            &mut voxels,
            Normalize {
                nonzero: true,
                unbiased: false,
            },
        )
        .expect("finite");
        assert_eq!(voxels, [0.0, -1.0, 1.0, 0.0]);
        let mut voxels = [1.0, 3.0];
        normalize(
            &mut voxels,
            Normalize {
                nonzero: false,
                unbiased: true,
            },
        )
        .expect("finite");
        assert_eq!(voxels[1], std::f32::consts::FRAC_1_SQRT_2);
    }

    #[test]
    fn a_large_mean_over_many_parts_costs_no_digits() {
        // 0 to 6 around a million: mean 1e6 + 3, deviation 2.
        let mut voxels: Vec<f32> = (0..7 * PART_VOXELS).map(|i| 1e6 + (i % 7) as f32).collect();
        normalize(&mut voxels, Normalize::default()).expect("finite");
        for (i, v) in voxels.iter().enumerate() {
            assert!((v - ((i % 7) as f32 - 3.0) / 2.0).abs() < 1e-9, "{i}: {v}");
        }
        let mut sparse = vec![0.0; 3 * PART_VOXELS];
        (sparse[5], sparse[2 * PART_VOXELS]) = (1.0, 3.0);
        let rule = Normalize {
            nonzero: true,
            unbiased: false,
        };
        normalize(&mut sparse, rule).expect("finite");
        assert_eq!((sparse[5], sparse[2 * PART_VOXELS]), (-1.0, 1.0));
        assert_eq!(sparse.iter().filter(|&&v| v != 0.0).count(), 2);
    }

    #[test]
    fn normalise_edges() {
        let mut constant = [3.0; 4];
        normalize(&mut constant, Normalize::default()).expect("finite");
        assert_eq!(constant, [0.0; 4]);
        let mut empty = [0.0; 4];
        normalize(
            &mut empty,
            Normalize {
                nonzero: true,
                unbiased: false,
            },
        )
        .expect("finite");
        assert_eq!(empty, [0.0; 4]);
        assert_eq!(
            normalize(&mut [1.0, f32::NAN], Normalize::default()),
            Err(KernelError::NotFinite)
        );
    }

    #[test]
    fn scale_spans_the_target() {
        let mut voxels = [-1.0, 1.0, 3.0];
        scale(&mut voxels, (0.0, 2.0)).expect("finite");
        assert_eq!(voxels, [0.0, 1.0, 2.0]);
        let mut constant = [5.0, 5.0];
        scale(&mut constant, (0.5, 1.0)).expect("finite");
        assert_eq!(constant, [2.5, 2.5]);
    }
}
