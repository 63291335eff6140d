//! The number of threads changes the time, never a bit of the result.

use swarm_kernels::components::{Connectivity, keep_largest};
use swarm_kernels::holes::fill_holes;
use swarm_kernels::intensity::{self, Normalize};
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::percentile::percentiles;
use swarm_kernels::resample::Interpolation;
use swarm_kernels::resize::{ResizeMode, resize, resize_argmax};
use swarm_kernels::spacing::spacing;
use swarm_kernels::{Field, Grid};

/// Large enough for several parts of every parallel loop, sizes that divide by nothing.
const DIMS: [usize; 3] = [131, 97, 101];

fn volume() -> Field<f32> {
    let affine = [
        [0.9, 0.1, 0.0, -60.0],
        [-0.1, 1.1, 0.2, -50.0],
        [0.0, -0.1, 1.3, -70.0],
        [0.0, 0.0, 0.0, 1.0],
    ];
    let grid = Grid::new(DIMS, affine).expect("valid");
    let mut state = 3u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 7.0 - 1e6
    };
    let voxels = (0..grid.voxels()).map(|_| next()).collect();
    Field::new(grid, voxels).expect("as many voxels as the grid has")
}

/// The bits of everything that adds up or interpolates, and the labels of what decides and joins.
fn bits(threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads");
    pool.install(|| {
        let mut field = volume();
        let scalars = percentiles(field.voxels(), [0.5, 50.0, 99.5]).expect("finite");
        let rule = Normalize {
            nonzero: false,
            unbiased: true,
        };
        intensity::normalize(field.voxels_mut(), rule).expect("finite");
        let resized = resize(&field, [64, 130, 77], ResizeMode::Trilinear).expect("valid");
        let spaced = spacing(&field, [1.7, 1.0, 2.1], Interpolation::Linear).expect("valid");
        let mut other = field.clone();
        other.voxels_mut().rotate_left(7);
        let turn = AxisMap::to_codes(field.grid(), AxisCodes::parse("SLP").expect("three axes"));
        let labels = resize_argmax(&[field.clone(), other], [150, 130, 111], &turn);
        let mut labels = labels.expect("same dims");
        keep_largest(&mut labels, Connectivity::Faces);
        fill_holes(&mut labels, Connectivity::Faces);
        assert!(labels.voxels().contains(&1) && labels.voxels().contains(&0));
        let volumes = [field.voxels(), resized.voxels(), spaced.voxels()];
        scalars
            .iter()
            .chain(volumes.into_iter().flatten())
            .map(|v| v.to_bits())
            .chain(labels.voxels().iter().map(|&label| label.into()))
            .collect()
    })
}

#[test]
fn one_thread_and_seven_give_the_same_bits() {
    assert!(bits(1) == bits(7));
}
