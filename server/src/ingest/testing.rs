//! Batches taken apart again, for the tests of the decoders.

use logstrata_engine::query::EventRecord;
use logstrata_engine::{Batch, Kind, Level, Timestamp};

/// One event of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) timestamp: Timestamp,
    pub(crate) level: Level,
    /// Column name, kind and lexeme, by name.
    pub(crate) fields: Vec<(String, Kind, Vec<u8>)>,
}

impl Event {
    /// The lexeme of a field; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &[u8] {
        self.fields.iter().find(|(field, ..)| field == name).map_or(&[], |(_, _, text)| text)
    }

    /// The fields as `name=Kind lexeme`, by name.
    pub(crate) fn shown(&self) -> Vec<String> {
        let mut shown: Vec<_> = self
            .fields
            .iter()
            .map(|(name, kind, text)| format!("{name}={kind:?} {}", String::from_utf8_lossy(text)))
            .collect();
        shown.sort();
        shown
    }
}

/// The events of a batch, in the order in which they were pushed.
pub(crate) fn events(batch: &Batch) -> Vec<Event> {
    let event = |record: EventRecord| {
        let fields = record.fields.into_iter();
        let mut fields: Vec<_> =
            fields.map(|field| (field.name.to_string(), field.kind, field.text)).collect();
        fields.sort();
        Event { timestamp: record.timestamp, level: record.level, fields }
    };
    batch.events().into_iter().map(event).collect()
}
