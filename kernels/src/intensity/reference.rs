//! Intensity: MONAI's `ScaleIntensityRange`, `ScaleIntensityRangePercentiles`, `NormalizeIntensity` and
//! `ScaleIntensity`, in place. Values are f32 as there; sums are f64.

use rayon::prelude::*;

use crate::KernelError;
use crate::percentile::percentiles;

/// Voxels per partial sum: fixed, so that a sum does not depend on the number of threads.
const PART_VOXELS: usize = 1 << 16;

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
    let width = a_max - a_min;
    voxels.par_iter_mut().for_each(|v| {
        *v = (*v - a_min) / width;
        if target.is_some() {
            *v = *v * (b_max - b_min) + b_min;
            if clip {
                *v = v.max(b_min).min(b_max);
            }
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
    let counts = |v: f32| !rule.nonzero || v != 0.0;
    let n = voxels.par_iter().filter(|&&v| counts(v)).count();
    if n == 0 {
        return Ok(());
    }
    let mean = sum(voxels, |v| if counts(v) { f64::from(v) } else { 0.0 }) / n as f64;
    let squares = sum(voxels, |v| {
        if counts(v) {
            (f64::from(v) - mean).powi(2)
        } else {
            0.0
        }
    });
    let degrees = if rule.unbiased && n > 1 { n - 1 } else { n };
    let deviation = (squares / degrees as f64).sqrt();
    if !deviation.is_finite() {
        return Err(KernelError::NotFinite);
    }
    let divisor = if deviation == 0.0 { 1.0 } else { deviation };
    voxels
        .par_iter_mut()
        .filter(|v| counts(**v))
        .for_each(|v| *v = ((f64::from(*v) - mean) / divisor) as f32);
    Ok(())
}

/// `(x - min) / (max - min)` onto `minv` to `maxv`; a constant volume becomes `x * minv`.
pub fn scale(voxels: &mut [f32], (minv, maxv): (f32, f32)) -> Result<(), KernelError> {
    if voxels.par_iter().any(|v| !v.is_finite()) {
        return Err(KernelError::NotFinite);
    }
    let low = voxels
        .par_iter()
        .copied()
        .reduce(|| f32::INFINITY, f32::min);
    let high = voxels
        .par_iter()
        .copied()
        .reduce(|| f32::NEG_INFINITY, f32::max);
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

fn sum(voxels: &[f32], term: impl Fn(f32) -> f64 + Sync) -> f64 {
    let parts: Vec<f64> = voxels
        .par_chunks(PART_VOXELS)
        .map(|part| part.iter().map(|&v| term(v)).sum())
        .collect();
    parts.iter().sum()
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
