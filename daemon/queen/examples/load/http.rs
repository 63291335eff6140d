//! As little HTTP/1.1 as it takes to ask much: one connection, one request at a time.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            buffer: Vec::with_capacity(64 << 10),
        }
    }

    /// Sends a whole request and reads the whole answer: status and body.
    pub async fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.expect("sent");
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            self.more().await;
        };
        let text = std::str::from_utf8(&self.buffer[..head]).expect("a head is text");
        let status = text[9..12].parse().expect("a status");
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().expect("a length"))
        });
        let (start, length) = (head + 4, length.unwrap_or(0));
        while self.buffer.len() < start + length {
            self.more().await;
        }
        (status, &self.buffer[start..start + length])
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await;
        assert!(read.expect("an answer") > 0, "the connection was closed");
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// A POST of JSON; `headers` end with a line break each.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: queen\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}
