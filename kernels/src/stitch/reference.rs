//! The weighted mean of overlapping windows, as MONAI's `sliding_window_inference` sums them.

use rayon::prelude::*;

use crate::KernelError;
use crate::window::{Blend, importance};

/// The weighted sum of windows, then their mean.
pub struct Stitch {
    image: [usize; 3],
    roi: [usize; 3],
    weights: Vec<f32>,
    /// Channel after channel.
    sums: Vec<f32>,
    counts: Vec<f32>,
}

impl Stitch {
    /// An empty sum over `channels` images of the given dims.
    pub fn new(channels: usize, image: [usize; 3], roi: [usize; 3], blend: Blend) -> Self {
        let voxels: usize = image.iter().product();
        Self {
            image,
            roi,
            weights: importance(roi, blend),
            sums: vec![0.0; channels * voxels],
            counts: vec![0.0; voxels],
        }
    }

    /// Adds one window's output (channel after channel) at `start`. Refuses one of another size or place.
    pub fn add(&mut self, start: [usize; 3], window: &[f32]) -> Result<(), KernelError> {
        let voxels: usize = self.image.iter().product();
        let channels = self.sums.len() / voxels;
        if window.len() != channels * self.weights.len() {
            return Err(KernelError::Length {
                voxels: window.len(),
                dims: self.roi,
            });
        }
        if (0..3).any(|i| start[i] + self.roi[i] > self.image[i]) {
            return Err(KernelError::Mismatch {
                left: start,
                right: self.image,
            });
        }
        let planes = window
            .par_chunks(self.weights.len())
            .map(Some)
            .chain([None]);
        let targets = self
            .sums
            .par_chunks_mut(voxels)
            .chain([self.counts.as_mut_slice()]);
        let (image, roi, weights) = (self.image, self.roi, &self.weights);
        targets.zip(planes).for_each(|(target, plane)| {
            for x in 0..roi[0] {
                for y in 0..roi[1] {
                    let from = (x * roi[1] + y) * roi[2];
                    let to = ((start[0] + x) * image[1] + start[1] + y) * image[2] + start[2];
                    for z in 0..roi[2] {
                        let value = plane.map_or(1.0, |plane| plane[from + z]);
                        target[to + z] += value * weights[from + z];
                    }
                }
            }
        });
        Ok(())
    }

    /// The mean, channel after channel. Every voxel must have been covered.
    pub fn finish(mut self) -> Vec<f32> {
        let counts = &self.counts;
        self.sums.par_chunks_mut(counts.len()).for_each(|channel| {
            channel
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum /= count);
        });
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::positions;

    #[test]
    fn windows_of_one_function_stitch_to_that_function() {
        let (image, roi) = ([5, 6, 7], [3, 4, 4]);
        let value = |x: usize, y: usize, z: usize| (x * 100 + y * 10 + z) as f32;
        for blend in [Blend::Constant, Blend::Gaussian { sigma_scale: 0.125 }] {
            let mut stitch = Stitch::new(2, image, roi, blend);
            for start in positions(image, roi, [0.25; 3]).expect("valid") {
                let mut window = Vec::new();
                for sign in [1.0, -1.0] {
                    for x in 0..3 {
                        for y in 0..4 {
                            window.extend(
                                (0..4).map(|z| {
                                    sign * value(start[0] + x, start[1] + y, start[2] + z)
                                }),
                            );
                        }
                    }
                }
                stitch.add(start, &window).expect("fits");
            }
            let out = stitch.finish();
            for (number, v) in out.iter().enumerate() {
                let voxel = number % 210;
                let expected = value(voxel / 42, voxel / 7 % 6, voxel % 7)
                    * if number < 210 { 1.0 } else { -1.0 };
                assert!(
                    (v - expected).abs() < 1e-3,
                    "{blend:?} {number}: {v} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_window_that_does_not_fit_is_refused() {
        let mut stitch = Stitch::new(1, [4, 4, 4], [2, 2, 2], Blend::Constant);
        assert!(stitch.add([0, 0, 0], &[0.0; 7]).is_err());
        assert!(stitch.add([3, 0, 0], &[0.0; 8]).is_err());
    }
}
