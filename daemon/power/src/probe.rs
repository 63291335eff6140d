//! Asks every source once, for `swarm doctor`.

use std::time::Duration;

use swarm_types::power::Quality;

use crate::config::PowerConfig;
use crate::meter::{Meter, Sample};
use crate::source;

/// What a source answered when it was asked once.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind in the configuration.
    pub kind: &'static str,
    /// `Good` when everything that it measures came and can be true, `Estimated` when a part of it is missing,
    /// `Unknown` when nothing came.
    pub quality: Quality,
    /// What it measured.
    pub values: Vec<Sample>,
    /// What is missing or wrong; `None` when nothing is.
    pub reason: Option<String>,
}

/// Asks every source of the configuration once, all at the same time, each with its own timeout.
pub async fn probe(config: &PowerConfig) -> Vec<Probed> {
    let asked: Vec<_> = config
        .sources
        .iter()
        .map(|source| {
            let source = source.clone();
            tokio::spawn(async move { source::read_once(&source).await })
        })
        .collect();
    let mut answers = Vec::new();
    for (source, asked) in config.sources.iter().zip(asked) {
        let outcome = match asked.await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("the source's task ended".into()),
        };
        let mut probed = Probed {
            name: source.name.clone(),
            kind: source.kind.name(),
            quality: Quality::Unknown,
            values: Vec::new(),
            reason: None,
        };
        match outcome {
            Err(reason) => probed.reason = Some(reason),
            Ok(samples) => {
                let mut meter = Meter::new(source.rules());
                let mut samples = samples;
                samples.retain(|sample| source.measures().contains(&sample.metric));
                for sample in &mut samples {
                    if source.invert.contains(&sample.metric) {
                        sample.value = -sample.value;
                    }
                }
                meter.take(Duration::ZERO, &samples);
                let seen = |metric| meter.seen(Duration::ZERO, metric).value;
                let mut missing = Vec::new();
                for metric in source.measures() {
                    match seen(metric) {
                        Some(value) => probed.values.push(Sample { metric, value }),
                        None => missing.push(metric.to_string()),
                    }
                }
                let silent = || {
                    (!missing.is_empty())
                        .then(|| format!("it says nothing of {}", missing.join(", ")))
                };
                probed.reason = meter.trouble().map(str::to_owned).or_else(silent);
                probed.quality = match (probed.values.is_empty(), missing.is_empty()) {
                    (true, _) => Quality::Unknown,
                    (false, false) => Quality::Estimated,
                    (false, true) => Quality::Good,
                };
            }
        }
        answers.push(probed);
    }
    answers
}
