//! How settlement runs.

use serde::{Deserialize, Serialize};

use crate::config::Span;

/// `[settlement]` of the queen's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettlementConfig {
    /// Length of an epoch. Boundaries lie at multiples of it since 1970 in UTC, so `24h` seals at
    /// midnight; whoever was down then seals when it is back.
    pub seal_every: Span,
    /// Between two looks at the chain.
    pub poll: Span,
    /// Take the chain's clock for the time when it is ahead: for a development chain whose clock is
    /// moved by hand, and for nothing else.
    pub follow_chain_clock: bool,
}

impl Default for SettlementConfig {
    fn default() -> Self {
        Self {
            seal_every: Span::seconds(24 * 3_600),
            poll: Span::seconds(2),
            follow_chain_clock: false,
        }
    }
}

impl SettlementConfig {
    /// Whether a boundary of epochs lies after `opened_at` and not after `now` (Unix seconds).
    pub(super) fn is_due(&self, opened_at: u64, now: u64) -> bool {
        let every = self.seal_every.as_seconds_down().max(1);
        now / every > opened_at / every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_and_a_missed_midnight_is_due_at_once() {
        let config = SettlementConfig::default();
        let midnight = 20_000 * 86_400;
        assert!(!config.is_due(midnight - 10, midnight - 1));
        assert!(config.is_due(midnight - 10, midnight));
        assert!(!config.is_due(midnight, midnight + 86_399));
        assert!(config.is_due(midnight, midnight + 5 * 86_400));
    }
}
