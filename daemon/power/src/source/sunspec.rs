//! SunSpec over Modbus TCP: finds the models of a device and reads those that say power or charge.
//!
//! The map begins with "SunS" at one of three registers; then model after model, each with number and length, until
//! 0xFFFF. Offsets are those of the SunSpec Alliance's model definitions (the README has the table).

use std::collections::BTreeSet;

use super::modbus::Device;
use super::{Source, SourceError};
use crate::config::SourceConfig;
use crate::meter::{Metric, Sample};

/// Where a map may begin.
const BASES: [u16; 3] = [40_000, 50_000, 0];
/// "SunS".
const MARK: [u16; 2] = [0x5375, 0x6e53];
/// Ends the map.
const END: u16 = 0xffff;
/// Models that are walked over.
const MODELS_MAX: usize = 64;
/// Registers of a model; the largest in use have some hundreds.
const MODEL_REGISTERS_MAX: u16 = 2_048;
/// MPPT inputs of model 160.
const MODULES_MAX: u16 = 64;
/// Registers of one MPPT input in model 160.
const MODULE_REGISTERS: u16 = 20;
/// "Not implemented" of int16 and of a scale factor.
const NONE_I16: u16 = 0x8000;
/// "Not implemented" of uint16.
const NONE_U16: u16 = 0xffff;

/// A model's place on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Model {
    id: u16,
    /// First register after number and length.
    at: u16,
    /// Registers from there.
    length: u16,
}

/// A SunSpec device.
pub struct SunSpec {
    device: Device,
    measures: BTreeSet<Metric>,
    models: Option<Vec<Model>>,
}

impl SunSpec {
    /// A device that is not connected yet.
    pub fn new(config: &SourceConfig) -> Self {
        let endpoint = config.endpoint().expect("the configuration was checked");
        Self {
            device: Device::new(endpoint, config.unit.unwrap_or(1)),
            measures: config.measures(),
            models: None,
        }
    }

