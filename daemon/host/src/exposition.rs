//! Prometheus' text format: families of samples, each with its help and its type.

use std::fmt::{Display, Write};

/// Content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process starts again.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A text that grows family by family.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Adds a family, unless it has no samples: a value that nobody knows has no line, and is not 0.
    pub fn family<V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// Adds a family of one sample without labels, if its value is known.
    pub fn single<V: Display>(&mut self, name: &str, kind: Kind, help: &str, value: Option<V>) {
        self.family(name, kind, help, value.map(|value| (String::new(), value)));
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// `{name="value",…}`; quotes, backslashes and line breaks in values are escaped.
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_help_type_and_samples_or_is_left_out() {
        let mut text = Exposition::default();
        let name = labels(&[("name", "a \"b\"\\\n")]);
        text.family("x_total", Kind::Counter, "Some.", [(name, 1)]);
        text.single::<u8>("y", Kind::Gauge, "Unknown.", None);
        text.single("z", Kind::Gauge, "Known.", Some(1.5));
        let expected = "# HELP x_total Some.\n# TYPE x_total counter\n\
            x_total{name=\"a \\\"b\\\"\\\\\\n\"} 1\n\
            # HELP z Known.\n# TYPE z gauge\nz 1.5\n";
        assert_eq!(text.into_text(), expected);
    }
}
