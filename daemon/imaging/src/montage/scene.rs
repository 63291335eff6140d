//! A scan and its labels as they are drawn: which way, how bright, and which slices.

use crate::volume::{Turned, Volume};
use rayon::prelude::*;

/// Which way the slice is cut. All three are drawn as a radiologist hangs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Seen from the feet: patient's right on the left, front on top.
    Axial,
    /// Seen from the front: patient's right on the left, head on top.
    Coronal,
    /// Seen from the patient's left: front on the left, head on top.
    Sagittal,
}

impl View {
    /// Voxel axes (of a RAS grid) across, down and through the picture. Both picture axes run against the voxel axes.
    pub(super) fn axes(self) -> [usize; 3] {
        match self {
            Self::Axial => [0, 1, 2],
            Self::Coronal => [0, 2, 1],
            Self::Sagittal => [1, 2, 0],
        }
    }

    /// Letters for the left, right, upper and lower edge.
    pub(super) fn letters(self) -> [&'static str; 4] {
        match self {
            Self::Axial => ["R", "L", "A", "P"],
            Self::Coronal => ["R", "L", "S", "I"],
            Self::Sagittal => ["A", "P", "S", "I"],
        }
    }
}

/// A scan and its labels, seen in RAS order, ready to be cut.
pub(super) struct Scene<'a> {
    volume: &'a Volume,
    pub(super) labels: &'a [u8],
    pub(super) ras: Turned,
    /// First and last slice with a label along each RAS axis; all slices where there is none.
    labelled: [(usize, usize); 3],
    /// Values drawn black and white.
    pub(super) window: (f32, f32),
}

/// Share of the voxels below the value that is drawn black.
const BLACK: f64 = 0.02;
/// Share of the voxels below the value that is drawn white.
const WHITE: f64 = 0.995;
/// Values that the window is computed from; a sample of them is as good as all.
const SAMPLE_MAX: usize = 1 << 14;

impl<'a> Scene<'a> {
    /// There is one label per voxel.
    pub(super) fn new(volume: &'a Volume, labels: &'a [u8]) -> Self {
        let ras = volume.ras();
        let dims = ras.dims;
        let labelled = labelled_box(labels, volume.dims());
        let labelled = std::array::from_fn(|axis| {
            let last = dims[axis] - 1;
            match labelled {
                None => (0, last),
                Some(found) => {
                    let (low, high) = found[ras.from[axis]];
                    if ras.flip[axis] {
                        (last - high, last - low)
                    } else {
                        (low, high)
                    }
                }
            }
        });
        let mut scene = Self {
            volume,
            labels,
            ras,
            labelled,
            // A CT's air fills most of the picture: percentiles would show nothing but bone and air.
            window: (-160.0, 240.0),
        };
        if volume.modality() != Some("CT") {
            scene.window = scene.percentiles(BLACK, WHITE);
        }
        scene
    }

