//! Compares this machine's clock with the chain's. Requests, deadlines and seals are dated by the queen's
//! clock: when it is off she says so, instead of refusing everybody without a word about herself.

use swarm_types::request::CLOCK_TOLERANCE_SECONDS;

use super::Settlement;
use super::notes::Note;

/// Further apart than this, a note says so: before the first request of a right clock is refused.
const APART_SECONDS_MAX: u64 = CLOCK_TOLERANCE_SECONDS / 2;

impl Settlement {
    /// Looks at both clocks. A development chain's clock is moved by hand and says nothing.
    pub(super) fn compare_clocks(&mut self) {
        let Some(heads) = self.heads.filter(|_| !self.config.follow_chain_clock) else {
            return;
        };
        match apart(self.clock.seconds(), heads.latest.timestamp) {
            Some(text) => self.notes.set(Note::Clock, text),
            None => self.notes.clear(Note::Clock),
        }
    }
}

/// What is wrong when this machine says `now` and the chain's newest block `block`, Unix seconds. A block
/// is never from the future, so a clock behind it is wrong; one far ahead may only see an old block.
fn apart(now: u64, block: u64) -> Option<String> {
    let seconds = now.abs_diff(block);
    if seconds <= APART_SECONDS_MAX {
        return None;
    }
    // Without the number, which grows: a note is said once, not every second.
    Some(if now < block {
        "this machine's clock is behind the chain's newest block by more than it may: set it. Until then \
         requests that were signed by a right clock are refused, and nothing is sealed"
            .to_owned()
    } else {
        "this machine's clock is ahead of the chain's newest block by more than it may: set it, unless the \
         chain stands still. Until then requests that were signed by a right clock may be refused, and \
         nothing is sealed"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_from_the_chains_is_named_with_its_direction() {
        assert_eq!(apart(1_000, 1_150), None);
        assert_eq!(apart(1_150, 1_000), None);
        assert!(apart(1_000, 1_151).is_some_and(|text| text.contains("behind")));
        assert!(apart(1_151, 1_000).is_some_and(|text| text.contains("ahead")));
    }
}
