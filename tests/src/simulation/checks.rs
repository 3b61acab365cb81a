//! Queries, and whether their answers are those of the expectation.

use super::Simulation;
use crate::model::by_name;
use crate::workload::{self, MARK};
use logstrata_engine::query::ast::Filter;
use logstrata_engine::query::{EventRecord, Order, SearchRequest, TimeRange};
use logstrata_engine::{ErrorKind, EventId, Result};
use std::collections::BTreeMap;

impl Simulation {
    /// Searches, page by page.
    pub fn search(&mut self) {
        let mut request = workload::search(&mut self.dice, self.expected.model.events());
        let model = &self.expected.model;
        let as_of = model.last_seq();
        let expected = model.search(&request.filter, request.range, request.order, as_of);
        let expected: Vec<_> = expected.into_iter().cloned().collect();
        let found = self.pages(&mut request);
        let Some(found) = self.answer("search", found) else { return };
        assert_eq!(found, expected, "what {request:?} finds");
    }

    /// Asks for a table.
    pub fn stats(&mut self) {
        let request = workload::stats(&mut self.dice, self.expected.model.events());
        let table = self.engine().stats(&request);
        let Some(table) = self.answer("stats", table) else { return };
        self.expected.model.check_stats(&request, &table.rows);
    }

    /// Looks an event up.
    pub fn get(&mut self) {
        let count = self.expected.model.events().len();
        if count == 0 {
            return;
        }
        let event = self.expected.model.events()[self.dice.below(count)].clone();
        let found = self.engine().get(event.id);
        let Some(found) = self.answer("get", found) else { return };
        assert_eq!(found.map(by_name), Some(event));
    }

    /// An answer; a query may fail only while the disk does, and never answers wrongly.
    fn answer<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        self.tally.answers += 1;
        match result {
            Ok(answer) => {
                self.note(format!("  {what} answered"));
                Some(answer)
            }
            Err(error) => {
                self.note(format!("  {what} failed: {error}"));
                let told = matches!(error.kind(), ErrorKind::Io | ErrorKind::Corrupt);
                assert!(told && self.troubled, "{what} without a fault: {error}");
                None
            }
        }
    }

    fn pages(&self, request: &mut SearchRequest) -> Result<Vec<EventRecord>> {
        let mut events = Vec::new();
        loop {
            let page = self.engine().search(request)?;
            events.extend(page.events.into_iter().map(by_name));
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                return Ok(events);
            }
        }
    }

    /// Every event of the store, by sequence number.
    fn all(&self) -> Vec<EventRecord> {
        self.try_all().expect("searched")
    }

    /// The same on a disk that may fail.
    pub(super) fn try_all(&self) -> Result<Vec<EventRecord>> {
        let mut request = SearchRequest {
            query: String::new(),
            filter: Filter::All,
            range: TimeRange::default(),
            limit: 997,
            order: Order::OldestFirst,
            cursor: None,
        };
        let mut events = self.pages(&mut request)?;
        events.sort_by_key(|event| event.id.seq());
        Ok(events)
    }

    /// The ids of all events of the store by their marks.
    pub(super) fn by_mark(&self) -> BTreeMap<Vec<u8>, EventId> {
        let mut found = BTreeMap::new();
        for event in self.all() {
            let mark = event.get(MARK).expect("every event has a mark").text.to_vec();
            assert_eq!(found.insert(mark, event.id), None, "an event twice");
        }
        found
    }

    /// Panics unless the store holds what is expected: every event once, in order, and no other;
    /// every key. Nothing may fail now.
    pub fn check_all(&mut self) {
        let all = self.all();
        let model = self.expected.model.events();
        for (stored, expected) in all.iter().zip(model) {
            assert_eq!(stored, expected);
        }
        assert_eq!(all.len(), model.len(), "events are lost, or came back");
        assert_eq!(self.engine().status().events, all.len() as u64);
        self.check_keys();
        self.tally.answers += 1;
    }

    /// Panics unless the store works: it takes a batch, flushes, compacts, and holds what is
    /// expected.
    pub fn check_works(&mut self) {
        self.append(3, true);
        self.engine().flush().expect("flushed");
        self.engine().compact_now().expect("compacted");
        self.settle();
        let status = self.engine().status();
        assert!(status.not_writable.is_none() && status.flush_failing.is_none(), "{status:?}");
        self.append(2, false);
        self.check_all();
    }
}
