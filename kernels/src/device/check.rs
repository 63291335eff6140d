//! What the checks of all operations share: seeded volumes of odd sizes, and comparisons that name the voxel.

use super::{Device, DeviceError};
use crate::{Field, Grid};

/// One operation's comparison of its kernels with its CPU reference, on any device.
pub type Check = fn(&Device) -> Result<(), Failure>;

/// Why a check did not pass.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The device could not do it.
    #[error("{0}")]
    Device(DeviceError),
    /// It did, and the result is not the reference's.
    #[error("{0}")]
    Differs(String),
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<crate::KernelError> for Failure {
    fn from(error: crate::KernelError) -> Self {
        Self::Differs(format!("the reference refused the case: {error}"))
    }
}

/// Every operation's checks by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("gather", crate::gather::check::run),
    ("percentile", crate::percentile::check::run),
    ("intensity", crate::intensity::check::run),
    ("foreground", crate::foreground::check::run),
    ("window", crate::window::check::run),
    ("stitch", crate::stitch::check::run),
    ("components", crate::components::check::run),
    ("invert", crate::invert::check::run),
    ("labels", crate::labels::check::run),
];

/// Dims with an axis of 1, primes, a multiple of a tile and one more, and less than a warp.
pub const ODD_DIMS: [[usize; 3]; 5] = [
    [1, 1, 1],
    [33, 28, 46],
    [1, 257, 3],
    [65, 1, 129],
    [7, 13, 64],
];

/// Numbers from a seed, each in 0..1.
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ z >> 31) >> 40) as f32 / (1 << 24) as f32
        })
        .collect()
}

/// A grid with this voxel size and axes along x, y, z.
pub fn straight_grid(dims: [usize; 3], spacing: [f64; 3]) -> Grid {
    let mut affine = [[0.0; 4]; 4];
    for i in 0..3 {
        affine[i][i] = spacing[i];
        affine[i][3] = -10.0 * i as f64;
    }
    affine[3][3] = 1.0;
    Grid::new(dims, affine).expect("a check's grids are valid")
}

/// The volume with z fastest.
pub fn z_fastest<T: Copy + Default>(field: &Field<T>) -> Vec<T> {
    let [nx, ny, nz] = field.grid().dims();
    let mut tensor = Vec::with_capacity(nx * ny * nz);
    for x in 0..nx {
        for y in 0..ny {
            tensor.extend((0..nz).map(|z| field.voxels()[x + nx * (y + ny * z)]));
        }
    }
    tensor
}

/// Fails with the first index where the two differ by more than `allowed`.
pub fn close(what: &str, ours: &[f32], theirs: &[f32], allowed: f32) -> Result<(), Failure> {
    if ours.len() != theirs.len() {
        return Err(Failure::Differs(format!(
            "{what}: {} values, the reference has {}",
            ours.len(),
            theirs.len()
        )));
    }
    let differs = |(a, b): (&f32, &f32)| !((a - b).abs() <= allowed || a == b);
    match ours.iter().zip(theirs).position(differs) {
        None => Ok(()),
        Some(i) => Err(Failure::Differs(format!(
            "{what}: value {i} is {}, the reference has {} ({allowed} is allowed)",
            ours[i], theirs[i]
        ))),
    }
}

/// Fails with the first index where the two differ.
pub fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &[T],
    theirs: &[T],
) -> Result<(), Failure> {
    if ours == theirs {
        return Ok(());
    }
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    Err(Failure::Differs(match first {
        Some(i) => format!(
            "{what}: value {i} is {:?}, the reference has {:?}",
            ours[i], theirs[i]
        ),
        None => format!(
            "{what}: {} values, the reference has {}",
            ours.len(),
            theirs.len()
        ),
    }))
}
