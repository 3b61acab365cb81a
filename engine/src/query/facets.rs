//! The fields that a result has, and their commonest values.
//!
//! - `F1` in how many events a field is, is exact, unless blocks were left out or fields cut.
//! - `F2` of a field that an event has twice, the first by column name counts, as in tables.

mod tally;

use super::ast::Filter;
use super::explain;
use super::filter::Plan;
use super::gather::{Events, Gather, Gathered, gather};
use super::names;
use super::request::{Cell, Scanned, Step, TimeRange};
use super::selection::Selection;
use super::steps::Steps;
use super::table::{EventTable, times_in};
use crate::engine::{Shared, Snapshot};
use crate::error::{Error, Result};
use crate::event::{Kind, Level, Value};
use crate::field;
use crate::limits::{
    FACET_FIELDS_MAX, FACETS_BYTES_MAX, FIELD_SOURCES_MAX, MEMTABLE_NAMES_MAX,
    QUERY_NAME_BYTES_MAX, QUERY_NAMES_MAX, TWICE_NAMED_MAX,
};
use crate::pool::{Consumer, Pool, Reservation};
use crate::scan::Control;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally::Tally;

/// Fields and their values are wanted.
#[derive(Debug, Clone, Default)]
pub struct FacetsRequest {
    /// The query, parsed.
    pub filter: Filter,
    /// What is done to the events that pass it; what it computes are fields, too.
    pub steps: Vec<Step>,
    /// When the events happened.
    pub range: TimeRange,
    /// These fields, by the names that people type; `level` is one. `None` for all.
    pub fields: Option<Vec<String>>,
    /// Only fields whose name begins like this, in any case.
    pub name_prefix: String,
    /// Only values that begin like this, in any case.
    pub value_prefix: String,
    /// So many values of each field; with 0, the fields alone: of all events, the newest blocks tell.
    pub values: usize,
}

/// The fields of a result.
#[derive(Debug, Clone, Default)]
pub struct Facets {
    /// Events that match, and were looked at.
    pub events: u64,
    /// By the number of events, the most first, then by name.
    pub fields: Vec<Facet>,
    /// Events that were not looked at: `events` and the figures of fields are without them.
    pub events_left_out: u64,
    /// Whether fields are missing.
    pub is_cut: bool,
    /// What may surprise, for people.
    pub warnings: Vec<String>,
    /// What it took.
    pub scanned: Scanned,
    /// That of the fields: it is theirs as long as they are there.
    pub(crate) _memory: Option<Arc<Reservation>>,
}

/// A field of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The name that people type.
    pub name: String,
    /// Events that have it.
    pub events: u64,
    /// Of these, those with a value that begins as was asked for.
    pub matching: u64,
    /// What its values are in JSON; of a part of a block, what all of the block is.
    pub kinds: Vec<Kind>,
    /// The commonest values and the events that have them, the commonest first. `None` if the values of
    /// this field were not counted.
    pub values: Option<Vec<(Cell, u64)>>,
    /// The number of different values, if it is known.
    pub distinct: Option<u64>,
    /// What each count lacks at most.
    pub error: u64,
}

