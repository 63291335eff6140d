//! Reports of checks: each with a name, whether it holds, and what was found.

use anyhow::Result;
use serde::Serialize;

use crate::exit::Failure;
use crate::output::{Output, table};

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

impl Check {
    /// A check.
    pub fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok,
            detail: detail.into(),
        }
    }

    /// That two values are the same.
    pub fn same<T: PartialEq + std::fmt::Display>(name: &str, stated: T, found: T) -> Self {
        let ok = stated == found;
        let detail = if ok {
            found.to_string()
        } else {
            format!("stated {stated}, found {found}")
        };
        Self::new(name, ok, detail)
    }
}

/// All checks of one thing. `subject` says what and where.
#[derive(Debug, Serialize)]
pub struct Report<S> {
    /// Whether every check holds.
    pub ok: bool,
    /// What was checked.
    #[serde(flatten)]
    pub subject: S,
    /// The checks, in order.
    pub checks: Vec<Check>,
}

impl<S: Serialize> Report<S> {
    /// The report of `checks`.
    pub fn new(subject: S, checks: Vec<Check>) -> Self {
        let ok = !checks.is_empty() && checks.iter().all(|check| check.ok);
        Self {
            ok,
            subject,
            checks,
        }
    }

    /// Prints it, under `title`.
    ///
    /// # Errors
    /// [`Failure::reported`] when a check does not hold.
    pub fn print(&self, out: &Output, title: &str) -> Result<()> {
        out.print(self, |report, out| {
            let row = |check: &Check| {
                vec![
                    check.name.clone(),
                    out.verdict(check.ok),
                    check.detail.clone(),
                ]
            };
            let rows: Vec<_> = report.checks.iter().map(row).collect();
            format!("{}\n{}", out.bold(title), table(&rows))
        })?;
        match self.checks.iter().find(|check| !check.ok) {
            None if self.ok => Ok(()),
            None => Err(Failure::reported(format!("{title}: nothing was checked")).into()),
            Some(check) => {
                let text = format!("{title}: {} does not hold: {}", check.name, check.detail);
                Err(Failure::reported(text).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_fails_the_report() {
        let good = Check::same("root", 1, 1);
        let bad = Check::same("seal", 1, 2);
        assert_eq!(bad.detail, "stated 1, found 2");
        assert!(Report::new((), vec![good.clone()]).ok);
        assert!(!Report::new((), vec![good, bad]).ok);
        assert!(!Report::new((), Vec::new()).ok);
    }
}