    /// The values that these shares of the voxels lie below.
    fn percentiles(&self, black: f64, white: f64) -> (f32, f32) {
        let dims = self.ras.dims;
        // In RAS order, so that the order in memory does not show.
        let at = |i: usize| [i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])];
        let stride = self.labels.len().div_ceil(SAMPLE_MAX);
        let mut sample: Vec<f32> = (0..self.labels.len().div_ceil(stride))
            .into_par_iter()
            .map(|i| self.value(self.ras.index(at(i * stride))))
            .filter(|v| v.is_finite())
            .collect();
        if sample.is_empty() {
            return (0.0, 0.0);
        }
        let last = (sample.len() - 1) as f64;
        let mut at = |share: f64| {
            let rank = (last * share) as usize;
            *sample.select_nth_unstable_by(rank, f32::total_cmp).1
        };
        (at(black), at(white))
    }

    /// The scanner's value of a voxel, by its place in memory.
    pub(super) fn value(&self, index: usize) -> f32 {
        let mut value = 0.0;
        self.volume.read(index, std::slice::from_mut(&mut value));
        value
    }

    /// Extent of the grid in millimetres.
    pub(super) fn extent_mm(&self, axis: usize) -> f64 {
        self.ras.dims[axis] as f64 * self.spacing(axis)
    }

    fn spacing(&self, axis: usize) -> f64 {
        self.ras.affine.spacing()[axis]
    }

    /// First and last slice that holds a label, or all slices when none does.
    pub(super) fn labelled(&self, axis: usize) -> (usize, usize) {
        self.labelled[axis]
    }

    /// Patient coordinate (mm, along the view's axis) of the middle of a slice.
    pub(super) fn position_mm(&self, view: View, slice: usize) -> f64 {
        let [across, down, through] = view.axes();
        let dims = self.ras.dims;
        let mut index = [0.0; 3];
        index[across] = (dims[across] - 1) as f64 / 2.0;
        index[down] = (dims[down] - 1) as f64 / 2.0;
        index[through] = slice as f64;
        self.ras.affine.apply(index)[through]
    }

    /// Values and labels of a slice, row by row. What is no number is drawn as 0.
    pub(super) fn slice(&self, view: View, slice: usize) -> (Vec<f32>, Vec<u8>) {
        let [across, down, through] = view.axes();
        let dims = self.ras.dims;
        let mut values = vec![0.0; dims[across] * dims[down]];
        let mut labels = vec![0; values.len()];
        let rows = values.chunks_exact_mut(dims[across]);
        let rows = rows.zip(labels.chunks_exact_mut(dims[across]));
        for (row, (values, labels)) in rows.enumerate() {
            let mut at = [0; 3];
            (at[down], at[through]) = (row, slice);
            let (first, step) = (self.ras.index(at), self.ras.step(across));
            match step {
                1 => {
                    self.volume.read(first, values);
                    labels.copy_from_slice(&self.labels[first..][..labels.len()]);
                }
                -1 => {
                    let last = first + 1 - labels.len();
                    self.volume.read(last, values);
                    labels.copy_from_slice(&self.labels[last..][..labels.len()]);
                    values.reverse();
                    labels.reverse();
                }
                _ => {
                    self.volume.read_along(first, step, values);
                    for (label, i) in labels.iter_mut().zip(0_isize..) {
                        *label = self.labels[first.wrapping_add_signed(i * step)];
                    }
                }
            }
            for value in values.iter_mut() {
                *value = if value.is_finite() { *value } else { 0.0 };
            }
        }
        (values, labels)
    }

    /// The two voxels around a pixel on one axis, and the second one's weight. Pictures run against the voxel axes.
    pub(super) fn tap(&self, axis: usize, pixel: usize, mm: f64) -> Tap {
        let last = (self.ras.dims[axis] - 1) as f64;
        let at = ((pixel as f64 + 0.5) * mm / self.spacing(axis) - 0.5).clamp(0.0, last);
        let at = last - at;
        let low = at.floor();
        Tap {
            low: low as usize,
            high: (low + 1.0).min(last) as usize,
            weight: (at - low) as f32,
        }
    }
}

/// First and last index of the voxels with a label, along each axis.
fn labelled_box(labels: &[u8], dims: [usize; 3]) -> Option<[(usize, usize); 3]> {
    let of_row = |(row, labels): (usize, &[u8])| {
        // Most rows have none; this looks at many voxels at once.
        if labels.iter().fold(0, |any, label| any | label) == 0 {
            return None;
        }
        let first = labels.iter().position(|&label| label != 0)?;
        let last = labels.iter().rposition(|&label| label != 0)?;
        let (y, z) = (row % dims[1], row / dims[1]);
        Some([(first, last), (y, y), (z, z)])
    };
    labels
        .par_chunks(dims[0])
        .enumerate()
        .filter_map(of_row)
        .reduce_with(|a, b| std::array::from_fn(|i| (a[i].0.min(b[i].0), a[i].1.max(b[i].1))))
}

/// Two neighbours on one axis.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub weight: f32,
}
