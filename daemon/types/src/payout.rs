//! Who gets what of an epoch's revenue: fees off the top, then a work and a readiness pool, each
//! split by the largest-remainder method in 256-bit arithmetic. Every µUSDC lands somewhere.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::MicroUsdc;

/// A hundred percent, in basis points.
pub const BASIS_POINTS: u64 = 10_000;

/// The rates of the payout rule, in basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rates {
    /// Of the revenue, to the protocol's payee.
    pub protocol_bps: u64,
    /// Of the revenue, to the operator's payee.
    pub operator_bps: u64,
    /// Of what is left, to the work pool; the rest is the readiness pool.
    pub work_bps: u64,
}

impl Default for Rates {
    /// 2 %, 5 %, then 70 : 30.
    fn default() -> Self {
        Self {
            protocol_bps: 200,
            operator_bps: 500,
            work_bps: 7_000,
        }
    }
}

/// Rates that do not close.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "rates do not close: protocol {protocol_bps} + operator {operator_bps} must be at most 10000 basis points, work {work_bps} likewise"
)]
pub struct RatesError {
    protocol_bps: u64,
    operator_bps: u64,
    work_bps: u64,
}

/// An epoch's revenue, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pools {
    /// To the protocol's payee.
    pub protocol: MicroUsdc,
    /// To the operator's payee.
    pub operator: MicroUsdc,
    /// Shared by the fees of each worker's receipts.
    pub work: MicroUsdc,
    /// Shared by ready seconds.
    pub readiness: MicroUsdc,
}

impl Rates {
    /// Refuses rates above a hundred percent.
    pub fn check(&self) -> Result<(), RatesError> {
        let closes = self
            .protocol_bps
            .checked_add(self.operator_bps)
            .is_some_and(|sum| sum <= BASIS_POINTS)
            && self.work_bps <= BASIS_POINTS;
        let Self {
            protocol_bps,
            operator_bps,
            work_bps,
        } = *self;
        closes.then_some(()).ok_or(RatesError {
            protocol_bps,
            operator_bps,
            work_bps,
        })
    }

    /// Divides `revenue`: protocol and operator fees rounded down, then the work pool rounded down.
    pub fn pools(&self, revenue: MicroUsdc) -> Pools {
        let protocol = share_down(revenue.0, self.protocol_bps);
        let operator = share_down(revenue.0, self.operator_bps);
        let pool = revenue.0 - protocol - operator;
        let work = share_down(pool, self.work_bps);
        Pools {
            protocol: MicroUsdc(protocol),
            operator: MicroUsdc(operator),
            work: MicroUsdc(work),
            readiness: MicroUsdc(pool - work),
        }
    }
}

fn share_down(amount: u64, bps: u64) -> u64 {
    (u128::from(amount) * u128::from(bps) / u128::from(BASIS_POINTS)) as u64
}

/// Splits `pool` by `weights`: quota ⌊pool·w/W⌋, what is left one unit each by larger remainder, ties
/// to the lower address. Weights of zero get nothing; `None` when all are zero.
pub fn split(
    pool: MicroUsdc,
    weights: &BTreeMap<Address, u64>,
) -> Option<BTreeMap<Address, MicroUsdc>> {
    let total: U256 = weights.values().map(|w| U256::from(*w)).sum();
    if total.is_zero() {
        return None;
    }
    let mut shares = BTreeMap::new();
    let mut remainders = Vec::new();
    let mut left = pool.0;
    for (worker, weight) in weights.iter().filter(|(_, weight)| **weight > 0) {
        let (quota, remainder) = (U256::from(pool.0) * U256::from(*weight)).div_rem(total);
        let quota = quota.to::<u64>();
        left -= quota;
        shares.insert(*worker, MicroUsdc(quota));
        remainders.push((remainder, *worker));
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, worker) in remainders.iter().take(left as usize) {
        if let Some(share) = shares.get_mut(worker) {
            share.0 += 1;
        }
    }
    Some(shares)
}

/// What a worker did in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Where its earnings go.
    pub payee: Address,
    /// Σ fee of its receipts.
    pub fees: MicroUsdc,
    /// Whole seconds it was ready.
    pub ready_seconds: u64,
}

/// What a worker gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// From the work pool.
    pub work: MicroUsdc,
    /// From the readiness pool.
    pub readiness: MicroUsdc,
}

/// The whole division of an epoch's revenue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The pools as they were shared out (readiness joins work when no worker was ready).
    pub pools: Pools,
    /// Each worker's shares.
    pub workers: BTreeMap<Address, Share>,
    /// Each payee's total, without zero amounts: the payout vector.
    pub payees: BTreeMap<Address, MicroUsdc>,
}

