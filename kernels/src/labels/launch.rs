//! Packing labels on a device.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `u8` | any order |
//! | output | `u32` of 32, 16, 8 or 4 labels | the same order; 1, 2, 4 or 8 bits a label |
//!
//! Reads a byte a label and writes `bits / 8`. What counts is the copy to the host after it, that much smaller.
#![allow(unsafe_code)] // Launches.

use super::unpack;
use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};

#[derive(Clone, Copy)]
#[repr(C)]
struct PackArgs {
    labels: u64,
    words: u64,
    too_large: u64,
    count: u64,
    bits: u32,
    pad: u32,
}
// SAFETY: as in pack.cu; the shim refuses another size.
unsafe impl Arguments for PackArgs {}

/// Packing for one number of labels below `2^bits`.
pub struct Packer {
    count: usize,
    bits: u32,
    words: Buffer<u32>,
    too_large: Buffer<u32>,
}

impl Packer {
    /// `classes` is how many labels there are, background included: 1 to 256.
    pub fn new(device: &Device, count: usize, classes: usize) -> Result<Self, DeviceError> {
        let bits = match classes {
            1..=2 => 1,
            3..=4 => 2,
            5..=16 => 4,
            17..=256 => 8,
            _ => {
                return Err(DeviceError::Kernel(KernelError::Parameter {
                    name: "classes",
                    value: classes.to_string(),
                    rule: "must be 1 to 256",
                }));
            }
        };
        Ok(Self {
            count,
            bits,
            words: device.allocate(count.div_ceil((32 / bits) as usize))?,
            too_large: device.allocate(1)?,
        })
    }

    /// Queues the packing.
    pub fn run(&self, device: &Device, labels: &Buffer<u8>) -> Result<(), DeviceError> {
        device.fill(&self.too_large, 0)?;
        let arguments = PackArgs {
            labels: device.address_of("labels", labels, self.count)?,
            words: device.address("words", &self.words)?,
            too_large: device.address("too_large", &self.too_large)?,
            count: self.count as u64,
            bits: self.bits,
            pad: 0,
        };
        let blocks = self.words.len().div_ceil(BLOCK as usize);
        // SAFETY: the kernel's struct; there are `count` labels and a word for each group of them.
        unsafe { device.launch("labels_pack", [blocks, 1, 1], &arguments) }
    }

    /// Waits, copies the packed labels, unpacks them; refuses labels that did not fit.
    pub fn labels(&self) -> Result<Vec<u8>, DeviceError> {
        let too_large = self.too_large.download()?[0];
        if too_large != 0 {
            return Err(DeviceError::Kernel(KernelError::Parameter {
                name: "labels",
                value: format!("{too_large} of them"),
                rule: "must be below the number of classes that the packer was made for",
            }));
        }
        Ok(unpack(&self.words.download()?, self.bits, self.count))
    }
}
