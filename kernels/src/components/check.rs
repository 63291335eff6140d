//! The largest components against the reference.

use super::launch::KeepLargest;
use super::{Connectivity, keep_largest};
use crate::Field;
use crate::device::Device;
use crate::device::check::{Failure, ODD_DIMS, equal, noise, straight_grid, z_fastest};

/// Dense and sparse noise (many small components and ties), blocks of labels, one label alone, and none.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (number, dims) in ODD_DIMS.into_iter().chain([[6, 5, 300]]).enumerate() {
        let keep = KeepLargest::new(device, dims)?;
        for seed in 0..5u64 {
            let noise = noise(100 * number as u64 + seed, dims.iter().product());
            let voxels: Vec<u8> = noise
                .iter()
                .enumerate()
                .map(|(i, &v)| match seed {
                    0 => u8::from(v > 0.5) + u8::from(v > 0.8),
                    1 => u8::from(v > 0.93),
                    // Stretches of one label that run across warps, with gaps.
                    2 => (1 + i / 50 % 3) as u8 * u8::from(v > 0.02),
                    3 => 255,
                    _ => 0,
                })
                .collect();
            let mut field = Field::new(straight_grid(dims, [1.0; 3]), voxels)?;
            let mut labels = device.upload(&z_fastest(&field))?;
            keep_largest(&mut field, Connectivity::Corners);
            keep.run(device, &mut labels)?;
            let what = format!("components of {dims:?}, case {seed}");
            equal(&what, &labels.download()?, &z_fastest(&field))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_components_equal_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
