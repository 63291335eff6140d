//! Golden cases: seeded noise in, known values out. A model that misses one never serves.

use crate::engine::{Engine, EngineError};
use crate::package::spec::{Golden, GoldenPoint};

/// Why a golden case failed.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The engine could not run it.
    #[error("golden case {case} did not run")]
    Engine {
        /// Its place in `model.toml`.
        case: usize,
        /// Why.
        source: EngineError,
    },
    /// The output has another shape.
    #[error("golden case {case}: the output has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Its place in `model.toml`.
        case: usize,
        /// What came out.
        found: Vec<usize>,
        /// What `model.toml` says.
        expected: Vec<usize>,
    },
    /// A value differs.
    #[error(
        "golden case {case}: output {index} is {found}, expected {expected} within {tolerance}"
    )]
    Value {
        /// Its place in `model.toml`.
        case: usize,
        /// Into the flat output.
        index: usize,
        /// What the engine computed.
        found: f32,
        /// What `model.toml` says.
        expected: f32,
        /// The allowed difference.
        tolerance: f32,
    },
}

/// `count` numbers in [0, 1): the top 24 bits of SplitMix64's outputs, as `scripts/model/noise.py` makes them.
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
        })
        .collect()
}

/// Runs case number `number` on `engine`.
pub fn run(engine: &mut dyn Engine, number: usize, case: &Golden) -> Result<(), GoldenError> {
    let [_, channels, dims @ ..] = case.input_shape;
    let input = noise(case.seed, channels * dims.iter().product::<usize>());
    let output = engine
        .infer(input, dims)
        .map_err(|source| GoldenError::Engine {
            case: number,
            source,
        })?;
    compare(&output, number, case.tolerance, &case.points)
}

/// Holds an output against the points of case number `number`.
pub(crate) fn compare(
    output: &[f32],
    number: usize,
    tolerance: f32,
    points: &[GoldenPoint],
) -> Result<(), GoldenError> {
    for &GoldenPoint {
        index,
        value: expected,
    } in points
    {
        let found = output.get(index).copied().unwrap_or(f32::NAN);
        // Written so that NaN fails.
        let close = (found - expected).abs() <= tolerance;
        if !close {
            return Err(GoldenError::Value {
                case: number,
                index,
                found,
                expected,
                tolerance,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_equals_the_scripts() {
        // From scripts/model/noise.py: noise(7, [4]).
        assert_eq!(
            noise(7, 4),
            [0.389_829_7, 0.016_788_244, 0.900_760_65, 0.582_930_27]
        );
    }

    #[test]
    fn a_value_off_or_nan_or_absent_fails() {
        let point = |index, value| GoldenPoint { index, value };
        let points = [point(0, 0.5), point(1, 0.25)];
        assert!(compare(&[0.505, 0.25], 0, 0.01, &points).is_ok());
        for output in [&[0.52, 0.25][..], &[0.5, f32::NAN], &[0.5]] {
            assert!(
                matches!(
                    compare(output, 0, 0.01, &points),
                    Err(GoldenError::Value { .. })
                ),
                "{output:?}"
            );
        }
    }
}
