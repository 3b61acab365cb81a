//! What became of the events so far.

use logstrata_client::wire::RejectedLine;

/// Reasons that are shown.
const REASONS_MAX: usize = 5;

/// Figures over all files.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Events stored.
    pub(super) accepted: u64,
    /// Of these, events that are older than they are kept.
    pub(super) expired: u64,
    /// Events rejected.
    pub(super) rejected: u64,
    reasons: Vec<String>,
    unread: u64,
}

impl Tally {
    /// Notes rejected lines of a file.
    pub(super) fn rejected(
        &mut self,
        file: &str,
        count: u64,
        lines_before: u64,
        lines: &[RejectedLine],
    ) {
        self.rejected += count;
        let room = REASONS_MAX.saturating_sub(self.reasons.len());
        self.reasons.extend(lines.iter().take(room).map(|rejected| {
            format!("{file}:{}: {}", lines_before.saturating_add(rejected.line), rejected.error)
        }));
    }

    /// Notes a file that was not read to its end.
    pub(super) fn unread(&mut self, why: String) {
        self.unread += 1;
        self.reasons.push(why);
    }

    pub(super) fn unread_files(&self) -> u64 {
        self.unread
    }

    /// The first reasons.
    pub(super) fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reasons_are_kept_with_their_place() {
        let mut tally = Tally::default();
        let line = |line| RejectedLine { line, error: "no object".into() };
        tally.rejected("a.ndjson", 200, 1_000, &[line(3), line(4)]);
        tally.rejected("b.ndjson", 9, 0, &[line(1), line(2), line(3), line(4)]);
        assert_eq!(tally.rejected, 209);
        assert_eq!(tally.reasons().len(), REASONS_MAX);
        assert_eq!(tally.reasons()[0], "a.ndjson:1003: no object");
        assert_eq!(tally.reasons()[2], "b.ndjson:1: no object");
        tally.unread("cannot read c".into());
        assert_eq!((tally.reasons().len(), tally.unread_files()), (REASONS_MAX + 1, 1));
    }
}
