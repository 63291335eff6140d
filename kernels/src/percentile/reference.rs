//! Percentiles as `numpy.percentile` with linear interpolation: exact order statistics of all voxels.
//!
//! Two passes over the bits of the values, as a GPU does it: a histogram of the upper 16 bits finds the bucket
//! of each wanted rank, histograms of the lower 16 bits of those buckets find the value. No copy, no sort.

use rayon::prelude::*;

use crate::KernelError;

const BUCKETS: usize = 1 << 16;
/// Upper halves of the keys of NaN and infinities lie below and from here on.
const FINITE: std::ops::Range<usize> = 0x80..0xff80;

/// The percentiles `ranks` (0 to 100) of `voxels`. Refuses NaN, infinities and an empty slice.
pub fn percentiles<const N: usize>(
    voxels: &[f32],
    ranks: [f64; N],
) -> Result<[f32; N], KernelError> {
    for rank in ranks {
        if !(0.0..=100.0).contains(&rank) {
            return Err(KernelError::Parameter {
                name: "percentile",
                value: rank.to_string(),
                rule: "must be from 0 to 100",
            });
        }
    }
    if voxels.is_empty() {
        return Err(KernelError::NotFinite);
    }
    let last = voxels.len() - 1;
    let positions = ranks.map(|rank| last as f64 * (rank / 100.0));
    // Both neighbours of each position.
    let wanted: Vec<usize> = positions
        .iter()
        .flat_map(|p| [*p as usize, (*p as usize + 1).min(last)])
        .collect();
    let values = order_statistics(voxels, &wanted)?;
    Ok(std::array::from_fn(|k| {
        let (low, high) = (f64::from(values[2 * k]), f64::from(values[2 * k + 1]));
        let fraction = positions[k] - positions[k].floor();
        // numpy's two branches, so that the last bit agrees.
        let step = f64::from((high - low) as f32);
        let value = if fraction >= 0.5 {
            high - step * (1.0 - fraction)
        } else {
            low + step * fraction
        };
        value as f32
    }))
}

/// Bits that sort as the numbers do.
fn key(value: f32) -> u32 {
    // -0 and 0 are equal numbers and must share a key.
    let bits = (value + 0.0).to_bits();
    // All bits of a negative number turn, else only the sign.
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
}

/// The values at the given ranks (0 is the smallest). Refuses NaN and infinities.
fn order_statistics(voxels: &[f32], ranks: &[usize]) -> Result<Vec<f32>, KernelError> {
    let upper = histogram(voxels, BUCKETS, |counts, key| {
        counts[(key >> 16) as usize] += 1;
    });
    if upper[FINITE].iter().map(|&n| n as usize).sum::<usize>() < voxels.len() {
        return Err(KernelError::NotFinite);
    }
    let found: Vec<(usize, usize)> = ranks.iter().map(|&rank| locate(&upper, rank)).collect();
    let mut buckets: Vec<usize> = found.iter().map(|&(bucket, _)| bucket).collect();
    buckets.sort_unstable();
    buckets.dedup();
    // Where the counters of each bucket start; most buckets have none.
    let mut slots = vec![None; BUCKETS];
    for (slot, &bucket) in buckets.iter().enumerate() {
        slots[bucket] = Some(slot * BUCKETS);
    }
    let lower = histogram(voxels, buckets.len() * BUCKETS, |counts, key| {
        if let Some(slot) = slots[(key >> 16) as usize] {
            counts[slot + (key & 0xffff) as usize] += 1;
        }
    });
    Ok(found
        .into_iter()
        .map(|(bucket, rest)| {
            let slot = slots[bucket].expect("every found bucket has counters");
            let (low_bits, _) = locate(&lower[slot..][..BUCKETS], rest);
            value((bucket << 16 | low_bits) as u32)
        })
        .collect())
}

/// Counts the keys of all voxels, as `count` does it with one. A part for each thread: counters are not small.
fn histogram(voxels: &[f32], bins: usize, count: impl Fn(&mut [u32], u32) + Sync) -> Vec<u32> {
    voxels
        .par_chunks(voxels.len().div_ceil(rayon::current_num_threads()))
        .map(|part| {
            // A volume has fewer than 2^32 voxels.
            let mut counts = vec![0; bins];
            part.iter().for_each(|&v| count(&mut counts, key(v)));
            counts
        })
        .reduce_with(|mut sum, counts| {
            sum.iter_mut().zip(&counts).for_each(|(a, b)| *a += b);
            sum
        })
        .unwrap_or_else(|| vec![0; bins])
}

/// The bin that holds the element of this rank, and its rank within the bin.
fn locate(counts: &[u32], rank: usize) -> (usize, usize) {
    let mut rest = rank;
    for (bin, &count) in counts.iter().enumerate() {
        let count = count as usize;
        if rest < count {
            return (bin, rest);
        }
        rest -= count;
    }
    unreachable!("ranks are below the number of voxels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_numbers() {
        let numbers = [-1e30f32, -2.5, -1e-40, 0.0, 1e-40, 0.1, 7.0, 1e30];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|&v| value(key(v)) == v));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn small_sets_by_hand() {
        assert_eq!(
            percentiles(&[4.0, 1.0, 3.0, 2.0], [0.0, 50.0, 100.0]),
            Ok([1.0, 2.5, 4.0])
        );
        assert_eq!(percentiles(&[5.0], [37.0]), Ok([5.0]));
        assert_eq!(percentiles(&[-3.0, -1.0, -1.0, 8.0], [25.0]), Ok([-1.5]));
    }

    #[test]
    fn order_statistics_equal_a_sort() {
        let mut state = 9u32;
        let voxels: Vec<f32> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / 1e4 - 700.0).round() / 8.0
            })
            .collect();
        let mut sorted = voxels.clone();
        sorted.sort_by(f32::total_cmp);
        let ranks: Vec<usize> = (0..5000).step_by(7).collect();
        let expected: Vec<f32> = ranks.iter().map(|&r| sorted[r]).collect();
        assert_eq!(order_statistics(&voxels, &ranks), Ok(expected));
    }

    #[test]
    fn refuses_what_has_no_order() {
        assert_eq!(percentiles(&[], [50.0]), Err(KernelError::NotFinite));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                percentiles(&[1.0, bad], [50.0]),
                Err(KernelError::NotFinite)
            );
        }
        for largest in [f32::MIN, f32::MAX] {
            assert_eq!(percentiles(&[largest], [50.0]), Ok([largest]));
        }
        assert!(matches!(
            percentiles(&[1.0], [100.5]),
            Err(KernelError::Parameter { .. })
        ));
    }
}
