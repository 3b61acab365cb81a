//! Where the fields of an event go: to its builder, in order, and to the trace of what they were.

use super::lexeme::{kind_of, string_text};
use super::trace::Trace;
use logstrata_engine::{EventBuilder, Kind};

/// The fields of an event under construction, and what they have taken so far.
pub(super) struct Fields<'b> {
    pub(super) event: EventBuilder<'b>,
    pub(super) trace: Option<&'b mut Trace>,
    pub(super) count: usize,
    bytes: usize,
    bytes_max: usize,
}

impl<'b> Fields<'b> {
    pub(super) fn new(
        event: EventBuilder<'b>,
        trace: Option<&'b mut Trace>,
        bytes_max: usize,
    ) -> Self {
        Self { event, trace, count: 0, bytes: 0, bytes_max }
    }

    /// Counts bytes before they are copied.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > self.bytes_max {
            return Err(format!("the event is larger than {} bytes", self.bytes_max));
        }
        Ok(())
    }

    /// Puts a member's value.
    pub(super) fn put(&mut self, name: &str, raw: &str) -> Result<(), String> {
        if let Some(trace) = &mut self.trace {
            trace.field(name, raw);
        }
        match kind_of(raw) {
            Kind::String => self.put_text(name, Kind::String, &string_text(raw)),
            kind => self.put_text(name, kind, raw.as_bytes()),
        }
    }

    /// Puts what is the same for every event that looks like this one.
    pub(super) fn put_constant(
        &mut self,
        name: &str,
        kind: Kind,
        text: &[u8],
    ) -> Result<(), String> {
        if let Some(trace) = &mut self.trace {
            trace.constant(name, kind, text);
        }
        self.put_text(name, kind, text)
    }

    /// Puts a value that is not traced.
    pub(super) fn put_text(&mut self, name: &str, kind: Kind, text: &[u8]) -> Result<(), String> {
        self.reserve(name.len() + text.len())?;
        self.count += 1;
        self.event.field(name, kind, text);
        Ok(())
    }

    /// Other events may look like this one and be filed otherwise.
    pub(super) fn is_peculiar(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.is_peculiar = true;
        }
    }
}
