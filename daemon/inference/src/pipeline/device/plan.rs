//! Which way through a model the kernels can go: decided by the package alone, before any scan.

use std::fmt;

use swarm_kernels::resample::Interpolation;
use swarm_kernels::resize::ResizeMode;

use crate::package::Spec;
use crate::package::step::{Activation, InvertMode, Postprocess, Preprocess};
use crate::pipeline::prepare::{resize_mode, spacing_mode};

/// A package's steps as the kernels take them.
#[derive(Debug, PartialEq)]
pub(in crate::pipeline) struct Plan<'a> {
    /// Directions of the axes, taken on the way up.
    pub(super) turn: Option<&'a str>,
    /// The grid that the scan is read onto.
    pub(super) scale: Option<Scale>,
    /// Crops, pads and changes of intensity.
    pub(super) values: &'a [Preprocess],
    pub(super) finish: Finish<'a>,
}

/// The new grid, in the same launch as the turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Spacing([f64; 3], Interpolation),
    Resize([usize; 3], ResizeMode),
}

/// From scores to labels on the scan's grid.
#[derive(Debug, PartialEq)]
pub(super) struct Finish<'a> {
    /// Scores go back to the scan's grid and are decided on there; else labels go back.
    pub scores_back: bool,
    /// How.
    pub mode: InvertMode,
    /// With one channel: the score from which on a voxel is labelled.
    pub threshold: f32,
    /// Only the largest components stay, on the network's grid.
    pub largest_before: bool,
    /// The same, on the scan's.
    pub largest_after: bool,
    /// What is left for the CPU.
    pub rest: &'a [Postprocess],
}

/// The kernels cannot go the package's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) struct Unplanned {
    /// What they lack, in words.
    pub lacking: &'static str,
}

impl fmt::Display for Unplanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the GPU's kernels have no {}", self.lacking)
    }
}

/// TensorRT reads and writes at such addresses, in elements of four bytes: windows lie one behind the other.
const ALIGNED: usize = 64;

impl<'a> Plan<'a> {
    /// The plan, or what is lacking.
    pub(in crate::pipeline) fn of(spec: &'a Spec) -> Result<Self, Unplanned> {
        if let crate::package::spec::Window::Sliding { roi_size, .. } = &spec.window
            && roi_size.iter().product::<usize>() % ALIGNED != 0
        {
            return Err(Unplanned {
                lacking: "window of such a size",
            });
        }
        let mut steps = spec.preprocessing.as_slice();
        let mut turn = None;
        if let [Preprocess::Orientation { axcodes }, later @ ..] = steps {
            turn = Some(axcodes.as_str());
            steps = later;
        }
        let scale = match steps.first() {
            Some(Preprocess::Spacing { pixdim, mode }) => {
                Some(Scale::Spacing(*pixdim, spacing_mode(*mode)))
            }
            Some(Preprocess::Resize { spatial_size, mode }) => {
                Some(Scale::Resize(*spatial_size, resize_mode(*mode)))
            }
            _ => None,
        };
        if matches!(scale, Some(Scale::Resize(_, ResizeMode::Area))) {
            return Err(Unplanned {
                lacking: "Resize by area",
            });
        }
        let values = &steps[usize::from(scale.is_some())..];
        let geometric = |step: &Preprocess| {
            matches!(
                step,
                Preprocess::Orientation { .. }
                    | Preprocess::Spacing { .. }
                    | Preprocess::Resize { .. }
            )
        };
        if values.iter().any(geometric) {
            return Err(Unplanned {
                lacking: "second change of the grid",
            });
        }
        Ok(Self {
            turn,
            scale,
            values,
            finish: Finish::of(&spec.postprocessing)?,
        })
    }
}

