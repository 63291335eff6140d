//! One slice of the scan as a picture: grey values and labels, sampled on square pixels.

use crate::volume::Volume;

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

/// A scan and its labels in RAS order, ready to be cut.
pub(super) struct Scene {
    values: Vec<f32>,
    labels: Vec<u8>,
    pub ras: Volume,
    /// Values drawn black and white.
    window: (f32, f32),
}

/// Share of the voxels below the value that is drawn black.
const BLACK: f64 = 0.02;
/// Share of the voxels below the value that is drawn white.
const WHITE: f64 = 0.995;
/// Values that the window is computed from; a sample of them is as good as all.
const SAMPLE_MAX: usize = 1 << 20;

impl Scene {
    pub(super) fn new(volume: &Volume, ras: Volume, labels: Vec<u8>) -> Self {
        let values = ras.to_f32();
        let stride = values.len().div_ceil(SAMPLE_MAX);
        let mut sample: Vec<f32> = values
            .iter()
            .step_by(stride)
            .copied()
            .filter(|v| v.is_finite())
            .collect();
        sample.sort_by(f32::total_cmp);
        let at = |share: f64| {
            sample
                .get(((sample.len().max(1) - 1) as f64 * share) as usize)
                .copied()
                .unwrap_or(0.0)
        };
        // A CT's air fills most of the picture: percentiles would show nothing but bone and air.
        let window = if volume.modality() == Some("CT") {
            (-160.0, 240.0)
        } else {
            (at(BLACK), at(WHITE))
        };
        Self {
            values,
            labels,
            ras,
            window,
        }
    }

    /// Extent of the grid in millimetres.
    pub(super) fn extent_mm(&self, axis: usize) -> f64 {
        self.ras.dims()[axis] as f64 * self.ras.spacing()[axis]
    }

    /// First and last slice that holds a label, or all slices when none does.
    pub(super) fn labelled(&self, axis: usize) -> (usize, usize) {
        let dims = self.ras.dims();
        let mut range: Option<(usize, usize)> = None;
        for (i, _) in self.labels.iter().enumerate().filter(|(_, l)| **l != 0) {
            let position = [i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])][axis];
            let (low, high) = range.get_or_insert((position, position));
            (*low, *high) = ((*low).min(position), (*high).max(position));
        }
        range.unwrap_or((0, dims[axis] - 1))
    }

    /// Patient coordinate (mm, along the view's axis) of the middle of a slice.
    pub(super) fn position_mm(&self, view: View, slice: usize) -> f64 {
        let [across, down, through] = view.axes();
        let dims = self.ras.dims();
        let mut index = [0.0; 3];
        index[across] = (dims[across] - 1) as f64 / 2.0;
        index[down] = (dims[down] - 1) as f64 / 2.0;
        index[through] = slice as f64;
        self.ras.affine().apply(index)[through]
    }

    /// Cuts a slice with square pixels of `mm` millimetres.
    pub(super) fn cut(&self, view: View, slice: usize, mm: f64) -> Plane {
        let [across, down, _] = view.axes();
        let width = ((self.extent_mm(across) / mm).round() as usize).max(1);
        let height = ((self.extent_mm(down) / mm).round() as usize).max(1);
        let columns: Vec<Tap> = (0..width).map(|u| self.tap(across, u, mm)).collect();
        let rows: Vec<Tap> = (0..height).map(|v| self.tap(down, v, mm)).collect();
        let (mut grey, mut labels) = (
            Vec::with_capacity(width * height),
            Vec::with_capacity(width * height),
        );
        for row in &rows {
            for column in &columns {
                let (value, label) = self.sample(view, slice, *column, *row);
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
        let last = (self.ras.dims()[axis] - 1) as f64;
        let at = ((pixel as f64 + 0.5) * mm / self.ras.spacing()[axis] - 0.5).clamp(0.0, last);
        let at = last - at;
        let low = at.floor();
        Tap {
            low: low as usize,
            high: (low + 1.0).min(last) as usize,
            weight: (at - low) as f32,
        }
    }

    /// Grey value (0 to 255) and label of a pixel. The label with the most weight among the four voxels around wins.
    fn sample(&self, view: View, slice: usize, column: Tap, row: Tap) -> (u8, u8) {
        let [across, down, through] = view.axes();
        let dims = self.ras.dims();
        let strides = [1, dims[0], dims[0] * dims[1]];
        let base = slice * strides[through];
        let (mut value, mut votes) = (0.0, [(0_u8, 0.0_f32); 4]);
        let corners = [
            (
                column.low,
                row.low,
                (1.0 - column.weight) * (1.0 - row.weight),
            ),
            (column.high, row.low, column.weight * (1.0 - row.weight)),
            (column.low, row.high, (1.0 - column.weight) * row.weight),
            (column.high, row.high, column.weight * row.weight),
        ];
        for (n, (c, r, weight)) in corners.into_iter().enumerate() {
            let i = base + c * strides[across] + r * strides[down];
            let v = self.values[i];
            value += if v.is_finite() { v * weight } else { 0.0 };
            let label = self.labels[i];
            let slot = votes[..n]
                .iter()
                .position(|(l, w)| *l == label && *w > 0.0)
                .unwrap_or(n);
            votes[slot] = (label, votes[slot].1 + weight);
        }
        let (low, high) = self.window;
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        };
        let winner = votes
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |v| v.0);
        ((share.clamp(0.0, 1.0) * 255.0).round() as u8, winner)
    }
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
