//! Compares the ledger's mirror with the chain at one block. A seal is refused while they differ.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use swarm_chain::At;
use swarm_chain::views::Account;
use swarm_ledger::records::{MirrorAccount, SealContents};
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, MicroUsdc};

use super::{Settlement, SettlementError};

/// Most accounts compared for one seal: every client of the epoch, then others.
const ACCOUNTS_MAX: usize = 2_000;
/// Accounts asked for at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;
/// Most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Settlement {
    /// What differs at block `head`, in sentences; empty when ledger and chain agree and the escrow
    /// holds what it owes.
    pub(super) async fn differences(
        &self,
        contents: &SealContents,
        head: BlockRef,
        default_cap: MicroUsdc,
    ) -> Result<Vec<String>, SettlementError> {
        let at = At::Hash(head.hash);
        let mut clients: Vec<Address> = contents
            .jobs
            .iter()
            .map(|charge| charge.client)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let charged = clients.len();
        for client in self.ledger.mirrored_clients().await? {
            if clients.len() >= ACCOUNTS_MAX.max(charged) {
                break;
            }
            if !clients[..charged].contains(&client) {
                clients.push(client);
            }
        }
        let accounts = stream::iter(clients).map(|client| async move {
            let mirror = self.ledger.mirror(client, head.number).await?;
            let account = self.chain.account(client, at).await?;
            let here = expected(&mirror, default_cap, head.timestamp);
            Ok::<_, SettlementError>(difference(client, &here, &account))
        });
        let found: Vec<Option<String>> = accounts.buffered(ACCOUNTS_AT_ONCE).try_collect().await?;
        let mut differences: Vec<String> = found.into_iter().flatten().collect();
        if differences.len() > DIFFERENCES_MAX {
            let more = differences.len() - DIFFERENCES_MAX;
            differences.truncate(DIFFERENCES_MAX);
            differences.push(format!("and {more} more accounts"));
        }
        let owes = self.chain.liabilities(at).await?;
        let holds = self.chain.usdc(self.chain.escrow(), at).await?;
        if holds < owes {
            differences.push(format!("the escrow holds {holds} and owes {owes}"));
        }
        Ok(differences)
    }
}

/// What both sides know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    balance: i64,
    withdrawing: u64,
    matures_at: u64,
    cap: u64,
    next_cap: Option<(u64, u64)>,
}

/// The account as the events say, at `time` (Unix seconds of the block).
fn expected(mirror: &MirrorAccount, default_cap: MicroUsdc, time: u64) -> Facts {
    let (cap, next_cap) = match mirror.cap {
        None => (default_cap.0, None),
        Some(cap) if mirror.cap_effective_at <= time => (cap, None),
        Some(cap) => (
            mirror.cap_before.unwrap_or(default_cap.0),
            Some((cap, mirror.cap_effective_at)),
        ),
    };
    Facts {
        balance: mirror.balance,
        withdrawing: mirror.withdrawing,
        matures_at: mirror.matures_at,
        cap,
        next_cap,
    }
}

fn difference(client: Address, here: &Facts, account: &Account) -> Option<String> {
    let chain = Facts {
        balance: i64::try_from(account.balance.0).unwrap_or(i64::MAX),
        withdrawing: account.withdrawing.0,
        matures_at: account.matures_at,
        cap: account.cap.0,
        next_cap: (account.next_cap_at != 0).then_some((account.next_cap.0, account.next_cap_at)),
    };
    (chain != *here).then(|| format!("{client}: chain {chain:?}, ledger {here:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_counts_from_its_time() {
        let mirror = MirrorAccount {
            cap: Some(20),
            cap_effective_at: 100,
            cap_before: Some(50),
            ..MirrorAccount::default()
        };
        let default = MicroUsdc(7);
        let before = expected(&mirror, default, 99);
        assert_eq!((before.cap, before.next_cap), (50, Some((20, 100))));
        let after = expected(&mirror, default, 100);
        assert_eq!((after.cap, after.next_cap), (20, None));
        let never_set = expected(&MirrorAccount::default(), default, 0);
        assert_eq!((never_set.cap, never_set.next_cap), (7, None));
    }

    #[test]
    fn any_field_that_differs_is_named() {
        let mirror = MirrorAccount {
            balance: 10,
            ..MirrorAccount::default()
        };
        let here = expected(&mirror, MicroUsdc(7), 0);
        let account = Account {
            balance: MicroUsdc(10),
            cap: MicroUsdc(7),
            ..Account::default()
        };
        let client = Address::repeat_byte(1);
        assert_eq!(difference(client, &here, &account), None);
        for changed in [
            Account {
                balance: MicroUsdc(11),
                ..account
            },
            Account {
                withdrawing: MicroUsdc(1),
                ..account
            },
            Account {
                matures_at: 1,
                ..account
            },
            Account {
                cap: MicroUsdc(8),
                ..account
            },
            Account {
                next_cap_at: 5,
                ..account
            },
        ] {
            assert!(difference(client, &here, &changed).is_some(), "{changed:?}");
        }
        let overdrawn = Facts {
            balance: -1,
            ..here
        };
        assert!(difference(client, &overdrawn, &account).is_some());
    }
}
