//! What the program prints: JSON when asked for, otherwise lines and tables for people. Results go to
//! standard output, progress to standard error.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use serde::Serialize;
use swarm_host::doctor::Outcome;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// JSON if `json`; colour only on a terminal that wants it.
    pub fn new(json: bool) -> Self {
        let colour =
            !json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints `value` as JSON, or what `human` makes of it.
    pub fn print<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&T, &Self) -> String,
    ) -> Result<()> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value)?,
            false => human(value, self),
        };
        write(&text)
    }

    /// A step of something long, on standard error.
    pub fn progress(&self, text: impl std::fmt::Display) {
        eprintln!("{text}");
    }

    /// `text` in bold, on a terminal.
    pub fn bold(&self, text: impl std::fmt::Display) -> String {
        self.paint("1", text)
    }

    /// `ok` in green or `FAILED` in red.
    pub fn verdict(&self, holds: bool) -> String {
        if holds {
            self.paint("32", "ok")
        } else {
            self.paint("1;31", "FAILED")
        }
    }

    /// The word of a check's outcome in its colour.
    pub fn outcome(&self, outcome: Outcome) -> String {
        let code = match outcome {
            Outcome::Ok => "32",
            Outcome::Unknown => "36",
            Outcome::Warn => "33",
            Outcome::Fail => "1;31",
        };
        self.paint(code, outcome.as_str())
    }

    fn paint(&self, code: &str, text: impl std::fmt::Display) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// Prints `text` to standard output.
pub fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()) {
        // `swarm … | head` is no error.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Columns, aligned; the first row is the heading. Cells that look like amounts go to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| width_of(cell))
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let space = " ".repeat(width.saturating_sub(width_of(cell)));
            match cell.starts_with('$') {
                true => space + cell,
                false => cell.clone() + &space,
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// How many columns a cell takes: colours take none.
fn width_of(cell: &str) -> usize {
    let mut parts = cell.split('\x1b');
    let first = parts.next().unwrap_or_default().chars().count();
    let rest = parts.map(|part| {
        part.split_once('m')
            .map_or(0, |(_, text)| text.chars().count())
    });
    first + rest.sum::<usize>()
}

/// `name: value` lines, aligned.
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

/// Unix seconds as `2026-11-21 07:30:00 UTC`.
pub fn time(seconds: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(at)
        .to_string()
        .replace('T', " ")
        .replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_amounts_go_right() {
        let cell = |s: &str| s.to_string();
        let text = table(&[
            vec![cell("who"), cell("amount")],
            vec![cell("bee-01"), cell("$0.10")],
            vec![cell("b"), cell("$12.00")],
        ]);
        assert_eq!(text, "who     amount\nbee-01   $0.10\nb       $12.00\n");
        assert_eq!(width_of("\x1b[32mok\x1b[0m"), 2);
        assert_eq!(
            fields(&[("a", "1".into()), ("long", "2".into())]),
            "a     1\nlong  2\n"
        );
        assert_eq!(time(1_700_000_000), "2023-11-14 22:13:20 UTC");
    }
}
