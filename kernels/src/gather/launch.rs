//! The fused gather on a device: orientation, spacing, rescale, intensity and cast in one launch.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `i16`, `u16`, `u8`, `f32` as stored | x fastest, as scanners and NIfTI files have it |
//! | output | [`Half`], `f32` | [`Layout`]: z fastest for networks, or x fastest |
//! | labels | `u8` to `u8`, nearest only | the same |
//! | taps | per output axis: two offsets and a weight | made on the host in f64, with the CPU reference's arithmetic |
//! | rescale | slope and intercept, `f32`, per source slice | optional |
//! | intensity | [`Intensity`], on the device | optional |
//!
//! Three kernels: `direct`, where source x stays the fastest axis; `tiled`, where it does not and a tile goes through
//! shared memory; `affine`, where axes turn and three f64 coordinates are computed for each voxel. Interpolation is
//! f32 by differences: within 1e-6 of the range of the f64 reference; nearest picks the reference's voxels.
//! Moves per voxel: what it reads of the input once, and the output once; floors are in the crate's README.
#![allow(unsafe_code)] // Launches.

use std::ops::Range;

use super::resample::Interpolation;
use super::sampling::Path;
pub use super::sampling::{Layout, Sampling};
use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError, Half, Plain};
use crate::intensity::Intensity;

const TILE_READ: usize = 32;
const TILE_WRITE: usize = 64;
/// Values that one thread of `direct` writes.
const DIRECT_STEPS: usize = 4;

/// What a voxel may be, with its name in kernels.
pub trait Voxel: Plain {
    /// As in the kernel's name.
    const NAME: &'static str;
}
impl Voxel for u8 {
    const NAME: &'static str = "u8";
}
impl Voxel for i16 {
    const NAME: &'static str = "i16";
}
impl Voxel for u16 {
    const NAME: &'static str = "u16";
}
impl Voxel for f32 {
    const NAME: &'static str = "f32";
}
impl Voxel for Half {
    const NAME: &'static str = "f16";
}

/// Stored to physical values of one source slice.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct Rescale {
    /// Multiplied with the stored value.
    pub slope: f32,
    /// Added to that.
    pub intercept: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
}
// SAFETY: three numbers of four bytes.
unsafe impl Plain for Tap {}

/// The rescale of the two slices that an output index reads.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
struct SliceRescale {
    low: Rescale,
    high: Rescale,
}
// SAFETY: four numbers of four bytes.
unsafe impl Plain for SliceRescale {}

#[derive(Clone, Copy)]
#[repr(C)]
struct GatherArgs {
    input: u64,
    output: u64,
    taps: [u64; 3],
    rescale: u64,
    intensity: u64,
    dims: [u32; 3],
    first: [u32; 3],
    count: [u32; 3],
    read_axis: u32,
    slice_axis: u32,
}
// SAFETY: as `GatherArgs` in gather.cu; the shim refuses another size.
unsafe impl Arguments for GatherArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct AffineArgs {
    input: u64,
    output: u64,
    rescale: u64,
    intensity: u64,
    matrix: [f64; 9],
    origin: [f64; 3],
    source: [u32; 3],
    dims: [u32; 3],
    flip: [u32; 3],
    from: [u32; 3],
    x_fastest: u32,
    pick: [u32; 3],
    mirror: [u32; 3],
}
// SAFETY: as `AffineArgs` in gather.cu; the shim refuses another size.
unsafe impl Arguments for AffineArgs {}

/// A part of the output, and how much of the source it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slab {
    /// Source slices that must be on the device: those below this one.
    pub slices: usize,
    /// Indices of the output along the axis that runs along the source's slices.
    pub part: Range<usize>,
}

/// A gather that is ready to run: its tables are on the device. Made once a shape, run for every volume of it.
pub struct Gather {
    sampling: Sampling,
    taps: [Buffer<Tap>; 3],
    rescale: Option<Buffer<SliceRescale>>,
}

