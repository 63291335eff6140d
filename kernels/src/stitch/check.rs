//! Stitching in gather form against adding windows up.

use super::Stitch;
use super::launch::Stitcher;
use crate::device::check::{Failure, equal, noise};
use crate::device::{Device, Half};
use crate::window::{Blend, positions};

/// Overlaps that cover a voxel up to 27 times, channels around the four that are read at once, f32 and f16.
pub fn run(device: &Device) -> Result<(), Failure> {
    let cases = [
        ([1, 1, 1], [1, 1, 1], 0.0, 1),
        ([13, 7, 37], [5, 7, 8], 0.25, 2),
        ([9, 11, 300], [4, 4, 257], 0.5, 3),
        ([10, 10, 10], [6, 6, 6], 0.7, 5),
        ([5, 6, 7], [5, 6, 7], 0.25, 14),
    ];
    for (seed, (image, roi, overlap, channels)) in cases.into_iter().enumerate() {
        for blend in [Blend::Constant, Blend::Gaussian { sigma_scale: 0.125 }] {
            let what = format!("stitch {image:?} {roi:?} {overlap} {channels} {blend:?}");
            let windows = positions(image, roi, [overlap; 3])?;
            let size = channels * roi.iter().product::<usize>();
            // Few distinct values, so that channels tie.
            let halves: Vec<Half> = noise(seed as u64, windows.len() * size)
                .into_iter()
                .map(|v| Half::from_f32((v * 6.0).floor() - 2.5))
                .collect();
            let logits: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
            let mut stitch = Stitch::new(channels, image, roi, blend);
            for (at, window) in windows.iter().zip(logits.chunks(size)) {
                stitch.add(*at, window)?;
            }
            let means = stitch.finish();
            let labels = labels(&means, channels);

            let stitcher = Stitcher::new(device, image, roi, [overlap; 3], blend)?;
            let voxels = image.iter().product();
            let mut found = device.allocate::<u8>(voxels)?;
            let mut found_means = device.allocate::<f32>(channels * voxels)?;
            let logits = device.upload(&logits)?;
            stitcher.run(
                device,
                &logits,
                channels,
                0.5,
                &mut found,
                Some(&mut found_means),
            )?;
            equal(&what, &found_means.download()?, &means)?;
            equal(&what, &found.download()?, &labels)?;
            let halves = device.upload(&halves)?;
            stitcher.run(device, &halves, channels, 0.5, &mut found, None)?;
            equal(&what, &found.download()?, &labels)?;
        }
    }
    Ok(())
}

/// [`super::discrete`]'s rules on channels in a row.
fn labels(means: &[f32], channels: usize) -> Vec<u8> {
    let voxels = means.len() / channels;
    (0..voxels)
        .map(|voxel| {
            if channels == 1 {
                return u8::from(means[voxel] >= 0.5);
            }
            let value = |channel: usize| means[channel * voxels + voxel];
            let mut best = 0;
            for channel in 1..channels {
                if value(channel) > value(best) {
                    best = channel;
                }
            }
            best as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_stitch_equals_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
