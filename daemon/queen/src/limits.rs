//! Named limits, and token buckets per signer and per network address.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use swarm_types::api::{INFERENCE_WAIT_SECONDS_MAX, POLL_SECONDS_MAX};

use crate::config::Rate;

/// Largest JSON body.
pub const JSON_BYTES_MAX: usize = 128 << 10;
/// Time in which a request must be answered once its body is there; a long-poll is shorter.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Shortest time that may be given for a request's head or body.
pub const RECEIVE_TIME_MIN: Duration = Duration::from_secs(1);
/// Longest time that may be given for a request's head or body.
pub const RECEIVE_TIME_MAX: Duration = Duration::from_secs(600);
/// Pieces of uploads that are received at once: at most 512 MiB of memory.
pub const PIECES_MAX: usize = 64;
/// Time in which a client must finish its TLS handshake.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Keys with a bucket; when all are in use, new keys share one.
pub const BUCKETS_MAX: usize = 65_536;
/// Rows of a page that are given when a request names no limit.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// Rows of a page at most.
pub const PAGE_ROWS_MAX: u32 = 500;
/// Shortest lease: two heartbeats.
pub const LEASE_TIME_MIN: Duration = Duration::from_secs(60);
/// Longest lease.
pub const LEASE_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Farthest that `max_order_life` may be set.
pub const ORDER_LIFE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Bytes of a bee's or job type's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a client's ENS label.
pub const ENS_BYTES_MAX: usize = 255;
/// Bytes of a free text (reason, stage, engine).
pub const TEXT_BYTES_MAX: usize = 512;
/// Models that a bee may name.
pub const BEE_MODELS_MAX: usize = 256;
/// Engines that a bee may name.
pub const BEE_ENGINES_MAX: usize = 16;
/// Jobs that a bee may take at once.
pub const BEE_CONCURRENCY_MAX: u32 = 64;
/// Leases that a heartbeat may name.
pub const HEARTBEAT_LEASES_MAX: usize = 256;
/// Packages in the models directory.
pub const MODELS_MAX: usize = 1_024;
/// Bytes of all files of one model package.
pub const MODEL_BYTES_MAX: u64 = 16 << 30;
/// Bytes of an uploaded package, unless `limits.model_bytes_max` says otherwise.
pub const MODEL_UPLOAD_BYTES: u64 = 1 << 30;
/// Time that an upload of a package may take as a whole; a pause between two pieces is limited like a body.
pub const MODEL_UPLOAD_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Models that a bee may say it cannot serve.
pub const MODEL_FAULTS_MAX: usize = 64;
/// Bytes of one file of a bundle that the API serves.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 256 << 20;
/// Seconds of a day.
pub const SECONDS_A_DAY: u64 = 86_400;
/// How long a join code counts.
pub const JOIN_CODE_LIFE: Duration = Duration::from_secs(24 * 3_600);

const _: () = assert!(POLL_SECONDS_MAX < ANSWER_TIME_MAX.as_secs());
const _: () = assert!(INFERENCE_WAIT_SECONDS_MAX < ANSWER_TIME_MAX.as_secs());
const _: () = assert!(PAGE_ROWS_MAX <= swarm_ledger::limits::PAGE_ROWS_MAX);
const _: () = assert!(LEASE_TIME_MAX.as_secs() <= swarm_ledger::limits::LEASE_SECONDS_MAX);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// A token bucket for every key, with bounded memory.
pub struct Buckets<K> {
    state: Mutex<State<K>>,
}

struct State<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
    shared: Bucket,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets that are full at first.
    pub fn new(rate: Rate) -> Self {
        let full = Bucket {
            tokens: rate.burst,
            at: Instant::now(),
        };
        Self {
            state: Mutex::new(State {
                rate,
                buckets: HashMap::new(),
                shared: full,
            }),
        }
    }

    /// Fills and holds by another rate from now on.
    pub fn set_rate(&self, rate: Rate) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rate = rate;
    }

    /// Takes a token of `key`'s bucket; when there is none, says how long until there is.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        // A panic cannot leave a half-changed bucket behind, so a poisoned lock is as good as any.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = state.rate;
        if state.buckets.len() >= BUCKETS_MAX && !state.buckets.contains_key(&key) {
            state
                .buckets
                .retain(|_, bucket| refilled(bucket, rate, now) < rate.burst);
        }
        let full = Bucket {
            tokens: rate.burst,
            at: now,
        };
        let crowded = state.buckets.len() >= BUCKETS_MAX && !state.buckets.contains_key(&key);
        let bucket = if crowded {
            &mut state.shared
        } else {
            state.buckets.entry(key).or_insert(full)
        };
        bucket.tokens = refilled(bucket, rate, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - bucket.tokens) / rate.per_second,
        ))
    }
}

fn refilled(bucket: &Bucket, rate: Rate, now: Instant) -> f64 {
    let seconds = now.saturating_duration_since(bucket.at).as_secs_f64();
    (bucket.tokens + seconds * rate.per_second).min(rate.burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_by_the_clock_it_is_given() {
        let buckets = Buckets::new(Rate {
            per_second: 2.0,
            burst: 3.0,
        });
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take("a", start), Ok(()));
        }
        assert_eq!(buckets.take("a", start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take("b", start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(buckets.take("a", later), Ok(()));
        assert!(buckets.take("a", later).is_err());
    }

    #[test]
    fn memory_is_bounded_and_strangers_share_a_bucket() {
        let buckets = Buckets::new(Rate {
            per_second: 1.0,
            burst: 2.0,
        });
        let start = Instant::now();
        for key in 0..BUCKETS_MAX {
            assert_eq!(buckets.take(key, start), Ok(()));
        }
        assert_eq!(buckets.take(BUCKETS_MAX, start), Ok(()));
        assert_eq!(buckets.take(BUCKETS_MAX + 1, start), Ok(()));
        assert!(buckets.take(BUCKETS_MAX + 2, start).is_err());
        let later = start + Duration::from_secs(1);
        assert_eq!(buckets.take(BUCKETS_MAX + 3, later), Ok(()));
        let held = buckets.state.lock().expect("no panic").buckets.len();
        assert_eq!(held, 1);
    }
}
