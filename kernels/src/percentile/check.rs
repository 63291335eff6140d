//! The radix select against the reference: equal to the bit.

use super::launch::{Ordered, Percentiles};
use super::percentiles;
use crate::KernelError;
use crate::device::check::{Failure, equal, noise};
use crate::device::{Device, DeviceError};
use crate::intensity::{Intensity, ScaleRange};

/// All dtypes, counts around loads and blocks, values with many equals.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (seed, count) in [1, 2, 7, 257, 1031, 4096, 40_009].into_iter().enumerate() {
        let numbers = noise(seed as u64, count);
        for ranks in [(0.5, 99.5), (10.0, 33.3), (0.0, 100.0), (50.0, 50.0)] {
            // Two thirds background, as scans have it; negative numbers and subnormals too.
            let spread = |v: f32| match v {
                v if v < 0.66 => 0.0,
                v if v > 0.999 => 1e-41,
                v => (v - 0.7) * 1e4,
            };
            one::<f32>(
                device,
                ranks,
                &numbers.iter().map(|&v| spread(v)).collect::<Vec<_>>(),
            )?;
            one::<i16>(
                device,
                ranks,
                &numbers
                    .iter()
                    .map(|&v| (v * 4e3) as i16 - 1024)
                    .collect::<Vec<_>>(),
            )?;
            one::<u16>(
                device,
                ranks,
                &numbers
                    .iter()
                    .map(|&v| (v * 65_535.9) as u16)
                    .collect::<Vec<_>>(),
            )?;
            one::<u8>(
                device,
                ranks,
                &numbers.iter().map(|&v| (v * 9.0) as u8).collect::<Vec<_>>(),
            )?;
        }
    }
    let input = device.upload(&[1.0, f32::NAN, 2.0])?;
    let select = Percentiles::<f32>::new(device, 3, (1.0, 99.0))?;
    let mut intensity = device.allocate(1)?;
    select.run(device, &input, (0.0, 1.0), true, &mut intensity)?;
    match select.values() {
        Err(DeviceError::Kernel(KernelError::NotFinite)) => Ok(()),
        other => Err(Failure::Differs(format!("NaN gave {other:?}"))),
    }
}

fn one<T: Ordered + Into<f32>>(
    device: &Device,
    ranks: (f64, f64),
    voxels: &[T],
) -> Result<(), Failure> {
    let numbers: Vec<f32> = voxels.iter().map(|&v| v.into()).collect();
    let expected = percentiles(&numbers, [ranks.0, ranks.1])?;
    let select = Percentiles::<T>::new(device, voxels.len(), ranks)?;
    let mut intensity = device.allocate(1)?;
    let input = device.upload(voxels)?;
    let what = format!("percentiles {ranks:?} of {} {}", voxels.len(), T::NAME);
    // Twice: the second run starts from the state of the first.
    for _ in 0..2 {
        select.run(device, &input, (-1.0, 2.0), true, &mut intensity)?;
        equal(
            &what,
            &select.values()?.map(f32::to_bits),
            &expected.map(f32::to_bits),
        )?;
    }
    let range = ScaleRange {
        a_min: expected[0],
        a_max: expected[1],
        target: Some((-1.0, 2.0)),
        clip: true,
    };
    equal(
        &what,
        &intensity.download()?,
        &[Intensity::scale_range(&range)],
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_percentiles_equal_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
