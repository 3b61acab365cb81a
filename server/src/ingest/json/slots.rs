//! The known fields of one event while its members come by: the best candidate for each, and what
//! lost.
//!
//! A candidate that can be read beats one that can't, a level's name beats its number, and among
//! equals the order of the alias table decides. `null`, an empty string, arrays and objects never
//! win.

use super::lexeme::{kind_of, string_text};
use crate::ingest::fields::{ALIASES, SLOTS, Slot, Takes};
use crate::ingest::level::{self, Scale, Spelling};
use crate::ingest::time::{ParsedTime, parse_timestamp};
use logstrata_engine::{Kind, Level};

/// A member whose name is an alias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Its index in [`ALIASES`].
    pub(super) alias: u8,
    /// Whether the name came as one key, not as a nested object's.
    pub(super) flat: bool,
    /// Its value, as sent.
    pub(super) raw: &'a str,
    quality: Quality,
}

/// How well a value fits its slot; the greater wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quality {
    /// It can't be the slot's value at all.
    Unfit,
    /// A scalar, for times and levels one that can't be read.
    Scalar,
    /// A time that can't be stored, or a level's number.
    Fair,
    /// A time, or a level's name.
    Good,
}

/// The candidates of one event.
#[derive(Debug, Default)]
pub(super) struct Slots<'a> {
    winners: [Option<Candidate<'a>>; SLOTS],
    /// What the winner of [`Slot::Timestamp`] says.
    pub(super) time: Option<ParsedTime>,
    /// What the winner of [`Slot::Level`] says, and how.
    pub(super) level: Option<(Level, Spelling)>,
    /// Members with an alias for a name that have not won.
    pub(super) losers: Vec<Candidate<'a>>,
}

impl<'a> Slots<'a> {
    /// Enters a member whose name is the alias of this index.
    pub(super) fn offer(&mut self, index: usize, flat: bool, raw: &'a str) {
        let alias = &ALIASES[index];
        let (mut time, mut level) = (None, None);
        let quality = match alias.slot {
            Slot::Timestamp => {
                time = time_of(raw);
                of_time(raw, time)
            }
            Slot::Level => {
                let scale = match alias.takes {
                    Takes::OpenTelemetry => Scale::OpenTelemetry,
                    Takes::Scalars | Takes::Strings => Scale::Any,
                };
                level = read_scalar(raw, |text| level::parse(text, scale));
                of_level(raw, level)
            }
            _ => of_scalar(raw, alias.takes),
        };
        // There are fewer than 255 aliases: asserted beside the table.
        let candidate = Candidate { alias: index as u8, flat, raw, quality };
        let winner = &mut self.winners[alias.slot as usize];
        let wins = quality > Quality::Unfit
            && winner.is_none_or(|old| {
                (quality, std::cmp::Reverse(candidate.alias))
                    > (old.quality, std::cmp::Reverse(old.alias))
            });
        if !wins {
            self.losers.push(candidate);
            return;
        }
        self.losers.extend(winner.replace(candidate));
        match alias.slot {
            Slot::Timestamp => self.time = time,
            Slot::Level => self.level = level,
            _ => {}
        }
    }

    /// The member that has won a slot.
    pub(super) fn winning(&self, slot: Slot) -> Option<&Candidate<'a>> {
        self.winners[slot as usize].as_ref()
    }

    /// The value that a slot has won.
    pub(super) fn winner(&self, slot: Slot) -> Option<&'a str> {
        self.winners[slot as usize].map(|winner| winner.raw)
    }
}

/// Whether a value wins its slot, neither a time nor a level, if no other is offered.
pub(super) fn fits(raw: &str, takes: Takes) -> bool {
    of_scalar(raw, takes) > Quality::Unfit
}

/// The time that a value says.
pub(super) fn time_of(raw: &str) -> Option<ParsedTime> {
    read_scalar(raw, parse_timestamp)
}

/// Reads a string or a number.
fn read_scalar<T>(raw: &str, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    match kind_of(raw) {
        Kind::String => read(&string_text(raw)),
        Kind::Number => read(raw.as_bytes()),
        Kind::Bool | Kind::Null | Kind::Json => None,
    }
}

fn of_time(raw: &str, time: Option<ParsedTime>) -> Quality {
    match time {
        Some(ParsedTime { clamped: false, .. }) => Quality::Good,
        Some(ParsedTime { clamped: true, .. }) => Quality::Fair,
        None => of_text(raw),
    }
}

fn of_level(raw: &str, level: Option<(Level, Spelling)>) -> Quality {
    match level {
        Some((_, Spelling::Own | Spelling::Foreign)) => Quality::Good,
        Some((_, Spelling::Number)) => Quality::Fair,
        None => of_text(raw),
    }
}

fn of_text(raw: &str) -> Quality {
    match kind_of(raw) {
        Kind::String if raw != "\"\"" => Quality::Scalar,
        Kind::Number => Quality::Scalar,
        _ => Quality::Unfit,
    }
}

fn of_scalar(raw: &str, takes: Takes) -> Quality {
    match kind_of(raw) {
        Kind::String if raw != "\"\"" => Quality::Scalar,
        Kind::Number | Kind::Bool if takes == Takes::Scalars => Quality::Scalar,
        _ => Quality::Unfit,
    }
}
