//! Ready time: what counts between two heartbeats.

use crate::limits::HEARTBEAT_GAP_MILLIS_MAX;

/// What a heartbeat said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Unix milliseconds.
    pub at_millis: u64,
    /// Whether the bee passed its self-check, is approved and was not draining.
    pub counts: bool,
}

/// Milliseconds of ready time between two heartbeats: all of it when both count and they are at most
/// 95 s apart, else nothing.
pub(crate) fn between_millis(last: Option<Beat>, this: Beat) -> u64 {
    match last {
        Some(last) if last.counts && this.counts => this
            .at_millis
            .checked_sub(last.at_millis)
            .filter(|gap| *gap <= HEARTBEAT_GAP_MILLIS_MAX)
            .unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(at_millis: u64, counts: bool) -> Beat {
        Beat { at_millis, counts }
    }

    #[test]
    fn only_close_beats_that_both_count() {
        let first = Some(beat(1_000, true));
        assert_eq!(between_millis(first, beat(31_000, true)), 30_000);
        assert_eq!(between_millis(first, beat(96_000, true)), 95_000);
        assert_eq!(between_millis(first, beat(96_001, true)), 0);
        assert_eq!(between_millis(first, beat(31_000, false)), 0);
        assert_eq!(
            between_millis(Some(beat(1_000, false)), beat(31_000, true)),
            0
        );
        assert_eq!(between_millis(None, beat(31_000, true)), 0);
        // A clock that was set back earns nothing.
        assert_eq!(between_millis(first, beat(999, true)), 0);
    }
}
