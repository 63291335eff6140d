//! The decision about an epoch that the escrow does not have yet: no IO, no clock.

use alloy::primitives::U256;
use swarm_types::B256;

use super::{Attempt, NONCES_PER_EPOCH_MAX};
use crate::tx::Fees;

/// An attempt that sits in the pool this long is replaced with higher fees. Base includes within
/// seconds what pays enough.
pub const STUCK_SECONDS: u64 = 60;

/// Why nothing is done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The epoch before has its window open.
    PreviousPending {
        /// Unix seconds at which that closes.
        until: u64,
    },
    /// A void epoch stopped settlement; the guardian has to resume it.
    Stopped,
    /// The guardian paused settlement.
    Paused {
        /// Unix seconds.
        until: u64,
    },
    /// The chain has no block since the seal yet. One that mines on demand only, as a development chain may, never has.
    NoBlockSince {
        /// Unix seconds of the seal.
        sealed_at: u64,
        /// Unix seconds of the newest block.
        chain_time: u64,
    },
    /// An attempt is in the pool.
    InFlight {
        /// Its hash.
        tx: B256,
    },
    /// An attempt is mined, and the state that was read is older than that.
    Mined {
        /// Its hash.
        tx: B256,
    },
    /// The contract would refuse it.
    WouldRevert {
        /// The contract's reason.
        reason: String,
    },
    /// The gas key cannot pay.
    NoGas {
        /// Wei that the transaction may cost.
        needed: U256,
        /// Wei that the gas key has.
        has: U256,
    },
    /// A stuck attempt would have to pay more than is allowed to be replaced.
    FeesAtLimit {
        /// The attempt that stands.
        tx: B256,
    },
    /// So many attempts were mined and reverted that a person has to look.
    TooManyAttempts,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PreviousPending { until } => {
                write!(f, "the epoch before is open to challenge until {until}")
            }
            Self::Stopped => {
                f.write_str("a void epoch stopped settlement until the guardian resumes it")
            }
            Self::Paused { until } => write!(f, "the guardian paused settlement until {until}"),
            Self::NoBlockSince {
                sealed_at,
                chain_time,
            } => write!(
                f,
                "it waits for the chain's next block: the newest is of {chain_time}, the seal of {sealed_at} (Unix seconds)"
            ),
            Self::InFlight { tx } => write!(f, "transaction {tx} waits to be included"),
            Self::Mined { tx } => write!(
                f,
                "transaction {tx} is mined; its effect is not visible yet"
            ),
            Self::WouldRevert { reason } => write!(f, "the escrow would refuse it: {reason}"),
            Self::NoGas { needed, has } => {
                write!(
                    f,
                    "the gas key has {has} wei and may need {needed}: send it some ETH"
                )
            }
            Self::FeesAtLimit { tx } => {
                write!(
                    f,
                    "transaction {tx} waits, and paying more is past the limit"
                )
            }
            Self::TooManyAttempts => {
                write!(
                    f,
                    "{NONCES_PER_EPOCH_MAX} attempts were mined without effect"
                )
            }
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Mined,
    Reverted,
    InPool,
    /// The node knows nothing of it; it may still be in another node's pool.
    Unknown,
}

/// What was seen, at one block as far as it is state.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub chain_time: u64,
    pub stopped: bool,
    pub paused_until: u64,
    pub previous_pending_until: Option<u64>,
    /// The gas key's nonce by what is mined.
    pub nonce_mined: u64,
    pub market: Fees,
    pub wei: U256,
    /// For each attempt.
    pub fates: Vec<Fate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Expired,
    Wait(Wait),
    /// The attempt of this index.
    Resend(usize),
    Send {
        nonce: u64,
        fees: Fees,
    },
}

