//! The reference: a store that is a `Vec`, searched from one end to the other.

mod explore;
mod extract;
mod leaves;
mod matcher;
mod number;
mod ranges;
mod rows;
mod stages;
mod table;

pub use matcher::matches;
pub use rows::Rows;
pub use stages::Expected;

use crate::workload::Draft;
use logstrata_engine::query::ast::Filter;
use logstrata_engine::query::{EventRecord, Order, TimeRange};
use logstrata_engine::{EventId, Seq, Timestamp};
use std::cmp::Reverse;

/// Every event that was acknowledged, in the order of sequence numbers.
#[derive(Debug, Default, Clone)]
pub struct Model {
    events: Vec<EventRecord>,
}

impl Model {
    /// Stores what was acknowledged with this first id; `arrival` is the batch's.
    pub fn append(&mut self, drafts: &[Draft], arrival: Timestamp, first: EventId) {
        for (offset, draft) in drafts.iter().enumerate() {
            let seq = Seq(first.seq().0 + offset as u64);
            let last = self.events.last().map(|event| event.id.seq());
            assert!(last.is_none_or(|last| last < seq), "sequence numbers rise: {last:?}, {seq:?}");
            self.events.push(draft.stored(arrival, first.incarnation(), seq));
        }
    }

    /// Drops all events but these.
    pub fn retain(&mut self, stays: impl FnMut(&EventRecord) -> bool) {
        self.events.retain(stays);
    }

    /// All events, in the order of sequence numbers.
    pub fn events(&self) -> &[EventRecord] {
        &self.events
    }

    /// The last sequence number, 0 without events.
    pub fn last_seq(&self) -> u64 {
        self.events.last().map_or(0, |event| event.id.seq().0)
    }

    /// The events that the filter and the range want, up to a sequence number, in order.
    pub fn search(
        &self,
        filter: &Filter,
        range: TimeRange,
        order: Order,
        as_of: u64,
    ) -> Vec<&EventRecord> {
        let mut found: Vec<_> = self
            .events
            .iter()
            .filter(|event| contains(range, event.timestamp) && event.id.seq().0 <= as_of)
            .filter(|event| matches(filter, event))
            .collect();
        let rank = |event: &&EventRecord| (event.timestamp, event.id.seq());
        match order {
            Order::NewestFirst => found.sort_by_key(|event| Reverse(rank(event))),
            Order::OldestFirst => found.sort_by_key(rank),
            Order::Arrival => found.sort_by_key(|event| event.id.seq()),
        }
        found
    }

    /// The event of this id.
    pub fn get(&self, id: EventId) -> Option<&EventRecord> {
        self.events.iter().find(|event| event.id == id)
    }
}

fn contains(range: TimeRange, time: Timestamp) -> bool {
    range.from.is_none_or(|from| time >= from) && range.to.is_none_or(|to| time < to)
}

/// An event of the engine with its fields by name, as the model has them.
pub fn by_name(mut event: EventRecord) -> EventRecord {
    event.fields.sort_by(|a, b| a.name.cmp(&b.name));
    event
}
