//! Which frames a segmentation has, and their bits.

use crate::stretch::stretches;

/// One frame: a segment on a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// SegmentNumber, from 1.
    pub segment: u16,
    /// Index of the slice along z, from 0.
    pub slice: usize,
}

/// The frames that hold a voxel, by segment and then by slice, and their bits one after the other: the first voxel in
/// the lowest bit, no gap between frames, an even number of bytes (PS3.5 8.1.1, 8.2, A.4). `values` are the label of each
/// segment. A label map without any voxel gives one empty frame, because an object has at least one.
pub(super) fn pack(labels: &[u8], pixels: usize, values: &[u8]) -> (Vec<Frame>, Vec<u8>) {
    let mut number_of = [0_usize; 256]; // segment number of a label, 0 for none
    for (index, &value) in values.iter().enumerate() {
        number_of[usize::from(value)] = index + 1;
    }
    let slices = labels.len() / pixels;
    let mut present = vec![false; slices * (values.len() + 1)];
    for (slice, voxels) in labels.chunks_exact(pixels).enumerate() {
        for (_, label) in stretches(voxels) {
            present[number_of[usize::from(label)] * slices + slice] = true;
        }
    }
    let mut frames: Vec<Frame> = (1..=values.len())
        .flat_map(|segment| (0..slices).map(move |slice| (segment, slice)))
        .filter(|(segment, slice)| present[segment * slices + slice])
        .map(|(segment, slice)| Frame {
            segment: segment as u16,
            slice,
        })
        .collect();
    if frames.is_empty() {
        frames.push(Frame {
            segment: 1,
            slice: 0,
        });
    }
    let mut bits = vec![0_u8; (frames.len() * pixels).div_ceil(16) * 2];
    for (index, frame) in frames.iter().enumerate() {
        let value = values[usize::from(frame.segment) - 1];
        let voxels = &labels[frame.slice * pixels..(frame.slice + 1) * pixels];
        let start = index * pixels;
        for (stretch, _) in stretches(voxels).filter(|(_, label)| *label == value) {
            for bit in start + stretch.start..start + stretch.end {
                bits[bit / 8] |= 1 << (bit % 8);
            }
        }
    }
    (frames, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other_without_a_gap() {
        // Three voxels a slice: the second frame begins in the fourth bit.
        let labels = [0, 7, 7, 0, 0, 0, 2, 7, 9];
        let (frames, bits) = pack(&labels, 3, &[2, 7]);
        let at = |segment, slice| Frame { segment, slice };
        assert_eq!(frames, [at(1, 2), at(2, 0), at(2, 2)]);
        assert_eq!(bits, [0b1011_0001, 0]);
    }

    #[test]
    fn no_voxel_at_all_is_one_empty_frame() {
        let (frames, bits) = pack(&[0; 34], 17, &[1]);
        assert_eq!(frames.len(), 1);
        assert_eq!(bits, [0; 4]);
    }
}
