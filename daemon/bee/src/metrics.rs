//! What the bee counts, and the page of it for Prometheus, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use swarm_host::exposition::{self, Exposition, Kind, labels};
use swarm_host::gpu::metrics as gpu;
use swarm_types::B256;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::BeeError;
use crate::bee::Inner;
use crate::models::Served;

/// Longest reason in a label, in characters.
const REASON_CHARS_MAX: usize = 120;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    completed: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    execution_ms: AtomicU64,
    energy_millijoules: AtomicU64,
    measured: AtomicU64,
    heartbeats_unanswered: AtomicU64,
}

fn add(number: &AtomicU64, count: u64) {
    number.fetch_add(count, Ordering::Relaxed);
}

impl Metrics {
    /// A job was computed, in so long and, if a meter knows, with so much energy.
    pub fn executed(&self, milliseconds: u64, energy_millijoules: Option<u64>) {
        add(&self.execution_ms, milliseconds);
        if let Some(energy) = energy_millijoules {
            add(&self.energy_millijoules, energy);
            add(&self.measured, 1);
        }
    }

    /// The queen took a completion.
    pub fn completed(&self) {
        add(&self.completed, 1);
    }

    /// An attempt failed.
    pub fn failed(&self) {
        add(&self.failed, 1);
    }

    /// A lease went to somebody else.
    pub fn lost(&self) {
        add(&self.lost, 1);
    }

    /// The queen did not answer a heartbeat.
    pub fn heartbeat_unanswered(&self) {
        add(&self.heartbeats_unanswered, 1);
    }

    fn write(&self, text: &mut Exposition) {
        let mut counter = |name: &str, help: &str, number: &AtomicU64, unit: f64| {
            let value = number.load(Ordering::Relaxed) as f64 / unit;
            text.single(name, Kind::Counter, help, Some(value));
        };
        counter(
            "swarm_bee_completions_total",
            "Jobs that the queen took as completed.",
            &self.completed,
            1.0,
        );
        counter(
            "swarm_bee_failures_total",
            "Attempts that failed.",
            &self.failed,
            1.0,
        );
        counter(
            "swarm_bee_leases_lost_total",
            "Leases that went to somebody else.",
            &self.lost,
            1.0,
        );
        counter(
            "swarm_bee_execution_seconds_total",
            "Time in which jobs were computed.",
            &self.execution_ms,
            1e3,
        );
        counter(
            "swarm_bee_energy_joules_total",
            "Energy of the jobs that a meter measured.",
            &self.energy_millijoules,
            1e3,
        );
        counter(
            "swarm_bee_jobs_measured_total",
            "Jobs whose energy a meter measured.",
            &self.measured,
            1.0,
        );
        counter(
            "swarm_bee_heartbeats_unanswered_total",
            "Heartbeats without an answer.",
            &self.heartbeats_unanswered,
            1.0,
        );
    }
}

/// Opens the page at `address`; it is served by [`serve`].
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, BeeError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| BeeError::Metrics { address, source })
}

/// Serves the page until `end`.
pub(crate) async fn serve(inner: Arc<Inner>, listener: TcpListener, end: CancellationToken) {
    let router = Router::new().route("/metrics", get(page)).with_state(inner);
    let served = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the page of metrics ended");
    }
}

async fn page(State(inner): State<Arc<Inner>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text(&inner))
}

fn text(inner: &Inner) -> String {
    let mut text = Exposition::default();
    inner.metrics.write(&mut text);
    let ready = u8::from(inner.not_ready_reason().is_none());
    text.single(
        "swarm_bee_ready",
        Kind::Gauge,
        "1 while the bee may say that it is ready.",
        Some(ready),
    );
    let jobs = inner.tokens().len();
    text.single(
        "swarm_bee_jobs",
        Kind::Gauge,
        "Jobs in the bee's hands.",
        Some(jobs),
    );
    let memory = swarm_host::machine::memory_of_process_mib();
    text.single(
        "swarm_bee_memory_mib",
        Kind::Gauge,
        "Memory of the bee's process in MiB.",
        memory,
    );
    write_engines(&mut text, &inner.models.served());
    let only = inner.device.uuid.as_deref();
    gpu::write(&mut text, &inner.telemetry.snapshot(), only, Instant::now());
    text.into_text()
}

/// Which engine serves each model, and why each better one does not. What a library said is in the log: labels have the
/// short reason only, so that there are few of them.
fn write_engines(text: &mut Exposition, served: &[(B256, Served)]) {
    let named = |digest: &B256, name: &str, more: &[(&str, &str)]| {
        let digest = digest.to_string();
        labels(&[&[("model", name), ("digest", &digest)], more].concat())
    };
    let engines = served.iter().map(|(digest, model)| {
        let engine = model.engine.split(' ').next().unwrap_or_default();
        let more = [("engine", engine), ("description", &model.engine)];
        (named(digest, &model.name, &more), 1)
    });
    text.family(
        "swarm_engine_info",
        Kind::Gauge,
        "The engine that serves a model.",
        engines,
    );
    let passed = served.iter().flat_map(|(digest, model)| {
        model.considered.iter().map(move |passed| {
            let reason: String = passed.reason.chars().take(REASON_CHARS_MAX).collect();
            let more = [("engine", passed.engine.name()), ("reason", &reason)];
            (named(digest, &model.name, &more), 1)
        })
    });
    text.family(
        "swarm_engine_passed_over",
        Kind::Gauge,
        "An engine that would have been preferred for a model, and why it does not run.",
        passed,
    );
}