/// The fields of a result.
pub(crate) fn facets(
    shared: &Arc<Shared>,
    request: &FacetsRequest,
    control: &Control,
) -> Result<Facets> {
    check(request)?;
    explain::tell(control, &request.filter, request.range, || vec!["facets".into()]);
    let only_names = request.values == 0 && request.fields.is_none();
    let of_all = request.steps.is_empty() && Plan::new(&request.filter).matches_all();
    let sampled = only_names && of_all;
    let events = Events {
        filter: &request.filter,
        steps: &request.steps,
        range: request.range,
        sources_max: sampled.then_some(FIELD_SOURCES_MAX),
    };
    let prefix = |text: &str| text.chars().flat_map(char::to_lowercase).collect();
    // Once each: twice named would be twice counted.
    let named: Option<BTreeSet<String>> =
        request.fields.as_ref().map(|names| names.iter().cloned().collect());
    let pass = Pass {
        fields: named,
        name_prefix: prefix(&request.name_prefix),
        value_prefix: prefix(&request.value_prefix),
        with_values: request.values > 0,
    };
    let Gathered { mut found, scanned, snapshot, rows_left_out } =
        gather(shared, events, pass.clone(), control)?;
    for name in pass.fields.iter().flatten() {
        found.field(name);
    }
    if rows_left_out > 0 {
        add_stored_names(&snapshot, request.range, &pass, &mut found);
    } else if pass.fields.is_none() {
        found.fields.retain(|_, tally| tally.events > 0);
    }
    let steps = Steps::new(&request.steps);
    let named = steps.stored(request.fields.iter().flatten().map(String::as_str));
    let warnings = names::warnings(&snapshot, &request.filter, &named);
    let mut fields: Vec<Facet> =
        found.fields.into_iter().map(|(name, tally)| facet(name, tally, request)).collect();
    fields.sort_by(|a, b| (b.events, &a.name).cmp(&(a.events, &b.name)));
    Ok(Facets {
        events: found.events,
        fields,
        events_left_out: rows_left_out,
        is_cut: found.is_cut,
        warnings,
        scanned,
        _memory: Some(Arc::new(found.memory)),
    })
}

fn check(request: &FacetsRequest) -> Result<()> {
    let fields = request.fields.iter().flatten();
    if fields.clone().count() > QUERY_NAMES_MAX {
        return Err(Error::invalid(format!("fields: at most {QUERY_NAMES_MAX}")));
    }
    match fields.into_iter().any(|name| name == "timestamp") {
        true => {
            Err(Error::invalid("fields: the timestamp has no values to count; see the histogram"))
        }
        false => Ok(()),
    }
}

fn facet(name: String, tally: Tally, request: &FacetsRequest) -> Facet {
    let kinds = (1..=5).filter(|code| tally.kinds >> code & 1 == 1);
    let counted = request.values > 0 && (request.fields.is_some() || !is_prose(&name));
    Facet {
        name,
        events: tally.events,
        matching: tally.matching,
        kinds: kinds.filter_map(Kind::from_code).collect(),
        distinct: tally.distinct().filter(|_| counted),
        error: tally.error,
        values: counted.then(|| {
            let commonest = tally.commonest(request.values).into_iter();
            commonest.map(|(value, count)| (Some(value), count)).collect()
        }),
    }
}

/// The names of files and memtables that nobody looked into.
fn add_stored_names(snapshot: &Snapshot, range: TimeRange, pass: &Pass, found: &mut Found) {
    for file in snapshot.files.iter().filter(|file| times_in(file, range, u8::MAX).is_some()) {
        found.is_cut |= !file.meta.has_all_columns();
        for name in file.meta.columns.iter().filter(|name| pass.wants(name)) {
            found.field(name);
        }
    }
    for names in &snapshot.memtable_names {
        found.is_cut |= names.len() >= MEMTABLE_NAMES_MAX;
        for name in names.iter() {
            let name = field::display_name(name);
            if pass.wants(&name) {
                found.field(&name);
            }
        }
    }
}

/// Fields that are sentences or more: their values are hardly ever the same, and long.
fn is_prose(name: &str) -> bool {
    matches!(name, "message" | "error.message" | "error.stack")
}

/// What is asked of each table.
#[derive(Debug, Clone)]
struct Pass {
    fields: Option<BTreeSet<String>>,
    /// In small letters, like the other.
    name_prefix: String,
    value_prefix: String,
    with_values: bool,
}

/// What is known of the fields of some events.
struct Found {
    events: u64,
    fields: BTreeMap<String, Tally>,
    is_cut: bool,
    /// What values took since all were last bounded.
    added: usize,
    memory: Reservation,
}

/// Memory is reserved in steps of this.
const STEP_BYTES: usize = 256 << 10;
/// What a field takes besides its values.
const FIELD_BYTES: usize = 256;

impl Gather for Pass {
    const NAME: &'static str = "facets";
    type Found = Found;

    fn begin(&self, pool: &Arc<Pool>) -> Result<Found> {
        let memory = pool.reserve(Consumer::Query, 0)?;
        Ok(Found { events: 0, fields: BTreeMap::new(), is_cut: false, added: 0, memory })
    }

