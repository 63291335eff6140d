//! Where every output voxel of a gather reads the source: tables per axis, or an affine map where axes turn.
//!
//! Made on the host in f64 with the CPU reference's arithmetic, so that a device picks the same voxels and weights.

use super::orientation::AxisMap;
use super::resample::{Interpolation, axis_taps, source_coordinates};
use super::resize::{self, ResizeMode};
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
            Some(axes) => Path::Tables(forth(axes, map, oriented.dims(), layout)),
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

    /// A volume on `source`, turned by `map`, then resized to `dims`: what [`AxisMap::apply`] and
    /// [`super::resize::resize`] do one after the other. [`ResizeMode::Area`] has no tables and is refused.
    pub fn resized(
        source: &Grid,
        map: &AxisMap,
        dims: [usize; 3],
        mode: ResizeMode,
        layout: Layout,
    ) -> Result<Self, KernelError> {
        let oriented = map.grid(source)?.dims();
        let axes = resize_taps(oriented, dims, mode)?;
        Ok(Self {
            mode: interpolation(mode),
            source: source.dims(),
            dims: output_dims(dims, layout),
            path: Path::Tables(forth(axes, map, oriented, layout)),
        })
    }

    /// The way back: a tensor with z fastest on `work`, resampled onto `native` turned by `map`, and turned back. What
    /// [`crate::invert::invert`] does.
    pub fn back(
        work: &Grid,
        map: &AxisMap,
        native: &Grid,
        mode: Interpolation,
        layout: Layout,
    ) -> Result<Self, KernelError> {
        let oriented = map.grid(native)?;
        let (matrix, origin) = source_coordinates(work, &oriented);
        let feeds: [(usize, bool); 3] = std::array::from_fn(|k| map.feeds(k));
        let path = match axis_taps(work, &oriented, &matrix, origin, mode) {
            Some(axes) => Path::Tables(back(axes, map, layout)),
            None => Path::Affine {
                matrix,
                origin,
                from: [2, 1, 0],
                flip: [false; 3],
                layout,
                pick: feeds.map(|(axis, _)| axis),
                mirror: std::array::from_fn(|k| feeds[k].1.then(|| oriented.dims()[k] - 1)),
            },
        };
        Ok(Self {
            mode,
            source: reversed(work.dims()),
            dims: output_dims(native.dims(), layout),
            path,
        })
    }

    /// The way back from a resize: a tensor with z fastest of `work` voxels, resized to `native` turned by `map`, and
    /// turned back.
    pub fn resized_back(
        work: [usize; 3],
        map: &AxisMap,
        native: &Grid,
        mode: ResizeMode,
        layout: Layout,
    ) -> Result<Self, KernelError> {
        let axes = resize_taps(work, map.grid(native)?.dims(), mode)?;
        Ok(Self {
            mode: interpolation(mode),
            source: reversed(work),
            dims: output_dims(native.dims(), layout),
            path: Path::Tables(back(axes, map, layout)),
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

/// Tables over the turned volume's axes as tables over the stored one's.
fn forth(
    mut axes: [Vec<Tap>; 3],
    map: &AxisMap,
    oriented: [usize; 3],
    layout: Layout,
) -> [(Vec<Tap>, usize); 3] {
    for (k, taps) in axes.iter_mut().enumerate() {
        if map.feeds(k).1 {
            taps.iter_mut()
                .for_each(|tap| *tap = tap.mirrored(oriented[k]));
        }
    }
    let [x, y, z] = axes;
    let mut tables = [
        (x, map.feeds(0).0),
        (y, map.feeds(1).0),
        (z, map.feeds(2).0),
    ];
    if layout == Layout::XFastest {
        tables.reverse();
    }
    tables
}

/// Tables for the turned volume's axes as tables for the native one's; the source is a tensor with z fastest.
fn back(axes: [Vec<Tap>; 3], map: &AxisMap, layout: Layout) -> [(Vec<Tap>, usize); 3] {
    let mut tables: [(Vec<Tap>, usize); 3] = Default::default();
    for (k, mut taps) in axes.into_iter().enumerate() {
        let (native_axis, flip) = map.feeds(k);
        if flip {
            taps.reverse();
        }
        tables[native_axis] = (taps, 2 - k);
    }
    if layout == Layout::XFastest {
        tables.reverse();
    }
    tables
}

fn resize_taps(
    from: [usize; 3],
    to: [usize; 3],
    mode: ResizeMode,
) -> Result<[Vec<Tap>; 3], KernelError> {
    if to.contains(&0) {
        return Err(KernelError::Dims { dims: to });
    }
    resize::taps(from, to, mode).ok_or_else(|| KernelError::Parameter {
        name: "mode",
        value: format!("{mode:?}"),
        rule: "must be nearest, nearest-exact or trilinear on a device",
    })
}

fn interpolation(mode: ResizeMode) -> Interpolation {
    match mode {
        ResizeMode::Trilinear => Interpolation::Linear,
        ResizeMode::Nearest | ResizeMode::NearestExact | ResizeMode::Area => Interpolation::Nearest,
    }
}

fn reversed(mut dims: [usize; 3]) -> [usize; 3] {
    dims.reverse();
    dims
}

fn output_dims(dims: [usize; 3], layout: Layout) -> [usize; 3] {
    match layout {
        Layout::ZFastest => dims,
        Layout::XFastest => reversed(dims),
    }
}
