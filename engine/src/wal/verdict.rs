//! The decision table of recovery: what to do at the place where group *n* has to begin.
//!
//! The table itself stands in `docs/format/wal.md` too. Exactly one row fits each input.

/// What stands at the place of group *n*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Group *n*, header and body as they were written.
    Intact,
    /// Anything else: zeros, another group, a damaged one, the end of the file.
    Bad,
}

/// The first group of the file that follows, compared to *n*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// No file follows.
    None,
    /// It begins with a group after *n*: this file has to hold group *n*.
    After,
    /// It begins with group *n*: this file has to be at its end.
    Here,
    /// It begins before *n*: both hold the same group.
    Before,
}

/// What to do with group *n*, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Replay it and go on with the group behind it.
    Keep,
    /// The file ends before it. What stands there was never acknowledged.
    Cut,
    /// The log is damaged: acknowledged events are missing.
    Refuse(&'static str),
}

/// A row: the inputs that it fits (`None`: any), and the verdict.
struct Row {
    found: Option<Found>,
    next: Next,
    synced: Option<bool>,
    verdict: Verdict,
}

const fn row(found: Option<Found>, next: Next, synced: Option<bool>, verdict: Verdict) -> Row {
    Row { found, next, synced, verdict }
}

#[rustfmt::skip]
const TABLE: [Row; 9] = [
    row(Some(Found::Intact), Next::None,   None,        Verdict::Keep),
    row(Some(Found::Bad),    Next::None,   Some(false), Verdict::Cut),
    row(Some(Found::Bad),    Next::None,   Some(true),  Verdict::Refuse("damage before groups that were written later")),
    row(Some(Found::Intact), Next::After,  None,        Verdict::Keep),
    row(Some(Found::Bad),    Next::After,  None,        Verdict::Refuse("damage before the next file")),
    row(Some(Found::Bad),    Next::Here,   Some(false), Verdict::Cut),
    row(Some(Found::Bad),    Next::Here,   Some(true),  Verdict::Refuse("groups past the start of the next file")),
    row(Some(Found::Intact), Next::Here,   None,        Verdict::Refuse("a group that the next file has too")),
    row(None,                Next::Before, None,        Verdict::Refuse("a next file that begins before this group")),
];

impl Row {
    fn fits(&self, found: Found, next: Next, synced: bool) -> bool {
        self.found.is_none_or(|want| want == found)
            && self.next == next
            && self.synced.is_none_or(|want| want == synced)
    }
}

/// The verdict on the place of group *n*. `synced` says whether this file shows that group *n* was
/// synced: its header says so, or a group with a higher number stands behind this place.
pub(super) fn decide(found: Found, next: Next, synced: bool) -> Verdict {
    TABLE.iter().find(|row| row.fits(found, next, synced)).expect("a row fits each input").verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_row_fits_each_input() {
        for found in [Found::Intact, Found::Bad] {
            for next in [Next::None, Next::After, Next::Here, Next::Before] {
                for synced in [false, true] {
                    let count = TABLE.iter().filter(|row| row.fits(found, next, synced)).count();
                    assert_eq!(count, 1, "{found:?} {next:?} {synced}");
                    // What was synced is never cut off, and nothing bad is kept.
                    let verdict = decide(found, next, synced);
                    assert!(verdict != Verdict::Cut || !synced);
                    assert!(verdict != Verdict::Keep || found == Found::Intact);
                }
            }
        }
    }

    #[test]
    fn the_format_page_shows_each_reason() {
        let page = include_str!("../../../docs/format/wal.md");
        for row in &TABLE {
            if let Verdict::Refuse(why) = row.verdict {
                assert!(page.contains(why), "{why}");
            }
        }
    }
}
