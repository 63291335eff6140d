//! What the contract says of accounts, epochs and payees.

use swarm_contracts::{SwarmEscrow, Usdc};
use swarm_types::escrow::EscrowAccount;
use swarm_types::{Address, B256, MicroUsdc};

use crate::chain::{Chain, number};
use crate::error::ChainError;
use crate::rpc::At;

/// A client's account with all that decides what a seal may charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What belongs to the client, without what is pending in an epoch.
    pub balance: MicroUsdc,
    /// Of the balance, what a seal may charge now: without a matured withdrawal.
    pub chargeable: MicroUsdc,
    /// Charged in the epoch whose window is open.
    pub pending: MicroUsdc,
    /// Requested for withdrawal and not paid out; may be more than the balance.
    pub withdrawing: MicroUsdc,
    /// Unix seconds at which the request matures; 0 without one.
    pub matures_at: u64,
    /// Cap per epoch now.
    pub cap: MicroUsdc,
    /// The lower cap that takes effect at `next_cap_at`.
    pub next_cap: MicroUsdc,
    /// Unix seconds; 0 when no lower cap is on its way.
    pub next_cap_at: u64,
}

impl Account {
    /// What a seal can surely charge if it lands at any time before `until` (Unix seconds, exclusive):
    /// money whose withdrawal matures before is left out, and a lower cap that is on its way counts.
    pub fn collectable_before(&self, until: u64) -> MicroUsdc {
        let leaves = self.matures_at != 0 && self.matures_at < until;
        let money = if leaves {
            self.balance.saturating_sub(self.withdrawing)
        } else {
            self.balance
        };
        let lowers = self.next_cap_at != 0 && self.next_cap_at < until;
        let cap = if lowers {
            self.cap.min(self.next_cap)
        } else {
            self.cap
        };
        money.min(self.chargeable).min(cap)
    }
}

impl From<Account> for EscrowAccount {
    fn from(account: Account) -> Self {
        Self {
            balance: account.balance,
            pending: account.pending,
            withdrawing: account.withdrawing,
            matures_at: account.matures_at,
            cap: account.cap,
        }
    }
}

/// Where an epoch stands in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochState {
    /// Its window is open.
    Pending,
    /// Its window closed.
    Final,
    /// Void.
    Void,
}

/// An epoch as the contract knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEpoch {
    /// Where it stands.
    pub state: EpochState,
    /// Struct hash of its seal; it fixes every field of the seal.
    pub seal_hash: B256,
    /// Root of its receipts.
    pub receipts_root: B256,
    /// How many receipts.
    pub receipt_count: u64,
    /// Unix seconds of the seal.
    pub sealed_at: u64,
    /// Unix seconds of the block that settled it.
    pub settled_at: u64,
    /// Unix seconds at which its window closes.
    pub final_at: u64,
}

/// What a payee has coming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Final: can be claimed now.
    pub claimable: MicroUsdc,
    /// In the epoch whose window is open.
    pub pending: MicroUsdc,
}

/// Whether settlement can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Number of the last submitted epoch, void or not; 0 before the first.
    pub last_epoch: u64,
    /// A void epoch stopped settlement; the guardian has to resume it.
    pub stopped: bool,
    /// Unix seconds until which the guardian paused deposits and settlement.
    pub paused_until: u64,
    /// Unix seconds from which clients may leave at once; then only an empty epoch settles.
    pub escape_at: u64,
}

