//! Registers over Modbus TCP, with limits.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{Request, Response, Slave};

use super::SourceError;

/// Registers that one request may ask for (Modbus application protocol 1.1b3, 6.3).
const REGISTERS_MAX: u16 = 125;
/// Registers that are read at most from one device at a time.
const READ_MAX: usize = 4_096;
/// Longest that a connection may take to open.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A device, connected when it was asked last and has answered.
pub struct Device {
    host: String,
    port: u16,
    unit: u8,
    context: Option<Context>,
}

impl Device {
    /// A device that is not connected yet.
    pub fn new((host, port): (String, u16), unit: u8) -> Self {
        Self {
            host,
            port,
            unit,
            context: None,
        }
    }

    /// Hangs up.
    pub fn close(&mut self) {
        self.context = None;
    }

    async fn context(&mut self) -> Result<&mut Context, SourceError> {
        if self.context.is_none() {
            let connect = TcpStream::connect((self.host.as_str(), self.port));
            let opened = tokio::time::timeout(CONNECT_TIME, connect).await;
            let stream = opened.map_err(|_| SourceError::Silent(CONNECT_TIME))?;
            let stream = stream.map_err(SourceError::io("connect"))?;
            let mut context = tcp::attach(stream);
            context.set_slave(Slave(self.unit));
            self.context = Some(context);
        }
        Ok(self.context.as_mut().expect("it was just opened"))
    }

    /// Reads `count` holding registers from `address` on.
    pub async fn read(&mut self, address: u16, count: u16) -> Result<Vec<u16>, SourceError> {
        let mut words = Vec::with_capacity(usize::from(count).min(READ_MAX));
        let mut at = address;
        let mut left = count;
        while left > 0 {
            let now = left.min(REGISTERS_MAX);
            words.extend(self.read_some(at, now).await?);
            let next = at.checked_add(now);
            at = next.ok_or_else(|| SourceError::Garbage("registers past 65535".into()))?;
            left -= now;
            if words.len() > READ_MAX {
                return Err(SourceError::Garbage(format!(
                    "more than {READ_MAX} registers"
                )));
            }
        }
        Ok(words)
    }

    async fn read_some(&mut self, address: u16, count: u16) -> Result<Vec<u16>, SourceError> {
        // Not the crate's typed call: it asserts that as many registers come back as were asked for.
        let request = Request::ReadHoldingRegisters(address, count);
        let answer = self.context().await?.call(request).await;
        let failed = match answer {
            Ok(Ok(Response::ReadHoldingRegisters(words))) if words.len() == usize::from(count) => {
                return Ok(words);
            }
            Ok(Ok(Response::ReadHoldingRegisters(words))) => SourceError::Garbage(format!(
                "{} registers instead of {count} from {address} on",
                words.len()
            )),
            Ok(Ok(_)) => SourceError::Garbage("the answer to another request".into()),
            // The connection is sound: the device said no.
            Ok(Err(exception)) => {
                return Err(SourceError::Exception {
                    address,
                    text: exception.to_string(),
                });
            }
            Err(tokio_modbus::Error::Transport(source)) => SourceError::Io {
                what: "read",
                source,
            },
            Err(tokio_modbus::Error::Protocol(error)) => SourceError::Garbage(short(&error)),
        };
        self.close();
        Err(failed)
    }
}

/// A protocol error quotes what came; some of it is enough.
fn short(error: &tokio_modbus::ProtocolError) -> String {
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(200));
    text
}
