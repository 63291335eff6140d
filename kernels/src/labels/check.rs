//! Packing and unpacking restore the labels.

use super::launch::Packer;
use crate::device::Device;
use crate::device::check::{Failure, equal, noise};

/// All widths, counts around words and blocks, and a label that does not fit.
pub fn run(device: &Device) -> Result<(), Failure> {
    for count in [1, 31, 32, 257, 8191, 20_011] {
        for classes in [1, 2, 3, 4, 16, 17, 256] {
            let labels: Vec<u8> = noise(count as u64, count)
                .into_iter()
                .map(|v| (v * classes as f32) as u8)
                .collect();
            let packer = Packer::new(device, count, classes)?;
            packer.run(device, &device.upload(&labels)?)?;
            let what = format!("{count} labels of {classes}");
            equal(&what, &packer.labels()?, &labels)?;
        }
    }
    let packer = Packer::new(device, 3, 2)?;
    packer.run(device, &device.upload(&[0, 2, 1])?)?;
    match packer.labels() {
        Err(_) => Ok(()),
        Ok(labels) => Err(Failure::Differs(format!(
            "a label of 2 in one bit gave {labels:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_packing_restores_labels() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
