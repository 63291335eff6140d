//! The way of an array through a model: check, infer, write. For models that are no scans' (`kind = "tensor"`).

use serde::Serialize;
use swarm_package::npy::{self, Array, OUTPUT_FILE};
use swarm_package::tensor::{Nonfinite, TensorGolden};
use swarm_package::{ELEMENTS_MAX, TensorPackage, elements, is_shape};
use swarm_types::B256;

use crate::engine::{Considered, EngineInfo, TensorEngine, select};
use crate::golden::{self, GoldenError};
use crate::pipeline::{PipelineConfig, PipelineError, Progress, Stage};
use crate::results::{ModelName, REPORT_FILE};

/// One model for arrays, loaded and proven on its golden cases.
pub struct TensorPipeline {
    package: TensorPackage,
    engine: TensorEngine,
    considered: Vec<Considered>,
}

/// What was computed, by which model, on which engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Report<'a> {
    job_type: &'a str,
    model: ModelName,
    engine: String,
    engines_passed_over: &'a [Considered],
    input_shape: &'a [usize],
    output_shape: &'a [usize],
    /// Values of the output that are NaN or infinite.
    nonfinite_values: usize,
}

impl TensorPipeline {
    /// Loads the package on the CPU and runs its golden cases.
    ///
    /// # Errors
    /// When the engine does not start, or the model misses a golden case.
    pub fn load(package: TensorPackage, config: &PipelineConfig) -> Result<Self, PipelineError> {
        let engine = TensorEngine::load(&package, &config.library, config.threads)?;
        let considered = select::accelerated()
            .map(|kind| Considered::new(kind, "models for arrays run on the processor only"))
            .collect();
        let mut pipeline = Self {
            package,
            engine,
            considered,
        };
        for number in 0..pipeline.package.spec().golden.len() {
            pipeline.golden(number)?;
        }
        tracing::info!(
            model = pipeline.package.spec().name,
            digest = %pipeline.package.digest(),
            engine = %pipeline.engine.info(),
            "model loaded and its golden cases passed"
        );
        Ok(pipeline)
    }

    /// Runs the first golden case: the tiny inference that a bee's readiness needs.
    ///
    /// # Errors
    /// When it fails or does not run.
    pub fn self_test(&mut self) -> Result<(), PipelineError> {
        self.golden(0)
    }

    fn golden(&mut self, number: usize) -> Result<(), PipelineError> {
        let case: &TensorGolden = &self.package.spec().golden[number];
        let count = case.input_shape.iter().product();
        let input = Array {
            shape: case.input_shape.clone(),
            values: golden::noise(case.seed, count),
        };
        let output = self
            .engine
            .infer(input)
            .map_err(|source| GoldenError::Engine {
                case: number,
                source,
            })?;
        if output.shape != case.output_shape {
            return Err(GoldenError::Shape {
                case: number,
                found: output.shape,
                expected: case.output_shape.clone(),
            }
            .into());
        }
        Ok(golden::compare(
            &output.values,
            number,
            case.tolerance,
            &case.points,
        )?)
    }

    /// The model.
    pub fn package(&self) -> &TensorPackage {
        &self.package
    }

    /// What runs it.
    pub fn engine(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// The engines that would be preferred, each with the reason why it does not run.
    pub fn considered(&self) -> &[Considered] {
        &self.considered
    }

    /// The whole way: runs the array and gives the result files, the array that came out and a report.
    ///
    /// # Errors
    /// When the array is not one that the model takes, the engine fails, or gives what the package does not promise.
    pub fn run(
        &mut self,
        input: &Array,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        progress(Stage::Prepare, 0.0);
        let spec = self.package.spec();
        let refuse = |problem| Err(PipelineError::Array { problem });
        if !is_shape(&input.shape, &spec.input.shape) {
            return refuse(format!(
                "it has shape {:?}, the model takes {:?} (0: any)",
                input.shape, spec.input.shape
            ));
        }
        let nonfinite = input.values.iter().filter(|v| !v.is_finite()).count();
        if nonfinite > 0 && spec.input.nonfinite == Nonfinite::Refuse {
            return refuse(format!(
                "{nonfinite} of its values are NaN or infinite, and the model takes none"
            ));
        }
        progress(Stage::Infer, 0.0);
        let output = self.engine.infer(input.clone())?;
        progress(Stage::Infer, 1.0);
        let promised = is_shape(&output.shape, &spec.output.shape)
            && !output.shape.contains(&0)
            && elements(&output.shape).is_some();
        if !promised {
            return refuse(format!(
                "the network makes {:?} of it, model.toml promises {:?} (0: any) and {ELEMENTS_MAX} elements at most",
                output.shape, spec.output.shape
            ));
        }
        progress(Stage::Write, 0.0);
        let report = Report {
            job_type: &spec.job_type,
            model: ModelName {
                name: spec.name.clone(),
                version: spec.version.clone(),
                digest: self.digest(),
            },
            engine: self.engine.info().to_string(),
            engines_passed_over: &self.considered,
            input_shape: &input.shape,
            output_shape: &output.shape,
            nonfinite_values: output.values.iter().filter(|v| !v.is_finite()).count(),
        };
        let report = serde_json::to_vec_pretty(&report).map_err(|error| PipelineError::Write {
            file: REPORT_FILE,
            source: error.into(),
        })?;
        let files = vec![
            (OUTPUT_FILE.to_owned(), npy::write(&output)),
            (REPORT_FILE.to_owned(), report),
        ];
        progress(Stage::Write, 1.0);
        Ok(files)
    }

    fn digest(&self) -> B256 {
        self.package.digest()
    }
}
