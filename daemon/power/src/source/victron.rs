//! A Victron GX over Modbus TCP: the system service, unit 100. Modbus TCP has to be switched on in its settings.

use super::modbus::Device;
use super::{Source, SourceError};
use crate::config::SourceConfig;
use crate::meter::{Metric, Sample};

/// First register of the block that is read: PV on the AC side.
const AC_FIRST: u16 = 808;
/// Registers of it: PV on output, input and generator (3 × 3), use (3), grid (3).
const AC_COUNT: u16 = 15;
/// First register of the battery: its voltage.
const BATTERY_FIRST: u16 = 840;
/// Registers of it: voltage, current, power, charge.
const BATTERY_COUNT: u16 = 4;
/// PV on the DC side, watts.
const PV_DC: u16 = 850;

/// A GX.
pub struct Gx {
    device: Device,
}

impl Gx {
    /// A GX that is not connected yet.
    pub fn new(config: &SourceConfig) -> Self {
        let endpoint = config.endpoint().expect("the configuration was checked");
        Self {
            device: Device::new(endpoint, config.unit.unwrap_or(100)),
        }
    }

    /// Registers that a GX has only with the device behind them: it answers with an exception without.
    async fn optional(
        &mut self,
        address: u16,
        count: u16,
    ) -> Result<Option<Vec<u16>>, SourceError> {
        match self.device.read(address, count).await {
            Ok(words) => Ok(Some(words)),
            Err(SourceError::Exception { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Source for Gx {
    async fn read(&mut self) -> Result<Vec<Sample>, SourceError> {
        let ac = self.optional(AC_FIRST, AC_COUNT).await?;
        let battery = self.optional(BATTERY_FIRST, BATTERY_COUNT).await?;
        let dc = self.optional(PV_DC, 1).await?;
        let mut samples = Vec::new();
        let mut add = |metric, value| samples.push(Sample { metric, value });
        let sum = |words: &[u16]| words.iter().map(|word| f64::from(*word)).sum::<f64>();
        let pv_ac = ac.as_ref().map(|words| sum(&words[..9]));
        let pv_dc = dc.as_ref().map(|words| f64::from(words[0]));
        if let Some(pv) = pv_ac.into_iter().chain(pv_dc).reduce(|a, b| a + b) {
            add(Metric::Solar, pv);
        }
        if let Some(words) = &ac {
            add(Metric::Load, sum(&words[9..12]));
            add(
                Metric::Grid,
                words[12..15]
                    .iter()
                    .map(|word| f64::from(*word as i16))
                    .sum(),
            );
        }
        // A battery without voltage is none: its registers read 0 then.
        if let Some(words) = battery.filter(|words| words[0] > 0) {
            // The GX counts what goes in as positive.
            add(Metric::Battery, -f64::from(words[2] as i16));
            add(Metric::Charge, f64::from(words[3]));
        }
        if samples.is_empty() {
            let text = "the GX has no system values at unit 100; is Modbus TCP switched on?";
            return Err(SourceError::Nothing(text.into()));
        }
        Ok(samples)
    }

    fn close(&mut self) {
        self.device.close();
    }
}
