//! How the program ends: one number a kind of failure, and a sentence that says what to do.

use std::process::ExitCode;

use serde::Serialize;
use swarm_chain::ChainError;
use swarm_client::ClientError;
use swarm_contracts::DeployError;
use swarm_types::problem::Problem;

/// Exit statuses; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// A check was made and did not hold.
    CheckFailed = 1,
    /// Wrong usage (clap's own status).
    Usage = 2,
    /// The queen or the contract refused, or would have.
    Refused = 3,
    /// The queen or the chain cannot be reached.
    Unreachable = 4,
    /// A file, key or setting on this machine is at fault.
    Local = 5,
}

/// A failure that this program found itself.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    exit: Exit,
    text: String,
    /// Standard output has the whole report already.
    reported: bool,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
            reported: false,
        }
    }

    /// A check that did not hold.
    pub fn check(text: impl Into<String>) -> Self {
        Self::new(Exit::CheckFailed, text)
    }

    /// The same, after the report was printed.
    pub fn reported(text: impl Into<String>) -> Self {
        Self {
            reported: true,
            ..Self::check(text)
        }
    }

    /// A command that makes no sense as given.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// What the queen or the contract would refuse.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::new(Exit::Refused, text)
    }
}

impl Exit {
    /// The status for `error`, from the first cause that says.
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return failure.exit;
            }
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return Self::of_client(error);
            }
            if let Some(error) = cause.downcast_ref::<ChainError>() {
                return Self::of_chain(error);
            }
            if let Some(error) = cause.downcast_ref::<DeployError>() {
                return Self::of_deployment(error);
            }
        }
        Self::Local
    }

    fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::Problem(_) => Self::Refused,
            ClientError::Status { .. } if error.is_transient() => Self::Unreachable,
            ClientError::Transport { .. } | ClientError::Stuck { .. } => Self::Unreachable,
            ClientError::Digest { .. } => Self::CheckFailed,
            ClientError::Url { .. } | ClientError::Fingerprint(_) => Self::Usage,
            ClientError::NoKey | ClientError::Sign(_) | ClientError::Write(_) => Self::Local,
            ClientError::Tls(_) | ClientError::Randomness(_) => Self::Local,
            _ => Self::Refused,
        }
    }

    fn of_chain(error: &ChainError) -> Self {
        match error {
            ChainError::Away { .. } | ChainError::Moving { .. } | ChainError::Slow { .. } => {
                Self::Unreachable
            }
            ChainError::Setup(_) => Self::Local,
            _ => Self::Refused,
        }
    }

    fn of_deployment(error: &DeployError) -> Self {
        match error {
            DeployError::Node { .. } | DeployError::Call { .. } | DeployError::Pending(_) => {
                Self::Unreachable
            }
            DeployError::Reverted(_) => Self::Refused,
            _ => Self::Local,
        }
    }

    /// What helps, for failures whose text does not say it.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Unreachable => {
                Some("is the address right, and is it up? Trying again does no harm")
            }
            _ => None,
        }
    }
}

/// What `--json` prints on failure.
#[derive(Serialize)]
struct Report<'a> {
    error: String,
    exit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

/// Says on standard error what went wrong (and on standard output, as JSON, when asked for), and gives
/// the status to end with.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let exit = Exit::of(error);
    let text = format!("{error:#}");
    eprintln!("error: {text}");
    if let Some(advice) = exit.advice() {
        eprintln!("hint: {advice}");
    }
    let reported = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<Failure>().is_some_and(|f| f.reported)
    };
    if json && !error.chain().any(reported) {
        let client = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<ClientError>());
        let report = Report {
            error: text,
            exit: exit as u8,
            problem: client.and_then(ClientError::problem),
        };
        let report = serde_json::to_string_pretty(&report).expect("strings are JSON");
        println!("{report}");
    }
    ExitCode::from(exit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn exit_of<T>(result: Result<T, impl Into<anyhow::Error>>) -> Exit {
        let result: Result<T, anyhow::Error> = result.map_err(Into::into);
        match result.context("while doing something") {
            Ok(_) => panic!("no error"),
            Err(error) => Exit::of(&error),
        }
    }

    #[test]
    fn the_first_cause_that_says_decides() {
        let problem = Problem::new(422, "deadline", "bad deadline", "choose another");
        let refused: Result<(), _> = Err(ClientError::Problem(problem));
        assert_eq!(exit_of(refused), Exit::Refused);
        let usage: Result<(), _> = Err(Failure::usage("x"));
        assert_eq!(exit_of(usage), Exit::Usage);
        let check: Result<(), _> = Err(Failure::reported("x"));
        assert_eq!(exit_of(check), Exit::CheckFailed);
        let away: Result<(), _> = Err(ChainError::Away {
            during: "a test",
            source: "gone".into(),
        });
        assert_eq!(exit_of(away), Exit::Unreachable);
        let file: Result<(), _> = Err(std::io::Error::other("disk"));
        assert_eq!(exit_of(file), Exit::Local);
    }
}
