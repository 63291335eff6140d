//! From scores to labels: MONAI's `AsDiscrete`.

use rayon::prelude::*;

use crate::KernelError;
use crate::grid::Field;

/// Most channels of an argmax: labels are bytes.
pub const CHANNELS_MAX: usize = 256;

/// The first channel, where there are 1 to [`CHANNELS_MAX`] of the same dims.
pub(crate) fn checked(channels: &[Field<f32>]) -> Result<&Field<f32>, KernelError> {
    let first = channels
        .first()
        .filter(|_| channels.len() <= CHANNELS_MAX)
        .ok_or(KernelError::Parameter {
            name: "channels",
            value: channels.len().to_string(),
            rule: "must be 1 to 256",
        })?;
    for channel in channels {
        let (left, right) = (first.grid().dims(), channel.grid().dims());
        if left != right {
            return Err(KernelError::Mismatch { left, right });
        }
    }
    Ok(first)
}

/// The number of the channel with the largest value; the first wins a tie.
pub fn argmax(channels: &[Field<f32>]) -> Result<Field<u8>, KernelError> {
    let first = checked(channels)?;
    let label = |voxel: usize| largest(channels.iter().map(|channel| channel.voxels()[voxel]));
    Field::new(
        first.grid().clone(),
        (0..first.voxels().len())
            .into_par_iter()
            .map(label)
            .collect(),
    )
}

/// The number of the largest of 1 to [`CHANNELS_MAX`] values; the first wins a tie.
pub(crate) fn largest(values: impl IntoIterator<Item = f32>) -> u8 {
    let mut values = values.into_iter();
    let mut best = (0, values.next().unwrap_or(0.0));
    for (number, value) in (1_usize..).zip(values) {
        if value > best.1 {
            best = (number, value);
        }
    }
    best.0 as u8
}

/// 1 where the value is at least `threshold`, else 0.
pub fn threshold(field: &Field<f32>, threshold: f32) -> Field<u8> {
    let voxels = field
        .voxels()
        .par_iter()
        .map(|&v| u8::from(v >= threshold))
        .collect();
    Field::new(field.grid().clone(), voxels).expect("as many labels as voxels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    fn channel(voxels: [f32; 4]) -> Field<f32> {
        Field::new(unit_grid([4, 1, 1]), voxels.to_vec()).expect("four voxels")
    }

    #[test]
    fn the_first_maximum_wins() {
        let channels = [
            channel([1., 1., 0., 0.]),
            channel([1., 2., 3., 0.]),
            channel([1., 0., 3., 5.]),
        ];
        assert_eq!(argmax(&channels).expect("same dims").voxels(), [0, 1, 1, 2]);
    }

    #[test]
    fn threshold_includes_its_value() {
        assert_eq!(
            threshold(&channel([0.4, 0.5, 0.6, f32::NAN]), 0.5).voxels(),
            [0, 1, 1, 0]
        );
    }

    #[test]
    fn channels_must_fit() {
        assert!(argmax(&[]).is_err());
        let other = Field::new(unit_grid([2, 2, 1]), vec![0.0; 4]).expect("four voxels");
        assert!(matches!(
            argmax(&[channel([0.0; 4]), other]),
            Err(KernelError::Mismatch { .. })
        ));
    }
}
