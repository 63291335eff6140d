//! Sliding-window inference: MONAI's `sliding_window_inference`. Positions, the importance of each voxel of a
//! window, and the weighted mean of overlapping windows. Tensors here have z fastest.

use crate::KernelError;

/// Gaussian weights are not let below this (MONAI's floor).
const IMPORTANCE_MIN: f32 = 1e-3;

/// How much each voxel of a window counts where windows overlap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blend {
    /// All the same.
    Constant,
    /// A Gaussian around the window's centre, with a standard deviation of this part of its size.
    Gaussian {
        /// MONAI's default is 0.125.
        sigma_scale: f64,
    },
}

/// First voxels of the windows along one axis, ascending: `roi * (1 - overlap)` apart, the last one moved back
/// so that it ends with the image. `roi` is at most `image`, `overlap` in 0 to below 1.
pub fn starts(image: usize, roi: usize, overlap: f64) -> Result<Vec<usize>, KernelError> {
    if !(0.0..1.0).contains(&overlap) {
        return Err(KernelError::Parameter {
            name: "overlap",
            value: overlap.to_string(),
            rule: "must be at least 0 and below 1",
        });
    }
    if roi == 0 || roi > image {
        return Err(KernelError::Parameter {
            name: "roi_size",
            value: roi.to_string(),
            rule: "must be at least 1 and at most the padded image",
        });
    }
    if roi == image {
        return Ok(vec![0]);
    }
    let interval = ((roi as f64 * (1.0 - overlap)) as usize).max(1);
    let count = (image - roi).div_ceil(interval) + 1;
    Ok((0..count)
        .map(|i| (i * interval).min(image - roi))
        .collect())
}

/// All windows over an image, the last axis fastest.
pub fn positions(
    image: [usize; 3],
    roi: [usize; 3],
    overlap: [f64; 3],
) -> Result<Vec<[usize; 3]>, KernelError> {
    let axis = |i: usize| starts(image[i], roi[i], overlap[i]);
    let (xs, ys, zs) = (axis(0)?, axis(1)?, axis(2)?);
    let mut all = Vec::with_capacity(xs.len() * ys.len() * zs.len());
    for &x in &xs {
        for &y in &ys {
            all.extend(zs.iter().map(|&z| [x, y, z]));
        }
    }
    Ok(all)
}

/// Weight of each voxel of a window, z fastest.
pub fn importance(roi: [usize; 3], blend: Blend) -> Vec<f32> {
    let Some(([xs, ys, zs], floor)) = importance_factors(roi, blend) else {
        return vec![1.0; roi.iter().product()];
    };
    let mut weights = Vec::with_capacity(roi.iter().product());
    for &x in &xs {
        for &y in &ys {
            weights.extend(zs.iter().map(|&z| (x * y * z).max(floor)));
        }
    }
    weights
}

/// The weight of a voxel is the product of one factor per axis, and at least the floor; nothing where all are 1.
pub(crate) fn importance_factors(roi: [usize; 3], blend: Blend) -> Option<([Vec<f32>; 3], f32)> {
    let Blend::Gaussian { sigma_scale } = blend else {
        return None;
    };
    let factors = roi.map(|n| -> Vec<f32> {
        let sigma = (sigma_scale * n as f64) as f32;
        let centre = (n - 1) as f32 / 2.0;
        (0..n)
            .map(|i| i as f32 - centre)
            .map(|x| (x * x / (-2.0 * sigma * sigma)).exp())
            .collect()
    });
    // A factor is smallest at either end of its axis, and so is their product.
    let [x, y, z] = [&factors[0], &factors[1], &factors[2]].map(|axis| axis[0]);
    let floor = (x * y * z).max(IMPORTANCE_MIN);
    Some((factors, floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_as_monai() {
        assert_eq!(starts(274, 96, 0.25), Ok(vec![0, 72, 144, 178]));
        assert_eq!(starts(96, 96, 0.25), Ok(vec![0]));
        assert_eq!(starts(10, 4, 0.0), Ok(vec![0, 4, 6]));
        assert_eq!(starts(5, 2, 0.9), Ok(vec![0, 1, 2, 3]));
        assert!(starts(5, 6, 0.25).is_err());
        assert!(starts(5, 0, 0.25).is_err());
        assert!(starts(5, 2, 1.0).is_err());
        assert!(starts(5, 2, f64::NAN).is_err());
    }

    #[test]
    fn gaussian_importance_has_a_floor() {
        let weights = importance([16, 16, 16], Blend::Gaussian { sigma_scale: 0.125 });
        assert_eq!(weights[0], IMPORTANCE_MIN);
        assert!(weights[(7 * 16 + 7) * 16 + 7] > 0.8);
    }
}
