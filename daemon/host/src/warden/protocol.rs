//! What is asked and answered: one JSON object a line.
//!
//! ```text
//! {"verb":"set-gpu-power-limit","gpu":"GPU-0a1b…","watts":200}
//! {"verb":"set-wake-timer","seconds":3600}
//! {"verb":"power-off"}
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{WAKE_MAX, WAKE_MIN};

/// A request that is sound as far as its text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Limits the power of a GPU.
    SetGpuPowerLimit {
        /// Its UUID, such as `GPU-8f2d51cc-…`: an index is another device after a reboot.
        gpu: String,
        /// The limit in watts.
        watts: u32,
    },
    /// Sets the clock to switch the box on again.
    SetWakeTimer {
        /// Seconds from now.
        seconds: u64,
    },
    /// Shuts the system down and switches the box off.
    PowerOff,
}

/// What the warden says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; a power-off has begun.
    Done,
    /// It will not be done as asked.
    Refused(Refusal),
    /// It was tried and did not work.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// Why a request is refused, and which of its fields is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The field; `request` when it is the whole, `peer` when it is who asks.
    pub field: String,
    /// Why, for people.
    pub reason: String,
}

impl Refusal {
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.to_owned(), reason.into());
        Self { field, reason }
    }
}

/// A line as it comes, each value unchecked.
#[derive(Deserialize)]
struct Line {
    verb: Option<Value>,
    gpu: Option<Value>,
    watts: Option<Value>,
    seconds: Option<Value>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// A [`Refusal`] for anything that is missing, unknown, of another type, out of range, or not this verb's.
    pub fn parse(line: &str) -> Result<Self, Refusal> {
        let line: Line = serde_json::from_str(line)
            .map_err(|e| Refusal::new("request", format!("is not one JSON object: {e}")))?;
        if let Some(name) = line.unknown.keys().next() {
            return Err(Refusal::new(name, "is not a field that the warden knows"));
        }
        let (gpu, watts, seconds) = (line.gpu, line.watts, line.seconds);
        match text("verb", line.verb)?.as_str() {
            "set-gpu-power-limit" => {
                foreign("seconds", &seconds)?;
                let gpu = text("gpu", gpu)?;
                if !is_gpu_uuid(&gpu) {
                    let reason = format!("'{gpu}' is not a GPU's UUID such as GPU-8f2d51cc-…");
                    return Err(Refusal::new("gpu", reason));
                }
                let watts = number("watts", watts, 1..=u64::from(u32::MAX))?;
                let watts = u32::try_from(watts).expect("checked against the range");
                Ok(Self::SetGpuPowerLimit { gpu, watts })
            }
            "set-wake-timer" => {
                foreign("gpu", &gpu)?;
                foreign("watts", &watts)?;
                let range = WAKE_MIN.as_secs()..=WAKE_MAX.as_secs();
                let seconds = number("seconds", seconds, range)?;
                Ok(Self::SetWakeTimer { seconds })
            }
            "power-off" => {
                foreign("gpu", &gpu)?;
                foreign("watts", &watts)?;
                foreign("seconds", &seconds)?;
                Ok(Self::PowerOff)
            }
            other => {
                let reason =
                    format!("'{other}' is not set-gpu-power-limit, set-wake-timer or power-off");
                Err(Refusal::new("verb", reason))
            }
        }
    }

    /// The request as a line, without its end.
    pub fn to_line(&self) -> String {
        match self {
            Self::SetGpuPowerLimit { gpu, watts } => {
                json!({"verb": "set-gpu-power-limit", "gpu": gpu, "watts": watts})
            }
            Self::SetWakeTimer { seconds } => json!({"verb": "set-wake-timer", "seconds": seconds}),
            Self::PowerOff => json!({"verb": "power-off"}),
        }
        .to_string()
    }
}

fn text(field: &str, value: Option<Value>) -> Result<String, Refusal> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Refusal::new(field, "is not text")),
        None => Err(Refusal::new(field, "is missing")),
    }
}

