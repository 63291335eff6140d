//! The way back against the reference.

use super::invert;
use super::launch::Invert;
use crate::device::Device;
use crate::device::check::{Failure, ODD_DIMS, close, equal, noise, straight_grid, z_fastest};
use crate::gather::launch::{Gather, Layout, Sampling};
use crate::gather::orientation::{AxisCodes, AxisMap};
use crate::gather::resample::Interpolation;
use crate::gather::spacing::spaced_grid;
use crate::{Field, Grid};

/// All turns, finer and coarser working grids, and an oblique scan whose shear the working grid lost.
pub fn run(device: &Device) -> Result<(), Failure> {
    let sheared = |dims| {
        let affine = [
            [-0.9, 0.0, 0.0, 4.0],
            [0.0, 1.3, -0.31, -2.0],
            [0.0, 0.0, 2.4, 7.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        Grid::new(dims, affine).expect("valid")
    };
    for (seed, dims) in ODD_DIMS.into_iter().enumerate() {
        for codes in ["RAS", "LSA", "ARI", "PIL", "SRA", "SPL"] {
            for native in [straight_grid(dims, [0.83, 1.1, 2.0]), sheared(dims)] {
                let map = AxisMap::to_codes(&native, AxisCodes::parse(codes)?);
                let work = spaced_grid(&map.grid(&native)?, [1.3, 0.7, 1.1])?;
                let labels: Vec<f32> = noise(seed as u64, work.voxels())
                    .into_iter()
                    .map(|v| (v * 250.0).floor())
                    .collect();
                let field = Field::new(work.clone(), labels)?;
                let expected = invert(&field, &map, &native, Interpolation::Nearest)?;
                let bytes = |values: &[f32]| values.iter().map(|&v| v as u8).collect::<Vec<u8>>();
                let input = device.upload(&bytes(&z_fastest(&field)))?;
                let mut output = device.allocate::<u8>(native.voxels())?;
                Invert::new(device, &work, &map, &native)?.run(device, &input, &mut output)?;
                let what = format!("invert {dims:?} {codes}");
                equal(&what, &output.download()?, &bytes(expected.voxels()))?;

                // Scores, in both layouts.
                let input = device.upload(&z_fastest(&field))?;
                for mode in [Interpolation::Nearest, Interpolation::Linear] {
                    let expected = invert(&field, &map, &native, mode)?;
                    for layout in [Layout::ZFastest, Layout::XFastest] {
                        let sampling = Sampling::back(&work, &map, &native, mode, layout)?;
                        let mut output = device.allocate::<f32>(native.voxels())?;
                        Gather::new(device, sampling, None)?.run(
                            device,
                            &input,
                            None,
                            &mut output,
                        )?;
                        let expected = match layout {
                            Layout::ZFastest => z_fastest(&expected),
                            Layout::XFastest => expected.voxels().to_vec(),
                        };
                        close(&what, &output.download()?, &expected, 250.0 * 1e-6)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_invert_equals_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
