//! What the warden does to the box. Everything here needs root.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// NVML as the driver's package installs it; the name without `.1` comes with development packages only.
const NVML: &str = "libnvidia-ml.so.1";
/// The clock that runs while the box is off.
const RTC: &str = "sys/class/rtc/rtc0";

/// Why the box did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// NVML is not there, or says no.
    #[error("NVML: {0}")]
    Nvml(NvmlError),
    /// A file of the clock cannot be used.
    #[error("{path}: {source}; this box cannot wake itself")]
    Clock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The clock does not keep what it was told.
    #[error("the clock was set to wake at {asked} and says '{said}'")]
    NotKept {
        /// Seconds since 1970 by that clock.
        asked: u64,
        /// What it says instead.
        said: String,
    },
    /// systemd was not told.
    #[error("systemctl: {0}")]
    Systemctl(String),
}

/// What the warden can do. A test has another; nobody else.
pub trait Acts: Send {
    /// The power limits in watts that the driver allows for a GPU; `None` when there is no such GPU.
    fn gpu_power_range(&mut self, gpu: &str) -> Result<Option<RangeInclusive<u32>>, ActError>;
    /// Sets a GPU's power limit, which is within its range.
    fn set_gpu_power_limit(&mut self, gpu: &str, watts: u32) -> Result<(), ActError>;
    /// Sets the clock to switch the box on in `time`.
    fn set_wake_timer(&mut self, time: Duration) -> Result<(), ActError>;
    /// Begins to shut down, and returns.
    fn power_off(&mut self) -> Result<(), ActError>;
}

/// The box that this process runs on.
#[derive(Clone, Debug)]
pub struct ThisBox {
    root: PathBuf,
}

impl Default for ThisBox {
    fn default() -> Self {
        Self::at("/")
    }
}

impl ThisBox {
    /// The box whose `/sys` lies under `root`.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref().to_owned();
        Self { root }
    }
}

impl Acts for ThisBox {
    fn gpu_power_range(&mut self, gpu: &str) -> Result<Option<RangeInclusive<u32>>, ActError> {
        let nvml = nvml()?;
        let device = match nvml.device_by_uuid(gpu) {
            Ok(device) => device,
            Err(NvmlError::NotFound) => return Ok(None),
            Err(error) => return Err(ActError::Nvml(error)),
        };
        let range = device
            .power_management_limit_constraints()
            .map_err(ActError::Nvml)?;
        // Whole watts inside the driver's milliwatts.
        Ok(Some(
            range.min_limit.div_ceil(1000)..=range.max_limit / 1000,
        ))
    }

    fn set_gpu_power_limit(&mut self, gpu: &str, watts: u32) -> Result<(), ActError> {
        let nvml = nvml()?;
        let mut device = nvml.device_by_uuid(gpu).map_err(ActError::Nvml)?;
        device
            .set_power_management_limit(watts.saturating_mul(1000))
            .map_err(ActError::Nvml)
    }

    fn set_wake_timer(&mut self, time: Duration) -> Result<(), ActError> {
        let [now, alarm] = ["since_epoch", "wakealarm"].map(|file| self.root.join(RTC).join(file));
        let clock = |path: &Path, source| ActError::Clock {
            path: path.to_owned(),
            source,
        };
        // By the clock's own time, which may be local time or wrong.
        let text = fs::read_to_string(&now).map_err(|e| clock(&now, e))?;
        let started: u64 = text
            .trim()
            .parse()
            .map_err(|e| clock(&now, io::Error::new(io::ErrorKind::InvalidData, e)))?;
        let asked = started + time.as_secs();
        // An alarm that is set cannot be set again; 0 clears it.
        for value in [0, asked] {
            fs::write(&alarm, value.to_string()).map_err(|e| clock(&alarm, e))?;
        }
        let said = fs::read_to_string(&alarm).map_err(|e| clock(&alarm, e))?;
        let said = said.trim().to_owned();
        if said == asked.to_string() {
            Ok(())
        } else {
            Err(ActError::NotKept { asked, said })
        }
    }

    fn power_off(&mut self) -> Result<(), ActError> {
        // Straight to systemd and not to logind: a forgotten login must not keep a rack on until its battery is empty.
        let done = Command::new("systemctl")
            .args(["start", "--no-block", "--job-mode=replace-irreversibly"])
            .arg("poweroff.target")
            .output()
            .map_err(|e| ActError::Systemctl(e.to_string()))?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(ActError::Systemctl(format!("{}: {said}", done.status)))
    }
}

fn nvml() -> Result<Nvml, ActError> {
    Nvml::builder()
        .lib_path(NVML.as_ref())
        .init()
        .map_err(ActError::Nvml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_set_by_its_own_time_and_read_back() {
        let root = tempfile::tempdir().expect("a directory");
        let rtc = root.path().join(RTC);
        let mut here = ThisBox::at(root.path());
        let error = here
            .set_wake_timer(Duration::from_secs(60))
            .expect_err("no clock");
        assert!(error.to_string().contains("rtc0/since_epoch"), "{error}");
        fs::create_dir_all(&rtc).expect("made");
        fs::write(rtc.join("since_epoch"), "1000\n").expect("written");
        here.set_wake_timer(Duration::from_secs(60)).expect("set");
        let alarm = fs::read_to_string(rtc.join("wakealarm")).expect("reads");
        assert_eq!(alarm, "1060");
    }

    #[test]
    fn a_clock_that_forgets_is_found() {
        let root = tempfile::tempdir().expect("a directory");
        let rtc = root.path().join(RTC);
        fs::create_dir_all(&rtc).expect("made");
        fs::write(rtc.join("since_epoch"), "1000\n").expect("written");
        std::os::unix::fs::symlink("/dev/null", rtc.join("wakealarm")).expect("made");
        let error = ThisBox::at(root.path())
            .set_wake_timer(Duration::from_secs(60))
            .expect_err("nothing is kept");
        assert!(matches!(error, ActError::NotKept { asked: 1060, .. }));
    }
}