    fn take(&self, table: &dyn EventTable, selected: &Selection, found: &mut Found) -> Result<()> {
        found.events += selected.count() as u64;
        match &self.fields {
            Some(names) => {
                for name in names {
                    self.take_field(table, name, selected, found)?;
                }
            }
            None => self.take_all(table, selected, found)?,
        }
        found.bound()
    }

    fn merge(&self, all: &mut Found, part: Found) -> Result<()> {
        all.events += part.events;
        all.is_cut |= part.is_cut;
        for (name, tally) in part.fields {
            if let Some(mine) = all.field(&name) {
                mine.merge(tally);
            }
        }
        all.bound()
    }
}

impl Pass {
    fn wants(&self, name: &str) -> bool {
        begins(name.as_bytes(), &self.name_prefix)
    }

    /// Takes in every field of the selected rows.
    fn take_all(
        &self,
        table: &dyn EventTable,
        selected: &Selection,
        found: &mut Found,
    ) -> Result<()> {
        if self.wants("level") {
            self.take_field(table, "level", selected, found)?;
        }
        // How often each name is there, among columns and in the rest column.
        let columns = table.columns()?;
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for column in &columns {
            *times.entry(field::display_name(&column.name).into_owned()).or_default() += 1;
        }
        times.retain(|name, _| self.wants(name));
        let all = selected.count() == table.rows();
        for column in &columns {
            let name = field::display_name(&column.name);
            let (Some(1), Some(rows)) = (times.get(&*name), column.rows) else { continue };
            if self.with_values && !is_prose(&name) {
                self.take_field(table, &name, selected, found)?;
            } else if let Some(tally) = found.field(&name) {
                let rows = if all { rows } else { table.rows_with(&name, selected)? as u64 };
                if rows > 0 {
                    tally.add_events(rows, column.kinds);
                }
            }
        }
        let twice = times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name);
        for (place, name) in twice.enumerate() {
            if place == TWICE_NAMED_MAX {
                found.is_cut = true;
                break;
            }
            self.take_field(table, name, selected, found)?;
        }
        table.for_each_rest(&mut |row, column, value| {
            let name = field::display_name(column);
            if selected.contains(row)
                && times.get(&*name) == Some(&1)
                && let Some(tally) = found.field(&name)
            {
                tally.add_events(1, 1 << value.kind as u8);
                if self.with_values && !is_prose(&name) && begins(value.text, &self.value_prefix) {
                    tally.add_value(value, 1);
                }
            }
        })
    }

    /// Takes in one field of the selected rows, whatever its columns are.
    fn take_field(
        &self,
        table: &dyn EventTable,
        name: &str,
        selected: &Selection,
        found: &mut Found,
    ) -> Result<()> {
        let Some(tally) = found.field(name) else { return Ok(()) };
        let before = tally.bytes();
        if name == "level" {
            let levels = table.levels()?;
            for level in Level::ALL {
                let events = selected.iter().filter(|row| levels[*row] == level as u8).count();
                let value = Value { kind: Kind::String, text: level.name().as_bytes() };
                self.add(tally, value, events as u64);
            }
            return Ok(());
        }
        // An attribute that was sent as `id` is kept as `_id`: `id` is the event's own.
        let codes = table.codes(if name == "id" { "_id" } else { name }, selected)?;
        let mut events = vec![0; codes.values.len()];
        for row in selected.iter() {
            if let Some(code) = codes.codes[row].checked_sub(1) {
                events[code as usize] += 1;
            }
        }
        for ((kind, text), events) in codes.values.iter().zip(events) {
            self.add(tally, Value { kind: *kind, text }, events);
        }
        tally.bound();
        found.added += tally.bytes().saturating_sub(before);
        if found.added > FACETS_BYTES_MAX / 4 { found.bound() } else { Ok(()) }
    }

    fn add(&self, tally: &mut Tally, value: Value<'_>, events: u64) {
        if events > 0 {
            tally.add_events(events, 1 << value.kind as u8);
            if self.with_values && begins(value.text, &self.value_prefix) {
                tally.add_value(value, events);
            }
        }
    }
}

