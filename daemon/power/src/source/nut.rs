//! A UPS behind a NUT server (RFC 9271): lines of text, of which three are needed.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::{Source, SourceError};
use crate::config::SourceConfig;
use crate::meter::{Metric, Sample};

/// Bytes of a line.
const LINE_BYTES_MAX: u64 = 1_024;
/// Bytes of an answer that is quoted in an error.
const QUOTED_BYTES_MAX: usize = 80;

/// A UPS.
pub struct Nut {
    endpoint: (String, u16),
    ups: String,
    stream: Option<BufStream<TcpStream>>,
}

impl Nut {
    /// A UPS that is not asked yet.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            endpoint: config.endpoint().expect("the configuration was checked"),
            ups: config.ups.clone().expect("the configuration was checked"),
            stream: None,
        }
    }

    /// One variable; `None` when the UPS does not have it.
    async fn get(&mut self, variable: &str) -> Result<Option<String>, SourceError> {
        let (host, port) = &self.endpoint;
        if self.stream.is_none() {
            let stream = TcpStream::connect((host.as_str(), *port)).await;
            self.stream = Some(BufStream::new(stream.map_err(SourceError::io("connect"))?));
        }
        let stream = self.stream.as_mut().expect("it was just opened");
        let prefix = format!("VAR {} {variable} ", self.ups);
        let ask = format!("GET VAR {} {variable}\n", self.ups);
        stream
            .write_all(ask.as_bytes())
            .await
            .map_err(SourceError::io("ask"))?;
        stream.flush().await.map_err(SourceError::io("ask"))?;
        let mut line = Vec::new();
        let mut limited = (&mut *stream).take(LINE_BYTES_MAX);
        limited
            .read_until(b'\n', &mut line)
            .await
            .map_err(SourceError::io("read"))?;
        if line.last() != Some(&b'\n') {
            return Err(match line.len() as u64 {
                0..LINE_BYTES_MAX => SourceError::Io {
                    what: "read",
                    source: io::ErrorKind::UnexpectedEof.into(),
                },
                _ => SourceError::Garbage("a line without an end".into()),
            });
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if let Some(error) = line.strip_prefix("ERR ") {
            return match error.split(' ').next() {
                Some("VAR-NOT-SUPPORTED") => Ok(None),
                Some("DATA-STALE") => Err(SourceError::Nothing(
                    "the driver lost the UPS (DATA-STALE)".into(),
                )),
                Some("DRIVER-NOT-CONNECTED") => Err(SourceError::Nothing(
                    "the UPS's driver does not run (DRIVER-NOT-CONNECTED)".into(),
                )),
                Some("UNKNOWN-UPS") => Err(SourceError::Nothing(format!(
                    "the server has no UPS '{}'",
                    self.ups
                ))),
                _ => Err(SourceError::Nothing(format!(
                    "the server said ERR {}",
                    quoted(error)
                ))),
            };
        }
        let value = line
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_prefix('"')?.strip_suffix('"'));
        match value {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(SourceError::Garbage(quoted(line))),
        }
    }

    async fn number(&mut self, variable: &str) -> Result<Option<f64>, SourceError> {
        let Some(text) = self.get(variable).await? else {
            return Ok(None);
        };
        let number = text.trim().parse();
        number
            .map(Some)
            .map_err(|_| SourceError::Garbage(format!("{variable} is '{}'", quoted(&text))))
    }
}

/// A beginning of what came, without control characters.
fn quoted(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = text.chars().map(visible).collect();
    text.truncate(text.floor_char_boundary(QUOTED_BYTES_MAX));
    text
}

impl Source for Nut {
    async fn read(&mut self) -> Result<Vec<Sample>, SourceError> {
        let mut samples = Vec::new();
        let status = self.get("ups.status").await?;
        let Some(status) = status else {
            return Err(SourceError::Nothing("the UPS has no ups.status".into()));
        };
        let flags: Vec<&str> = status.split_ascii_whitespace().collect();
        let has = |flag| f64::from(u8::from(flags.contains(&flag)));
        // Neither on line nor on battery: the driver does not know yet.
        if flags.contains(&"OL") || flags.contains(&"OB") {
            samples.push(Sample {
                metric: Metric::OnBattery,
                value: has("OB"),
            });
            samples.push(Sample {
                metric: Metric::LowBattery,
                value: has("LB") * has("OB"),
            });
        }
        if let Some(value) = self.number("battery.charge").await? {
            samples.push(Sample {
                metric: Metric::Charge,
                value,
            });
        }
        if let Some(value) = self.number("ups.realpower").await? {
            samples.push(Sample {
                metric: Metric::Load,
                value,
            });
        }
        Ok(samples)
    }

    fn close(&mut self) {
        self.stream = None;
    }
}
