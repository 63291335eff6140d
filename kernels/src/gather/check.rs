//! The gather's kernels against orientation, resampling and scaling of the CPU reference.

use super::launch::{Gather, Layout, Rescale, Sampling, Voxel};
use super::orientation::{AxisCodes, AxisMap};
use super::resample::{Interpolation, resample};
use super::resize::{ResizeMode, resize};
use super::spacing::spaced_grid;
use crate::device::check::{Failure, ODD_DIMS, close, equal, noise, straight_grid, z_fastest};
use crate::device::{Device, Half};
use crate::intensity::{Intensity, ScaleRange, scale_range};
use crate::{Field, Grid, KernelError};

const RANGE: ScaleRange = ScaleRange {
    a_min: -160.0,
    a_max: 240.0,
    target: Some((0.0, 1.0)),
    clip: true,
};

/// All dtypes, orientations, layouts and paths.
pub fn run(device: &Device) -> Result<(), Failure> {
    for (number, dims) in ODD_DIMS.into_iter().enumerate() {
        let grid = straight_grid(dims, [0.8, 1.1, 2.0]);
        // One code for each of the six ways to turn axes over the dims, some flipped.
        for codes in ["RAS", "LSA", "ARI", "PIL", "SRA", "SPL"] {
            let map = AxisMap::to_codes(&grid, AxisCodes::parse(codes)?);
            let seed = number as u64;
            images::<i16>(device, seed, &grid, &map, |v| (v * 4000.0) as i16 - 1024)?;
            if codes == "RAS" || codes == "PIL" {
                images::<u16>(device, seed, &grid, &map, |v| (v * 65_535.0) as u16)?;
                images::<u8>(device, seed, &grid, &map, |v| (v * 255.0) as u8)?;
                images::<f32>(device, seed, &grid, &map, |v| v * 900.0 - 300.0)?;
            }
            labels(device, seed, &grid, &map)?;
            resized(device, seed, &grid, &map)?;
        }
    }
    turned(device)
}

trait Numbers: Voxel + Into<f32> {}
impl<T: Voxel + Into<f32>> Numbers for T {}

fn physical<T: Numbers>(grid: &Grid, stored: &[T], rescale: &[Rescale]) -> Field<f32> {
    let slice = grid.dims()[0] * grid.dims()[1];
    let voxels = stored
        .iter()
        .enumerate()
        .map(|(i, &v)| {
            let Rescale { slope, intercept } = rescale[i / slice];
            v.into() * slope + intercept
        })
        .collect();
    Field::new(grid.clone(), voxels).expect("as many voxels as the grid has")
}

fn images<T: Numbers>(
    device: &Device,
    seed: u64,
    grid: &Grid,
    map: &AxisMap,
    stored: impl Fn(f32) -> T,
) -> Result<(), Failure> {
    let stored: Vec<T> = noise(seed, grid.voxels()).into_iter().map(stored).collect();
    // Every slice its own slope, as PET has it.
    let rescale: Vec<Rescale> = (0..grid.dims()[2])
        .map(|z| Rescale {
            slope: 1.0 + 0.01 * z as f32,
            intercept: -3.0 * z as f32,
        })
        .collect();
    let oriented = map.apply(&physical(grid, &stored, &rescale))?;
    let input = device.upload(&stored)?;
    let target = spaced_grid(oriented.grid(), [1.3, 1.1, 0.9])?;
    for mode in [Interpolation::Linear, Interpolation::Nearest] {
        let expected = resample(&oriented, &target, mode)?;
        for layout in [Layout::ZFastest, Layout::XFastest] {
            let what = format!("{} {:?} {mode:?} {layout:?} {map:?}", T::NAME, grid.dims());
            let sampling = Sampling::onto(grid, map, &target, mode, layout)?;
            let gather = Gather::new(device, sampling, Some(&rescale))?;
            let raw = in_layout(&expected, layout);
            let mut output = device.allocate::<f32>(target.voxels())?;
            // In slabs, from the host: together they are the whole.
            let empty = device.allocate::<T>(grid.voxels())?;
            gather.stream(device, &stored, &empty, None, &mut output, 3)?;
            close(&what, &output.download()?, &raw, tolerance(&raw))?;

            let intensity = device.upload(&[Intensity::scale_range(&RANGE)])?;
            gather.run(device, &input, Some(&intensity), &mut output)?;
            let mut scaled = raw.clone();
            scale_range(&mut scaled, &RANGE);
            close(
                &what,
                &output.download()?,
                &scaled,
                tolerance(&raw) / 400.0 + 1e-6,
            )?;
            let mut halves = device.allocate::<Half>(target.voxels())?;
            gather.run(device, &input, Some(&intensity), &mut halves)?;
            let rounded: Vec<Half> = output.download()?.into_iter().map(Half::from_f32).collect();
            equal(&what, &halves.download()?, &rounded)?;
        }
    }
    Ok(())
}

