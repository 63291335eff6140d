//! A recorded day from a CSV file, for simulation: `seconds,solar,battery,load,grid,charge`, in any order of columns.
//! An empty field is "the meter said nothing". The day begins with the first read and repeats.

use std::path::PathBuf;

use tokio::time::Instant;

use super::{Source, SourceError};
use crate::config::SourceConfig;
use crate::meter::{Metric, Sample};

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Rows of a file.
const ROWS_MAX: usize = 200_000;

/// A recorded day.
#[derive(Debug)]
pub struct Replay {
    file: PathBuf,
    day: Option<Day>,
    began: Option<Instant>,
}

/// Rows of a day, ascending by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    rows: Vec<(u64, Vec<Sample>)>,
}

impl Day {
    /// Reads a day.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let (_, head) = lines.next().ok_or("the file is empty")?;
        let mut columns = Vec::new();
        for name in head.split(',').map(str::trim) {
            columns.push(match name {
                "seconds" => None,
                "solar" => Some(Metric::Solar),
                "battery" => Some(Metric::Battery),
                "load" => Some(Metric::Load),
                "grid" => Some(Metric::Grid),
                "charge" => Some(Metric::Charge),
                "on_battery" => Some(Metric::OnBattery),
                "low_battery" => Some(Metric::LowBattery),
                _ => return Err(format!("line 1: '{name}' is no column")),
            });
        }
        if columns.iter().filter(|column| column.is_none()).count() != 1 {
            return Err("line 1: there must be one column 'seconds'".into());
        }
        let mut rows: Vec<(u64, Vec<Sample>)> = Vec::new();
        for (number, line) in lines {
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            if fields.len() != columns.len() {
                return Err(wrong(&format!(
                    "{} fields, the head has {}",
                    fields.len(),
                    columns.len()
                )));
            }
            let (mut at, mut samples) = (0, Vec::new());
            for (column, field) in columns.iter().zip(fields) {
                match column {
                    None => {
                        at = field
                            .parse()
                            .map_err(|_| wrong("seconds must be a whole number"))?
                    }
                    Some(_) if field.is_empty() => {}
                    Some(metric) => {
                        let value = field.parse();
                        let value = value.map_err(|_| wrong(&format!("{metric} is '{field}'")))?;
                        samples.push(Sample {
                            metric: *metric,
                            value,
                        });
                    }
                }
            }
            if rows.last().is_some_and(|(before, _)| *before >= at) {
                return Err(wrong("seconds must grow"));
            }
            if rows.len() >= ROWS_MAX {
                return Err(wrong("more rows than may be"));
            }
            rows.push((at, samples));
        }
        match rows.is_empty() {
            true => Err("there is no row".into()),
            false => Ok(Self { rows }),
        }
    }

    /// What was read at `seconds`; after its end it begins again.
    pub fn at(&self, seconds: u64) -> &[Sample] {
        let (first, last) = (self.rows[0].0, self.rows[self.rows.len() - 1].0);
        let seconds = first + seconds % (last - first + 1);
        let row = self.rows.partition_point(|(at, _)| *at <= seconds);
        &self.rows[row.saturating_sub(1)].1
    }
}

impl Replay {
    /// A day that is not read yet.
    pub fn new(config: &SourceConfig) -> Self {
        let file = config.file.clone().expect("the configuration was checked");
        Self {
            file,
            day: None,
            began: None,
        }
    }
}

impl Source for Replay {
    async fn read(&mut self) -> Result<Vec<Sample>, SourceError> {
        if self.day.is_none() {
            let length = tokio::fs::metadata(&self.file)
                .await
                .map_err(SourceError::io("open"))?
                .len();
            if length > FILE_BYTES_MAX {
                return Err(SourceError::Garbage(format!(
                    "{length} bytes, {FILE_BYTES_MAX} may be"
                )));
            }
            let text = tokio::fs::read_to_string(&self.file).await;
            let text = text.map_err(SourceError::io("read"))?;
            self.day = Some(Day::parse(&text).map_err(SourceError::Garbage)?);
        }
        let day = self.day.as_ref().expect("it was just read");
        let began = *self.began.get_or_insert_with(Instant::now);
        let samples = day.at(began.elapsed().as_secs());
        match samples.is_empty() {
            true => Err(SourceError::Nothing(
                "the recorded meter said nothing".into(),
            )),
            false => Ok(samples.to_vec()),
        }
    }

    fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_repeats() {
        let day = Day::parse("# a morning\nseconds,charge,solar\n0,50,\n60, 51 ,900\n120,,\n")
            .expect("reads");
        let solar = |t| {
            day.at(t)
                .iter()
                .find(|s| s.metric == Metric::Solar)
                .map(|s| s.value)
        };
        assert_eq!(
            (solar(0), solar(59), solar(60), solar(119)),
            (None, None, Some(900.0), Some(900.0))
        );
        assert_eq!(day.at(120), []);
        assert_eq!(day.at(121), day.at(0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, named) in [
            ("", "empty"),
            ("seconds,wind\n", "'wind'"),
            ("solar\n1\n", "seconds"),
            ("seconds,solar\n", "no row"),
            ("seconds,solar\n0,1\n0,1\n", "line 3: seconds must grow"),
            ("seconds,solar\n0\n", "line 2: 1 fields"),
            ("seconds,solar\n0,much\n", "line 2: solar is 'much'"),
        ] {
            let error = Day::parse(text).expect_err(text);
            assert!(error.contains(named), "{error}");
        }
    }
}