impl Gather {
    /// Puts the tables on the device. `rescale` has one entry for each source slice.
    pub fn new(
        device: &Device,
        sampling: Sampling,
        rescale: Option<&[Rescale]>,
    ) -> Result<Self, DeviceError> {
        let slices = sampling.source[2];
        if let Some(rescale) = rescale.filter(|r| r.len() != slices) {
            return Err(DeviceError::Length {
                name: "rescale",
                length: rescale.len(),
                needed: slices,
            });
        }
        let strides = [
            1,
            sampling.source[0],
            sampling.source[0] * sampling.source[1],
        ];
        let mut taps: [Vec<Tap>; 3] = Default::default();
        let mut of_slices: Vec<SliceRescale> = Vec::new();
        match &sampling.path {
            Path::Tables(tables) => {
                for (taps, (entries, axis)) in taps.iter_mut().zip(tables) {
                    // VOXELS_MAX is below 2^32, so offsets fit.
                    *taps = entries
                        .iter()
                        .map(|entry| Tap {
                            low: (entry.low * strides[*axis]) as u32,
                            high: (entry.high * strides[*axis]) as u32,
                            weight: entry.weight as f32,
                        })
                        .collect();
                    if let Some(rescale) = rescale.filter(|_| *axis == 2) {
                        of_slices.extend(entries.iter().map(|entry| SliceRescale {
                            low: rescale[entry.low],
                            high: rescale[entry.high],
                        }));
                    }
                }
            }
            Path::Affine { .. } => {
                of_slices.extend(rescale.unwrap_or(&[]).iter().map(|&one| SliceRescale {
                    low: one,
                    high: one,
                }));
            }
        }
        let [t0, t1, t2] = &taps;
        Ok(Self {
            taps: [device.upload(t0)?, device.upload(t1)?, device.upload(t2)?],
            rescale: rescale.map(|_| device.upload(&of_slices)).transpose()?,
            sampling,
        })
    }

    /// Voxels of the output, slowest axis first.
    pub fn dims(&self) -> [usize; 3] {
        self.sampling.dims()
    }

    /// Cuts the work into about `count` parts that need the source's slices one after the other, so that a part can
    /// run while later slices are still copied. One part where axes turn.
    pub fn slabs(&self, count: usize) -> Vec<Slab> {
        let all = self.sampling.source[2];
        let Path::Tables(tables) = &self.sampling.path else {
            return vec![Slab {
                slices: all,
                part: 0..self.dims()[0],
            }];
        };
        let entries = tables
            .iter()
            .find(|(_, axis)| *axis == 2)
            .map_or(&[][..], |(entries, _)| entries);
        let step = entries.len().div_ceil(count.max(1)).max(1);
        let mut slabs: Vec<Slab> = (0..entries.len())
            .step_by(step)
            .map(|start| {
                let part = start..(start + step).min(entries.len());
                let last = entries[part.clone()]
                    .iter()
                    .map(|e| e.low.max(e.high))
                    .max();
                Slab {
                    slices: last.map_or(0, |z| z + 1),
                    part,
                }
            })
            .collect();
        // A flipped axis needs its last slices first.
        slabs.sort_by_key(|slab| slab.slices);
        slabs
    }

    /// The whole output.
    pub fn run<In: Voxel, Out: Voxel>(
        &self,
        device: &Device,
        input: &Buffer<In>,
        intensity: Option<&Buffer<Intensity>>,
        output: &mut Buffer<Out>,
    ) -> Result<(), DeviceError> {
        let axis = self.slice_axis().unwrap_or(0);
        self.run_part(device, input, intensity, output, 0..self.dims()[axis])
    }

    /// The whole output of a volume that is still on the host: slab after slab goes up through pinned memory while the
    /// kernels work on the slabs before. `input` is where it goes; `count` about how many slabs.
    pub fn stream<In: Voxel, Out: Voxel>(
        &self,
        device: &Device,
        voxels: &[In],
        input: &Buffer<In>,
        intensity: Option<&Buffer<Intensity>>,
        output: &mut Buffer<Out>,
        count: usize,
    ) -> Result<(), DeviceError> {
        if voxels.len() != self.sampling.source_voxels() {
            return Err(DeviceError::Length {
                name: "voxels",
                length: voxels.len(),
                needed: self.sampling.source_voxels(),
            });
        }
        let slice = self.sampling.source[0] * self.sampling.source[1];
        let mut done = 0;
        for slab in self.slabs(count) {
            let end = slab.slices * slice;
            if end > done {
                device.stage(input, done, &voxels[done..end])?;
                device.join()?;
                done = end;
            }
            self.run_part(device, input, intensity, output, slab.part)?;
        }
        Ok(())
    }

    /// The output axis that runs along source z.
    fn slice_axis(&self) -> Option<usize> {
        self.axis_of(2)
    }

    fn axis_of(&self, source_axis: usize) -> Option<usize> {
        match &self.sampling.path {
            Path::Tables(tables) => tables.iter().position(|(_, axis)| *axis == source_axis),
            Path::Affine { .. } => None,
        }
    }

