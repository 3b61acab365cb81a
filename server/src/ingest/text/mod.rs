//! Plain text: a line is an event, its message the line byte for byte. Its time and level are
//! read where the line's layout has them.
//!
//! `X1`: nothing of a line is changed or left out, except its line end. `X2`: a line without a
//! time of its own (a stack trace, say) has the time of the line before it.

mod heads;
mod layout;
#[cfg(test)]
mod tests;
mod word;

use layout::{Clock, Head, Layout};
use logstrata_engine::{BatchBuilder, Kind, Level, Result, Timestamp};

/// What the lines of a file don't say themselves.
#[derive(Debug, Clone, Default)]
pub struct TextOptions {
    /// The time now: times without a year are of the last 365 days, or of the next one.
    pub now: Timestamp,
    /// The service of the events.
    pub service: Option<String>,
    /// Seconds east of UTC of times that name no zone.
    pub offset_seconds: i32,
}

/// Decodes the lines of one text file, in order.
#[derive(Debug)]
pub struct TextDecoder {
    clock: Clock,
    service: Option<String>,
    /// The layout of the last line that had one: the next line is likely to have the same.
    layout: Layout,
    /// The time of the last line that had one.
    last: Option<Timestamp>,
}

impl TextDecoder {
    /// A decoder for one file.
    pub fn new(options: TextOptions) -> Self {
        let clock = Clock { now: options.now, offset: options.offset_seconds };
        Self { clock, service: options.service, layout: Layout::Iso, last: None }
    }

    /// Adds one line, with or without its line end, to a batch. An empty line is none.
    ///
    /// # Errors
    /// [`logstrata_engine::ErrorKind::Invalid`] if the line is larger than an event may be.
    pub fn push_line(&mut self, batch: &mut BatchBuilder, line: &[u8]) -> Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(());
        }
        // A byte order mark belongs to the line as any byte does, but not to its time.
        let readable = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let (time, level) = match self.read(readable) {
            Some(Head { time, level }) => (Some(time), level),
            None => (self.last, leading_level(readable)),
        };
        self.last = time;
        let mut event = batch.event();
        event.timestamp = time.unwrap_or(event.timestamp);
        event.level = level.unwrap_or_default();
        if let Some(service) = &self.service {
            event.field("service", Kind::String, service.as_bytes());
        }
        event.field("message", Kind::String, line);
        event.finish()
    }

    fn read(&mut self, line: &[u8]) -> Option<Head> {
        let clock = self.clock;
        if let Some(head) = self.layout.read(line, clock) {
            return Some(head);
        }
        let others = Layout::ALL.into_iter().filter(|layout| *layout != self.layout);
        let (layout, head) =
            others.filter_map(|layout| Some((layout, layout.read(line, clock)?))).next()?;
        self.layout = layout;
        Some(head)
    }
}

/// The level of a line without a time that begins with it: `[WARN] …`, `ERROR: …`.
fn leading_level(line: &[u8]) -> Option<Level> {
    word::of_token(line.split(|byte| *byte == b' ').next()?, false)
}
