//! How much a reader will take in before it refuses.

/// Limits of a load. The defaults hold the largest scans that clinics make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most voxels of a volume.
    pub voxels_max: u64,
    /// Most bytes of one volume's voxels, and of one file.
    pub bytes_max: u64,
    /// Most files of one input.
    pub files_max: usize,
}

impl Limits {
    /// 1024 slices of 1024×512, or 2048 of 512×512.
    pub const VOXELS_MAX: u64 = 1 << 29;
    /// 2 GiB.
    pub const BYTES_MAX: u64 = 2 << 30;
    /// Slices of the longest series, with room.
    pub const FILES_MAX: usize = 8192;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            voxels_max: Self::VOXELS_MAX,
            bytes_max: Self::BYTES_MAX,
            files_max: Self::FILES_MAX,
        }
    }
}
