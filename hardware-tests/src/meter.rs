//! A meter or inverter on Modbus TCP says that it speaks SunSpec.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use crate::Ended;

/// How long the device may take for an answer.
const TIME: Duration = Duration::from_secs(5);
/// Read holding registers 40000 and 40001 of unit 1: where SunSpec's marker is.
const REQUEST: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0x9c, 0x40, 0, 2];
const MARKER: &[u8] = b"SunS";

/// Asks for the marker.
pub fn run(meter: Option<SocketAddr>) -> Ended {
    let Some(address) = meter else {
        return Ended::Skipped("no meter is named: give --meter ADDRESS:502".into());
    };
    match marker(address) {
        Ok(found) if found == MARKER => Ended::Passed {
            device: format!("SunSpec device at {address}"),
            driver: "Modbus TCP".into(),
            found: json!({ "marker": "SunS", "register": 40_000 }),
        },
        Ok(found) => Ended::Failed(format!(
            "{address} answers {found:02x?} where SunSpec's marker should be"
        )),
        Err(error) => Ended::Failed(format!("{address} does not answer: {error}")),
    }
}

fn marker(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIME)?;
    stream.set_read_timeout(Some(TIME))?;
    stream.set_write_timeout(Some(TIME))?;
    stream.write_all(&REQUEST)?;
    // Header of seven bytes, function, count of bytes, four bytes of registers. An exception is shorter.
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    if head[7] != 3 || head[8] != 4 {
        let text = format!("Modbus function {:#04x}, code {}", head[7], head[8]);
        return Err(std::io::Error::other(text));
    }
    let mut registers = vec![0; 4];
    stream.read_exact(&mut registers)?;
    Ok(registers)
}
