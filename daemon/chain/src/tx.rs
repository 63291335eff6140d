//! Transactions: fees, signing, sending, and waiting until they stand.

use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Bytes, Signature, TxKind, U256};
use alloy::providers::Provider;
use swarm_types::{Address, B256};

use crate::error::ChainError;
use crate::rpc::{At, Rpc};
use crate::wallet::Wallet;

/// No transaction of ours pays more per gas, whatever the node says: 100 gwei, far above any fee Base
/// has seen; a broken node cannot make the gas key pay its whole balance for one settlement.
pub const FEE_PER_GAS_MAX_WEI: u128 = 100_000_000_000;
/// Tip when the node does not suggest one.
const TIP_DEFAULT_WEI: u128 = 1_000_000;
/// The fee limit covers this many times the base fee: some six full blocks of rising fees.
const BASE_FEE_HEADROOM: u128 = 2;
/// A replacement raises both fees by this much; nodes ask for 10 % (12.5 % on some).
const BUMP_PERCENT: u128 = 25;
/// How often a receipt is asked for.
const POLL: Duration = Duration::from_millis(500);

/// EIP-1559 fees, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The most that is paid, tip included.
    pub max_fee: u128,
    /// The most that goes to the block's builder.
    pub tip: u128,
}

impl Fees {
    /// The fees of a replacement for a transaction that paid `self`: at least a quarter more, and at
    /// least what the market asks now; `None` when that would pass [`FEE_PER_GAS_MAX_WEI`].
    pub fn bumped(self, market: Fees) -> Option<Fees> {
        let raise = |fee: u128| fee.saturating_mul(100 + BUMP_PERCENT).div_ceil(100);
        let tip = raise(self.tip).max(self.tip + 1).max(market.tip);
        let max_fee = raise(self.max_fee).max(market.max_fee).max(tip);
        (max_fee <= FEE_PER_GAS_MAX_WEI).then_some(Fees { max_fee, tip })
    }
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Its input.
    pub data: Bytes,
    /// Gas that the transaction may use. Always explicit: an estimate made by a node that lags can take
    /// a cheaper path than the transaction will.
    pub gas_limit: u64,
}

/// A signed transaction. Its hash is known before anybody has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// Its hash.
    pub hash: B256,
    /// The sender's nonce.
    pub nonce: u64,
    /// What it pays.
    pub fees: Fees,
    /// The bytes to broadcast.
    pub raw: Bytes,
}

/// Signs `call` for chain `chain_id`. The same input gives the same bytes.
pub fn sign(wallet: &Wallet, chain_id: u64, call: &Call, nonce: u64, fees: Fees) -> SignedTx {
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: call.gas_limit,
        max_fee_per_gas: fees.max_fee,
        max_priority_fee_per_gas: fees.tip,
        to: TxKind::Call(call.to),
        value: U256::ZERO,
        input: call.data.clone(),
        access_list: Default::default(),
    };
    let signature = wallet.sign(&tx.signature_hash());
    let bytes = signature.as_bytes();
    let signature = Signature::from_bytes_and_parity(&bytes[..64], bytes[64] == 28);
    let envelope = TxEnvelope::Eip1559(tx.into_signed(signature));
    SignedTx {
        hash: *envelope.tx_hash(),
        nonce,
        fees,
        raw: envelope.encoded_2718().into(),
    }
}

/// Where a mined transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its block's number.
    pub block: u64,
    /// Its block's hash.
    pub block_hash: B256,
    /// False when it reverted.
    pub success: bool,
    /// Gas it used.
    pub gas_used: u64,
}

/// What a broadcast came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The node took it, now or before.
    Known,
    /// The account's nonce is past this transaction's: it, or another with its nonce, is mined.
    NonceUsed,
    /// Another transaction with this nonce pays as much.
    Underpriced,
}