fn in_layout<T: Copy + Default>(field: &Field<T>, layout: Layout) -> Vec<T> {
    match layout {
        Layout::ZFastest => z_fastest(field),
        Layout::XFastest => field.voxels().to_vec(),
    }
}

/// 1e-6 of the largest value: the f32 arithmetic's share; MONAI's own result is rounded to f32 too.
fn tolerance(values: &[f32]) -> f32 {
    1e-6 * values.iter().fold(0.0f32, |max, v| max.max(v.abs()))
}

fn labels(device: &Device, seed: u64, grid: &Grid, map: &AxisMap) -> Result<(), Failure> {
    let stored: Vec<u8> = noise(seed + 50, grid.voxels())
        .into_iter()
        .map(|v| (v * 200.0) as u8)
        .collect();
    let numbers = stored.iter().map(|&v| f32::from(v)).collect();
    let oriented = map.apply(&Field::new(grid.clone(), numbers)?)?;
    let target = spaced_grid(oriented.grid(), [1.7, 0.6, 2.0])?;
    let expected = resample(&oriented, &target, Interpolation::Nearest)?;
    let expected: Vec<u8> = z_fastest(&expected).into_iter().map(|v| v as u8).collect();
    let sampling = Sampling::onto(grid, map, &target, Interpolation::Nearest, Layout::ZFastest)?;
    let mut output = device.allocate::<u8>(target.voxels())?;
    Gather::new(device, sampling, None)?.run(
        device,
        &device.upload(&stored)?,
        None,
        &mut output,
    )?;
    equal(
        &format!("labels {:?} {map:?}", grid.dims()),
        &output.download()?,
        &expected,
    )
}

/// A resize there and back, in every mode that has tables.
fn resized(device: &Device, seed: u64, grid: &Grid, map: &AxisMap) -> Result<(), Failure> {
    let stored = noise(seed + 90, grid.voxels());
    let source = Field::new(grid.clone(), stored)?;
    let oriented = map.apply(&source)?;
    let dims = [5, 48, 37];
    for mode in [
        ResizeMode::Nearest,
        ResizeMode::NearestExact,
        ResizeMode::Trilinear,
    ] {
        let there = resize(&oriented, dims, mode)?;
        let back = resize(&there, oriented.grid().dims(), mode)?;
        let back = map
            .inverse()
            .apply(&Field::new(oriented.grid().clone(), back.into_parts().1)?)?;
        for layout in [Layout::ZFastest, Layout::XFastest] {
            let what = format!("resize {:?} {mode:?} {layout:?} {map:?}", grid.dims());
            let sampling = Sampling::resized(grid, map, dims, mode, layout)?;
            let mut output = device.allocate::<f32>(there.voxels().len())?;
            let input = device.upload(source.voxels())?;
            Gather::new(device, sampling, None)?.run(device, &input, None, &mut output)?;
            close(&what, &output.download()?, &in_layout(&there, layout), 1e-6)?;

            let input = device.upload(&z_fastest(&there))?;
            let sampling = Sampling::resized_back(dims, map, grid, mode, layout)?;
            let mut output = device.allocate::<f32>(grid.voxels())?;
            Gather::new(device, sampling, None)?.run(device, &input, None, &mut output)?;
            close(&what, &output.download()?, &in_layout(&back, layout), 1e-6)?;
        }
    }
    let area = Sampling::resized(grid, map, dims, ResizeMode::Area, Layout::ZFastest);
    match area {
        Err(KernelError::Parameter { name: "mode", .. }) => Ok(()),
        _ => Err(Failure::Differs("a mean has no tables".to_owned())),
    }
}