/// Divides the fees of `workers` by `rates`. The fees of all workers are the revenue.
pub fn divide(
    rates: &Rates,
    protocol_payee: Address,
    operator_payee: Address,
    workers: &BTreeMap<Address, Contribution>,
) -> Division {
    let revenue = MicroUsdc(workers.values().map(|c| c.fees.0).sum());
    let mut pools = rates.pools(revenue);
    let ready = workers.iter().map(|(w, c)| (*w, c.ready_seconds)).collect();
    let readiness = split(pools.readiness, &ready).unwrap_or_else(|| {
        pools.work.0 += pools.readiness.0;
        pools.readiness = MicroUsdc::ZERO;
        BTreeMap::new()
    });
    let fees = workers.iter().map(|(w, c)| (*w, c.fees.0)).collect();
    let work = split(pools.work, &fees).unwrap_or_default();

    let mut payees: BTreeMap<Address, MicroUsdc> = BTreeMap::new();
    let mut pay =
        |payee: Address, amount: MicroUsdc| payees.entry(payee).or_default().0 += amount.0;
    pay(protocol_payee, pools.protocol);
    pay(operator_payee, pools.operator);
    let mut shares = BTreeMap::new();
    for (worker, contribution) in workers {
        let share = Share {
            work: work.get(worker).copied().unwrap_or_default(),
            readiness: readiness.get(worker).copied().unwrap_or_default(),
        };
        pay(contribution.payee, share.work);
        pay(contribution.payee, share.readiness);
        shares.insert(*worker, share);
    }
    payees.retain(|_, amount| amount.0 > 0);
    Division {
        pools,
        workers: shares,
        payees,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_cents_divide_as_the_protocol_says() {
        let pools = Rates::default().pools(MicroUsdc(100_000));
        assert_eq!((pools.protocol.0, pools.operator.0), (2_000, 5_000));
        assert_eq!((pools.work.0, pools.readiness.0), (65_100, 27_900));
    }

    #[test]
    fn leftovers_go_by_remainder_then_by_lower_address() {
        let a = |n| Address::repeat_byte(n);
        let weights = BTreeMap::from([(a(1), 1), (a(2), 1), (a(3), 1), (a(4), 0)]);
        let shares = split(MicroUsdc(11), &weights).expect("weights");
        assert_eq!(
            shares,
            BTreeMap::from([
                (a(1), MicroUsdc(4)),
                (a(2), MicroUsdc(4)),
                (a(3), MicroUsdc(3))
            ])
        );
        assert_eq!(split(MicroUsdc(11), &BTreeMap::from([(a(1), 0)])), None);
    }

    #[test]
    fn nobody_ready_means_readiness_joins_work() {
        let worker = Contribution {
            payee: Address::repeat_byte(9),
            fees: MicroUsdc(100_000),
            ready_seconds: 0,
        };
        let workers = BTreeMap::from([(Address::repeat_byte(1), worker)]);
        let division = divide(
            &Rates::default(),
            Address::repeat_byte(7),
            Address::repeat_byte(8),
            &workers,
        );
        assert_eq!(division.pools.work, MicroUsdc(93_000));
        assert_eq!(division.payees[&Address::repeat_byte(9)], MicroUsdc(93_000));
    }

    #[test]
    fn rates_over_a_hundred_percent_are_refused() {
        assert!(
            Rates {
                protocol_bps: 9_000,
                operator_bps: 1_001,
                work_bps: 1
            }
            .check()
            .is_err()
        );
        assert!(
            Rates {
                protocol_bps: u64::MAX,
                operator_bps: 1,
                work_bps: 1
            }
            .check()
            .is_err()
        );
        assert!(
            Rates {
                protocol_bps: 0,
                operator_bps: 0,
                work_bps: 10_001
            }
            .check()
            .is_err()
        );
        assert!(Rates::default().check().is_ok());
    }

    proptest! {
        #[test]
        fn every_unit_lands_somewhere(
            workers in prop::collection::btree_map(any::<u8>(), (any::<u8>(), 0u64..1 << 40, 0u64..100_000), 0..20),
            protocol_bps in 0u64..5_000, operator_bps in 0u64..5_000, work_bps in 0u64..=10_000,
        ) {
            let workers: BTreeMap<_, _> = workers.into_iter().map(|(w, (p, fees, ready_seconds))| {
                (Address::repeat_byte(w), Contribution { payee: Address::repeat_byte(p), fees: MicroUsdc(fees), ready_seconds })
            }).collect();
            let revenue: u64 = workers.values().map(|c| c.fees.0).sum();
            let rates = Rates { protocol_bps, operator_bps, work_bps };
            let division = divide(&rates, Address::repeat_byte(1), Address::repeat_byte(2), &workers);
            prop_assert_eq!(division.payees.values().map(|a| a.0).sum::<u64>(), revenue);
        }
    }
}
