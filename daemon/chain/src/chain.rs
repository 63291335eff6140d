//! One escrow on one chain.

use alloy::sol_types::SolCall;
use swarm_contracts::{Network, SwarmEscrow, Usdc};
use swarm_types::eip712::{self, Domain};
use swarm_types::{Address, B256, MicroUsdc};

use crate::error::{ChainError, SetupError};
use crate::rpc::{At, Rpc};
use crate::tx::Call;
use crate::wallet::Wallet;

/// An escrow on a chain, reached through a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Chain {
    rpc: Rpc,
    domain: Domain,
    token: Address,
}

/// What the escrow fixed at its deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds for which an epoch stays open to challenge.
    pub window: u64,
    /// Seconds after which withdrawals, lowered caps and removed signers count.
    pub exit_delay: u64,
    /// Seconds for which a seal is taken.
    pub max_seal_age: u64,
    /// Seconds without a final epoch after which clients leave at once.
    pub settlement_timeout: u64,
    /// Cap per epoch of a client that set none, µUSDC.
    pub default_cap: MicroUsdc,
    /// Most charges and payouts together in one epoch.
    pub max_entries: u64,
    /// How many settlers must sign a seal.
    pub threshold: u64,
}

impl Chain {
    /// The escrow at `escrow`, holding `token`, on chain `chain_id`, through the node at `rpc_url`.
    /// Sends nothing, so that a daemon starts while its node is away; [`Self::check`] does.
    ///
    /// # Errors
    /// [`SetupError::Url`].
    pub fn new(
        rpc_url: &str,
        chain_id: u64,
        escrow: Address,
        token: Address,
    ) -> Result<Self, SetupError> {
        Ok(Self::over(Rpc::new(rpc_url)?, chain_id, escrow, token))
    }

    /// The same through `rpc`.
    pub fn over(rpc: Rpc, chain_id: u64, escrow: Address, token: Address) -> Self {
        Self {
            rpc,
            domain: Domain::new(chain_id, escrow),
            token,
        }
    }

    /// The node.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Where signatures count.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The escrow's address.
    pub fn escrow(&self) -> Address {
        self.domain.escrow
    }

    /// USDC's address.
    pub fn token(&self) -> Address {
        self.token
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.domain.chain_id
    }

    /// Calls a view of the escrow in the state of block `at`.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn view<C: SolCall>(&self, call: &C, at: At) -> Result<C::Return, ChainError> {
        self.rpc.call(self.escrow(), call, at).await
    }

    /// Checks that node, escrow and token are those configured: chain id, code at both addresses, the
    /// escrow's token and EIP-712 domain, the token's decimals and its own domain's name and version.
    ///
    /// # Errors
    /// [`ChainError::Setup`] for what no retry mends; others when the node is away.
    pub async fn check(&self) -> Result<Terms, ChainError> {
        let found = self.rpc.chain_id().await?;
        if found != self.chain_id() {
            return Err(SetupError::ChainId {
                expected: self.chain_id(),
                found,
            }
            .into());
        }
        for (what, address) in [("escrow", self.escrow()), ("token", self.token)] {
            if self.rpc.code(address).await?.is_empty() {
                return Err(SetupError::NoCode { what, address }.into());
            }
        }
        let token = self.view(&SwarmEscrow::tokenCall {}, At::Latest).await?;
        same("the escrow's token", self.token, token)?;
        let separator = self
            .view(&SwarmEscrow::domainSeparatorCall {}, At::Latest)
            .await?;
        let ours = eip712::domain(self.chain_id(), self.escrow()).separator();
        same("the escrow's EIP-712 domain", ours, separator)?;

        let decimals = self.rpc.call(token, &Usdc::decimalsCall {}, At::Latest);
        same(
            "the token's decimals",
            swarm_contracts::network::USDC_DECIMALS,
            decimals.await?,
        )?;
        let name = self.token_name().await?;
        if let Some(network) = Network::named(&self.chain_id().to_string()) {
            same("the token", network.token, self.token)?;
            same("the token's name", network.token_name, name.clone())?;
        }
        let separator = self
            .rpc
            .call(token, &Usdc::DOMAIN_SEPARATORCall {}, At::Latest);
        let ours = self.token_domain(name).separator();
        same("the token's EIP-712 domain", ours, separator.await?)?;
        self.terms().await
    }

    /// What the escrow fixed at its deployment.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn terms(&self) -> Result<Terms, ChainError> {
        let at = At::Latest;
        Ok(Terms {
            window: self.view(&SwarmEscrow::windowCall {}, at).await?,
            exit_delay: self.view(&SwarmEscrow::exitDelayCall {}, at).await?,
            max_seal_age: self.view(&SwarmEscrow::maxSealAgeCall {}, at).await?,
            settlement_timeout: self
                .view(&SwarmEscrow::settlementTimeoutCall {}, at)
                .await?,
            default_cap: MicroUsdc(self.view(&SwarmEscrow::defaultCapCall {}, at).await?),
            max_entries: number(
                "maxEntries",
                self.view(&SwarmEscrow::MAX_ENTRIESCall {}, at).await?,
            )?,
            threshold: number(
                "threshold",
                self.view(&SwarmEscrow::thresholdCall {}, at).await?,
            )?,
        })
    }

    /// Sends `call` from `wallet`, after a dry run: what would revert is refused for nothing.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] from the dry run; else when the node is away or refuses.
    pub async fn send(&self, wallet: &Wallet, call: &Call) -> Result<B256, ChainError> {
        let from = Some(wallet.address());
        let data = call.data.to_vec();
        self.rpc
            .call_raw("the transaction", from, call.to, data, At::Latest)
            .await?;
        self.rpc.send(wallet, self.chain_id(), call).await
    }

    /// The name in the token's EIP-712 domain ("USD Coin" on Base, "USDC" on Base Sepolia).
    pub(crate) async fn token_name(&self) -> Result<String, ChainError> {
        self.rpc
            .call(self.token, &Usdc::nameCall {}, At::Latest)
            .await
    }

    /// The token's EIP-712 domain.
    pub(crate) fn token_domain(&self, name: String) -> alloy::sol_types::Eip712Domain {
        Network::local(self.chain_id(), self.token, name).token_domain()
    }
}

fn same<T: PartialEq + std::fmt::Display>(
    what: &'static str,
    expected: T,
    found: T,
) -> Result<(), SetupError> {
    if expected == found {
        return Ok(());
    }
    Err(SetupError::Differs {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// A number of the contract that must fit 64 bits here.
pub(crate) fn number(what: &'static str, value: impl TryInto<u64>) -> Result<u64, ChainError> {
    value
        .try_into()
        .map_err(|_| ChainError::nonsense(what, "it is past 64 bits"))
}