    /// The output's part of one [`Slab`].
    pub fn run_part<In: Voxel, Out: Voxel>(
        &self,
        device: &Device,
        input: &Buffer<In>,
        intensity: Option<&Buffer<Intensity>>,
        output: &mut Buffer<Out>,
        part: Range<usize>,
    ) -> Result<(), DeviceError> {
        let sampling = &self.sampling;
        let mode = match sampling.mode {
            Interpolation::Nearest => "nearest",
            Interpolation::Linear => "linear",
        };
        let labels = Out::NAME == "u8";
        let affine = matches!(sampling.path, Path::Affine { .. });
        let image = Out::NAME == "f16" || Out::NAME == "f32";
        let exists = In::NAME != "f16"
            && if labels {
                In::NAME == "u8" && mode == "nearest"
            } else {
                image && (mode == "linear" || !affine || Out::NAME == "f32")
            };
        if !exists {
            return Err(DeviceError::Kernel(KernelError::Parameter {
                name: "gather",
                value: format!("{} to {}, {mode}", In::NAME, Out::NAME),
                rule: "must be i16, u16, u8 or f32 to f32, or to f16 (not nearest where axes turn), or u8 to u8 nearest",
            }));
        }
        let voxels = sampling.dims.iter().product();
        let input = device.address_of("input", input, sampling.source_voxels())?;
        let output = device.address_of("output", output, voxels)?;
        let intensity = match intensity {
            Some(buffer) => device.address_of("intensity", buffer, 1)?,
            None => 0,
        };
        let rescale = match &self.rescale {
            Some(buffer) => device.address("rescale", buffer)?,
            None => 0,
        };
        let dims = sampling.dims.map(|n| n as u32);
        if let Path::Affine {
            matrix,
            origin,
            from,
            flip,
            layout,
            pick,
            mirror,
        } = &sampling.path
        {
            let arguments = AffineArgs {
                input,
                output,
                rescale,
                intensity,
                matrix: std::array::from_fn(|k| matrix[k / 3][k % 3]),
                origin: *origin,
                source: sampling.source.map(|n| n as u32),
                dims,
                flip: flip.map(u32::from),
                from: from.map(|axis| axis as u32),
                x_fastest: u32::from(*layout == Layout::XFastest),
                pick: pick.map(|axis| axis as u32),
                mirror: mirror.map(|last| last.map_or(u32::MAX, |last| last as u32)),
            };
            let [n0, n1, n2] = sampling.dims;
            let kernel = format!("gather_affine_{}_{}_{mode}", In::NAME, Out::NAME);
            // SAFETY: the kernel's struct; input and output have the sizes that its bounds are, coordinates are
            // clamped to the source, and rescale has an entry for each slice.
            return unsafe {
                device.launch(&kernel, [n2.div_ceil(BLOCK as usize), n1, n0], &arguments)
            };
        }
        let read_axis = self.axis_of(0).unwrap_or(2);
        let slice_axis = self.axis_of(2).unwrap_or(0);
        let (mut first, mut count) = ([0; 3], sampling.dims);
        let end = part.end.min(sampling.dims[slice_axis]);
        first[slice_axis] = part.start.min(end);
        count[slice_axis] = end - first[slice_axis];
        if count.contains(&0) {
            return Ok(());
        }
        let mut taps = [0; 3];
        for (address, buffer) in taps.iter_mut().zip(&self.taps) {
            *address = device.address("taps", buffer)?;
        }
        let arguments = GatherArgs {
            input,
            output,
            taps,
            rescale,
            intensity,
            dims,
            first: first.map(|n| n as u32),
            count: count.map(|n| n as u32),
            read_axis: read_axis as u32,
            slice_axis: slice_axis as u32,
        };
        let (path, grid) = if read_axis == 2 {
            let per_block = BLOCK as usize * DIRECT_STEPS;
            ("direct", [count[2].div_ceil(per_block), count[1], count[0]])
        } else {
            let tiles = [
                count[read_axis].div_ceil(TILE_READ),
                count[2].div_ceil(TILE_WRITE),
                count[1 - read_axis],
            ];
            ("tiled", tiles)
        };
        let kernel = format!("gather_{path}_{}_{}_{mode}", In::NAME, Out::NAME);
        // SAFETY: the kernel's struct; input and output have the sizes asked for above, first + count stays within
        // dims, the taps have dims entries each whose sum of offsets is below the source's size.
        unsafe { device.launch(&kernel, grid, &arguments) }
    }
}
