//! What people ask to find their way: the shape of a result, its fields, what stood around an event.

use super::Engine;
use crate::error::Result;
use crate::query::ast::{Query, Span, StageKind};
use crate::query::{
    self, Context, ContextRequest, Facets, FacetsRequest, Histogram, HistogramRequest,
    SearchRequest, Trace,
};
use crate::scan::Control;

impl Engine {
    /// A text without what the rules of redaction call a secret, for whoever writes it down: as a value
    /// of an event would be stored.
    pub fn redact_text(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    /// The same of a query: also what is looked for in a field whose name says that it is a secret.
    pub fn redact_query(&self, text: &str) -> String {
        let Ok(query) = query::parse_query(text) else {
            return self.redact_unparsed(text);
        };
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (place, marked) in self.secret_tests(&query) {
            let before = text.get(done..place.start);
            let (Some(before), true) = (before, text.is_char_boundary(place.end)) else { continue };
            out.push_str(before);
            out.push_str(&marked);
            done = place.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        self.redact_text(&out)
    }

    /// The same of what is no query. Where a value ends is unknown: nothing stays behind the first name
    /// that says that it is a secret.
    fn redact_unparsed(&self, text: &str) -> String {
        let is_of_name = |c: char| c.is_alphanumeric() || "_.-@".contains(c);
        let mut start = None;
        for (at, c) in text.char_indices() {
            if is_of_name(c) {
                start.get_or_insert(at);
                continue;
            }
            let name = start.take().and_then(|start| text.get(start..at)).unwrap_or_default();
            if matches!(c, ':' | '=')
                && let Some(marker) = self.redactor.marker_of_key(name)
            {
                let before = text.get(..=at).unwrap_or_default();
                return self.redact_text(&format!("{before}{marker}"));
            }
        }
        self.redact_text(text)
    }

    /// The tests of a query that name a secret, in their order, and what stands in their place.
    fn secret_tests(&self, query: &Query) -> Vec<(Span, String)> {
        let behind = query.stages.iter().filter_map(|stage| match &stage.kind {
            StageKind::Where(filter) => Some(filter),
            _ => None,
        });
        let mut secrets = Vec::new();
        for filter in std::iter::once(&query.filter).chain(behind) {
            query::for_each_leaf(filter, &mut |leaf| {
                let Some(field) = &leaf.field else { return };
                let Some(marker) = self.redactor.marker_of_key(&field.name) else { return };
                // Of a group the name stands before the parenthesis.
                let marked = match leaf.span.contains(&field.span.start) {
                    true => format!("{}:{marker}", field.name),
                    false => marker,
                };
                secrets.push((leaf.span.clone(), marked));
            });
        }
        secrets.sort_by_key(|(place, _)| place.start);
        secrets
    }

    /// Events counted by level and time, within bounds.
    ///
    /// # Errors
    /// `Invalid` for more buckets than there may be; `Busy` without memory for it, `Deadline`,
    /// `Cancelled`, `Corrupt`, `Io`.
    pub fn histogram_with(
        &self,
        request: &HistogramRequest,
        control: &Control,
    ) -> Result<Histogram> {
        query::histogram(&self.shared, request, control)
    }

    /// An event and its neighbours, within bounds; `None` if there is no event of this id.
    ///
    /// # Errors
    /// `Invalid` for a field whose values can't be compared; `Busy` without memory for it, `Deadline`,
    /// `Cancelled`, `Corrupt`, `Io`.
    pub fn context_with(
        &self,
        request: &ContextRequest,
        control: &Control,
    ) -> Result<Option<Context>> {
        query::context(&self.shared, request, control)
    }

    /// A page of the events of a trace, and with the first page its spans, within bounds.
    ///
    /// # Errors
    /// As [`Engine::search_with`].
    pub fn trace_with(&self, request: &SearchRequest, control: &Control) -> Result<Trace> {
        query::trace(&self.shared, request, control)
    }

    /// The fields of a result and their commonest values, within bounds.
    ///
    /// # Errors
    /// `Invalid` for too many fields; `Busy` without memory for it, `Deadline`, `Cancelled`, `Corrupt`,
    /// `Io`.
    pub fn facets_with(&self, request: &FacetsRequest, control: &Control) -> Result<Facets> {
        query::facets(&self.shared, request, control)
    }
}
