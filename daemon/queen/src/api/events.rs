//! Events as they happen (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::{Stream, stream};
use serde::Deserialize;
use swarm_types::api::Event;
use swarm_types::{Address, JobId};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use utoipa::IntoParams;

use super::docs::{Problems, Refusal};
use crate::extract::{QueryOf, one_header, parse};
use crate::feed::{BATCH_EVENTS, public};
use crate::problem::{Answer, Refused};
use crate::state::App;

/// Time between signs of life on a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most events that a stream may begin with.
const BACK_EVENTS_MAX: u64 = 200;
/// Entries of the journal among which they are looked for.
const BACK_ENTRIES_MAX: u64 = 4_096;

/// Query of a stream.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only of this job.
    job: Option<String>,
    /// Only of this client: an address or a name.
    client: Option<String>,
    /// Begin with so many of the last events, at most 200; none when absent. Without effect when
    /// `last-event-id` is sent.
    #[param(value_type = Option<u32>, maximum = 200)]
    back: Option<String>,
}

struct Filter {
    job: Option<JobId>,
    client: Option<Address>,
}

impl Filter {
    fn passes(&self, event: &Event) -> bool {
        self.job.is_none_or(|job| event.job == Some(job))
            && self
                .client
                .is_none_or(|client| event.client == Some(client))
    }
}

/// A stream at work: first what the journal has after `cursor`, then what comes.
struct Listener {
    app: App,
    filter: Filter,
    live: broadcast::Receiver<Arc<Event>>,
    backlog: VecDeque<Event>,
    catching_up: bool,
    cursor: u64,
    _permit: OwnedSemaphorePermit,
}

/// Events as they happen. With `last-event-id` it goes on after that event. A listener that is too slow
/// is cut off, and goes on the same way.
#[utoipa::path(get, path = "/api/v1/events", tag = "queen",
    params(EventsQuery, ("last-event-id" = Option<String>, Header, description = "The last `id` that was seen")),
    responses((status = 200, description = "A stream of Event", body = String, content_type = "text/event-stream"), Problems, Refusal<400>, Refusal<404>))]
pub async fn events(
    State(app): State<App>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let job = query
        .job
        .as_deref()
        .map(|text| parse("job", text))
        .transpose()?;
    let client = match &query.client {
        Some(id) => Some(app.names.address(id).await?),
        None => None,
    };
    let last = match one_header(&headers, "last-event-id")? {
        None => None,
        Some(text) => {
            let seq = swarm_types::dec::parse(text).ok_or_else(|| {
                let detail = "last-event-id must be an id of this feed, a decimal integer";
                Refused::malformed(detail).field("last-event-id")
            })?;
            Some(seq)
        }
    };
    let back = match &query.back {
        None => 0,
        Some(text) => match parse::<u64>("back", text)? {
            back if back <= BACK_EVENTS_MAX => back as usize,
            _ => {
                let detail = format!("back must be at most {BACK_EVENTS_MAX}");
                return Err(Refused::invalid("out-of-range", "back", detail));
            }
        },
    };
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        let detail = "as many event streams are open as may be; poll instead, or come back later";
        Refused::unavailable("too-many-streams", detail)
    })?;
    // Listening begins before the newest event is read, so that none is lost in between.
    let live = app.feed.listen();
    let newest = *app.ledger.subscribe().borrow();
    let filter = Filter { job, client };
    let backlog = match last {
        None if back > 0 => look_back(&app, &filter, newest, back).await?,
        _ => VecDeque::new(),
    };
    let listener = Listener {
        cursor: last.unwrap_or(newest).min(newest),
        catching_up: last.is_some_and(|last| last < newest),
        filter,
        live,
        backlog,
        app,
        _permit: permit,
    };
    let stream = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(to_sse(&event)), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The last `back` public events that pass, oldest first, among the last entries of the journal.
async fn look_back(
    app: &App,
    filter: &Filter,
    newest: u64,
    back: usize,
) -> Answer<VecDeque<Event>> {
    let mut found = VecDeque::new();
    let mut cursor = newest.saturating_sub(BACK_ENTRIES_MAX);
    while cursor < newest {
        let entries = app.ledger.events_after(cursor, BATCH_EVENTS).await?;
        let Some(last) = entries.last() else { break };
        cursor = last.seq;
        let events = entries.iter().filter(|entry| entry.seq <= newest);
        found.extend(
            events
                .filter_map(public)
                .filter(|event| filter.passes(event)),
        );
        let more = found.len().saturating_sub(back);
        found.drain(..more);
    }
    Ok(found)
}

fn to_sse(event: &Event) -> sse::Event {
    let json = serde_json::to_string(event).expect("an event is plain data");
    sse::Event::default()
        .id(event.seq.to_string())
        .event(&event.kind)
        .data(json)
}

impl Listener {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.backlog.pop_front() {
                return Some(event);
            }
            if self.catching_up {
                self.catch_up().await?;
                continue;
            }
            let received = tokio::select! {
                // Cancel-safe: nothing was taken.
                () = self.app.stop.cancelled() => return None,
                // Cancel-safe: `recv` takes an event only when it gives it.
                received = self.live.recv() => received,
            };
            match received {
                Ok(event) if event.seq > self.cursor => {
                    self.cursor = event.seq;
                    if self.filter.passes(&event) {
                        return Some(Event::clone(&event));
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.app.metrics.streams_dropped.add(1);
                    return None;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Reads a batch of the journal.
    async fn catch_up(&mut self) -> Option<()> {
        let entries = self
            .app
            .ledger
            .events_after(self.cursor, BATCH_EVENTS)
            .await
            .ok()?;
        match entries.last() {
            Some(last) => self.cursor = last.seq,
            None => self.catching_up = false,
        }
        let events = entries.iter().filter_map(public);
        self.backlog
            .extend(events.filter(|event| self.filter.passes(event)));
        Some(())
    }
}