impl Rpc {
    /// The fees that get a transaction included soon, at most [`FEE_PER_GAS_MAX_WEI`].
    ///
    /// # Errors
    /// When the node is away, or states no base fee.
    pub async fn fees(&self) -> Result<Fees, ChainError> {
        let header = self.header(At::Latest).await?;
        let base = header.and_then(|h| h.base_fee_per_gas).ok_or_else(|| {
            ChainError::nonsense("fees", "the newest block states no base fee (EIP-1559)")
        })?;
        let tip = match self.provider().get_max_priority_fee_per_gas().await {
            Ok(tip) => tip,
            Err(error) => match ChainError::of("a tip", error) {
                ChainError::Refused { .. } => TIP_DEFAULT_WEI,
                other => return Err(other),
            },
        };
        let tip = tip.clamp(1, FEE_PER_GAS_MAX_WEI);
        let max_fee = u128::from(base) * BASE_FEE_HEADROOM + tip;
        Ok(Fees {
            max_fee: max_fee.min(FEE_PER_GAS_MAX_WEI),
            tip,
        })
    }

    /// How many transactions of `account` are mined: its next nonce, as if nothing were in flight.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn nonce_mined(&self, account: Address) -> Result<u64, ChainError> {
        let nonce = self.provider().get_transaction_count(account).latest();
        nonce.await.map_err(|e| ChainError::of("a nonce", e))
    }

    /// The next nonce of `account` after what the node's pool holds.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn nonce_pending(&self, account: Address) -> Result<u64, ChainError> {
        let nonce = self.provider().get_transaction_count(account).pending();
        nonce.await.map_err(|e| ChainError::of("a nonce", e))
    }

    /// What `account` has to pay gas with, in wei.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn wei(&self, account: Address) -> Result<U256, ChainError> {
        let balance = self.provider().get_balance(account).await;
        balance.map_err(|e| ChainError::of("a balance", e))
    }

    /// Hands signed bytes to the node. Sending the same bytes again is harmless.
    ///
    /// # Errors
    /// When the node is away (it may have the transaction all the same), or refuses it.
    pub async fn broadcast(&self, raw: &Bytes) -> Result<Sent, ChainError> {
        let Err(error) = self.provider().send_raw_transaction(raw).await else {
            return Ok(Sent::Known);
        };
        match ChainError::of("a transaction", error) {
            ChainError::Refused {
                message,
                code,
                during,
            } => {
                let said = message.to_lowercase();
                let says = |words: &[&str]| words.iter().any(|w| said.contains(w));
                if says(&["already known", "already imported", "known transaction"]) {
                    Ok(Sent::Known)
                } else if says(&["underpriced"]) {
                    Ok(Sent::Underpriced)
                } else if says(&["nonce too low"]) {
                    Ok(Sent::NonceUsed)
                } else {
                    Err(ChainError::Refused {
                        message,
                        code,
                        during,
                    })
                }
            }
            other => Err(other),
        }
    }

    /// Where transaction `hash` is mined; `None` while it is not.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn mined(&self, hash: B256) -> Result<Option<Mined>, ChainError> {
        let receipt = self.provider().get_transaction_receipt(hash).await;
        let Some(receipt) = receipt.map_err(|e| ChainError::of("a receipt", e))? else {
            return Ok(None);
        };
        Ok(receipt
            .block_number
            .zip(receipt.block_hash)
            .map(|(block, block_hash)| Mined {
                block,
                block_hash,
                success: receipt.status(),
                gas_used: receipt.gas_used,
            }))
    }

    /// Whether the node knows transaction `hash`, mined or in its pool.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn knows(&self, hash: B256) -> Result<bool, ChainError> {
        let found = self.provider().get_transaction_by_hash(hash).await;
        Ok(found
            .map_err(|e| ChainError::of("a transaction", e))?
            .is_some())
    }

    /// Signs `call` with the account's next nonce and sends it.
    ///
    /// # Errors
    /// When the node is away or refuses it; [`ChainError::Moving`] when another transaction of this
    /// account took the nonce meanwhile.
    pub async fn send(
        &self,
        wallet: &Wallet,
        chain_id: u64,
        call: &Call,
    ) -> Result<B256, ChainError> {
        let nonce = self.nonce_pending(wallet.address()).await?;
        let signed = sign(wallet, chain_id, call, nonce, self.fees().await?);
        match self.broadcast(&signed.raw).await? {
            Sent::Known => Ok(signed.hash),
            Sent::NonceUsed | Sent::Underpriced => Err(ChainError::Moving {
                during: "sending a transaction",
            }),
        }
    }

    /// Waits until transaction `hash` is mined and its block is at or below `until`
    /// ([`At::Latest`], [`At::Safe`] or [`At::Finalized`]), telling `progress` what it sees. A node
    /// that is away in between is waited for.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] when the transaction reverted, [`ChainError::Slow`] after `limit`.
    pub async fn wait_for(
        &self,
        hash: B256,
        until: At,
        limit: Duration,
        mut progress: impl FnMut(Progress),
    ) -> Result<Mined, ChainError> {
        let started = Instant::now();
        let mut last = None;
        loop {
            let seen = match self.progress(hash, until).await {
                Ok(seen) => seen,
                Err(error) if error.is_retryable() => Progress::NodeAway,
                Err(error) => return Err(error),
            };
            if last != Some(seen) {
                progress(seen);
                last = Some(seen);
            }
            if let Progress::Reached(mined) = seen {
                return Ok(mined);
            }
            if started.elapsed() >= limit {
                return Err(ChainError::Slow {
                    tx: hash,
                    wanted: match until {
                        At::Safe => "safe",
                        At::Finalized => "finalized",
                        _ => "included",
                    },
                    seconds: limit.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn progress(&self, hash: B256, until: At) -> Result<Progress, ChainError> {
        let Some(mined) = self.mined(hash).await? else {
            return Ok(Progress::Waiting);
        };
        if !mined.success {
            return Err(ChainError::Reverted {
                during: "the transaction",
                reason: self.why_reverted(hash, mined.block).await,
            });
        }
        let reached = match until {
            At::Latest => mined.block,
            tag => self.block(tag).await?.number,
        };
        if reached >= mined.block {
            return Ok(Progress::Reached(mined));
        }
        Ok(Progress::Included {
            mined,
            blocks_left: mined.block - reached,
        })
    }

    /// Runs a reverted transaction again on the block it was mined on, for its reason. The state may
    /// have been another within the block, so this is a best guess in words.
    async fn why_reverted(&self, hash: B256, block: u64) -> String {
        use alloy::consensus::Transaction as _;
        use alloy::network::TransactionResponse as _;
        let unknown = || "the reason is not known".to_owned();
        let Ok(Some(tx)) = self.provider().get_transaction_by_hash(hash).await else {
            return unknown();
        };
        let Some(to) = tx.to() else { return unknown() };
        let at = At::Number(block);
        let again = self.call_raw("it", Some(tx.from()), to, tx.input().to_vec(), at);
        match again.await {
            Err(ChainError::Reverted { reason, .. }) => reason,
            _ => unknown(),
        }
    }
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The node does not answer; the transaction may be anywhere.
    NodeAway,
    /// Not mined yet.
    Waiting,
    /// Mined, but above the block waited for.
    Included {
        /// Where.
        mined: Mined,
        /// How many blocks `safe` or `finalized` has to move.
        blocks_left: u64,
    },
    /// As far as was asked.
    Reached(Mined),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_pays_enough_more_and_never_past_the_limit() {
        let market = Fees {
            max_fee: 10,
            tip: 1,
        };
        let bumped = Fees {
            max_fee: 1_000,
            tip: 100,
        }
        .bumped(market);
        assert_eq!(
            bumped,
            Some(Fees {
                max_fee: 1_250,
                tip: 125
            })
        );
        let rising = Fees {
            max_fee: 9_000,
            tip: 500,
        };
        assert_eq!(
            Fees {
                max_fee: 1_000,
                tip: 100
            }
            .bumped(rising),
            Some(rising)
        );
        let tiny = Fees { max_fee: 1, tip: 1 }
            .bumped(market)
            .expect("in limits");
        assert!(tiny.tip >= 2 && tiny.max_fee >= tiny.tip);
        let full = Fees {
            max_fee: FEE_PER_GAS_MAX_WEI,
            tip: 1,
        };
        assert_eq!(full.bumped(market), None);
    }

    #[test]
    fn signing_twice_gives_the_same_transaction() {
        let wallet = crate::devchain::dev_wallet(0);
        let call = Call {
            to: Address::repeat_byte(1),
            data: Bytes::from_static(b"data"),
            gas_limit: 50_000,
        };
        let fees = Fees { max_fee: 5, tip: 1 };
        let one = sign(&wallet, 84_532, &call, 3, fees);
        assert_eq!(one, sign(&wallet, 84_532, &call, 3, fees));
        assert_ne!(one.hash, sign(&wallet, 84_532, &call, 4, fees).hash);
        assert_eq!(one.hash, alloy::primitives::keccak256(&one.raw));
    }
}
