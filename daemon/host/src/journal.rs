//! Events to systemd's journal, each field a field of the entry: `journalctl JOB_ID=job-002-0848`.
//!
//! The fields of the spans around an event are its fields too. The message holds them as text besides, because
//! `journalctl` shows the message alone.

use std::fmt::Debug;

use log::kv::{Key, Source, Value, VisitSource};
use systemd_journal_logger::JournalLog;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Fields whose name in the journal is not just theirs in capitals.
const NAMES: [(&str, &str); 3] = [("job", "job_id"), ("gpu", "gpu_uuid"), ("worker", "bee")];

/// Hands tracing's events to the journal.
pub struct JournalLayer {
    journal: JournalLog,
}

impl JournalLayer {
    /// The journal of this machine; `fields` are fields of every entry.
    ///
    /// # Errors
    /// When its socket does not answer.
    pub fn new(fields: &[(&str, &str)]) -> std::io::Result<Self> {
        let journal = JournalLog::new()?;
        Ok(Self {
            journal: journal.with_extra_fields(fields.iter().copied()),
        })
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JournalLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut entry = Entry::default();
        attributes.record(&mut entry);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(entry);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(entry) = span.extensions_mut().get_mut::<Entry>()
        {
            record.record(entry);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Entry>() {
                entry.fields.extend_from_slice(&around.fields);
            }
        }
        let metadata = event.metadata();
        let sent = self.journal.journal_send(
            &log::Record::builder()
                .args(format_args!("{}", entry.line()))
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
            eprintln!("{} (the journal's socket: {error})", entry.line());
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
    /// Message and fields in one line.
    fn line(&self) -> String {
        let mut line = self.message.clone();
        for (name, text) in &self.fields {
            line.push_str(&format!(" {name}={text}"));
        }
        line
    }

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
            let known = NAMES.iter().find(|(ours, _)| ours == name);
            let name = known.map_or(*name, |(_, journals)| journals);
            visitor.visit_pair(Key::from_str(name), Value::from(text.as_str()))?;
        }
        Ok(())
    }
}
