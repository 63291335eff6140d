//! A scan as the kernels read it: in its file's type until a step needs values.

use std::ops::Range;

use rayon::prelude::*;
use swarm_imaging::{Volume, Voxels};
use swarm_kernels::view::Source;

/// Voxels that a thread looks at at once.
const PART_VOXELS: usize = 1 << 16;

/// The scan as float32, as MONAI loads it. NaN and infinities, which processed scans have outside the head, are 0.
pub(super) struct Scan<'a> {
    volume: &'a Volume,
    may_be_nonfinite: bool,
}

impl<'a> Scan<'a> {
    pub fn new(volume: &'a Volume) -> Self {
        let rescale = volume.rescale();
        // No stored integer has more than 32 bits.
        let largest = f64::from(u32::MAX) * rescale.slope.abs() + rescale.intercept.abs();
        let float = matches!(volume.voxels(), Voxels::F32(_) | Voxels::F64(_));
        Self {
            volume,
            may_be_nonfinite: float || largest >= f64::from(f32::MAX),
        }
    }

    /// How many voxels are NaN or infinite.
    pub fn nonfinite_voxels(&self) -> usize {
        if !self.may_be_nonfinite {
            return 0;
        }
        let voxels = self.volume.voxels().len();
        (0..voxels.div_ceil(PART_VOXELS))
            .into_par_iter()
            .map_init(
                || vec![0.0; PART_VOXELS],
                |buffer, part| {
                    let first = part * PART_VOXELS;
                    let values = &mut buffer[..PART_VOXELS.min(voxels - first)];
                    self.volume.read(first, values);
                    values.iter().filter(|v| !v.is_finite()).count()
                },
            )
            .sum()
    }
}

