//! All that a query answers, page by page: as many events as there are, in the memory of one page.
//!
//! `X1` nothing of the store is held between pages: each continues the one before by its cursor, which
//! has the range and the last event that the first page saw. So an export may take hours, and shows
//! what was there when it began, each event once.

use super::behind::Behind;
use super::lower::{Events, Lowered, Table, lower};
use super::sorted;
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::limits::PAGE_ROWS_MAX;
use crate::query::request::{Answer, QueryRequest, SearchRequest};
use crate::query::steps::Steps;
use crate::query::{search, stats};
use crate::scan::Control;
use std::sync::Arc;

/// What is left to be exported.
#[derive(Debug)]
pub struct Export(Rest);

#[derive(Debug)]
enum Rest {
    /// Pages of events.
    Pages(Box<Events>, SearchRequest, usize),
    /// One page of sorted events.
    Sorted(Box<Events>, SearchRequest),
    /// A table.
    Table(Box<Table>, QueryRequest),
    Nothing,
}

/// Nothing is read yet.
pub(crate) fn begin(request: &QueryRequest) -> Result<Export> {
    let events = match lower(&request.query, usize::MAX)? {
        Lowered::Events(events) => events,
        Lowered::Table(table) => return Ok(Export(Rest::Table(table.into(), request.clone()))),
    };
    let limit = [events.limit, request.limit].into_iter().flatten().min();
    let search = SearchRequest {
        query: request.text.clone(),
        filter: events.filter.clone(),
        range: request.range,
        limit: PAGE_ROWS_MAX,
        order: request.order,
        cursor: request.cursor.clone(),
    };
    if events.sort.is_empty() {
        return Ok(Export(Rest::Pages(events.into(), search, limit.unwrap_or(usize::MAX))));
    }
    match limit {
        Some(limit) if limit <= PAGE_ROWS_MAX => {
            Ok(Export(Rest::Sorted(events.into(), SearchRequest { limit, ..search })))
        }
        _ => Err(Error::invalid(format!(
            "an export that is sorted needs a `| limit` of at most {PAGE_ROWS_MAX} behind the sort"
        ))),
    }
}

impl Export {
    /// Whether the answer is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.0, Rest::Table(..))
    }

    /// The fields that the query itself asks for, by the names that people type.
    pub fn fields(&self) -> Option<&[String]> {
        match &self.0 {
            Rest::Pages(events, ..) | Rest::Sorted(events, _) => events.fields.as_deref(),
            Rest::Table(..) | Rest::Nothing => None,
        }
    }

    /// Whether everything was exported.
    pub fn is_over(&self) -> bool {
        matches!(self.0, Rest::Nothing)
    }

    /// The next page; `None` behind the last. After an error the same page can be asked for again.
    pub(crate) fn next(
        &mut self,
        shared: &Arc<Shared>,
        control: &Control,
    ) -> Result<Option<Answer>> {
        // Half a file must not look like a whole one.
        let control = &control.whole();
        let (answer, is_over) = match &mut self.0 {
            Rest::Nothing => return Ok(None),
            Rest::Table(table, request) => {
                let (steps, behind) = (Steps::new(&table.steps), Behind::new(shared, control));
                let found = stats::stats(shared, &table.request(request.range), steps, control)?;
                (Answer::Rows(table.finish(found, &behind)?), true)
            }
            Rest::Sorted(events, search) => {
                let steps = Steps::new(&events.steps);
                let (page, cut) = sorted::sorted(shared, search, &events.sort, steps, control)?;
                if cut {
                    let message = "the sorted events take more memory than one page may; lower the \
                                   limit, or export them in the order of time";
                    return Err(Error::invalid(message));
                }
                (Answer::Events { page, fields: events.fields.clone() }, true)
            }
            Rest::Pages(events, search, left) => {
                search.limit = search.limit.min(*left);
                let page = search::export_page(shared, search, Steps::new(&events.steps), control)?;
                *left -= page.events.len();
                search.cursor.clone_from(&page.next_cursor);
                let is_over = *left == 0 || page.next_cursor.is_none();
                (Answer::Events { page, fields: events.fields.clone() }, is_over)
            }
        };
        if is_over {
            self.0 = Rest::Nothing;
        }
        Ok(Some(answer))
    }
}
