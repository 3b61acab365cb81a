//! Following a store: who is told of further events, and how they are read.

use super::Engine;
use crate::error::Result;
use crate::event::Seq;
use crate::query::{self, TailPiece, TailQuery};
use crate::scan::Control;
use std::fmt;
use std::sync::OnceLock;

/// Whom the writer tells after each group.
#[derive(Default)]
pub(crate) struct Visible(OnceLock<Box<dyn Fn(Seq) + Send + Sync>>);

impl Visible {
    /// From now on `told` is called; only the first is heard.
    pub(crate) fn tell(&self, told: Box<dyn Fn(Seq) + Send + Sync>) {
        let _ = self.0.set(told);
    }

    /// Everything up to `last` is visible.
    pub(crate) fn advanced(&self, last: Seq) {
        if let Some(told) = self.0.get() {
            told(last);
        }
    }
}

impl fmt::Debug for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visible").field("is_heard", &self.0.get().is_some()).finish()
    }
}

impl Engine {
    /// The first events behind a position, in the order in which they were stored, within bounds: a
    /// piece ends after some events, bytes or looked at sequence numbers, and may be empty although
    /// there is more. It does not wait for events.
    ///
    /// # Errors
    /// As [`Engine::search_with`].
    pub fn tail_with(&self, query: &TailQuery, after: Seq, control: &Control) -> Result<TailPiece> {
        query::tail(&self.shared, query, after, control)
    }

    /// What may surprise whoever follows a query, for people: fields that no stored event has.
    pub fn tail_warnings(&self, query: &TailQuery) -> Vec<String> {
        query::tail_warnings(&self.shared, query)
    }

    /// How many events a tail has behind a position, up to another that is visible.
    ///
    /// # Errors
    /// As [`Engine::search_with`].
    pub fn tail_count_with(
        &self,
        query: &TailQuery,
        after: Seq,
        through: Seq,
        control: &Control,
    ) -> Result<u64> {
        query::count_between(&self.shared, query, after, through, control)
    }

    /// The last visible event's sequence number.
    pub fn visible(&self) -> Seq {
        self.shared.state().last_seq()
    }

    /// Calls `told` on the writer's thread each time that further events are visible, with the last
    /// one's sequence number, after their senders were told. It must not wait. Only the first that
    /// is given is called.
    pub fn on_visible(&self, told: impl Fn(Seq) + Send + Sync + 'static) {
        self.shared.visible.tell(Box::new(told));
    }

    /// The random part of this store's ids.
    pub fn incarnation(&self) -> u16 {
        self.shared.incarnation
    }
}