impl Source<f32> for Scan<'_> {
    fn dims(&self) -> [usize; 3] {
        self.volume.dims()
    }

    fn row<'a>(&'a self, xs: Range<usize>, [y, z]: [usize; 2], buffer: &'a mut [f32]) -> &'a [f32] {
        let dims = self.volume.dims();
        let values = &mut buffer[..xs.len()];
        self.volume
            .read(xs.start + (y + z * dims[1]) * dims[0], values);
        if self.may_be_nonfinite {
            values
                .iter_mut()
                .for_each(|v| *v = if v.is_finite() { *v } else { 0.0 });
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::step::{Preprocess, ResizeMode, SpacingMode};
    use crate::pipeline::prepare::{self, Trace};
    use swarm_imaging::{Affine, Rescale};
    use swarm_kernels::view::View;
    use swarm_kernels::{Field, Grid};

    const DIMS: [usize; 3] = [18, 35, 20];

    /// x to the back, y to the feet, z to the left: all axes trade places, two run backwards.
    fn volume(voxels: Voxels, rescale: Rescale) -> Volume {
        let affine = Affine::from_columns(
            [[0.0, -0.8, 0.0], [0.0, 0.0, -1.1], [-1.2, 0.0, 0.0]],
            [9.0, 8.0, 7.0],
        );
        Volume::new(voxels, rescale, DIMS, affine).expect("valid")
    }

    fn every_type() -> Vec<Voxels> {
        let numbers = (0..DIMS.iter().product::<usize>())
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u16);
        vec![
            Voxels::U8(numbers.clone().map(|v| v as u8).collect()),
            Voxels::I8(numbers.clone().map(|v| v as i8).collect()),
            Voxels::U16(numbers.clone().collect()),
            Voxels::I16(numbers.clone().map(|v| v as i16).collect()),
            Voxels::U32(numbers.clone().map(|v| u32::from(v) << 15).collect()),
            Voxels::I32(numbers.clone().map(|v| (i32::from(v) << 14) - 7).collect()),
            Voxels::F32(numbers.clone().map(|v| f32::from(v) / 7.0).collect()),
            Voxels::F64(numbers.map(|v| f64::from(v) / 11.0).collect()),
        ]
    }

    fn orientation() -> Preprocess {
        Preprocess::Orientation {
            axcodes: "RAS".to_owned(),
        }
    }

    fn chains() -> [Vec<Preprocess>; 4] {
        let scale = Preprocess::ScaleIntensity {
            minv: 0.0,
            maxv: 1.0,
        };
        let resize = Preprocess::Resize {
            spatial_size: [16, 16, 32],
            mode: ResizeMode::NearestExact,
        };
        let spacing = Preprocess::Spacing {
            pixdim: [1.0, 1.5, 0.7],
            mode: SpacingMode::Bilinear,
        };
        [
            vec![],
            vec![orientation(), scale],
            vec![orientation(), resize],
            vec![orientation(), spacing],
        ]
    }

    /// The chain on a copy that has all values in memory from the start, turned there.
    fn eager(values: Vec<f32>, like: &Volume, steps: &[Preprocess]) -> Field<f32> {
        let grid = Grid::new(like.dims(), like.affine().0).expect("valid");
        let mut field = Field::new(grid, values).expect("as many voxels");
        let mut trace = Trace::default();
        for step in steps {
            let view = prepare::apply(step, View::from(&field), &mut trace).expect("valid");
            field = view.to_field();
        }
        field
    }

    #[test]
    fn every_type_and_rescale_is_prepared_as_from_floats_in_memory() {
        let rescales = [
            Rescale::IDENTITY,
            Rescale {
                slope: 0.3,
                intercept: -1000.0,
            },
        ];
        for voxels in every_type() {
            for rescale in rescales {
                let name = format!("{} {rescale:?}", voxels.type_name());
                let volume = volume(voxels.clone(), rescale);
                assert_eq!(Scan::new(&volume).nonfinite_voxels(), 0);
                let value = |i| rescale.apply(voxels.stored(i)) as f32;
                let values: Vec<f32> = (0..voxels.len()).map(value).collect();
                assert_eq!(volume.to_f32(), values, "{name}");
                for steps in chains() {
                    let lazy = crate::pipeline::prepare(&volume, &steps).expect("valid");
                    let eager = eager(values.clone(), &volume, &steps);
                    assert_eq!(lazy.grid(), eager.grid(), "{name}");
                    let range = eager
                        .voxels()
                        .iter()
                        .fold(0.0_f32, |max, v| max.max(v.abs()));
                    let same = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-7 * range;
                    let all = lazy.voxels().iter().zip(eager.voxels()).all(same);
                    assert!(all, "{name} {steps:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_counted_and_becomes_0() {
        let mut values: Vec<f64> = (0..DIMS.iter().product::<usize>())
            .map(|i| i as f64)
            .collect();
        // Finite as it is stored, not as f32.
        (values[3], values[500], values[12_000]) = (f64::NAN, f64::NEG_INFINITY, 1e300);
        let floats = volume(Voxels::F64(values), Rescale::IDENTITY);
        assert_eq!(Scan::new(&floats).nonfinite_voxels(), 3);
        let prepared = crate::pipeline::prepare(&floats, &[]).expect("valid");
        for (i, &v) in prepared.voxels().iter().enumerate() {
            let none = [3, 500, 12_000].contains(&i);
            assert_eq!(v, if none { 0.0 } else { i as f32 });
        }
        // Integers that a slope takes out of range.
        let steep = Rescale {
            slope: 1e37,
            intercept: 0.0,
        };
        let bytes = Voxels::U8(
            (0..DIMS.iter().product::<usize>())
                .map(|i| i as u8)
                .collect(),
        );
        let steep = volume(bytes, steep);
        let infinite = steep.to_f32().iter().filter(|v| v.is_infinite()).count();
        assert!(infinite > 0);
        assert_eq!(Scan::new(&steep).nonfinite_voxels(), infinite);
        let prepared = crate::pipeline::prepare(&steep, &[orientation()]).expect("valid");
        assert!(prepared.voxels().iter().all(|v| v.is_finite()));
    }
}
