//! HTTP by hand: what no well-behaved library sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::Rig;

/// Longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer as it came.
pub struct Answer {
    /// 0 when the connection was closed without one.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// What followed.
    pub body: String,
}

impl Answer {
    /// Status, kind and field of a problem.
    pub fn problem(&self) -> (u16, String, String) {
        let problem: serde_json::Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("no problem: {} {}", self.head, self.body));
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let kind = text("type").replace("urn:swarmos:problem:", "");
        (self.status, kind, text("field"))
    }
}

/// A connection to the queen.
pub async fn connect(rig: &Rig) -> TcpStream {
    TcpStream::connect(rig.handle.addr).await.expect("connects")
}

/// Sends `bytes` and reads the answer until the connection ends.
pub async fn send(rig: &Rig, bytes: &[u8]) -> Answer {
    let mut stream = connect(rig).await;
    // The queen may have answered and closed before all was written.
    let _ = stream.write_all(bytes).await;
    read(stream).await
}

/// A request with these lines in its head, `connection: close` included.
pub async fn ask(rig: &Rig, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut text = format!("{line} HTTP/1.1\r\nhost: queen\r\nconnection: close\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    let sent = [text.as_bytes(), b"\r\n", body].concat();
    send(rig, &sent).await
}

/// The same with a body of known length.
pub async fn post(rig: &Rig, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let length = format!("content-length: {}", body.len());
    ask(
        rig,
        &format!("POST {path}"),
        &[&[length.as_str()], headers].concat(),
        body,
    )
    .await
}

/// Reads what comes until the connection ends.
pub async fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset after an early answer is an end like any other.
    let _ = read.expect("the connection ends in time");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = text
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap_or(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// `GET path` over HTTP/2 with prior knowledge; the status, which must be one of HPACK's static table.
pub async fn second(rig: &Rig, path: &str) -> u16 {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = payload.len() as u8;
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    // GET, http, and two literals: the path and the authority.
    let mut fields = vec![0x82, 0x86, 0x04, path.len() as u8];
    fields.extend(path.bytes());
    fields.extend(b"\x01\x05queen");
    let sent = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 5, 1, &fields),
    ]
    .concat();
    let mut stream = connect(rig).await;
    stream.write_all(&sent).await.expect("sent");
    loop {
        let mut head = [0; 9];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await;
        read.expect("in time").expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("a frame");
        if head[3] == 1 {
            let statuses = [200, 204, 206, 304, 400, 404, 500];
            return statuses[usize::from(payload[0] - 0x88)];
        }
    }
}
