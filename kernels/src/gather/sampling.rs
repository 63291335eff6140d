//! Where every output voxel of a gather reads the source: tables per axis, or an affine map where axes turn.
//!
//! Made on the host in f64 with the CPU reference's arithmetic, so that a device picks the same voxels and weights.

use super::orientation::AxisMap;
use super::resample::{Interpolation, axis_taps, source_coordinates};
use super::table::Tap;
use crate::KernelError;
use crate::grid::Grid;
use crate::linear::Mat3;

/// Which axis of the output is fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As networks have it.
    ZFastest,
    /// As files have it.
    XFastest,
}

/// Where every output voxel reads the source.
pub struct Sampling {
    pub(super) mode: Interpolation,
    /// Of the source, fastest first; and of the output, slowest first.
    pub(super) source: [usize; 3],
    pub(super) dims: [usize; 3],
    pub(super) path: Path,
}

pub(super) enum Path {
    /// Per output axis: its taps, and which source axis (0 is fastest) they index.
    Tables([(Vec<Tap>, usize); 3]),
    Affine {
        matrix: Mat3,
        origin: [f64; 3],
        from: [usize; 3],
        flip: [bool; 3],
        layout: Layout,
        /// The output's axis that each of the matrix's target indices is, and from where it counts down.
        pick: [usize; 3],
        mirror: [Option<usize>; 3],
    },
}

impl Sampling {
    /// A volume on `source`, turned by `map`, then resampled onto `target`: what [`AxisMap::apply`] and
    /// [`super::resample::resample`] do one after the other.
    pub fn onto(
        source: &Grid,
        map: &AxisMap,
        target: &Grid,
        mode: Interpolation,
        layout: Layout,
    ) -> Result<Self, KernelError> {
        let oriented = map.grid(source)?;
        let (matrix, origin) = source_coordinates(&oriented, target);
        let feeds: [(usize, bool); 3] = std::array::from_fn(|k| map.feeds(k));
        let path = match axis_taps(&oriented, target, &matrix, origin, mode) {
            Some(mut axes) => {
                for (k, taps) in axes.iter_mut().enumerate() {
                    if feeds[k].1 {
                        let n = oriented.dims()[k];
                        taps.iter_mut().for_each(|tap| *tap = tap.mirrored(n));
                    }
                }
                let [x, y, z] = axes;
                let mut tables = [(x, feeds[0].0), (y, feeds[1].0), (z, feeds[2].0)];
                if layout == Layout::XFastest {
                    tables.reverse();
                }
                Path::Tables(tables)
            }
            None => Path::Affine {
                matrix,
                origin,
                from: feeds.map(|(axis, _)| axis),
                flip: feeds.map(|(_, flip)| flip),
                layout,
                pick: [0, 1, 2],
                mirror: [None; 3],
            },
        };
        Ok(Self {
            mode,
            source: source.dims(),
            dims: output_dims(target.dims(), layout),
            path,
        })
    }

    /// The way back: a tensor with z fastest on `work`, resampled onto `native` turned by `map`, and turned back; the
    /// output has x fastest, as the native volume. What [`crate::invert::invert`] does.
    pub fn back(
        work: &Grid,
        map: &AxisMap,
        native: &Grid,
        mode: Interpolation,
    ) -> Result<Self, KernelError> {
        let oriented = map.grid(native)?;
        let (matrix, origin) = source_coordinates(work, &oriented);
        let feeds: [(usize, bool); 3] = std::array::from_fn(|k| map.feeds(k));
        let path = match axis_taps(work, &oriented, &matrix, origin, mode) {
            Some(axes) => {
                let mut tables: [(Vec<Tap>, usize); 3] = Default::default();
                for (k, mut taps) in axes.into_iter().enumerate() {
                    let (native_axis, flip) = feeds[k];
                    if flip {
                        taps.reverse();
                    }
                    tables[2 - native_axis] = (taps, 2 - k);
                }
                Path::Tables(tables)
            }
            None => Path::Affine {
                matrix,
                origin,
                from: [2, 1, 0],
                flip: [false; 3],
                layout: Layout::XFastest,
                pick: feeds.map(|(axis, _)| axis),
                mirror: std::array::from_fn(|k| feeds[k].1.then(|| oriented.dims()[k] - 1)),
            },
        };
        let mut source = work.dims();
        source.reverse();
        Ok(Self {
            mode,
            source,
            dims: output_dims(native.dims(), Layout::XFastest),
            path,
        })
    }

    /// Voxels of the output, slowest axis first.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Voxels of the source.
    pub(super) fn source_voxels(&self) -> usize {
        self.source.iter().product()
    }
}

fn output_dims(mut dims: [usize; 3], layout: Layout) -> [usize; 3] {
    if layout == Layout::XFastest {
        dims.reverse();
    }
    dims
}
