//! How far something is: a bar on a terminal, otherwise a line whenever the step changes. On standard
//! error, so that standard output stays for results.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Steps of a bar.
const BAR_STEPS: u64 = 10_000;
/// How often a bar that does not move shows that it lives.
const TICK: Duration = Duration::from_millis(200);

/// A bar, or lines.
pub struct Progress {
    bar: Option<ProgressBar>,
    name: String,
    last: String,
}

impl Progress {
    /// A bar for `name`.
    pub fn new(name: impl Into<String>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(BAR_STEPS);
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {msg}");
            bar.set_style(
                style
                    .expect("the template is a constant")
                    .progress_chars("=> "),
            );
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            name: name.into(),
            last: String::new(),
        }
    }

    /// `done` of `total`, doing `step`.
    pub fn show(&mut self, done: u64, total: u64, step: &str) {
        match &self.bar {
            Some(bar) => {
                let position = u128::from(done) * u128::from(BAR_STEPS) / u128::from(total.max(1));
                bar.set_prefix(self.name.clone());
                bar.set_message(step.to_owned());
                bar.set_position(position.min(BAR_STEPS.into()) as u64);
            }
            None if self.last != step => eprintln!("{}: {step}", self.name),
            None => {}
        }
        step.clone_into(&mut self.last);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
