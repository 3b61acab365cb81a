//! Queries with stages: each stage in its turn, on a list of events and then on a list of rows.

use super::extract::extracted;
use super::matcher::matches;
use super::number::Decimal;
use super::rows::Rows;
use super::table::value_of;
use super::{Model, by_name};
use logstrata_engine::query::ast::{Extract, Filter, Query, SortKey, StageKind};
use logstrata_engine::query::{EventField, EventRecord, Order, TimeRange};
use logstrata_engine::{Kind, field};
use std::cmp::{Ordering, Reverse};

/// What a query answers.
#[derive(Debug)]
pub enum Expected {
    /// All events of all pages, and the fields that are shown of them.
    Events(Vec<EventRecord>, Option<Vec<String>>),
    /// The rows of a table.
    Rows(Rows),
}

/// An event on its way through the stages.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) event: EventRecord,
}

impl Model {
    /// What the query answers of the events up to a sequence number.
    pub fn run(&self, query: &Query, range: TimeRange, order: Order, as_of: u64) -> Expected {
        let found = self.search(&query.filter, range, order, as_of);
        let row = |event: &EventRecord| Row { event: event.clone() };
        let mut rows: Vec<Row> = found.into_iter().map(row).collect();
        let mut shown = None;
        let mut table: Option<Rows> = None;
        for stage in &query.stages {
            if let Some(table) = &mut table {
                table.stage(&stage.kind);
                continue;
            }
            match &stage.kind {
                StageKind::Where(filter) => rows.retain(|row| row.passes(filter)),
                StageKind::Extract(extract) => rows.iter_mut().for_each(|row| row.extract(extract)),
                StageKind::Sort(keys) => sort(&mut rows, keys),
                StageKind::Limit(limit) => rows.truncate(*limit),
                StageKind::Fields(fields) => {
                    shown = Some(fields.iter().map(|field| field.name.clone()).collect());
                }
                StageKind::Stats { figures, by } => table = Some(Rows::stats(&rows, figures, by)),
                StageKind::Top { limit, fields } => {
                    table = Some(Rows::values_of(&rows, fields, Some(*limit)));
                }
                StageKind::Uniq(fields) => table = Some(Rows::values_of(&rows, fields, None)),
            }
        }
        match table {
            Some(rows) => Expected::Rows(rows),
            None => {
                Expected::Events(rows.into_iter().map(|row| by_name(row.event)).collect(), shown)
            }
        }
    }
}

impl Row {
    fn passes(&self, filter: &Filter) -> bool {
        matches(filter, &self.event)
    }

    fn extract(&mut self, extract: &Extract) {
        let from = extract.from.as_ref().map_or("message", |field| &field.name);
        let text = match from {
            // The event's own are no fields.
            "level" | "timestamp" => None,
            from => value_of(&self.event, from),
        };
        for (name, value) in extracted(&extract.source, text) {
            let Some(text) = value else { continue };
            self.event.fields.retain(|field| field::display_name(&field.name) != name);
            let is_number = Decimal::parse(&text).is_some();
            let kind = if is_number { Kind::Number } else { Kind::String };
            self.event.fields.push(EventField { name: name.into(), kind, text });
        }
    }
}

/// Where a value stands among others: numbers before texts, and what is missing last, in both
/// directions.
pub(super) fn order_of(a: Option<&[u8]>, b: Option<&[u8]>, descending: bool) -> Ordering {
    let turned = |order: Ordering| if descending { order.reverse() } else { order };
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(a), Some(b)) => (a, b),
    };
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(a), Some(b)) => turned(a.cmp(&b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => turned(a.cmp(b)),
    }
}

/// Of texts so many bytes tell where an event stands.
const SORTED_BYTES: usize = 256;

/// By the keys; equal ones the newest first.
fn sort(rows: &mut [Row], keys: &[SortKey]) {
    rows.sort_by_key(|row| Reverse((row.event.timestamp, row.event.id.seq())));
    let value = |row: &Row, name: &str| -> Option<Vec<u8>> {
        match name {
            "timestamp" => Some(row.event.timestamp.0.to_string().into_bytes()),
            "level" => Some((row.event.level as u8).to_string().into_bytes()),
            name => value_of(&row.event, name).map(|text| match Decimal::parse(text) {
                Some(_) => text.to_vec(),
                None => text[..text.len().min(SORTED_BYTES)].to_vec(),
            }),
        }
    };
    rows.sort_by(|a, b| {
        let of_key = |key: &SortKey| {
            let (a, b) = (value(a, &key.field.name), value(b, &key.field.name));
            order_of(a.as_deref(), b.as_deref(), key.descending)
        };
        keys.iter().map(of_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
}