impl Chain {
    /// The account of `client`.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn account(&self, client: Address, at: At) -> Result<Account, ChainError> {
        let view = self.view(&SwarmEscrow::accountCall { client }, at).await?;
        Ok(Account {
            balance: MicroUsdc(view.balance),
            chargeable: MicroUsdc(view.chargeable),
            pending: MicroUsdc(view.pending),
            withdrawing: MicroUsdc(view.withdrawing),
            matures_at: view.maturesAt,
            cap: MicroUsdc(view.cap),
            next_cap: MicroUsdc(view.nextCap),
            next_cap_at: view.nextCapAt,
        })
    }

    /// Epoch `epoch`; `None` when it was never settled.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn epoch(&self, epoch: u64, at: At) -> Result<Option<ChainEpoch>, ChainError> {
        let view = self.view(&SwarmEscrow::epochsCall { epoch }, at).await?;
        let Some(state) = state_of(view.status)? else {
            return Ok(None);
        };
        Ok(Some(ChainEpoch {
            state,
            seal_hash: view.sealHash,
            receipts_root: view.receiptsRoot,
            receipt_count: view.receiptCount,
            sealed_at: view.sealedAt,
            settled_at: view.settledAt,
            final_at: view.finalAt,
        }))
    }

    /// Whether settlement can go on.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn gate(&self, at: At) -> Result<Gate, ChainError> {
        Ok(Gate {
            last_epoch: self.view(&SwarmEscrow::lastEpochCall {}, at).await?,
            stopped: self.view(&SwarmEscrow::stoppedCall {}, at).await?,
            paused_until: self.view(&SwarmEscrow::pausedUntilCall {}, at).await?,
            escape_at: self.view(&SwarmEscrow::escapeAtCall {}, at).await?,
        })
    }

    /// What `payee` has coming.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn owed(&self, payee: Address, at: At) -> Result<Owed, ChainError> {
        let view = self.view(&SwarmEscrow::owedCall { payee }, at).await?;
        Ok(Owed {
            claimable: MicroUsdc(view.claimable),
            pending: MicroUsdc(view.pending),
        })
    }

    /// What the escrow owes to all clients and payees together.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn liabilities(&self, at: At) -> Result<MicroUsdc, ChainError> {
        let sum = self.view(&SwarmEscrow::liabilitiesCall {}, at).await?;
        number("liabilities", sum).map(MicroUsdc)
    }

    /// USDC of `holder`, outside the escrow's books.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn usdc(&self, holder: Address, at: At) -> Result<MicroUsdc, ChainError> {
        let call = Usdc::balanceOfCall { account: holder };
        let balance = self.rpc().call(self.token(), &call, at).await?;
        number("a USDC balance", balance).map(MicroUsdc)
    }

    /// Unix seconds of the last seal before `epoch` that is not void, 0 without one: a removed order signer's
    /// orders count in `epoch` when the removal took effect then or later.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn last_seal_before(&self, epoch: u64, at: At) -> Result<u64, ChainError> {
        for number in (1..epoch).rev() {
            let before = self.epoch(number, at).await?;
            if let Some(before) = before.filter(|epoch| epoch.state != EpochState::Void) {
                return Ok(before.sealed_at);
            }
        }
        Ok(0)
    }

    /// Whether orders of `client` signed by `signer` count in an epoch after one sealed at
    /// `previous_sealed_at` (Unix seconds; 0 for the first epoch): it is, or was until then or later,
    /// an order signer.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn signs_for(
        &self,
        client: Address,
        signer: Address,
        previous_sealed_at: u64,
        at: At,
    ) -> Result<bool, ChainError> {
        let call = SwarmEscrow::orderSignerCall { client, signer };
        let view = self.view(&call, at).await?;
        let (added, removed_at) = (view._0, view._1);
        let ended = removed_at != 0 && removed_at < previous_sealed_at;
        Ok(added && !ended)
    }
}

/// The contract's `Status`: none, pending, final, void.
pub(crate) fn state_of(status: u8) -> Result<Option<EpochState>, ChainError> {
    match status {
        0 => Ok(None),
        1 => Ok(Some(EpochState::Pending)),
        2 => Ok(Some(EpochState::Final)),
        3 => Ok(Some(EpochState::Void)),
        other => Err(ChainError::nonsense("an epoch", format!("status {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_that_leaves_in_time_cannot_be_collected() {
        let account = Account {
            balance: MicroUsdc(100),
            chargeable: MicroUsdc(100),
            withdrawing: MicroUsdc(30),
            matures_at: 1_000,
            cap: MicroUsdc(1_000),
            ..Account::default()
        };
        assert_eq!(account.collectable_before(1_000), MicroUsdc(100));
        assert_eq!(account.collectable_before(1_001), MicroUsdc(70));
        let all = Account {
            withdrawing: MicroUsdc(500),
            ..account
        };
        assert_eq!(all.collectable_before(1_001), MicroUsdc::ZERO);
        let matured = Account {
            chargeable: MicroUsdc(70),
            ..account
        };
        assert_eq!(matured.collectable_before(0), MicroUsdc(70));
    }

    #[test]
    fn a_lower_cap_counts_once_it_takes_effect_in_time() {
        let account = Account {
            balance: MicroUsdc(100),
            chargeable: MicroUsdc(100),
            cap: MicroUsdc(90),
            next_cap: MicroUsdc(10),
            next_cap_at: 1_000,
            ..Account::default()
        };
        assert_eq!(account.collectable_before(1_000), MicroUsdc(90));
        assert_eq!(account.collectable_before(1_001), MicroUsdc(10));
    }
}
