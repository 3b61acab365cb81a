//! What is done with the events that pass the filter, before they are counted or shown.

use super::ast::{Extract, Filter};
use super::filter::{Plan, fields_named};
use super::request::{EventField, EventRecord, Step};
use super::selection::Selection;
use super::table::{ExtendedTable, Table, extracted_from, extracted_kind};
use crate::error::Result;
use crate::field;
use crate::index::BlockIndex;
use crate::scan::Interrupt;
use crate::trace::{Operator, PassTrace};
use std::sync::Arc;

/// Steps made ready to run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    ready: Vec<Ready>,
    /// As they were asked for.
    asked: Vec<Step>,
    /// One for each, if somebody asks what they do.
    watched: Vec<Arc<Operator>>,
    interrupt: Interrupt,
}

#[derive(Debug)]
enum Ready {
    Extract(Extract),
    Bin(super::ast::Bin),
    /// With the fields that it names.
    Where(Box<Plan>, Vec<String>),
}

impl Steps {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self::made(steps, Interrupt::default())
    }

    fn made(steps: &[Step], interrupt: Interrupt) -> Self {
        let ready = |step: &Step| match step {
            Step::Extract(extract) => Ready::Extract(extract.clone()),
            Step::Bin(bin) => Ready::Bin(bin.clone()),
            Step::Where(filter) => {
                let named = fields_named(filter).into_iter().map(str::to_owned).collect();
                let plan = Plan::of_query(filter, None, interrupt.clone());
                Ready::Where(Box::new(plan), named)
            }
        };
        let ready = steps.iter().map(ready).collect();
        Self { ready, asked: steps.to_vec(), watched: Vec::new(), interrupt }
    }

    /// The same from the start as a part of a query, which may end in between. They tell what they do, if
    /// somebody asks.
    pub(crate) fn of_query(&self, trace: Option<&PassTrace>, interrupt: &Interrupt) -> Self {
        let mut steps = Self::made(&self.asked, interrupt.clone());
        let name = |step: &Step| match step {
            Step::Extract(extract) => format!("extract {:?}", extract.source),
            Step::Bin(bin) => format!("bin({}, {})", bin.field.name, bin.width),
            Step::Where(filter) => format!("where {filter}"),
        };
        if let Some(trace) = trace {
            steps.watched = steps.asked.iter().map(|step| trace.filter(name(step))).collect();
        }
        steps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// The number of fields that the steps add to an event.
    pub(crate) fn fields_added(&self) -> usize {
        let names = |step: &Ready| match step {
            Ready::Extract(extract) => extract.names.len(),
            Ready::Bin(_) | Ready::Where(..) => 0,
        };
        self.ready.iter().map(names).sum()
    }

    /// The table with what the steps compute of the selected rows, and those that they leave.
    pub(crate) fn run<'t, T: Table + ?Sized>(
        &'t self,
        table: &'t T,
        mut selected: Selection,
    ) -> Result<(ExtendedTable<'t, T>, Selection)> {
        let mut extended = ExtendedTable::new(table);
        for (place, step) in self.ready.iter().enumerate() {
            selected = match self.watched.get(place) {
                None => self.step(step, &mut extended, selected)?,
                Some(operator) => operator.run(
                    selected.count(),
                    || self.step(step, &mut extended, selected),
                    |passed| passed.as_ref().map_or(0, Selection::count),
                )?,
            };
        }
        Ok((extended, selected))
    }

    fn step<'t, T: Table + ?Sized>(
        &self,
        step: &'t Ready,
        extended: &mut ExtendedTable<'t, T>,
        selected: Selection,
    ) -> Result<Selection> {
        self.interrupt.check()?;
        match step {
            Ready::Extract(extract) => extended.extract(extract, &selected, &self.interrupt)?,
            Ready::Bin(bin) => extended.bin(bin, &selected)?,
            // What is computed has no terms: an index can't rule it out.
            Ready::Where(plan, _) => {
                return plan.evaluate(extended, &BlockIndex::Everything, selected);
            }
        }
        Ok(selected)
    }

    /// The stored fields that the steps read, and those of `others` that they do not compute: what is worth
    /// a warning if no event has it.
    pub(crate) fn stored<'s>(&'s self, others: impl Iterator<Item = &'s str>) -> Vec<&'s str> {
        let mut computed: Vec<&str> = Vec::new();
        let mut stored: Vec<&str> = Vec::new();
        for step in &self.ready {
            let (reads, computes): (Vec<&str>, Vec<&str>) = match step {
                Ready::Extract(extract) => (
                    extract.from.iter().map(|field| &*field.name).collect(),
                    extract.names.iter().map(String::as_str).collect(),
                ),
                Ready::Bin(bin) => (vec![&bin.field.name], vec![&bin.name]),
                Ready::Where(_, named) => (named.iter().map(String::as_str).collect(), Vec::new()),
            };
            stored.extend(reads.into_iter().filter(|name| !computed.contains(name)));
            computed.extend(computes);
        }
        stored.extend(others.filter(|name| !computed.contains(name)));
        stored
    }

    /// Adds to an event what the steps extract from it.
    pub(crate) fn add_fields(&self, event: &mut EventRecord) {
        for step in &self.ready {
            let Ready::Extract(extract) = step else { continue };
            let from = extracted_from(extract);
            let text = event.fields.iter().find(|f| field::is_called(&f.name, from));
            let captured = text.and_then(|field| extract.regex.captures(&field.text));
            let values: Vec<Option<Vec<u8>>> = (1..=extract.names.len())
                .map(|index| Some(captured.as_ref()?.get(index)?.as_bytes().to_vec()))
                .collect();
            drop(captured);
            for (name, text) in extract.names.iter().zip(values) {
                // What matches nowhere leaves the event as it is.
                let Some(text) = text else { continue };
                event.fields.retain(|field| !field::is_called(&field.name, name));
                let kind = extracted_kind(&text);
                event.fields.push(EventField { name: name.as_str().into(), kind, text });
            }
        }
    }
}

/// The filter of all tests that need nothing computed: those that stand before the first step that
/// computes something.
pub(crate) fn both(a: Filter, b: Filter) -> Filter {
    let parts = |filter| match filter {
        Filter::All => Vec::new(),
        Filter::And(parts) => parts,
        filter => vec![filter],
    };
    let mut all = parts(a);
    all.extend(parts(b));
    match all.len() {
        0 => Filter::All,
        1 => all.swap_remove(0),
        _ => Filter::And(all),
    }
}
