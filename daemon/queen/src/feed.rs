//! The feed of events: the ledger's journal, with what is not public left out, given to every listener.

use std::sync::Arc;

use serde_json::{Map, Value};
use swarm_ledger::{Ledger, LedgerError, records};
use swarm_types::api::Event;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::problem::chain;

/// Events that a listener may be behind before it is dropped.
const LISTENER_EVENTS_MAX: usize = 1_024;
/// Entries of the journal read at once.
pub const BATCH_EVENTS: u32 = 256;

/// Beginnings of kinds that are public. Heartbeats, renewals, uploads, nonces and webhooks are not.
const PUBLIC_KINDS: [&str; 7] = [
    "job.",
    "epoch.",
    "deposit.",
    "worker.registered",
    "worker.approved",
    "worker.revoked",
    "worker.draining",
];
/// Keys of a journal body that are public beside job, client, worker and epoch. Whatever the ledger
/// writes besides (salt, blobs, signatures, recipients) stays inside.
const PUBLIC_KEYS: [&str; 16] = [
    "amount",
    "attempt",
    "attempts",
    "completedAt",
    "draining",
    "error",
    "fee",
    "fraction_bps",
    "jobs",
    "payee",
    "reason",
    "revenue",
    "sealed_at",
    "stage",
    "state",
    "tx",
];

/// Gives events to listeners.
pub struct Feed {
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(LISTENER_EVENTS_MAX).0,
        }
    }
}

impl Feed {
    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }

    /// Reads the journal as it grows and gives its events to every listener, until `stop`.
    pub async fn run(&self, ledger: Ledger, stop: CancellationToken) {
        let mut newest = ledger.subscribe();
        let mut cursor = *newest.borrow_and_update();
        loop {
            tokio::select! {
                // Cancel-safe: nothing was taken.
                () = stop.cancelled() => return,
                // Cancel-safe: a change that is not seen now is seen in the next round.
                changed = newest.changed() => if changed.is_err() { return },
            }
            let seq = *newest.borrow_and_update();
            if self.sender.receiver_count() == 0 {
                // Who begins to listen later reads from the journal what was before.
                cursor = seq;
                continue;
            }
            match self.forward(&ledger, cursor).await {
                Ok(to) => cursor = to,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the feed waits for the ledger");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    newest.mark_changed();
                }
            }
        }
    }

    async fn forward(&self, ledger: &Ledger, mut cursor: u64) -> Result<u64, LedgerError> {
        loop {
            let entries = ledger.events_after(cursor, BATCH_EVENTS).await?;
            let Some(last) = entries.last() else {
                return Ok(cursor);
            };
            cursor = last.seq;
            for event in entries.iter().filter_map(public) {
                // An error means that nobody listens.
                let _ = self.sender.send(Arc::new(event));
            }
        }
    }
}

/// The public event of a journal's entry, if it has one.
pub fn public(entry: &records::Event) -> Option<Event> {
    if !PUBLIC_KINDS
        .iter()
        .any(|start| entry.kind.starts_with(start))
    {
        return None;
    }
    let body: Map<String, Value> = serde_json::from_str(&entry.body).ok()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let data = PUBLIC_KEYS.iter().filter_map(|key| {
        let value = body.get(*key)?;
        Some(((*key).to_owned(), value.clone()))
    });
    Some(Event {
        seq: entry.seq,
        at: entry.time,
        kind: entry.kind.clone(),
        job: text("job").and_then(|text| text.parse().ok()),
        client: text("client").and_then(|text| text.parse().ok()),
        worker: text("worker").and_then(|text| text.parse().ok()),
        epoch: text("epoch").and_then(|text| text.parse().ok()),
        data: Value::Object(data.collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_types::B256;

    fn entry(kind: &str, body: &str) -> records::Event {
        records::Event {
            seq: 4,
            time: 5,
            kind: kind.into(),
            body: body.into(),
            hash: B256::ZERO,
        }
    }

    #[test]
    fn only_public_kinds_and_keys_leave_the_ledger() {
        let body = r#"{"job":"job-001-0001","salt":"0x11","reply_to":"age1","stage":"infer"}"#;
        let event = public(&entry("job.progress", body)).expect("public");
        assert_eq!(
            event.job.map(|job| job.to_string()).as_deref(),
            Some("job-001-0001")
        );
        assert_eq!(event.data, serde_json::json!({"stage": "infer"}));
        for kind in [
            "worker.heartbeat",
            "blob.begun",
            "webhook.added",
            "leases.renewed",
        ] {
            assert_eq!(public(&entry(kind, body)), None, "{kind}");
        }
    }
}