impl Found {
    /// The tally of a field; `None` if there is no room for it.
    fn field(&mut self, name: &str) -> Option<&mut Tally> {
        if !self.fields.contains_key(name) {
            // What can't be asked for is not told.
            let is_long = name.len() > QUERY_NAME_BYTES_MAX;
            if is_long || self.fields.len() == FACET_FIELDS_MAX {
                self.is_cut = true;
                return None;
            }
            self.fields.insert(name.to_owned(), Tally::default());
        }
        self.fields.get_mut(name)
    }

    /// Forgets what there is no room for: of the field whose values take the most, half of them, as often
    /// as it takes. So the few values of one field are never forgotten for the many of others.
    fn bound(&mut self) -> Result<()> {
        self.added = 0;
        self.fields.values_mut().for_each(Tally::bound);
        let mut bytes = self.bytes();
        while bytes > FACETS_BYTES_MAX {
            let largest = self.fields.values_mut().max_by_key(|tally| tally.bytes());
            let largest = largest.expect("names alone are less: there are values");
            bytes -= largest.bytes();
            largest.halve();
            bytes += largest.bytes();
        }
        self.memory.grow_to(bytes, STEP_BYTES)?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let field = |(name, tally): (&String, &Tally)| name.len() + FIELD_BYTES + tally.bytes();
        self.fields.iter().map(field).sum()
    }
}

/// Whether a text begins with a prefix that is in small letters, in any case.
fn begins(text: &[u8], prefix: &str) -> bool {
    if prefix.is_empty() {
        return true;
    }
    // No letter of the prefix is of more bytes than this.
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * prefix.len())]);
    let mut folded = text.chars().flat_map(char::to_lowercase);
    prefix.chars().all(|wanted| folded.next() == Some(wanted))
}

const _: () = {
    let field = FIELD_BYTES + size_of::<Tally>() + QUERY_NAME_BYTES_MAX;
    assert!(FACET_FIELDS_MAX * field < FACETS_BYTES_MAX, "values are all that can be forgotten");
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;

    /// All tallies were halved alike, and the few values of small ones were the first to go.
    #[test]
    fn the_values_of_one_field_are_not_forgotten_for_those_of_many_wide_ones() {
        let memory = Pool::new(256 << 20).reserve(Consumer::Query, 0).unwrap();
        let fields = BTreeMap::new();
        let mut found = Found { events: 0, fields, is_cut: false, added: 0, memory };
        let mut add = |name: &str, text: &str| {
            let tally = found.field(name).unwrap();
            tally.add_events(1, 1 << Kind::String as u8);
            tally.add_value(Value { kind: Kind::String, text: text.as_bytes() }, 1);
        };
        let wide = "w".repeat(200);
        for event in 0..3_000 {
            add("level", ["info", "warn", "error", "debug"][event % 4]);
            for field in 0..60 {
                add(&format!("wide_{field}"), &format!("{wide}{event}"));
            }
        }
        assert!(found.bytes() > FACETS_BYTES_MAX);
        found.bound().unwrap();
        assert!(found.bytes() <= FACETS_BYTES_MAX);
        let level = found.fields.remove("level").unwrap();
        assert_eq!((level.error, level.distinct()), (0, Some(4)));
        assert!(level.commonest(9).iter().all(|(_, count)| *count == 750));
        assert!(found.fields.values().any(|tally| tally.error > 0));
    }

    #[test]
    fn prefixes_are_of_any_case() {
        for (text, prefix) in [("Payment", "pay"), ("ÄRGER", "är"), ("x", ""), ("500", "5")] {
            assert!(begins(text.as_bytes(), prefix), "{text} {prefix}");
        }
        for (text, prefix) in [("pa", "pay"), ("", "p"), ("spay", "pay")] {
            assert!(!begins(text.as_bytes(), prefix), "{text} {prefix}");
        }
        assert!(begins(b"a\xff\xff", "a") && !begins(b"\xff", "a"));
    }
}
