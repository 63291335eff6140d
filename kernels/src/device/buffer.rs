//! Memory on a device.
#![allow(unsafe_code)] // Plain values are seen as bytes to cross to the device.

use std::marker::PhantomData;
use std::sync::Arc;

use super::driver::Driver;
use super::{DeviceError, Half};

/// A value that is its bytes: any bit pattern is one, there is no padding, and nothing points anywhere.
///
/// # Safety
/// All of that must be so: values are copied to and from devices as bytes.
pub unsafe trait Plain: Copy + Default + Send + Sync + 'static {}

// SAFETY: numbers have no padding, and all their bit patterns are numbers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i16 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}
// SAFETY: a transparent u16.
unsafe impl Plain for Half {}

/// A kernel's arguments, laid out as in its CUDA source.
///
/// # Safety
/// The struct is `repr(C)` with the fields of the kernel's struct in its order.
pub(crate) unsafe trait Arguments: Copy {}

pub(crate) fn bytes_of<T: Plain>(elements: &[T]) -> &[u8] {
    // SAFETY: Plain has no padding, so all bytes are initialised; the slice covers exactly them.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

fn bytes_of_mut<T: Plain>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: as `bytes_of`, and any bytes written are valid elements.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), size_of_val(elements)) }
}

/// An allocation, freed once.
pub(super) struct Memory {
    driver: Arc<dyn Driver>,
    address: u64,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.driver.free(self.address);
    }
}

/// `len` elements on a device, freed when the last part of them is dropped.
pub struct Buffer<T: Plain> {
    memory: Arc<Memory>,
    first: usize,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    pub(super) fn allocate(driver: Arc<dyn Driver>, length: usize) -> Result<Self, DeviceError> {
        let bytes = length
            .checked_mul(size_of::<T>())
            .ok_or(DeviceError::Memory { bytes: usize::MAX })?;
        // No device has an allocation of nothing.
        let address = driver.allocate(bytes.max(1))?;
        Ok(Self {
            memory: Arc::new(Memory { driver, address }),
            first: 0,
            length,
            elements: PhantomData,
        })
    }

    /// The elements from `first` on, in the same memory: what is written to a part is in the whole. Work on one device
    /// runs in the order in which it was queued, so that is no race.
    pub fn part(&self, first: usize, length: usize) -> Result<Self, DeviceError> {
        let needed = first.saturating_add(length);
        if needed > self.length {
            return Err(DeviceError::Length {
                name: "buffer",
                length: self.length,
                needed,
            });
        }
        Ok(Self {
            memory: Arc::clone(&self.memory),
            first: self.first + first,
            length,
            elements: PhantomData,
        })
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.length * size_of::<T>()
    }

    /// Waits for what is queued, then copies the content to the host.
    pub fn download(&self) -> Result<Vec<T>, DeviceError> {
        let mut elements = vec![T::default(); self.length];
        self.memory
            .driver
            .download(self.address(), bytes_of_mut(&mut elements))?;
        Ok(elements)
    }

    /// The address on the device, for an engine that reads or writes the buffer itself on the same device.
    pub fn address(&self) -> u64 {
        self.memory.address + (self.first * size_of::<T>()) as u64
    }

    /// What must stay while something uses the address.
    pub(super) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    pub(super) fn belongs_to(&self, driver: &Arc<dyn Driver>) -> bool {
        Arc::ptr_eq(&self.memory.driver, driver)
    }
}
