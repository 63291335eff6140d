//! The foreground's box against the reference.

use super::{foreground_box, launch};
use crate::device::check::{Failure, ODD_DIMS, noise, straight_grid, z_fastest};
use crate::device::{Device, DeviceError, Half};
use crate::{Field, KernelError};

/// Few voxels of foreground, so that every side of the box is found somewhere inside; and none at all.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (number, dims) in ODD_DIMS.into_iter().enumerate() {
        for seed in 0..4 {
            let mut voxels: Vec<f32> = noise(10 * number as u64 + seed, dims.iter().product())
                .into_iter()
                .map(|v| v - 0.999)
                .collect();
            let some = voxels.len() / 3;
            voxels[some] = 1.0;
            let field = Field::new(straight_grid(dims, [1.0; 3]), voxels)?;
            let tensor = z_fastest(&field);
            let halves: Vec<Half> = tensor.iter().map(|&v| Half::from_f32(v)).collect();
            for (margin, k) in [([0; 3], [1; 3]), ([2, 0, 1], [4, 1, 3])] {
                let expected = foreground_box(&field, margin, k)?;
                let found = [
                    launch::foreground_box(device, &device.upload(&tensor)?, dims, margin, k)?,
                    launch::foreground_box(device, &device.upload(&halves)?, dims, margin, k)?,
                ];
                if found != [expected; 2] {
                    return Err(Failure::Differs(format!(
                        "box of {dims:?}: {found:?}, the reference has {expected:?}"
                    )));
                }
            }
        }
    }
    let dark = device.upload(&[-1.0f32, 0.0, f32::NAN])?;
    match launch::foreground_box(device, &dark, [1, 1, 3], [0; 3], [0; 3]) {
        Err(DeviceError::Kernel(KernelError::NoForeground)) => Ok(()),
        other => Err(Failure::Differs(format!("no foreground gave {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_foreground_equals_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
