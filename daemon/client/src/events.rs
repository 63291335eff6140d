//! The queen's feed of events, read on after every break from the last event that was seen.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::HeaderValue;
use swarm_types::api::Event;
use swarm_types::{Address, JobId};

use crate::ClientError;
use crate::http::{Call, QueenClient, broken, shown};
use crate::sse::Parser;

/// Header that says where to go on.
const HEADER_LAST_EVENT_ID: &str = "last-event-id";
/// Pause after the first break; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between attempts to connect again.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Which events to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this job only.
    pub job: Option<JobId>,
    /// Of this client only.
    pub client: Option<Address>,
}

/// A feed. It never ends by itself; drop it when enough was seen.
#[derive(Debug)]
pub struct EventStream {
    queen: QueenClient,
    filter: EventFilter,
    last: Option<u64>,
    open: Option<(Response, Parser)>,
    ready: VecDeque<Event>,
    pause: Duration,
}

impl QueenClient {
    /// The events after number `last`, or from now on. Connects with the first [`EventStream::next`].
    pub fn events(&self, filter: EventFilter, last: Option<u64>) -> EventStream {
        EventStream {
            queen: self.clone(),
            filter,
            last,
            open: None,
            ready: VecDeque::new(),
            pause: Duration::ZERO,
        }
    }
}

impl EventStream {
    /// The next event. After a transient error ([`ClientError::is_transient`]) call again: the feed connects anew,
    /// after a growing pause, and misses nothing. Safe to cancel.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last = Some(event.seq);
                return Ok(event);
            }
            let url = self.url();
            let from = shown(&url);
            let Some((response, parser)) = &mut self.open else {
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
                self.open = Some((self.connect(url).await?, Parser::default()));
                continue;
            };
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                // The queen closed the feed: she restarts, or we were too slow.
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(e) => {
                    self.open = None;
                    return Err(broken(&from, e));
                }
            };
            self.pause = Duration::ZERO;
            let Ok(events) = parser.push(&chunk) else {
                self.open = None;
                return Err(ClientError::TooLarge {
                    url: from,
                    max: 1 << 20,
                });
            };
            for data in events {
                let event = serde_json::from_str(&data);
                let event = event.map_err(|source| ClientError::Answer {
                    url: from.clone(),
                    source,
                })?;
                self.ready.push_back(event);
            }
        }
    }

    fn url(&self) -> reqwest::Url {
        let mut url = self.queen.url(&["events"]);
        if let Some(job) = self.filter.job {
            url.query_pairs_mut().append_pair("job", &job.to_string());
        }
        if let Some(client) = self.filter.client {
            url.query_pairs_mut()
                .append_pair("client", &format!("{client:#x}"));
        }
        url
    }

    async fn connect(&self, url: reqwest::Url) -> Result<Response, ClientError> {
        let mut call = Call::get(url);
        call.time_max = None;
        call.repeatable = false;
        if let Some(last) = self.last {
            call.headers
                .insert(HEADER_LAST_EVENT_ID, HeaderValue::from(last));
        }
        self.queen.send(call).await
    }
}
