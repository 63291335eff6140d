//! Labels on their way to the host: packed on the device to as few bits as they need, unpacked on the CPU.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;

/// Labels from words of `32 / bits` each, the first in the lowest bits; `bits` is 1, 2, 4 or 8.
pub fn unpack(words: &[u32], bits: u32, count: usize) -> Vec<u8> {
    let per = (32 / bits) as usize;
    let mask = u32::MAX >> (32 - bits);
    let mut labels = Vec::with_capacity(count.next_multiple_of(per));
    for word in words {
        labels.extend((0..per as u32).map(|k| (word >> (k * bits) & mask) as u8));
    }
    labels.truncate(count);
    labels
}
