//! Checks of a box: each with its result, the reason, and the next step for whoever stands before it.
//!
//! What needs only the box is here ([`box_checks`], [`disk`], [`gpu`], [`secrets`]); what needs the chain, the queen
//! or the engines is with `swarm doctor`, which makes its checks of the same type. A check that *gates* decides
//! whether the box may say that it is online; the others advise.

pub mod box_checks;
pub mod disk;
pub mod gpu;
pub mod secrets;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It could not be found out. That is not the same as good.
    Unknown,
    /// It works, and somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

impl Outcome {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, such as `disk.state`.
    pub name: String,
    /// How it ended.
    pub result: Outcome,
    /// What was found.
    pub reason: String,
    /// What to do about it; absent when nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Whether a failure keeps the box from being online.
    pub gates: bool,
}

impl Check {
    fn new(name: impl Into<String>, result: Outcome, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            result,
            reason: reason.into(),
            next_step: None,
            gates: false,
        }
    }

    /// As it should be.
    pub fn ok(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::Ok, reason)
    }

    /// It could not be found out.
    pub fn unknown(
        name: impl Into<String>,
        reason: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self::new(name, Outcome::Unknown, reason).then(next_step)
    }

    /// It works, and somebody should look.
    pub fn warn(
        name: impl Into<String>,
        reason: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self::new(name, Outcome::Warn, reason).then(next_step)
    }

    /// It does not work.
    pub fn fail(
        name: impl Into<String>,
        reason: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self::new(name, Outcome::Fail, reason).then(next_step)
    }

    /// A failure keeps the box from being online.
    pub fn gating(mut self) -> Self {
        self.gates = true;
        self
    }

    fn then(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = Some(next_step.into());
        self
    }
}

/// Every check, and the worst of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing failed.
    pub ok: bool,
    /// Unix seconds at which it was made.
    pub at: u64,
    /// The box's name.
    pub host: String,
    /// The program's version.
    pub version: &'static str,
    /// The checks, in order.
    pub checks: Vec<Check>,
}

impl Report {
    /// The report of `checks`, made at `at` (Unix seconds). Nothing checked is nothing shown to be good.
    pub fn new(checks: Vec<Check>, at: u64) -> Self {
        Self {
            ok: !checks.is_empty() && checks.iter().all(|check| check.result != Outcome::Fail),
            at,
            host: crate::machine::host_name(),
            version: env!("CARGO_PKG_VERSION"),
            checks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_fails_the_report_and_what_is_unknown_does_not() {
        let ok = Check::ok("a", "fine");
        let warn = Check::warn("b", "odd", "look");
        let unknown = Check::unknown("c", "no meter", "connect one");
        let fail = Check::fail("d", "broken", "mend it").gating();
        assert!(Report::new(vec![ok.clone(), warn, unknown], 0).ok);
        assert!(!Report::new(vec![ok, fail.clone()], 0).ok);
        assert!(!Report::new(Vec::new(), 0).ok);
        let json = serde_json::to_value(&fail).expect("JSON");
        let expected = serde_json::json!({
            "name": "d", "result": "fail", "reason": "broken", "next_step": "mend it", "gates": true,
        });
        assert_eq!(json, expected);
    }
}
