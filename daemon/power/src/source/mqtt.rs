//! A Victron GX over MQTT. A GX publishes only while it is asked to: `R/<id>/keepalive` has to come again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::time::{Instant, timeout_at};

use super::{Source, SourceError};
use crate::config::SourceConfig;
use crate::meter::{Metric, Sample};

/// Time between keepalives; a GX falls silent after 60 s without.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(25);
/// Largest message that is taken in, bytes; a GX's values have some tens.
const MESSAGE_BYTES_MAX: usize = 4_096;
/// Messages that may wait.
const WAITING_MAX: usize = 16;

/// What is subscribed below `N/<id>/system/0/`, and how it is added up.
const TOPICS: [(&str, Metric, f64); 16] = [
    ("Dc/Battery/Soc", Metric::Charge, 1.0),
    // The GX counts what goes in as positive.
    ("Dc/Battery/Power", Metric::Battery, -1.0),
    ("Dc/Pv/Power", Metric::Solar, 1.0),
    ("Ac/PvOnOutput/L1/Power", Metric::Solar, 1.0),
    ("Ac/PvOnOutput/L2/Power", Metric::Solar, 1.0),
    ("Ac/PvOnOutput/L3/Power", Metric::Solar, 1.0),
    ("Ac/PvOnGrid/L1/Power", Metric::Solar, 1.0),
    ("Ac/PvOnGrid/L2/Power", Metric::Solar, 1.0),
    ("Ac/PvOnGrid/L3/Power", Metric::Solar, 1.0),
    ("Ac/Consumption/L1/Power", Metric::Load, 1.0),
    ("Ac/Consumption/L2/Power", Metric::Load, 1.0),
    ("Ac/Consumption/L3/Power", Metric::Load, 1.0),
    ("Ac/Grid/L1/Power", Metric::Grid, 1.0),
    ("Ac/Grid/L2/Power", Metric::Grid, 1.0),
    ("Ac/Grid/L3/Power", Metric::Grid, 1.0),
    ("Ac/Genset/L1/Power", Metric::Grid, 1.0),
];

/// A GX.
pub struct Gx {
    endpoint: (String, u16),
    portal_id: String,
    window: Duration,
    connection: Option<(AsyncClient, EventLoop)>,
    asked: Option<Instant>,
    /// The last value of each topic, and when it came. `None` is the GX's own "unknown".
    values: BTreeMap<&'static str, (Option<f64>, Instant)>,
}

impl Gx {
    /// A GX that is not connected yet.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            endpoint: config.endpoint().expect("the configuration was checked"),
            portal_id: config
                .portal_id
                .clone()
                .expect("the configuration was checked"),
            window: config.interval.0,
            connection: None,
            asked: None,
            values: BTreeMap::new(),
        }
    }

    /// Connects and subscribes; what is not sent yet goes out with the first poll.
    fn open(&mut self) -> Result<(), SourceError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let (host, port) = &self.endpoint;
        // A broker ends a connection when another with its name comes, and two boxes of one image have the same
        // process numbers. Every broker takes 23 letters and digits (MQTT 3.1.1, 3.1.3.1), not every one more.
        let number = getrandom::u64().unwrap_or_else(|_| std::process::id().into());
        let id = format!("swarm{number:016x}");
        let mut options = MqttOptions::new(id, host, *port);
        options.set_max_packet_size(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, events) = AsyncClient::new(options, WAITING_MAX);
        let topic = format!("N/{}/system/0/#", self.portal_id);
        client.try_subscribe(topic, QoS::AtMostOnce).map_err(full)?;
        self.connection = Some((client, events));
        self.asked = None;
        Ok(())
    }

    fn hear(&mut self, topic: &str, payload: &[u8]) -> Result<(), SourceError> {
        let rest = topic
            .strip_prefix("N/")
            .and_then(|rest| rest.strip_prefix(self.portal_id.as_str()));
        let path = rest.and_then(|rest| rest.strip_prefix("/system/0/"));
        let known = path.and_then(|path| TOPICS.iter().find(|(name, ..)| *name == path));
        let Some((name, ..)) = known else {
            return Ok(());
        };
        let garbage = || {
            SourceError::Garbage(format!(
                "{name} is no JSON object with a number or null as value"
            ))
        };
        let message: serde_json::Value = serde_json::from_slice(payload).map_err(|_| garbage())?;
        let value = message.get("value").ok_or_else(garbage)?;
        let value = match value.is_null() {
            // Also an empty list is "unknown" on a GX.
            true => None,
            false => match value.as_array() {
                Some(list) if list.is_empty() => None,
                _ => Some(value.as_f64().ok_or_else(garbage)?),
            },
        };
        self.values.insert(name, (value, Instant::now()));
        Ok(())
    }

    /// What came since `start`, added up by metric. A phase that does not exist says nothing; one that the GX knows
    /// and does not know the value of makes the sum unknown.
    fn samples(&self, start: Instant) -> Vec<Sample> {
        let mut sums: BTreeMap<Metric, Option<f64>> = BTreeMap::new();
        let mut fresh = BTreeMap::new();
        for (name, metric, sign) in TOPICS {
            let Some((value, at)) = self.values.get(name) else {
                continue;
            };
            // A GX repeats all of its values after a keepalive, and else says what changed.
            *fresh.entry(metric).or_insert(false) |= *at >= start;
            let sum = sums.entry(metric).or_insert(Some(0.0));
            *sum = sum.zip(*value).map(|(sum, value)| sum + sign * value);
        }
        let known = sums
            .into_iter()
            .filter(|(metric, _)| fresh.get(metric) == Some(&true));
        known
            .filter_map(|(metric, value)| {
                Some(Sample {
                    metric,
                    value: value?,
                })
            })
            .collect()
    }
}

fn full<E>(_: E) -> SourceError {
    SourceError::Nothing("more messages wait than may".into())
}

impl Source for Gx {
    async fn read(&mut self) -> Result<Vec<Sample>, SourceError> {
        let start = Instant::now();
        let until = start + self.window;
        self.open()?;
        loop {
            let id = &self.portal_id;
            let (client, events) = self.connection.as_mut().expect("it was just opened");
            if self.asked.is_none_or(|at| at.elapsed() >= KEEPALIVE_EVERY) {
                let topic = format!("R/{id}/keepalive");
                client
                    .try_publish(topic, QoS::AtMostOnce, false, Vec::new())
                    .map_err(full)?;
                self.asked = Some(Instant::now());
            }
            let event = match timeout_at(until, events.poll()).await {
                Err(_elapsed) => break,
                Ok(Err(error)) => {
                    self.close();
                    return Err(SourceError::Nothing(format!("the broker: {error}")));
                }
                Ok(Ok(event)) => event,
            };
            if let Event::Incoming(Packet::Publish(message)) = event {
                // A retained message is as old as the broker likes: no reading.
                if !message.retain {
                    self.hear(&message.topic, &message.payload)?;
                }
            }
        }
        // A value that did not come for some keepalives is gone; it must not be a part of a sum.
        let old = until.checked_sub(KEEPALIVE_EVERY * 3);
        self.values
            .retain(|_, (_, at)| old.is_none_or(|old| *at >= old));
        let samples = self.samples(start);
        match samples.is_empty() && self.values.is_empty() {
            true => {
                let id = &self.portal_id;
                Err(SourceError::Nothing(format!(
                    "nothing comes from GX {id}: is that its portal id?"
                )))
            }
            false => Ok(samples),
        }
    }

    fn close(&mut self) {
        self.connection = None;
        self.values.clear();
    }

    fn listens(&self) -> Duration {
        self.window
    }
}
