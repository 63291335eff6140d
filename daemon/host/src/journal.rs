//! Events to systemd's journal, each field a field of the entry: `journalctl JOB=job-002-0848`.

use std::fmt::Debug;

use log::kv::{Key, Source, Value, VisitSource};
use systemd_journal_logger::JournalLog;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Hands tracing's events to the journal.
pub struct JournalLayer {
    journal: JournalLog,
}

impl JournalLayer {
    /// The journal of this machine.
    ///
    /// # Errors
    /// When its socket does not answer.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            journal: JournalLog::new()?,
        })
    }
}

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let metadata = event.metadata();
        let sent = self.journal.journal_send(
            &log::Record::builder()
                .args(format_args!("{}", entry.message))
                .level(level(metadata.level()))
                .target(metadata.target())
                .module_path(metadata.module_path())
                .file(metadata.file())
                .line(metadata.line())
                .key_values(&entry)
                .build(),
        );
        if let Err(error) = sent {
            // Under systemd standard error is the journal's too, by another way.
            eprintln!("{} (the journal's socket: {error})", entry.message);
        }
    }
}

fn level(level: &Level) -> log::Level {
    match *level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

/// An event's message and fields, as text.
#[derive(Default)]
struct Entry {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Entry {
    fn put(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            name => self.fields.push((name, text)),
        }
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

impl Source for Entry {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        for (name, text) in &self.fields {
            visitor.visit_pair(Key::from_str(name), Value::from(text.as_str()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::prelude::*;

    /// Message and fields of an event.
    type Seen = (String, Vec<String>);

    /// Collects what the layer would send.
    #[derive(Clone, Default)]
    struct Collect(Arc<Mutex<Vec<Seen>>>);

    impl<S: Subscriber> Layer<S> for Collect {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let mut entry = Entry::default();
            event.record(&mut entry);
            let fields = entry
                .fields
                .iter()
                .map(|(name, text)| format!("{name}={text}"))
                .collect();
            self.0
                .lock()
                .expect("no panic before")
                .push((entry.message, fields));
        }
    }

    #[test]
    fn message_and_fields_are_told_apart() {
        let collect = Collect::default();
        let subscriber = tracing_subscriber::registry().with(collect.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(job = "job-002-0848", seconds = 3, "completed");
        });
        let seen = collect.0.lock().expect("no panic before");
        assert_eq!(
            *seen,
            [(
                "completed".to_owned(),
                vec!["job=job-002-0848".to_owned(), "seconds=3".to_owned()]
            )]
        );
    }
}
