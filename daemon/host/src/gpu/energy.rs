//! What a job drew, from the device's own counter: the difference between its end and its start.

use super::nvml::NvmlSource;
use super::{Identity, Source};

/// How far a job's energy can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnergyQuality {
    /// The device worked for this job alone.
    Measured,
    /// It worked for others as well: the counter cannot tell them apart.
    Shared,
}

/// Energy of a stretch of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Energy {
    /// Millijoules, of the whole device.
    pub millijoules: u64,
    /// How far to trust it.
    pub quality: EnergyQuality,
}

/// Reads the energy counter of one device. Without such a counter every measurement is unknown.
pub struct EnergyMeter {
    read: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    shared: bool,
}

impl EnergyMeter {
    /// The meter of the GPU named by `uuid`. `shared` when more than one job may run on it at once.
    pub fn of_gpu(uuid: &str, shared: bool) -> Self {
        let identity = Identity {
            index: 0,
            uuid: uuid.to_owned(),
            name: String::new(),
            bus: None,
        };
        let read = move || {
            let reading = NvmlSource::open().ok()?.read(&identity).ok()?;
            reading.energy_millijoules
        };
        Self::with(read, shared)
    }

    /// A box without a counter.
    pub fn none() -> Self {
        Self::with(|| None, false)
    }

    /// A counter of millijoules of the caller's.
    pub fn with(read: impl Fn() -> Option<u64> + Send + Sync + 'static, shared: bool) -> Self {
        Self {
            read: Box::new(read),
            shared,
        }
    }

    /// Begins to measure.
    pub fn start(&self) -> Running<'_> {
        Running {
            meter: self,
            from: (self.read)(),
        }
    }
}

/// A measurement that runs.
pub struct Running<'a> {
    meter: &'a EnergyMeter,
    from: Option<u64>,
}

impl Running<'_> {
    /// What was drawn since the start; `None` when the counter did not answer both times, or began anew in between
    /// (a driver that was loaded again counts from 0).
    pub fn stop(self) -> Option<Energy> {
        let millijoules = (self.meter.read)()?.checked_sub(self.from?)?;
        Some(Energy {
            millijoules,
            quality: match self.meter.shared {
                true => EnergyQuality::Shared,
                false => EnergyQuality::Measured,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn measured(readings: [Option<u64>; 2], shared: bool) -> Option<Energy> {
        let readings = Mutex::new(readings.into_iter());
        let meter = EnergyMeter::with(move || readings.lock().ok()?.next()?, shared);
        meter.start().stop()
    }

    #[test]
    fn energy_is_a_difference_or_unknown_and_never_a_zero_for_unknown() {
        let energy = measured([Some(1_000), Some(1_250)], false).expect("measured");
        assert_eq!(
            (energy.millijoules, energy.quality),
            (250, EnergyQuality::Measured)
        );
        let shared = measured([Some(5), Some(5)], true).expect("measured");
        assert_eq!(
            (shared.millijoules, shared.quality),
            (0, EnergyQuality::Shared)
        );
        for unknown in [
            [None, Some(5)],
            [Some(5), None],
            [Some(9), Some(5)],
            [None, None],
        ] {
            assert_eq!(measured(unknown, false), None);
        }
        assert_eq!(EnergyMeter::none().start().stop(), None);
    }
}
