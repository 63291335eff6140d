//! One slice of the scan as a picture: grey values and labels, sampled on square pixels.

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
    labels: &'a [u8],
    ras: Turned,
    /// First and last slice with a label along each RAS axis; all slices where there is none.
    labelled: [(usize, usize); 3],
    /// Values drawn black and white.
    window: (f32, f32),
}

/// Share of the voxels below the value that is drawn black.
const BLACK: f64 = 0.02;
/// Share of the voxels below the value that is drawn white.
const WHITE: f64 = 0.995;
/// Values that the window is computed from; a sample of them is as good as all.
const SAMPLE_MAX: usize = 1 << 16;

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
        let mut sample: Vec<f32> = (0..self.labels.len())
            .step_by(stride)
            .map(|i| self.value(self.ras.index(at(i))))
            .filter(|v| v.is_finite())
            .collect();
        sample.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| {
            sample
                .get(((sample.len().max(1) - 1) as f64 * share) as usize)
                .copied()
                .unwrap_or(0.0)
        };
        (at(black), at(white))
    }

    /// The scanner's value of a voxel, by its place in memory.
    fn value(&self, index: usize) -> f32 {
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

    /// Cuts a slice with square pixels of `mm` millimetres.
    pub(super) fn cut(&self, view: View, slice: usize, mm: f64) -> Plane {
        let [across, down, through] = view.axes();
        let dims = self.ras.dims;
        let mut voxels = Vec::with_capacity(dims[across] * dims[down]);
        let mut values = vec![0.0; dims[across]];
        for row in 0..dims[down] {
            let mut at = [0; 3];
            (at[down], at[through]) = (row, slice);
            let (first, step) = (self.ras.index(at), self.ras.step(across));
            self.volume.read_along(first, step, &mut values);
            voxels.extend(values.iter().zip(0_isize..).map(|(&value, i)| {
                let label = self.labels[first.wrapping_add_signed(i * step)];
                // What is no number is drawn as 0.
                (if value.is_finite() { value } else { 0.0 }, label)
            }));
        }
        let width = ((self.extent_mm(across) / mm).round() as usize).max(1);
        let height = ((self.extent_mm(down) / mm).round() as usize).max(1);
        let columns: Vec<Tap> = (0..width).map(|u| self.tap(across, u, mm)).collect();
        let (mut grey, mut labels) = (
            Vec::with_capacity(width * height),
            Vec::with_capacity(width * height),
        );
        for row in (0..height).map(|v| self.tap(down, v, mm)) {
            let [low, high] =
                [row.low, row.high].map(|y| &voxels[y * dims[across]..][..dims[across]]);
            for column in &columns {
                let (value, label) = self.sample(low, high, *column, row.weight);
                grey.push(value);
                labels.push(label);
            }
        }
        Plane {
            width,
            height,
            grey,
            labels,
        }
    }

    /// The two voxels around a pixel on one axis, and the second one's weight. Pictures run against the voxel axes.
    fn tap(&self, axis: usize, pixel: usize, mm: f64) -> Tap {
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

    /// Grey value (0 to 255) and label of a pixel between two rows. The label with the most weight among the four voxels
    /// around wins.
    fn sample(&self, low: &[(f32, u8)], high: &[(f32, u8)], column: Tap, down: f32) -> (u8, u8) {
        let corners = [
            (low[column.low], (1.0 - column.weight) * (1.0 - down)),
            (low[column.high], column.weight * (1.0 - down)),
            (high[column.low], (1.0 - column.weight) * down),
            (high[column.high], column.weight * down),
        ];
        let value: f32 = corners.iter().map(|((v, _), weight)| v * weight).sum();
        let (black, white) = self.window;
        let share = if white > black {
            (value - black) / (white - black)
        } else {
            0.0
        };
        let grey = (share.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let labels = corners.map(|((_, label), weight)| (label, weight));
        (grey, heaviest(labels))
    }
}

/// The label with the most weight.
fn heaviest(corners: [(u8, f32); 4]) -> u8 {
    let first = corners[0].0;
    if corners.iter().all(|(label, _)| *label == first) {
        return first;
    }
    let mut votes = [(0, 0.0); 4];
    for (n, (label, weight)) in corners.into_iter().enumerate() {
        let slot = votes[..n]
            .iter()
            .position(|(l, w)| *l == label && *w > 0.0)
            .unwrap_or(n);
        votes[slot] = (label, votes[slot].1 + weight);
    }
    let heaviest = votes.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    heaviest.map_or(0, |vote| vote.0)
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
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

/// A cut slice.
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    pub grey: Vec<u8>,
    pub labels: Vec<u8>,
}

impl Plane {
    /// Whether a labelled pixel lies at the edge of its structure.
    pub(super) fn on_outline(&self, x: usize, y: usize) -> bool {
        let own = self.labels[y * self.width + x];
        let differs = |x: usize, y: usize| {
            self.labels
                .get(y * self.width + x)
                .is_none_or(|l| *l != own)
                || x >= self.width
        };
        own != 0
            && (x == 0
                || y == 0
                || differs(x - 1, y)
                || differs(x + 1, y)
                || differs(x, y - 1)
                || differs(x, y + 1))
    }
}
