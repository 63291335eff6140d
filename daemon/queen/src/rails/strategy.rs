//! Then a strategy: which of the bees that can take a job gets it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use swarm_types::Address;

/// How the queen chooses among bees that can take a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Each in turn: the one that was served longest ago.
    #[default]
    RoundRobin,
    /// The one that holds the smallest part of what it can hold.
    LeastBusy,
    /// By chance, in proportion to the configured weights.
    Weighted,
    /// By chance.
    Random,
}

/// A bee that can take the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub worker: Address,
    /// Jobs it holds.
    pub held: u32,
    /// Jobs it can hold, at least 1.
    pub concurrency: u32,
    /// When it was last served, counted in services; 0 when never.
    pub served: u64,
}

/// The index of the chosen candidate; `None` without candidates. `random` is uniform in 64 bits.
pub fn choose(
    strategy: Strategy,
    candidates: &[Candidate],
    weights: &BTreeMap<Address, u32>,
    random: u64,
) -> Option<usize> {
    let count = candidates.len() as u64;
    if count == 0 {
        return None;
    }
    let indices = 0..candidates.len();
    match strategy {
        Strategy::RoundRobin => indices.min_by_key(|i| candidates[*i].served),
        Strategy::LeastBusy => indices.min_by_key(|i| {
            let one = &candidates[*i];
            // held/concurrency as an integer; ties go to the one served longest ago.
            let load = u64::from(one.held) * 1_000_000 / u64::from(one.concurrency.max(1));
            (load, one.served)
        }),
        Strategy::Random => Some((random % count) as usize),
        Strategy::Weighted => {
            let weight =
                |i: usize| u64::from(weights.get(&candidates[i].worker).copied().unwrap_or(1));
            let total: u64 = indices.clone().map(weight).sum();
            // A weight of 0 takes a bee out of the choice; when all have it, nobody is chosen.
            let mut at = random.checked_rem(total)?;
            indices.into_iter().find(|i| {
                let here = at < weight(*i);
                at = at.saturating_sub(weight(*i));
                here
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates() -> Vec<Candidate> {
        let one = |number, held, concurrency, served| Candidate {
            worker: Address::repeat_byte(number),
            held,
            concurrency,
            served,
        };
        vec![one(1, 1, 2, 5), one(2, 1, 4, 9), one(3, 3, 4, 2)]
    }

    #[test]
    fn each_strategy_chooses_as_it_says() {
        let (all, none) = (candidates(), BTreeMap::new());
        assert_eq!(choose(Strategy::RoundRobin, &all, &none, 0), Some(2));
        assert_eq!(choose(Strategy::LeastBusy, &all, &none, 0), Some(1));
        for random in 0..6 {
            let chosen = choose(Strategy::Random, &all, &none, random);
            assert_eq!(chosen, Some((random % 3) as usize));
        }
        assert_eq!(choose(Strategy::Random, &[], &none, 0), None);
    }

    #[test]
    fn weights_are_proportions() {
        let weights = BTreeMap::from([
            (Address::repeat_byte(1), 3),
            (Address::repeat_byte(2), 0),
            (Address::repeat_byte(3), 1),
        ]);
        let mut counts = [0; 3];
        for random in 0..400 {
            counts[choose(Strategy::Weighted, &candidates(), &weights, random).expect("one")] += 1;
        }
        assert_eq!(counts, [300, 0, 100]);
        let zero: BTreeMap<_, _> = (1..=3).map(|n| (Address::repeat_byte(n), 0)).collect();
        assert_eq!(choose(Strategy::Weighted, &candidates(), &zero, 7), None);
    }
}
