//! From scores on the network's grid to labels on the scan's.

use swarm_kernels::components::{Connectivity, keep_largest};
use swarm_kernels::holes::fill_holes;
use swarm_kernels::{Field, KernelError, activation, discrete};

use super::prepare::Trace;
use crate::package::step::{Activation, InvertMode, Postprocess};

/// Scores until `AsDiscrete`, labels after it.
enum State {
    Scores(Vec<Field<f32>>),
    Labels(Field<u8>),
}

/// Takes all steps. The package was checked: scores become labels once, and the grid changes back once.
pub(super) fn labels(
    steps: &[Postprocess],
    scores: Vec<Field<f32>>,
    trace: &Trace,
) -> Result<Field<u8>, KernelError> {
    let mut state = State::Scores(scores);
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        state = match (step, steps.peek(), state) {
            // MONAI's usual end: as one, it writes no scores on the scan's grid.
            (
                Postprocess::Invert { mode },
                Some(Postprocess::AsDiscrete {
                    threshold: None, ..
                }),
                State::Scores(scores),
            ) => {
                steps.next();
                State::Labels(trace.invert_argmax(scores, *mode)?)
            }
            (step, _, state) => apply(step, state, trace)?,
        };
    }
    match state {
        State::Labels(labels) => Ok(labels),
        State::Scores(_) => unreachable!("a checked package has AsDiscrete"),
    }
}

/// Takes the steps after the last change of the grid, which change labels only.
pub(super) fn refined(steps: &[Postprocess], labels: Field<u8>) -> Result<Field<u8>, KernelError> {
    let trace = Trace::default();
    let state = steps
        .iter()
        .try_fold(State::Labels(labels), |state, step| {
            apply(step, state, &trace)
        })?;
    match state {
        State::Labels(labels) => Ok(labels),
        State::Scores(_) => unreachable!("labels stay labels"),
    }
}

fn apply(step: &Postprocess, state: State, trace: &Trace) -> Result<State, KernelError> {
    Ok(match (step, state) {
        (Postprocess::Activations { kind }, State::Scores(scores)) => {
            State::Scores(activated(*kind, scores)?)
        }
        (Postprocess::Invert { mode }, State::Scores(scores)) => State::Scores(
            scores
                .into_iter()
                .map(|channel| trace.invert(channel, *mode))
                .collect::<Result<_, _>>()?,
        ),
        (Postprocess::Invert { mode }, State::Labels(labels)) => {
            State::Labels(invert_labels(labels, trace, *mode)?)
        }
        (Postprocess::AsDiscrete { threshold, .. }, State::Scores(scores)) => {
            State::Labels(match threshold {
                Some(threshold) => discrete::threshold(&scores[0], *threshold),
                None => discrete::argmax(&scores)?,
            })
        }
        (
            Postprocess::KeepLargestConnectedComponent { connectivity },
            State::Labels(mut labels),
        ) => {
            keep_largest(&mut labels, neighbours(*connectivity));
            State::Labels(labels)
        }
        (Postprocess::FillHoles { connectivity }, State::Labels(mut labels)) => {
            fill_holes(&mut labels, neighbours(*connectivity));
            State::Labels(labels)
        }
        _ => unreachable!("a checked package has scores before AsDiscrete and labels after it"),
    })
}

fn activated(kind: Activation, scores: Vec<Field<f32>>) -> Result<Vec<Field<f32>>, KernelError> {
    let grid = scores[0].grid().clone();
    let channels = scores.len();
    let mut values = scores
        .into_iter()
        .map(|channel| channel.into_parts().1)
        .collect::<Vec<_>>()
        .concat();
    match kind {
        Activation::Softmax => activation::softmax(&mut values, channels),
        Activation::Sigmoid => activation::sigmoid(&mut values),
    }
    values
        .chunks(grid.voxels())
        .map(|channel| Field::new(grid.clone(), channel.to_vec()))
        .collect()
}

/// Bytes are exact in f32, and nearest only copies.
fn invert_labels(
    labels: Field<u8>,
    trace: &Trace,
    mode: InvertMode,
) -> Result<Field<u8>, KernelError> {
    let (grid, voxels) = labels.into_parts();
    let numbers = Field::new(grid, voxels.into_iter().map(f32::from).collect())?;
    let (grid, voxels) = trace.invert(numbers, mode)?.into_parts();
    Field::new(grid, voxels.into_iter().map(|v| v as u8).collect())
}

fn neighbours(connectivity: u8) -> Connectivity {
    match connectivity {
        1 => Connectivity::Faces,
        2 => Connectivity::Edges,
        _ => Connectivity::Corners,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::step::{PadMethod, Preprocess};
    use crate::pipeline::prepare;
    use swarm_kernels::Grid;

    fn line(voxels: &[f32]) -> Field<f32> {
        let affine = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        Field::new(
            Grid::new([voxels.len(), 1, 1], affine).expect("valid"),
            voxels.to_vec(),
        )
        .expect("fits")
    }

    #[test]
    fn both_orders_of_inversion_end_on_the_scans_grid() {
        let mut trace = Trace::default();
        let pad = Preprocess::SpatialPad {
            spatial_size: [8, 1, 1],
            method: PadMethod::Symmetric,
        };
        let padded = prepare::apply(&pad, line(&[0.0; 6]).into(), &mut trace).expect("valid");
        assert_eq!(padded.grid().dims(), [8, 1, 1]);
        let background = line(&[0.0; 8]);
        let scores = vec![
            background,
            line(&[1.0, -1.0, 2.0, -1.0, 2.0, 2.0, -1.0, 3.0]),
        ];
        let argmax = Postprocess::AsDiscrete {
            argmax: true,
            threshold: None,
        };
        let invert = Postprocess::Invert {
            mode: InvertMode::Nearest,
        };
        let largest = Postprocess::KeepLargestConnectedComponent { connectivity: 3 };
        let softmax = Postprocess::Activations {
            kind: Activation::Softmax,
        };
        for steps in [
            [
                softmax.clone(),
                argmax.clone(),
                invert.clone(),
                largest.clone(),
            ],
            [softmax, invert, argmax, largest],
        ] {
            let labels = labels(&steps, scores.clone(), &trace).expect("valid");
            assert_eq!(labels.voxels(), [0, 0, 0, 1, 1, 0]);
        }
    }

    #[test]
    fn a_threshold_needs_one_channel() {
        let steps = [
            Postprocess::Activations {
                kind: Activation::Sigmoid,
            },
            Postprocess::Invert {
                mode: InvertMode::Trilinear,
            },
            Postprocess::AsDiscrete {
                argmax: false,
                threshold: Some(0.5),
            },
            Postprocess::FillHoles { connectivity: 1 },
        ];
        let labels =
            labels(&steps, vec![line(&[-3.0, 0.0, 4.0])], &Trace::default()).expect("valid");
        assert_eq!(labels.voxels(), [0, 1, 1]);
    }
}