/// Axes that turn: an oblique source onto a straight target.
fn turned(device: &Device) -> Result<(), Failure> {
    let affine = [
        [-0.9, 0.11, 0.2, 40.0],
        [0.05, 1.3, -0.31, -20.0],
        [0.1, 0.4, 2.4, 7.0],
        [0.0, 0.0, 0.0, 1.0],
    ];
    for dims in [[7, 6, 5], [1, 17, 3], [31, 2, 19]] {
        let grid = Grid::new(dims, affine)?;
        let map = AxisMap::to_codes(&grid, AxisCodes::parse("LSP")?);
        let stored: Vec<i16> = noise(7, grid.voxels())
            .into_iter()
            .map(|v| (v * 4000.0) as i16 - 1024)
            .collect();
        let rescale = vec![
            Rescale {
                slope: 0.5,
                intercept: 11.0
            };
            dims[2]
        ];
        let oriented = map.apply(&physical(&grid, &stored, &rescale))?;
        // A straight grid that also reaches outside the source.
        let mut straight = [[0.0; 4]; 4];
        let origin = oriented.grid().affine();
        for i in 0..4 {
            straight[i][i] = 1.0;
            straight[i][3] = origin[i][3] - if i < 3 { 1.5 } else { 0.0 };
        }
        let target = Grid::new([13, 9, 37], straight)?;
        for layout in [Layout::ZFastest, Layout::XFastest] {
            let expected = resample(&oriented, &target, Interpolation::Linear)?;
            let raw = in_layout(&expected, layout);
            let sampling = Sampling::onto(&grid, &map, &target, Interpolation::Linear, layout)?;
            let gather = Gather::new(device, sampling, Some(&rescale))?;
            let mut output = device.allocate::<f32>(target.voxels())?;
            gather.run(device, &device.upload(&stored)?, None, &mut output)?;
            close("turned", &output.download()?, &raw, tolerance(&raw))?;
            let expected = resample(&oriented, &target, Interpolation::Nearest)?;
            let raw = in_layout(&expected, layout);
            let sampling = Sampling::onto(&grid, &map, &target, Interpolation::Nearest, layout)?;
            let gather = Gather::new(device, sampling, Some(&rescale))?;
            gather.run(device, &device.upload(&stored)?, None, &mut output)?;
            close("turned", &output.download()?, &raw, tolerance(&raw))?;
        }
        let stored: Vec<u8> = stored.iter().map(|&v| (v & 127) as u8).collect();
        let numbers = stored.iter().map(|&v| f32::from(v)).collect();
        let oriented = map.apply(&Field::new(grid.clone(), numbers)?)?;
        let expected = resample(&oriented, &target, Interpolation::Nearest)?;
        let expected: Vec<u8> = z_fastest(&expected).into_iter().map(|v| v as u8).collect();
        let sampling = Sampling::onto(
            &grid,
            &map,
            &target,
            Interpolation::Nearest,
            Layout::ZFastest,
        )?;
        let mut output = device.allocate::<u8>(target.voxels())?;
        Gather::new(device, sampling, None)?.run(
            device,
            &device.upload(&stored)?,
            None,
            &mut output,
        )?;
        equal("turned labels", &output.download()?, &expected)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn shim_gather_equals_the_reference() {
        super::run(&crate::device::Device::shim()).expect("equal");
    }
}
