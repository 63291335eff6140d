//! Names of jobs and epochs: `job-002-0848` is the 848th job submitted in epoch 2.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A job: the epoch in which it was submitted and its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// Epoch of submission.
    pub epoch: u64,
    /// Number within that epoch, from 1.
    pub seq: u64,
}

/// An epoch, numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochId(pub u64);

/// A text that is not the id it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{text}' is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("job-{:03}-{:04}", self.epoch, self.seq))
    }
}

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("epoch-{:03}", self.0))
    }
}

impl FromStr for JobId {
    type Err = ParseIdError;

    /// Reads the printed form and nothing else, so that one job has one name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (epoch, seq) = text.strip_prefix("job-")?.split_once('-')?;
            let id = Self {
                epoch: digits(epoch)?,
                seq: digits(seq)?,
            };
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| refuse(text, "a job id such as job-002-0848"))
    }
}

impl FromStr for EpochId {
    type Err = ParseIdError;

    /// Reads `epoch-002` or a bare number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || match text.strip_prefix("epoch-") {
            Some(number) => {
                let id = Self(digits(number)?);
                (id.to_string() == text).then_some(id)
            }
            None => crate::dec::parse(text).map(Self),
        };
        parse().ok_or_else(|| refuse(text, "an epoch such as epoch-002 or 2"))
    }
}

fn digits(text: &str) -> Option<u64> {
    let ok = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    ok.then(|| text.parse().ok()).flatten()
}

fn refuse(text: &str, expected: &'static str) -> ParseIdError {
    ParseIdError {
        text: text.chars().take(40).collect(),
        expected,
    }
}

macro_rules! as_text {
    ($id:ty) => {
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}
as_text!(JobId);
as_text!(EpochId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_a_job() {
        let id = JobId { epoch: 2, seq: 848 };
        assert_eq!(id.to_string(), "job-002-0848");
        assert_eq!("job-002-0848".parse(), Ok(id));
        assert_eq!(
            "job-12345-123456".parse(),
            Ok(JobId {
                epoch: 12345,
                seq: 123456
            })
        );
        for bad in [
            "job-2-848",
            "job-002-+848",
            "job-002",
            "job-002-0848 ",
            "job-0002-0848",
            "../etc",
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
        assert_eq!("epoch-002".parse(), Ok(EpochId(2)));
        assert_eq!("2".parse(), Ok(EpochId(2)));
        assert!("epoch-2".parse::<EpochId>().is_err());
    }
}