    async fn walk(&mut self) -> Result<Vec<Model>, SourceError> {
        let mut refusal = None;
        for base in BASES {
            match self.device.read(base, 2).await {
                Ok(words) if words == MARK => return self.walk_from(base + 2).await,
                Ok(_) => {}
                // Devices refuse registers that they do not have.
                Err(error @ SourceError::Exception { .. }) => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        let nothing = || SourceError::Nothing("no SunSpec map at 40000, 50000 or 0".into());
        Err(refusal.unwrap_or_else(nothing))
    }

    async fn walk_from(&mut self, mut at: u16) -> Result<Vec<Model>, SourceError> {
        let mut models = Vec::new();
        loop {
            let head = self.device.read(at, 2).await?;
            let (id, length) = (head[0], head[1]);
            if id == END {
                return Ok(models);
            }
            if models.len() >= MODELS_MAX {
                return Err(SourceError::Garbage(format!(
                    "more than {MODELS_MAX} SunSpec models"
                )));
            }
            if id == 0 || length == 0 || length > MODEL_REGISTERS_MAX {
                let text = format!("SunSpec model {id} of {length} registers at {at}");
                return Err(SourceError::Garbage(text));
            }
            models.push(Model {
                id,
                at: at.saturating_add(2),
                length,
            });
            let next = at.checked_add(2).and_then(|at| at.checked_add(length));
            at = next
                .ok_or_else(|| SourceError::Garbage("SunSpec models past register 65535".into()))?;
        }
    }

    /// Registers of a model from its first, as many as are needed.
    async fn registers(&mut self, model: Model, count: u16) -> Result<Vec<u16>, SourceError> {
        if model.length < count {
            let Model { id, length, .. } = model;
            let text = format!("SunSpec model {id} has {length} registers, {count} are needed");
            return Err(SourceError::Garbage(text));
        }
        self.device.read(model.at, count).await
    }

    async fn sun(&mut self, models: &[Model]) -> Result<Option<f64>, SourceError> {
        // The inputs of a hybrid's MPPT are the sun alone; its AC side has the battery in it.
        if let Some(mppt) = models.iter().find(|model| model.id == 160) {
            let head = self.registers(*mppt, 8).await?;
            let modules = head[6];
            if modules > MODULES_MAX {
                let text = format!("SunSpec model 160 with {modules} inputs");
                return Err(SourceError::Garbage(text));
            }
            let words = self
                .registers(*mppt, 8 + modules * MODULE_REGISTERS)
                .await?;
            let inputs = words[8..].chunks_exact(usize::from(MODULE_REGISTERS));
            let watts: Vec<Option<f64>> =
                inputs.map(|input| unsigned(input[11], words[2])).collect();
            // An input that is not wired says "not implemented"; when all do, the AC side has to serve.
            if watts.iter().any(Option::is_some) {
                return Ok(Some(watts.iter().flatten().sum()));
            }
        }
        let mut sum = None;
        for model in models
            .iter()
            .filter(|model| (101..=103).contains(&model.id))
        {
            let words = self.registers(*model, 14).await?;
            let watts = signed(words[12], words[13]);
            let Some(watts) = watts else {
                return Ok(None);
            };
            sum = Some(sum.unwrap_or(0.0) + watts);
        }
        Ok(sum)
    }

    async fn meter(&mut self, models: &[Model]) -> Result<Option<f64>, SourceError> {
        let Some(model) = models.iter().find(|model| (201..=204).contains(&model.id)) else {
            return Ok(None);
        };
        let words = self.registers(*model, 21).await?;
        Ok(signed(words[16], words[20]))
    }
}

/// A uint16 with its scale factor; `None` when either is not implemented or no scale.
fn unsigned(word: u16, scale: u16) -> Option<f64> {
    (word != NONE_U16).then(|| scaled(f64::from(word), scale))?
}

/// An int16 with its scale factor.
fn signed(word: u16, scale: u16) -> Option<f64> {
    (word != NONE_I16).then(|| scaled(f64::from(word as i16), scale))?
}

fn scaled(value: f64, scale: u16) -> Option<f64> {
    let power = scale as i16;
    let known = scale != NONE_I16 && (-10..=10).contains(&power);
    known.then(|| value * 10f64.powi(i32::from(power)))
}

impl Source for SunSpec {
    async fn read(&mut self) -> Result<Vec<Sample>, SourceError> {
        let models = match self.models.take() {
            Some(models) => models,
            None => self.walk().await?,
        };
        let mut samples = Vec::new();
        let mut add = |metric, value: Option<f64>| {
            samples.extend(value.map(|value| Sample { metric, value }));
        };
        let measures = self.measures.clone();
        if measures.contains(&Metric::Solar) {
            add(Metric::Solar, self.sun(&models).await?);
        }
        let battery = models.iter().find(|model| model.id == 802).copied();
        if let Some(battery) = battery
            .filter(|_| measures.contains(&Metric::Charge) || measures.contains(&Metric::Battery))
        {
            let words = self.registers(battery, 62).await?;
            add(Metric::Charge, unsigned(words[9], words[54]));
            add(Metric::Battery, signed(words[45], words[61]));
        }
        if measures.contains(&Metric::Grid) {
            add(Metric::Grid, self.meter(&models).await?);
        } else if measures.contains(&Metric::Load) {
            add(Metric::Load, self.meter(&models).await?);
        }
        if samples.is_empty() && models.iter().all(|model| !READ.contains(&model.id)) {
            let found: Vec<String> = models.iter().map(|model| model.id.to_string()).collect();
            let text = format!(
                "the device has SunSpec models {}, none with power",
                found.join(", ")
            );
            return Err(SourceError::Nothing(text));
        }
        self.models = Some(models);
        Ok(samples)
    }

    fn close(&mut self) {
        self.device.close();
        // A device that was restarted may have another map.
        self.models = None;
    }
}

/// Models that are read.
const READ: [u16; 9] = [101, 102, 103, 160, 201, 202, 203, 204, 802];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_implemented_is_no_value() {
        assert_eq!(signed(3_300, 0), Some(3_300.0));
        assert_eq!(signed(330, 1), Some(3_300.0));
        assert_eq!(signed(0xff38, (-1_i16) as u16), Some(-20.0));
        assert_eq!(signed(NONE_I16, 0), None);
        assert_eq!(signed(100, NONE_I16), None);
        assert_eq!(signed(100, 11), None, "no scale factor");
        assert_eq!(unsigned(NONE_U16, 0), None);
        assert_eq!(unsigned(835, (-1_i16) as u16), Some(83.5));
        assert_eq!(unsigned(0x8000, 0), Some(32_768.0));
    }
}
