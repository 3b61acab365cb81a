//! The nouns of an event: its level, its value kinds, its sequence number and its public id.

use crate::timestamp::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A position in the store's log: rises strictly, dense within a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Level {
    /// Finest detail.
    Trace = 1,
    /// For whoever debugs the program.
    Debug = 2,
    /// Ordinary operation; the level of an event that names none.
    #[default]
    Info = 3,
    /// Unexpected, handled.
    Warn = 4,
    /// Something failed.
    Error = 5,
    /// Someone must act now.
    Critical = 6,
}

impl Level {
    /// Every level, from trace to critical.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    /// The name in queries, answers and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The level of a stored code, 1 to 6.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level as u8 == code)
    }

    /// The level of exactly this name, in any case. Other dialects are the decoders' business.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a stored value was in JSON. The value itself is kept as its text (its *lexeme*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The characters of a string, unescaped. May be invalid UTF-8 if it came from a file.
    String = 1,
    /// A JSON number exactly as it was written.
    Number = 2,
    /// `true` or `false`.
    Bool = 3,
    /// `null`.
    Null = 4,
    /// An array, an empty object, or an object past the nesting that becomes fields: its JSON.
    Json = 5,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 5] =
        [Self::String, Self::Number, Self::Bool, Self::Null, Self::Json];

    /// The kind of a stored code, 1 to 5.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// A value and its kind, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value<'a> {
    /// What it was in JSON.
    pub kind: Kind,
    /// Its lexeme.
    pub text: &'a [u8],
}

/// The public name of an event: 128 bits, shown as 26 sortable characters (Crockford base 32).
///
/// `milliseconds (48 bits, offset binary) ‖ incarnation (16) ‖ seq (64)`. The incarnation is new
/// at each restore or clone of a store, so that two stores never give two events one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u128);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_CHARS: usize = 26;
const MILLIS_OFFSET: i64 = 1 << 47;

impl EventId {
    /// The id of the event at `seq` with this timestamp.
    pub fn new(timestamp: Timestamp, incarnation: u16, seq: Seq) -> Self {
        // i64 nanoseconds are fewer than 2^44 milliseconds either way: they fit 48 bits.
        let millis = (timestamp.millis() + MILLIS_OFFSET) as u128;
        Self(millis << 80 | u128::from(incarnation) << 64 | u128::from(seq.0))
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        (self.0 >> 80) as i64 - MILLIS_OFFSET
    }

    /// The incarnation of the store that numbered the event.
    pub fn incarnation(self) -> u16 {
        (self.0 >> 64) as u16
    }

    /// The event's position in that store's log.
    pub fn seq(self) -> Seq {
        Seq(self.0 as u64)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = [0u8; ID_CHARS];
        let mut rest = self.0;
        for place in chars.iter_mut().rev() {
            *place = CROCKFORD[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&chars).expect("the alphabet is ASCII"))
    }
}

/// Text that is not an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEventId;

impl fmt::Display for NotAnEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event id is 26 characters of 0-9 and A-Z without I, L, O and U")
    }
}

impl std::error::Error for NotAnEventId {}

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        if text.len() != ID_CHARS {
            return Err(NotAnEventId);
        }
        let mut bits = 0u128;
        for (place, byte) in text.bytes().enumerate() {
            let digit = CROCKFORD
                .iter()
                .position(|c| *c == byte.to_ascii_uppercase())
                .ok_or(NotAnEventId)?;
            // 26 characters are 130 bits: the first carries three only.
            if place == 0 && digit > 7 {
                return Err(NotAnEventId);
            }
            bits = bits << 5 | digit as u128;
        }
        Ok(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_time_then_seq() {
        let mut last = None;
        for ns in [i64::MIN, -1, 0, 1_700_000_000_123_456_789, i64::MAX] {
            for seq in [0, 1, u64::MAX] {
                let id = EventId::new(Timestamp(ns), 7, Seq(seq));
                assert_eq!(id.to_string().parse(), Ok(id));
                assert_eq!(id.millis(), Timestamp(ns).millis());
                assert_eq!((id.incarnation(), id.seq()), (7, Seq(seq)));
                assert!(last.is_none_or(|last: String| last < id.to_string()));
                last = Some(id.to_string());
            }
        }
    }

    #[test]
    fn other_text_is_no_id() {
        for text in ["", "0", "80000000000000000000000000", "0000000000000000000000000U", "é"] {
            assert_eq!(text.parse::<EventId>(), Err(NotAnEventId), "{text}");
        }
    }
}
