//! Activations over channels: softmax and sigmoid, in place, on tensors whose channels follow each other.

use rayon::prelude::*;

/// `1 / (1 + exp(-x))` of every value.
pub fn sigmoid(values: &mut [f32]) {
    values
        .par_iter_mut()
        .for_each(|v| *v = 1.0 / (1.0 + (-*v).exp()));
}

/// Softmax over the channels of each voxel. The largest value is subtracted first, so nothing overflows.
/// `channels` is at least 1 and divides the number of values.
pub fn softmax(values: &mut [f32], channels: usize) {
    let voxels = values.len() / channels;
    let mut planes: Vec<&mut [f32]> = values.chunks_mut(voxels.max(1)).collect();
    for voxel in 0..voxels {
        let largest = planes
            .iter()
            .map(|plane| plane[voxel])
            .fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for plane in &mut planes {
            plane[voxel] = (plane[voxel] - largest).exp();
            total += plane[voxel];
        }
        planes.iter_mut().for_each(|plane| plane[voxel] /= total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_and_survives_large_values() {
        let mut values = [1000.0, 0.0, 1000.0, 3.0f32.ln()];
        softmax(&mut values, 2);
        assert_eq!(values[0], 0.5);
        assert!((values[1] - 0.25).abs() < 1e-6 && (values[3] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn sigmoid_at_its_ends_and_middle() {
        let mut values = [0.0, 200.0, -200.0];
        sigmoid(&mut values);
        assert_eq!(values, [0.5, 1.0, 0.0]);
    }
}