fn number(field: &str, value: Option<Value>, range: RangeInclusive<u64>) -> Result<u64, Refusal> {
    let value = value.ok_or_else(|| Refusal::new(field, "is missing"))?;
    let number = value
        .as_u64()
        .ok_or_else(|| Refusal::new(field, format!("{value} is not a whole number")))?;
    if range.contains(&number) {
        return Ok(number);
    }
    let (least, most) = range.into_inner();
    Err(Refusal::new(
        field,
        format!("{number} is not {least} to {most}"),
    ))
}

fn foreign(field: &str, value: &Option<Value>) -> Result<(), Refusal> {
    match value {
        Some(_) => Err(Refusal::new(field, "does not belong to this verb")),
        None => Ok(()),
    }
}

/// Whether this is `GPU-` and a UUID in lower-case hex, as NVML spells it.
fn is_gpu_uuid(text: &str) -> bool {
    let groups: Vec<&str> = match text.strip_prefix("GPU-") {
        Some(uuid) => uuid.split('-').collect(),
        None => return false,
    };
    let hex = |group: &&str| {
        group
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: &str = "GPU-8f2d51cc-1b6e-4f0a-9d3c-0123456789ab";

    #[test]
    fn what_is_asked_is_what_is_read() {
        let gpu = GPU.to_owned();
        for request in [
            Request::SetGpuPowerLimit { gpu, watts: 200 },
            Request::SetWakeTimer { seconds: 60 },
            Request::SetWakeTimer { seconds: 604_800 },
            Request::PowerOff,
        ] {
            assert_eq!(Request::parse(&request.to_line()), Ok(request));
        }
    }

    #[test]
    fn each_refusal_names_the_field() {
        let gpu = format!(r#"{{"verb":"set-gpu-power-limit","gpu":"{GPU}""#);
        for (line, field) in [
            ("", "request"),
            ("[]", "request"),
            ("{} {}", "request"),
            (r#"{"verb":"power-off","verb":"power-off"}"#, "request"),
            ("{}", "verb"),
            (r#"{"verb":7}"#, "verb"),
            (r#"{"verb":"reboot"}"#, "verb"),
            (r#"{"verb":"power-off","now":true}"#, "now"),
            (r#"{"verb":"power-off","watts":1}"#, "watts"),
            (r#"{"verb":"set-wake-timer"}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":59}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":604801}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":-60}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":90.5}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":"90"}"#, "seconds"),
            (r#"{"verb":"set-wake-timer","seconds":90,"gpu":"x"}"#, "gpu"),
            (&gpu.replace(GPU, "0"), "request"),
            (&format!("{gpu}}}"), "watts"),
            (&format!(r#"{gpu},"watts":0}}"#), "watts"),
            (&format!(r#"{gpu},"watts":4294967296}}"#), "watts"),
            (
                r#"{"verb":"set-gpu-power-limit","gpu":"0","watts":200}"#,
                "gpu",
            ),
            (
                r#"{"verb":"set-gpu-power-limit","gpu":"GPU-8F2D51CC-1b6e-4f0a-9d3c-0123456789ab","watts":200}"#,
                "gpu",
            ),
        ] {
            let refusal = Request::parse(line).expect_err(line);
            assert_eq!(refusal.field, field, "{line}: {}", refusal.reason);
        }
    }

    #[test]
    fn answers_are_lines_with_names() {
        let refused = Answer::Refused(Refusal::new("watts", "700 is not 100 to 450"));
        let line = serde_json::to_string(&refused).expect("writes");
        assert_eq!(
            line,
            r#"{"answer":"refused","field":"watts","reason":"700 is not 100 to 450"}"#
        );
        assert_eq!(
            serde_json::from_str::<Answer>(&line).expect("reads"),
            refused
        );
        let done = serde_json::to_string(&Answer::Done).expect("writes");
        assert_eq!(done, r#"{"answer":"done"}"#);
    }
}
