//! What the demo says on the terminal.

use std::io::IsTerminal;
use std::time::Instant;

/// Numbered steps with the seconds since the start, and the closing table.
pub struct Screen {
    started_instant: Instant,
    step: u32,
    colour: bool,
}

impl Screen {
    /// A fresh screen; the clock starts now.
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            started_instant: Instant::now(),
            step: 0,
            colour,
        }
    }

    /// Begins a step.
    pub fn step(&mut self, title: &str) {
        self.step += 1;
        let seconds = self.started_instant.elapsed().as_secs_f32();
        println!(
            "\n{}",
            self.bold(&format!("{:>5.1}s  {}. {title}", seconds, self.step))
        );
    }

    /// A line of the present step.
    pub fn line(&self, text: impl std::fmt::Display) {
        println!("        {text}");
    }

    /// A heading of the closing table.
    pub fn heading(&self, text: &str) {
        println!("\n{}", self.bold(text));
    }

    fn bold(&self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1;36m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}
