//! Moments and intensity changes against the reference.

use super::launch::{Moments, apply};
use super::{Intensity, Normalize, ScaleRange, normalize, scale_range};
use crate::KernelError;
use crate::device::check::{Failure, close, equal, noise};
use crate::device::{Device, DeviceError, Half};

/// Counts around packs and blocks, zeros left out or not, both deviations, and what is constant, empty or not finite.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (seed, count) in [1, 3, 4, 257, 1023, 70_001].into_iter().enumerate() {
        let scan = |offset: f32| -> Vec<f32> {
            noise(seed as u64, count)
                .into_iter()
                .map(|v| if v < 0.6 { 0.0 } else { v * 3000.0 + offset })
                .collect()
        };
        for voxels in [
            scan(-1000.0),
            scan(20_000.0),
            vec![3.0; count],
            vec![0.0; count],
        ] {
            for (nonzero, unbiased) in [(false, false), (true, false), (true, true)] {
                normalized(device, &voxels, Normalize { nonzero, unbiased })?;
            }
        }
        let range = ScaleRange {
            a_min: -100.0,
            a_max: 900.0,
            target: Some((-1.0, 2.5)),
            clip: true,
        };
        let intensity = device.upload(&[Intensity::scale_range(&range)])?;
        let voxels = scan(-1000.0);
        let mut expected = voxels.clone();
        scale_range(&mut expected, &range);
        let mut output = device.allocate::<f32>(count)?;
        apply(device, &device.upload(&voxels)?, &intensity, &mut output)?;
        close("scale", &output.download()?, &expected, 3.5e-6)?;
    }
    let moments = Moments::new(device, 2, Normalize::default())?;
    let mut intensity = device.allocate(1)?;
    moments.run(
        device,
        &device.upload(&[1.0, f32::INFINITY])?,
        &mut intensity,
    )?;
    match moments.values() {
        Err(DeviceError::Kernel(KernelError::NotFinite)) => Ok(()),
        other => Err(Failure::Differs(format!("infinity gave {other:?}"))),
    }
}

fn normalized(device: &Device, voxels: &[f32], rule: Normalize) -> Result<(), Failure> {
    let what = format!("{rule:?} of {} values", voxels.len());
    let input = device.upload(voxels)?;
    let mut intensity = device.allocate(1)?;
    let moments = Moments::new(device, voxels.len(), rule)?;
    moments.run(device, &input, &mut intensity)?;
    moments.values()?;
    let mut expected = voxels.to_vec();
    normalize(&mut expected, rule)?;
    let range = expected.iter().fold(1.0f32, |max, v| max.max(v.abs()));
    // Mean and divisor are f32 in the kernel, as in MONAI: their rounding counts as far as the mean is from 0.
    let sub = intensity.download()?[0].sub.abs() * intensity.download()?[0].mul.abs();
    let mut output = device.allocate::<f32>(voxels.len())?;
    apply(device, &input, &intensity, &mut output)?;
    let found = output.download()?;
    close(&what, &found, &expected, 1e-6 * range + 2e-7 * sub)?;
    let mut halves = device.allocate::<Half>(voxels.len())?;
    apply(device, &input, &intensity, &mut halves)?;
    let rounded: Vec<Half> = found.into_iter().map(Half::from_f32).collect();
    equal(&what, &halves.download()?, &rounded)
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_moments_equal_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