/// Decides about an epoch that is not settled in the state that was read.
pub(super) fn decide(
    sealed_at: u64,
    max_seal_age: u64,
    gas_limit: u64,
    attempts: &[Attempt],
    seen: &Seen,
    now: u64,
) -> Decision {
    // A success that the state does not show yet: another node, or a block later.
    let fated = |fate| attempts.iter().zip(&seen.fates).find(|(_, f)| **f == fate);
    if let Some((attempt, _)) = fated(Fate::Mined) {
        return Decision::Wait(Wait::Mined {
            tx: attempt.tx.hash,
        });
    }
    if seen.chain_time >= sealed_at.saturating_add(max_seal_age) {
        return Decision::Expired;
    }
    if seen.stopped {
        return Decision::Wait(Wait::Stopped);
    }
    if seen.chain_time < seen.paused_until {
        return Decision::Wait(Wait::Paused {
            until: seen.paused_until,
        });
    }
    if let Some(until) = seen.previous_pending_until {
        return Decision::Wait(Wait::PreviousPending { until });
    }
    if seen.chain_time < sealed_at {
        return Decision::Wait(Wait::NoBlockSince {
            sealed_at,
            chain_time: seen.chain_time,
        });
    }

    let open = attempts
        .iter()
        .enumerate()
        .rfind(|(_, attempt)| attempt.tx.nonce >= seen.nonce_mined);
    let (nonce, fees) = match open {
        Some((index, attempt)) => {
            let young = now < attempt.made_at.saturating_add(STUCK_SECONDS);
            match seen.fates[index] {
                // Its nonce is free, so no attempt with it was mined: the very same bytes may go again.
                Fate::Unknown if young => return Decision::Resend(index),
                _ if young => {
                    return Decision::Wait(Wait::InFlight {
                        tx: attempt.tx.hash,
                    });
                }
                _ => {}
            }
            match attempt.tx.fees.bumped(seen.market) {
                Some(fees) => (attempt.tx.nonce, fees),
                None if seen.fates[index] == Fate::Unknown => return Decision::Resend(index),
                None => {
                    return Decision::Wait(Wait::FeesAtLimit {
                        tx: attempt.tx.hash,
                    });
                }
            }
        }
        None => {
            let mut nonces: Vec<u64> = attempts.iter().map(|a| a.tx.nonce).collect();
            nonces.dedup();
            if nonces.len() >= NONCES_PER_EPOCH_MAX {
                return Decision::Wait(Wait::TooManyAttempts);
            }
            (seen.nonce_mined, seen.market)
        }
    };
    let needed = U256::from(gas_limit) * U256::from(fees.max_fee);
    if seen.wei < needed {
        return Decision::Wait(Wait::NoGas {
            needed,
            has: seen.wei,
        });
    }
    Decision::Send { nonce, fees }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tx::SignedTx;

    const SEALED: u64 = 1_000;
    const AGE: u64 = 3_600;
    const MARKET: Fees = Fees {
        max_fee: 100,
        tip: 10,
    };

    fn seen(nonce_mined: u64, fates: &[Fate]) -> Seen {
        Seen {
            chain_time: SEALED + 10,
            stopped: false,
            paused_until: 0,
            previous_pending_until: None,
            nonce_mined,
            market: MARKET,
            wei: U256::MAX,
            fates: fates.to_vec(),
        }
    }

    fn attempt(nonce: u64, made_at: u64, fees: Fees) -> Attempt {
        Attempt {
            tx: SignedTx {
                hash: B256::repeat_byte(nonce as u8 + 1),
                nonce,
                fees,
                raw: Default::default(),
            },
            made_at,
        }
    }

    fn at(attempts: &[Attempt], seen: &Seen, now: u64) -> Decision {
        decide(SEALED, AGE, 21_000, attempts, seen, now)
    }

    #[test]
    fn the_first_attempt_takes_the_mined_nonce_and_the_market_fees() {
        let decision = at(&[], &seen(7, &[]), SEALED);
        assert_eq!(
            decision,
            Decision::Send {
                nonce: 7,
                fees: MARKET
            }
        );
    }

    #[test]
    fn an_attempt_whose_fate_is_unknown_goes_out_again_as_it_was() {
        let attempts = [attempt(7, SEALED, MARKET)];
        let decision = at(&attempts, &seen(7, &[Fate::Unknown]), SEALED + 5);
        assert_eq!(decision, Decision::Resend(0));
    }

    #[test]
    fn an_attempt_in_the_pool_is_waited_for_and_then_replaced_on_its_own_nonce() {
        let attempts = [attempt(7, SEALED, MARKET)];
        let seen = seen(7, &[Fate::InPool]);
        let early = at(&attempts, &seen, SEALED + STUCK_SECONDS - 1);
        assert!(matches!(early, Decision::Wait(Wait::InFlight { .. })));
        let late = at(&attempts, &seen, SEALED + STUCK_SECONDS);
        let Decision::Send { nonce: 7, fees } = late else {
            panic!("{late:?}")
        };
        assert!(fees.max_fee >= 125 && fees.tip >= 13);
    }

    #[test]
    fn a_stuck_attempt_at_the_fee_limit_is_left_alone() {
        let high = Fees {
            max_fee: crate::tx::FEE_PER_GAS_MAX_WEI,
            tip: 1,
        };
        let attempts = [attempt(7, SEALED, high)];
        let late = SEALED + STUCK_SECONDS;
        assert!(matches!(
            at(&attempts, &seen(7, &[Fate::InPool]), late),
            Decision::Wait(Wait::FeesAtLimit { .. })
        ));
        assert_eq!(
            at(&attempts, &seen(7, &[Fate::Unknown]), late),
            Decision::Resend(0)
        );
    }

    #[test]
    fn a_new_nonce_is_taken_only_when_the_old_one_is_used_up() {
        let attempts = [attempt(7, SEALED, MARKET), attempt(7, SEALED + 60, MARKET)];
        for fates in [
            [Fate::Reverted, Fate::Unknown],
            [Fate::Unknown, Fate::Unknown],
        ] {
            let decision = at(&attempts, &seen(8, &fates), SEALED + 61);
            assert_eq!(
                decision,
                Decision::Send {
                    nonce: 8,
                    fees: MARKET
                }
            );
        }
    }

    #[test]
    fn a_mined_success_is_never_answered_with_another_transaction() {
        let attempts = [attempt(7, SEALED, MARKET)];
        let mut late = seen(8, &[Fate::Mined]);
        late.chain_time = SEALED + AGE;
        let decision = at(&attempts, &late, SEALED + 10_000);
        assert!(matches!(decision, Decision::Wait(Wait::Mined { .. })));
    }

    #[test]
    fn what_the_contract_would_refuse_is_waited_for() {
        type Change = fn(&mut Seen);
        let cases: [(Change, Decision); 5] = [
            (|s| s.stopped = true, Decision::Wait(Wait::Stopped)),
            (
                |s| s.paused_until = 9_999,
                Decision::Wait(Wait::Paused { until: 9_999 }),
            ),
            (
                |s| s.previous_pending_until = Some(5),
                Decision::Wait(Wait::PreviousPending { until: 5 }),
            ),
            (
                |s| s.chain_time = SEALED - 1,
                Decision::Wait(Wait::NoBlockSince {
                    sealed_at: SEALED,
                    chain_time: SEALED - 1,
                }),
            ),
            (|s| s.chain_time = SEALED + AGE, Decision::Expired),
        ];
        for (change, expected) in cases {
            let mut seen = seen(7, &[]);
            change(&mut seen);
            assert_eq!(at(&[], &seen, SEALED), expected);
        }
    }

    #[test]
    fn a_poor_gas_key_and_too_many_reverts_stop_it() {
        let mut poor = seen(7, &[]);
        poor.wei = U256::from(21_000 * 100 - 1);
        assert!(matches!(
            at(&[], &poor, SEALED),
            Decision::Wait(Wait::NoGas { .. })
        ));
        let attempts: Vec<_> = (0..NONCES_PER_EPOCH_MAX as u64)
            .map(|nonce| attempt(nonce, SEALED, MARKET))
            .collect();
        let fates = vec![Fate::Reverted; attempts.len()];
        assert_eq!(
            at(&attempts, &seen(10, &fates), SEALED),
            Decision::Wait(Wait::TooManyAttempts)
        );
    }
}
