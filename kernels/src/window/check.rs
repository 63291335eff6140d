//! Window extraction against cutting boxes on the CPU.

use super::launch::extract;
use crate::device::check::{Failure, ODD_DIMS, equal, noise, straight_grid, z_fastest};
use crate::device::{Device, Half};
use crate::intensity::Intensity;
use crate::{Field, pad};

/// Windows inside, across every side and wholly outside, with a change of intensity and without.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (seed, dims) in ODD_DIMS.into_iter().enumerate() {
        let voxels = noise(seed as u64, dims.iter().product());
        let field = Field::new(straight_grid(dims, [1.0; 3]), voxels)?;
        let tensor = device.upload(&z_fastest(&field))?;
        let far = dims.map(|n| n as i64);
        for roi in [[3, 5, 7], [1, 1, 33], [4, 16, 20]] {
            let starts: [[i64; 3]; 5] = [
                [0, 0, 0],
                [-2, -1, -5],
                [far[0] - 1, far[1] - 2, far[2] - 3],
                [far[0] / 2, 0, far[2] / 3],
                [far[0], -40, 0],
            ];
            let mut expected = Vec::new();
            for start in starts {
                expected.extend(z_fastest(&pad::cut(&field, start, roi, -1.0)?));
            }
            let flat: Vec<i32> = starts.iter().flatten().map(|&v| v as i32).collect();
            let flat = device.upload(&flat)?;
            let what = format!("windows {roi:?} of {dims:?}");
            let mut output = device.allocate::<f32>(expected.len())?;
            extract(device, &tensor, dims, &flat, roi, None, -1.0, &mut output)?;
            equal(&what, &output.download()?, &expected)?;

            let labels = |values: &[f32]| -> Vec<u8> {
                values.iter().map(|v| (v.max(0.0) * 200.0) as u8).collect()
            };
            let bytes = device.upload(&labels(&tensor.download()?))?;
            let mut cut = device.allocate::<u8>(expected.len())?;
            extract(device, &bytes, dims, &flat, roi, None, 0.0, &mut cut)?;
            equal(&what, &cut.download()?, &labels(&expected))?;

            let doubled = Intensity {
                mul: 2.0,
                add: 0.5,
                ..Intensity::IDENTITY
            };
            let intensity = device.upload(&[doubled])?;
            let halves: Vec<Half> = expected
                .iter()
                .map(|&v| Half::from_f32(if v == -1.0 { v } else { v.mul_add(2.0, 0.5) }))
                .collect();
            let mut output = device.allocate::<Half>(expected.len())?;
            extract(
                device,
                &tensor,
                dims,
                &flat,
                roi,
                Some(&intensity),
                -1.0,
                &mut output,
            )?;
            equal(&what, &output.download()?, &halves)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_windows_equal_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
