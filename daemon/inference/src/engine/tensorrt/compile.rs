//! From a package to an engine.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{Artefact, Description, Library, Precision, Target, Tensor};
use crate::engine::EngineError;
use crate::package::spec::Window;
use crate::package::step::Preprocess;
use crate::package::{ModelPackage, Spec};

/// Typical side of a scan that goes into a network whole and in its own size.
const WHOLE_BEST: usize = 256;
/// Longest side of one.
const WHOLE_MOST: usize = 512;

/// The sizes (x, y, z) that an engine takes, and the one that it is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The smallest.
    pub least: [usize; 3],
    /// The one that is tuned.
    pub best: [usize; 3],
    /// The largest.
    pub most: [usize; 3],
}

/// What a package's network will see: its window, or the size that its preprocessing ends with, and its golden cases.
pub fn profile(spec: &Spec) -> Profile {
    let multiple = spec.input.size_multiple.max(1);
    let fixed = match &spec.window {
        Window::Sliding { roi_size, .. } => Some(*roi_size),
        Window::Whole {} => fixed_size(&spec.preprocessing),
    };
    let mut profile = match fixed {
        Some(size) => Profile {
            least: size,
            best: size,
            most: size,
        },
        None => {
            let up = |n: usize| [n.next_multiple_of(multiple); 3];
            Profile {
                least: [multiple; 3],
                best: up(WHOLE_BEST),
                most: up(WHOLE_MOST),
            }
        }
    };
    for case in &spec.golden {
        for axis in 0..3 {
            let size = case.input_shape[axis + 2];
            profile.least[axis] = profile.least[axis].min(size);
            profile.most[axis] = profile.most[axis].max(size);
        }
    }
    profile
}

/// The size after the last step that sets one, where no step after it changes it.
fn fixed_size(steps: &[Preprocess]) -> Option<[usize; 3]> {
    let last = steps.iter().rev().find(|step| {
        matches!(
            step,
            Preprocess::Resize { .. }
                | Preprocess::Spacing { .. }
                | Preprocess::CropForeground { .. }
                | Preprocess::SpatialPad { .. }
                | Preprocess::DivisiblePad { .. }
                | Preprocess::Orientation { .. }
        )
    });
    match last {
        Some(Preprocess::Resize { spatial_size, .. }) => Some(*spatial_size),
        _ => None,
    }
}

/// Compiles the package's network, and checks what came out: its inputs and outputs are the package's, and the header
/// is one of an engine (where the library reads it without a GPU). The engine has then run nowhere.
pub fn compile(
    library: &Library,
    package: &ModelPackage,
    target: Target,
    precision: Precision,
    threads: NonZeroUsize,
) -> Result<Artefact, EngineError> {
    let spec = package.spec();
    let profile = profile(spec);
    let half = precision == Precision::F16;
    let (engine, tensors) = library.compile(
        package.onnx(),
        &spec.input.tensor,
        &profile,
        target.number(),
        half,
        threads,
    )?;
    check_tensors(spec, &tensors)?;
    if library.flavour() == super::Flavour::Rtx && !library.validity(&engine)?.is_sound() {
        return Err(EngineError::TensorRt {
            action: "compile the network",
            words: "it does not recognise its own engine's header".to_owned(),
        });
    }
    Ok(Artefact::new(
        Description {
            model: package.digest(),
            name: spec.name.clone(),
            flavour: library.flavour(),
            version: library.version(),
            target,
            precision,
            profile,
            tensors,
            sha256: swarm_types::sha256(&engine),
            bytes: engine.len() as u64,
            ran_on: None,
        },
        engine,
    ))
}

/// One float32 input and one output, named as the package names them, with its channels.
pub(super) fn check_tensors(spec: &Spec, tensors: &[Tensor]) -> Result<(), EngineError> {
    let is = |tensor: &Tensor, name: &str, channels: usize| {
        tensor.name == name
            && tensor.element == "float32"
            && tensor.dims.len() == 5
            && [1, -1].contains(&tensor.dims[0])
            && [channels as i64, -1].contains(&tensor.dims[1])
    };
    let (inputs, outputs): (Vec<&Tensor>, Vec<&Tensor>) =
        tensors.iter().partition(|tensor| tensor.input);
    match (inputs.as_slice(), outputs.as_slice()) {
        ([input], [output])
            if is(input, &spec.input.tensor, spec.input.channels)
                && is(output, &spec.output.tensor, spec.output.channels) =>
        {
            Ok(())
        }
        _ => Err(EngineError::Tensors {
            found: tensors.to_vec(),
        }),
    }
}
