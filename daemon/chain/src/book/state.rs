//! The contract's state in one block, as the index states it.

use alloy::providers::Provider;
use swarm_contracts::SwarmEscrow;
use swarm_types::orb::{IndexBlock, IndexContract};

use crate::chain::{Chain, Terms};
use crate::error::{ChainError, SetupError};
use crate::rpc::At;
use crate::views::Gate;

impl Chain {
    /// The contract's state in `block`, without the changes of roles on their way, which only its events
    /// name in full.
    ///
    /// # Errors
    /// When the node is away, or a reorganisation took the block.
    pub async fn contract_state(&self, block: &IndexBlock) -> Result<IndexContract, ChainError> {
        let at = At::Hash(block.hash);
        let Terms {
            window,
            exit_delay,
            max_seal_age,
            settlement_timeout,
            default_cap,
            max_entries,
            ..
        } = self.terms().await?;
        let Gate {
            last_epoch,
            stopped,
            paused_until,
            escape_at,
        } = self.gate(at).await?;
        let (settlers, threshold) = self.settlers(at).await?;
        Ok(IndexContract {
            owner: self.view(&SwarmEscrow::ownerCall {}, at).await?,
            guardian: self.view(&SwarmEscrow::guardianCall {}, at).await?,
            settlers,
            threshold,
            pending: Vec::new(),
            window,
            exit_delay,
            role_delay: self.view(&SwarmEscrow::roleDelayCall {}, at).await?,
            settlement_timeout,
            max_seal_age,
            max_pause: self.view(&SwarmEscrow::maxPauseCall {}, at).await?,
            max_entries,
            default_cap,
            last_epoch,
            stopped,
            paused_until: Some(paused_until).filter(|until| *until > block.time),
            escape_at,
            liabilities: self.liabilities(at).await?,
            token_balance: self.usdc(self.escrow(), at).await?,
        })
    }

    /// The block from which the escrow has code, found by halving.
    ///
    /// # Errors
    /// When the node is away, or does not keep old states, or has no code there now.
    pub async fn deployment_block(&self) -> Result<u64, ChainError> {
        let mut high = self.rpc().block(At::Latest).await?.number;
        let mut low = 0;
        if !self.has_code(At::Latest).await? {
            let address = self.escrow();
            let what = "escrow";
            return Err(SetupError::NoCode { what, address }.into());
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.has_code(At::Number(middle)).await? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    async fn has_code(&self, at: At) -> Result<bool, ChainError> {
        let code = self.rpc().provider().get_code_at(self.escrow());
        let code = code.block_id(at.into()).await;
        let code = code.map_err(|e| ChainError::of("a contract's code", e))?;
        Ok(!code.is_empty())
    }
}
