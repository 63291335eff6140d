//! JSON-RPC over HTTP with a limit on the answer: the node may be anybody's, and memory is ours.

use std::task::{Context, Poll};

use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use alloy_json_rpc::{RequestPacket, ResponsePacket};
use reqwest::{Client, Url};
use tower::Service;

/// Largest answer. The logs of the longest range of blocks are a few MiB; nodes refuse more by themselves.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of an answer that is not JSON-RPC that an error repeats.
const SHOWN_BYTES_MAX: usize = 200;

/// One node.
#[derive(Clone, Debug)]
pub struct Limited {
    /// Sends.
    pub client: Client,
    /// Where the node is; it may hold a key, so no error repeats it.
    pub url: Url,
}

impl Limited {
    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let failed = |error: reqwest::Error| TransportErrorKind::custom(error.without_url());
        let sent = self.client.post(self.url).json(&request).send().await;
        let mut answer = sent.map_err(failed)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let what = format!("the node's answer has more than {ANSWER_BYTES_MAX} bytes");
                return Err(TransportErrorKind::custom_str(&what));
            }
            body.extend_from_slice(&chunk);
        }
        let shown =
            || String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES_MAX)]).into_owned();
        // Some nodes put a JSON-RPC error into an answer with an error status.
        match serde_json::from_slice(&body) {
            Ok::<ResponsePacket, _>(packet)
                if status.is_success() || packet.as_error().is_some() =>
            {
                Ok(packet)
            }
            _ if !status.is_success() => {
                Err(TransportErrorKind::http_error(status.as_u16(), shown()))
            }
            Ok(packet) => Ok(packet),
            Err(error) => Err(TransportError::deser_err(error, shown())),
        }
    }
}

impl Service<RequestPacket> for Limited {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
