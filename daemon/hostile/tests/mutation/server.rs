//! A server that answers what a test wants, byte for byte, on loopback.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Largest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// What came.
pub struct Asked {
    /// The body.
    pub body: Vec<u8>,
}

/// Listens until it is dropped.
pub struct Server {
    /// Such as `http://127.0.0.1:1234`.
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request with the bytes that `answer` gives, status line included, and closes.
    pub async fn start<F: Future<Output = Vec<u8>> + Send + 'static>(
        answer: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move { serve(stream, &*answer).await });
            }
        });
        Self { url, task }
    }
}

async fn serve<F: Future<Output = Vec<u8>>>(mut stream: TcpStream, answer: &impl Fn(Asked) -> F) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(read @ 1..) if bytes.len() < REQUEST_BYTES_MAX => {
                bytes.extend_from_slice(&piece[..read])
            }
            _ => return,
        }
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            break (
                end + 4,
                length.map_or(0, |text| text.trim().parse().unwrap_or(0)),
            );
        }
    };
    while bytes.len() < head + length {
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let body = bytes[head..head + length].to_vec();
    let reply = answer(Asked { body }).await;
    // The other side may have seen enough.
    let _ = stream.write_all(&reply).await;
    let _ = stream.shutdown().await;
}

/// An answer with this body and the right length.
pub fn http(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
