//! One node over HTTP: the few calls that the rest of the crate is made of, each with a timeout.

use std::time::Duration;

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::Bytes;
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Header, TransactionRequest};
use alloy::sol_types::SolCall;
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, B256};

use crate::error::{ChainError, SetupError};
use crate::transport::Limited;

/// How long one request may take, answer included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Greatest height and time of a block that is believed.
const HEIGHT_MAX: u64 = 1 << 50;

/// Which block a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest block the node has.
    Latest,
    /// The newest block whose batch is on the parent chain.
    Safe,
    /// The newest block that cannot be undone.
    Finalized,
    /// A block by number.
    Number(u64),
    /// A block by hash: the same state for every question, or an error when a reorganisation took it.
    Hash(B256),
}

impl From<At> for BlockId {
    fn from(at: At) -> Self {
        match at {
            At::Latest => Self::latest(),
            At::Safe => Self::safe(),
            At::Finalized => Self::finalized(),
            At::Number(number) => Self::number(number),
            At::Hash(hash) => Self::hash(hash),
        }
    }
}

/// A node.
#[derive(Clone, Debug)]
pub struct Rpc {
    provider: RootProvider,
}

impl Rpc {
    /// A node at `url`. Nothing is sent yet, so this works while the node is away.
    ///
    /// Certificates of https nodes are checked against the system's store; TLS runs on ring.
    ///
    /// # Errors
    /// [`SetupError::Url`] when `url` is not an http or https URL.
    pub fn new(url: &str) -> Result<Self, SetupError> {
        let parsed: reqwest::Url = url.parse().map_err(|e| SetupError::Url(format!("{e}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(SetupError::Url(format!(
                "its scheme is {}",
                parsed.scheme()
            )));
        }
        // An error only says that the process has chosen its provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // What is asked here is for this node only.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| SetupError::Url(format!("no HTTP client: {e}")))?;
        let limited = Limited {
            client,
            url: parsed,
        };
        // `false`: nothing here polls at the pace of a node on the same machine.
        let client = RpcClient::builder().transport(limited, false);
        Ok(Self {
            provider: RootProvider::new(client),
        })
    }

    /// A node behind `client`: a transport of one's own, such as a simulated chain.
    pub fn over(client: RpcClient) -> Self {
        Self {
            provider: RootProvider::new(client),
        }
    }

    /// The provider below, for what this module does not offer.
    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// The chain id that the node states.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        let id = self.provider.get_chain_id().await;
        id.map_err(|e| ChainError::of("the chain id", e))
    }

    /// Calls a view of `to` in the state of block `at`.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] when the contract reverts, [`ChainError::Nonsense`] when there is no
    /// such function.
    pub async fn call<C: SolCall>(
        &self,
        to: Address,
        call: &C,
        at: At,
    ) -> Result<C::Return, ChainError> {
        let output = self.call_raw(C::SIGNATURE, None, to, call.abi_encode(), at);
        C::abi_decode_returns(&output.await?)
            .map_err(|e| ChainError::nonsense(C::SIGNATURE, e.to_string()))
    }

    /// Runs `data` against `to` as `from` would, in the state of block `at`, and keeps nothing.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_raw(
        &self,
        during: &'static str,
        from: Option<Address>,
        to: Address,
        data: Vec<u8>,
        at: At,
    ) -> Result<Bytes, ChainError> {
        let mut request = TransactionRequest::default().with_to(to).with_input(data);
        request.from = from;
        let output = self.provider.call(request).block(at.into()).await;
        output.map_err(|e| ChainError::of(during, e))
    }

    /// The code at `address`.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        let code = self.provider.get_code_at(address).await;
        code.map_err(|e| ChainError::of("a contract's code", e))
    }

    /// The header of block `at`; `None` when the node has no such block.
    ///
    /// # Errors
    /// When the node is away; [`ChainError::Nonsense`] when it gives another block than was asked for, or a height or
    /// time that no chain reaches.
    pub async fn header(&self, at: At) -> Result<Option<Header>, ChainError> {
        let block = self.provider.get_block(at.into()).await;
        let block = block.map_err(|e| ChainError::of("a block", e))?;
        let header = block.map(|block| block.header);
        match &header {
            Some(header) if !is_plausible(header, at) => {
                let detail = format!("block {} at {} s", header.number, header.timestamp);
                Err(ChainError::nonsense("a block", detail))
            }
            _ => Ok(header),
        }
    }

    /// The name of block `at`.
    ///
    /// # Errors
    /// [`ChainError::Nonsense`] when the node has no such block.
    pub async fn block(&self, at: At) -> Result<BlockRef, ChainError> {
        let header = self.header(at).await?;
        header
            .map(|header| block_ref(&header))
            .ok_or_else(|| ChainError::nonsense("a block", format!("the node has no block {at:?}")))
    }
}

/// Whether a header can be that of block `at`. Sums with such heights and times do not overflow, and the ledger holds
/// them.
fn is_plausible(header: &Header, at: At) -> bool {
    let asked = match at {
        At::Number(number) => header.number == number,
        At::Hash(hash) => header.hash == hash,
        At::Latest | At::Safe | At::Finalized => true,
    };
    asked && header.number <= HEIGHT_MAX && header.timestamp <= HEIGHT_MAX
}

/// What the daemon keeps of a header.
pub fn block_ref(header: &Header) -> BlockRef {
    BlockRef {
        number: header.number,
        hash: header.hash,
        parent: header.parent_hash,
        timestamp: header.timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_http_url_is_refused() {
        for bad in [
            "",
            "localhost:8545",
            "ws://localhost:1",
            "file:///etc/passwd",
            "http://",
        ] {
            assert!(matches!(Rpc::new(bad), Err(SetupError::Url(_))), "{bad}");
        }
        for good in ["http://127.0.0.1:1", "https://example.org/key"] {
            assert!(Rpc::new(good).is_ok(), "{good}");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_away_is_retryable_and_its_url_stays_out_of_the_error() {
        let rpc = Rpc::new("http://127.0.0.1:9/secret-key").expect("url");
        let error = rpc.chain_id().await.expect_err("nobody there");
        assert!(error.is_away() && error.is_retryable());
        let mut text = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text += &format!("{inner} {inner:?}");
            source = inner.source();
        }
        assert!(!text.contains("secret-key"), "{text}");
    }
}
