//! What is asked of a store: searches, tables, patterns, queries with stages, exports.

use super::Engine;
use crate::error::Result;
use crate::event::EventId;
use crate::query::{
    self, Answer, EventRecord, Patterns, PatternsRequest, QueryRequest, SearchPage, SearchRequest,
    StatsRequest, StatsTable, Step,
};
use crate::scan::Control;

impl Engine {
    /// A page of events.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is not of this query, `Corrupt`, `Io`.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchPage> {
        self.search_with(request, &Control::default())
    }

    /// A page of events, within bounds.
    ///
    /// # Errors
    /// As [`Engine::search`]; `Busy` without memory for it, `Deadline`, `Cancelled`.
    pub fn search_with(&self, request: &SearchRequest, control: &Control) -> Result<SearchPage> {
        query::search(&self.shared, request, query::Steps::default(), control)
    }

    /// The event of this id.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn get(&self, id: EventId) -> Result<Option<EventRecord>> {
        self.get_with(id, &Control::default())
    }

    /// The event of this id, within bounds.
    ///
    /// # Errors
    /// As [`Engine::get`]; `Busy` without memory for it, `Deadline`, `Cancelled`.
    pub fn get_with(&self, id: EventId, control: &Control) -> Result<Option<EventRecord>> {
        query::get(&self.shared, id, control)
    }

    /// A table of figures.
    ///
    /// # Errors
    /// `Invalid` for too many groups, `Corrupt`, `Io`.
    pub fn stats(&self, request: &StatsRequest) -> Result<StatsTable> {
        self.stats_with(request, &Control::default())
    }

    /// A table of figures, within bounds.
    ///
    /// # Errors
    /// As [`Engine::stats`]; `Busy` without memory for it, `Deadline`, `Cancelled`.
    pub fn stats_with(&self, request: &StatsRequest, control: &Control) -> Result<StatsTable> {
        query::stats(&self.shared, request, query::Steps::default(), control)
    }

    /// A table of figures of the events that are left by steps, within bounds.
    ///
    /// # Errors
    /// As [`Engine::stats_with`].
    pub fn stats_after(
        &self,
        steps: &[Step],
        request: &StatsRequest,
        control: &Control,
    ) -> Result<StatsTable> {
        query::stats(&self.shared, request, query::Steps::new(steps), control)
    }

    /// The sentences with holes behind a result, within bounds.
    ///
    /// # Errors
    /// `Busy` without memory for it, `Deadline`, `Cancelled`, `Corrupt`, `Io`.
    pub fn patterns_with(&self, request: &PatternsRequest, control: &Control) -> Result<Patterns> {
        query::patterns(&self.shared, request, control)
    }

    /// What a query with stages answers, within bounds.
    ///
    /// # Errors
    /// `Invalid` for stages that do not fit, and a cursor that is not of this query; `Busy` without memory
    /// for it, `Deadline`, `Cancelled`, `Corrupt`, `Io`.
    pub fn query_with(&self, request: &QueryRequest, control: &Control) -> Result<Answer> {
        query::run(&self.shared, request, control)
    }

    /// Begins to export all that a query answers: any number of events, page by page. Nothing is read
    /// yet.
    ///
    /// # Errors
    /// `Invalid` for stages that do not fit, and for a sort without a limit.
    pub fn export(&self, request: &QueryRequest) -> Result<query::Export> {
        query::begin_export(request)
    }

    /// The next page of an export; `None` behind the last. After an error the same page can be asked for
    /// again. A deadline is that of the page.
    ///
    /// # Errors
    /// As [`Engine::query_with`].
    pub fn export_page(
        &self,
        export: &mut query::Export,
        control: &Control,
    ) -> Result<Option<Answer>> {
        export.next(&self.shared, control)
    }
}
