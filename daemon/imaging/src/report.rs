//! How large each labelled structure is.

use crate::stretch::stretches;
use crate::volume::Volume;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// One structure of a label map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelVolume {
    /// Value in the label map.
    pub label: u8,
    /// The structure's name.
    pub name: String,
    /// Voxels that carry the label.
    pub voxels: u64,
    /// Millilitres: voxels times the volume of one (|det| of the affine), over 1000.
    pub ml: f64,
}

/// The report that goes back with a label map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeReport {
    /// Says what the result may be used for.
    pub notice: String,
    /// Size of the grid.
    pub dims: [usize; 3],
    /// Millimetres between voxels.
    pub spacing_mm: [f64; 3],
    /// The structures, in the order in which their names were given.
    pub labels: Vec<LabelVolume>,
}

/// Measures every structure of `names`; 0 is background and not measured unless named.
///
/// # Panics
/// When `labels` has another length than the volume.
#[must_use]
pub fn volume_report(volume: &Volume, labels: &[u8], names: &[(u8, &str)]) -> VolumeReport {
    assert_eq!(labels.len(), volume.voxels().len(), "one label per voxel");
    let counts = histogram(labels);
    let measure = |&(label, name): &(u8, &str)| {
        let voxels = counts[usize::from(label)];
        LabelVolume {
            label,
            name: name.to_owned(),
            voxels,
            ml: voxels as f64 * volume.voxel_mm3() / 1000.0,
        }
    };
    VolumeReport {
        notice: crate::RESEARCH_USE.to_owned(),
        dims: volume.dims(),
        spacing_mm: volume.spacing(),
        labels: names.iter().map(measure).collect(),
    }
}

/// Labels that a thread counts at once.
const PART_LABELS: usize = 1 << 18;

/// How often each label occurs.
fn histogram(labels: &[u8]) -> [u64; 256] {
    labels
        .par_chunks(PART_LABELS)
        .map(|part| {
            let mut counts = [0; 256];
            for (stretch, label) in stretches(part) {
                counts[usize::from(label)] += stretch.len() as u64;
            }
            counts
        })
        .reduce(
            || [0; 256],
            |a, b| std::array::from_fn(|label| a[label] + b[label]),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Rescale, Voxels};

    #[test]
    fn millilitres_come_from_the_affine() {
        // 0.5 × 0.5 × 4 mm: a voxel is one mm³, so 2000 voxels are 2 ml.
        let affine = Affine::from_columns(
            [[0.0, 0.5, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 4.0]],
            [0.0; 3],
        );
        let v = Volume::new(
            Voxels::U8(vec![0; 4000]),
            Rescale::IDENTITY,
            [20, 20, 10],
            affine,
        )
        .unwrap();
        let labels: Vec<u8> = (0..4000).map(|i| u8::from(i % 2 == 0) * 3).collect();
        let report = volume_report(&v, &labels, &[(3, "brain"), (7, "absent")]);
        assert_eq!(
            report.labels[0],
            LabelVolume {
                label: 3,
                name: "brain".into(),
                voxels: 2000,
                ml: 2.0
            }
        );
        assert_eq!(report.labels[1].voxels, 0);
        assert_eq!(report.notice, "research use, not for diagnosis");
    }
}
