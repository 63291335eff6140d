//! Counters, and their text for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

use swarm_host::exposition::{Exposition, Kind, labels};
use swarm_types::api::Stats;

/// Completions over which the mean time is taken.
const MEAN_OVER: u64 = 100;

/// A number that only grows, or a gauge that others set.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The queen's own counters since her start. What the ledger knows is asked of the ledger.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Responses by class: 1xx to 5xx.
    pub responses: [Number; 5],
    /// Requests that a limit refused.
    pub limited: Number,
    /// Connections that were closed because too many were open.
    pub connections_refused: Number,
    /// Signatures that did not count.
    pub signatures_refused: Number,
    /// Orders accepted.
    pub submitted: Number,
    /// Jobs completed.
    pub completed: Number,
    /// Attempts that failed.
    pub failed: Number,
    /// Bytes taken in.
    pub bytes_in: Number,
    /// Bytes given out.
    pub bytes_out: Number,
    /// Webhooks that arrived.
    pub webhooks_delivered: Number,
    /// Webhooks that did not, each try.
    pub webhooks_failed: Number,
    /// Event streams that were too slow and were ended.
    pub streams_dropped: Number,
    /// Handlers that panicked.
    pub panics: Number,
    /// Exponential mean of execution, microseconds; 0 before the first.
    mean_execution_micros: AtomicU64,
}

impl Metrics {
    /// Notes how long an execution took.
    pub fn executed(&self, millis: u64) {
        let micros = millis.saturating_mul(1_000).max(1);
        let step = |mean: u64| {
            let next = match mean {
                0 => micros,
                mean => mean - mean / MEAN_OVER + micros / MEAN_OVER,
            };
            Some(next.max(1))
        };
        let all =
            self.mean_execution_micros
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        debug_assert!(all.is_ok(), "the step never refuses");
    }

    /// Mean milliseconds of execution of the last completions; `None` before the first.
    pub fn mean_execution_ms(&self) -> Option<u64> {
        let micros = self.mean_execution_micros.load(Ordering::Relaxed);
        (micros > 0).then(|| micros.div_ceil(1_000))
    }

    /// Notes a response.
    pub fn answered(&self, status: u16) {
        if let Some(class) = self
            .responses
            .get(usize::from(status / 100).wrapping_sub(1))
        {
            class.add(1);
        }
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self, stats: &Stats, gauges: &[(&str, &str, u64)]) -> String {
        let mut out = Exposition::default();
        let mut family = |name: &str, kind: Kind, help: &str, lines: Vec<(String, u64)>| {
            out.family(&format!("swarm_{name}"), kind, help, lines);
        };
        let classes = self.responses.iter().enumerate();
        let classes =
            classes.map(|(i, n)| (labels(&[("class", &format!("{}xx", i + 1))]), n.get()));
        family(
            "http_responses_total",
            Kind::Counter,
            "Responses by class of status.",
            classes.collect(),
        );
        for (name, help, number) in [
            (
                "limited_total",
                "Requests that a limit refused.",
                &self.limited,
            ),
            (
                "connections_refused_total",
                "Connections closed because too many were open.",
                &self.connections_refused,
            ),
            (
                "signatures_refused_total",
                "Signatures that did not count.",
                &self.signatures_refused,
            ),
            ("orders_total", "Orders accepted.", &self.submitted),
            ("completions_total", "Jobs completed.", &self.completed),
            ("failures_total", "Attempts that failed.", &self.failed),
            ("bytes_in_total", "Bytes of blobs taken in.", &self.bytes_in),
            (
                "bytes_out_total",
                "Bytes of blobs given out.",
                &self.bytes_out,
            ),
            (
                "webhooks_delivered_total",
                "Webhooks that arrived.",
                &self.webhooks_delivered,
            ),
            (
                "webhooks_failed_total",
                "Tries of webhooks that failed.",
                &self.webhooks_failed,
            ),
            (
                "streams_dropped_total",
                "Event streams that were too slow.",
                &self.streams_dropped,
            ),
            ("panics_total", "Handlers that panicked.", &self.panics),
        ] {
            family(
                name,
                Kind::Counter,
                help,
                vec![(String::new(), number.get())],
            );
        }
        let by = |key: &str, map: &std::collections::BTreeMap<String, u64>| {
            map.iter()
                .map(|(k, v)| (labels(&[(key, k)]), *v))
                .collect::<Vec<_>>()
        };
        family(
            "jobs",
            Kind::Gauge,
            "Jobs by status.",
            by("status", &stats.jobs),
        );
        family(
            "bees",
            Kind::Gauge,
            "Bees by status.",
            by("status", &stats.bees),
        );
        family(
            "revenue_final_micro_usdc",
            Kind::Gauge,
            "Fees of final epochs, in millionths of USDC.",
            vec![(String::new(), stats.total_revenue.0)],
        );
        for (name, help, value) in gauges {
            family(name, Kind::Gauge, help, vec![(String::new(), *value)]);
        }
        out.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus_and_counts() {
        let metrics = Metrics::default();
        metrics.answered(204);
        metrics.answered(500);
        metrics.answered(999);
        assert_eq!(metrics.mean_execution_ms(), None);
        metrics.executed(1_500);
        assert_eq!(metrics.mean_execution_ms(), Some(1_500));
        let stats = Stats {
            jobs: [("pending".to_owned(), 3)].into(),
            bees: Default::default(),
            mean_execution_ms: None,
            total_revenue: swarm_types::MicroUsdc(7),
        };
        let text = metrics.text(&stats, &[("head_block", "Highest mirrored block.", 9)]);
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = prometheus_parse::Scrape::parse(lines).expect("a Prometheus parser reads it");
        for sample in &scrape.samples {
            use prometheus_parse::Value::{Counter, Gauge};
            assert!(scrape.docs.contains_key(&sample.metric), "{sample:?}");
            let counts = sample.metric.ends_with("_total");
            let typed = matches!(
                (&sample.value, counts),
                (Counter(_), true) | (Gauge(_), false)
            );
            assert!(typed, "{sample:?}");
        }
        for line in [
            "swarm_http_responses_total{class=\"2xx\"} 1",
            "swarm_http_responses_total{class=\"5xx\"} 1",
            "swarm_jobs{status=\"pending\"} 3",
            "swarm_revenue_final_micro_usdc 7",
            "# TYPE swarm_head_block gauge",
            "swarm_head_block 9",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }
}