impl<'a> Finish<'a> {
    fn of(mut steps: &'a [Postprocess]) -> Result<Self, Unplanned> {
        let mut activation = None;
        if let [Postprocess::Activations { kind }, later @ ..] = steps {
            activation = Some(*kind);
            steps = later;
        }
        let lacking = |lacking| Err(Unplanned { lacking });
        let mut largest_before = false;
        let (scores_back, mode, threshold) = match steps {
            [
                Postprocess::Invert { mode },
                Postprocess::AsDiscrete { threshold, .. },
                later @ ..,
            ] => {
                // A blend of probabilities is not one of scores; and outside a crop probabilities, not scores, are 0.
                if activation.is_some() && *mode == InvertMode::Trilinear
                    || activation == Some(Activation::Sigmoid)
                {
                    return lacking("Activations before Invert");
                }
                steps = later;
                (true, *mode, *threshold)
            }
            [Postprocess::AsDiscrete { threshold, .. }, later @ ..] => {
                steps = later;
                largest_before = take_largest(&mut steps);
                let [Postprocess::Invert { mode }, later @ ..] = steps else {
                    return lacking("such a step before Invert");
                };
                steps = later;
                (false, *mode, *threshold)
            }
            _ => return lacking("such a step before AsDiscrete"),
        };
        // The softmax of scores is largest where they are; a sigmoid is over a threshold where its argument is over another.
        let threshold = match (activation, threshold) {
            (Some(Activation::Sigmoid), Some(t)) if t > 0.0 && t < 1.0 => {
                let t = f64::from(t);
                (t / (1.0 - t)).ln() as f32
            }
            (None, Some(t)) => t,
            (_, None) => 0.0,
            _ => return lacking("threshold that every or no voxel reaches"),
        };
        Ok(Self {
            scores_back,
            mode,
            threshold,
            largest_before,
            largest_after: take_largest(&mut steps),
            rest: steps,
        })
    }
}

/// Takes the one component filter that there is a kernel for.
fn take_largest(steps: &mut &[Postprocess]) -> bool {
    match *steps {
        [
            Postprocess::KeepLargestConnectedComponent { connectivity: 3 },
            later @ ..,
        ] => {
            *steps = later;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: Postprocess = Postprocess::KeepLargestConnectedComponent { connectivity: 3 };
    const ARGMAX: Postprocess = Postprocess::AsDiscrete {
        argmax: true,
        threshold: None,
    };

    fn invert(mode: InvertMode) -> Postprocess {
        Postprocess::Invert { mode }
    }

    fn activations(kind: Activation) -> Postprocess {
        Postprocess::Activations { kind }
    }

    #[test]
    fn what_the_kernels_lack_goes_to_the_cpu() {
        let holes = Postprocess::FillHoles { connectivity: 1 };
        let steps = [
            activations(Activation::Softmax),
            ARGMAX,
            LARGEST,
            invert(InvertMode::Nearest),
            LARGEST,
            holes.clone(),
            LARGEST,
        ];
        let plan = Finish::of(&steps).expect("there are kernels");
        assert!(plan.largest_before && plan.largest_after && !plan.scores_back);
        assert_eq!(plan.rest, &steps[5..]);

        let steps = [invert(InvertMode::Trilinear), ARGMAX, holes];
        let plan = Finish::of(&steps).expect("there are kernels");
        assert!(plan.scores_back && !plan.largest_after);
        assert_eq!((plan.mode, plan.rest), (InvertMode::Trilinear, &steps[2..]));
    }

    #[test]
    fn a_sigmoid_is_a_threshold_of_its_argument() {
        let at = |t| {
            let steps = [
                activations(Activation::Sigmoid),
                Postprocess::AsDiscrete {
                    argmax: false,
                    threshold: Some(t),
                },
                invert(InvertMode::Nearest),
            ];
            Finish::of(&steps).map(|plan| plan.threshold)
        };
        assert_eq!(at(0.5), Ok(0.0));
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        assert!((sigmoid(at(0.9).expect("reachable")) - 0.9).abs() < 1e-6);
        assert!(at(1.0).is_err() && at(0.0).is_err());
    }

    #[test]
    fn probabilities_that_are_blended_stay_on_the_cpu() {
        for (kind, mode) in [
            (Activation::Softmax, InvertMode::Trilinear),
            (Activation::Sigmoid, InvertMode::Nearest),
        ] {
            assert!(Finish::of(&[activations(kind), invert(mode), ARGMAX]).is_err());
        }
        let steps = [
            activations(Activation::Softmax),
            invert(InvertMode::Nearest),
            ARGMAX,
        ];
        assert!(Finish::of(&steps).is_ok());
        let holes = Postprocess::FillHoles { connectivity: 3 };
        assert!(Finish::of(&[ARGMAX, holes, invert(InvertMode::Nearest)]).is_err());
    }
}
