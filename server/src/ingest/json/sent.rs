//! How an event was sent, as far as its stored fields do not tell: kept when it is decoded, used to
//! rebuild the object for `?raw`.
//!
//! `S1`: an event that was sent with the names of the known fields, a level in lower case and a time
//! as answers show it, keeps nothing. `S2`: of most others a *note* is kept, a small JSON object by
//! known field:
//!
//! - `null`: the field was not sent;
//! - `{"as":"msg"}`: it was sent under this column name;
//! - `"digits":4`: a time of RFC 3339 with so many fractional digits; `"unit":1000000`: a number of
//!   so many nanoseconds; `"value":…`: a time or level exactly so; `"text":true`: as in the field
//!   `timestamp_text` or `level_text`;
//! - `"id":true`: the field `_id` was sent as `id`.
//!
//! `S3`: of what is stranger, the whole object is kept, redacted like everything else.

use super::lexeme::{kind_of, string_text};
use super::slots::Candidate;
use crate::ingest::ParsedTime;
use crate::ingest::fields::{ALIASES, Slot};
use logstrata_engine::field::{self, AS_SENT};
use logstrata_engine::query::{EventField, EventRecord, write_fields};
use logstrata_engine::{Kind, Timestamp};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A note under construction. Stays empty, and costs nothing, as long as there is nothing to note.
#[derive(Debug, Default)]
pub(super) struct Note {
    text: String,
}

/// How a value of `timestamp` or `level` can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// As answers show it.
    Shown,
    /// RFC 3339 in UTC with so many fractional digits.
    Digits(usize),
    /// A number of so many nanoseconds.
    Unit(i64),
    /// As in its `_text`.
    InText,
    /// Exactly this.
    Value(&'a str),
}

impl Form<'_> {
    /// The same of other values, if it does not quote this one.
    pub(super) fn constant(self) -> Option<Form<'static>> {
        match self {
            Self::Shown => Some(Form::Shown),
            Self::Digits(digits) => Some(Form::Digits(digits)),
            Self::Unit(unit) => Some(Form::Unit(unit)),
            Self::InText | Self::Value(_) => None,
        }
    }
}

impl Note {
    /// Notes how the winner of a slot was sent; `expected` says whether an answer shows the field
    /// although nothing was sent.
    pub(super) fn slot(&mut self, slot: Slot, winner: Option<&Candidate<'_>>, expected: bool) {
        match winner {
            Some(winner) => self.known(slot, winner, Form::Shown),
            None if expected => self.member(canonical(slot), "null"),
            None => {}
        }
    }

    /// Notes how a known field was sent.
    pub(super) fn known(&mut self, slot: Slot, winner: &Candidate<'_>, form: Form<'_>) {
        let alias = ALIASES[usize::from(winner.alias)].name;
        let canonical = canonical(slot);
        let renamed = alias != canonical || winner.flat == canonical.contains('.');
        if !renamed && form == Form::Shown {
            return;
        }
        let mut parts = String::new();
        if renamed {
            let name = if winner.flat { super::event::column_name(alias) } else { alias.into() };
            let name = serde_json::to_string(&*name).expect("a string into memory");
            let _ = write!(parts, "\"as\":{name}");
        }
        let comma = if renamed { "," } else { "" };
        let _ = match form {
            Form::Shown => Ok(()),
            Form::Digits(digits) => write!(parts, "{comma}\"digits\":{digits}"),
            Form::Unit(unit) => write!(parts, "{comma}\"unit\":{unit}"),
            Form::InText => write!(parts, "{comma}\"text\":true"),
            Form::Value(raw) => write!(parts, "{comma}\"value\":{raw}"),
        };
        self.member(canonical, &format!("{{{parts}}}"));
    }

    /// Notes that the field `_id` was sent as `id`.
    pub(super) fn id(&mut self) {
        self.member("id", "true");
    }

    fn member(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        let _ = write!(self.text, "\"{name}\":{value}");
    }

    /// The note; `None` if there is nothing to note.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push('}');
        Some(self.text)
    }
}

/// The name of a slot's field in answers.
fn canonical(slot: Slot) -> &'static str {
    match slot {
        Slot::Timestamp => "timestamp",
        Slot::Level => "level",
        slot => slot.column(),
    }
}

/// How the winner of `timestamp` can be made again from the time that was read.
pub(super) fn form_of_time(time: Option<ParsedTime>, raw: &str) -> Form<'_> {
    let Some(time) = time.filter(|time| !time.clamped) else { return Form::InText };
    let Timestamp(ns) = time.timestamp;
    match kind_of(raw) {
        Kind::String => match fraction_digits(&string_text(raw)) {
            Some(digits) if digits == shown_digits(ns) => Form::Shown,
            Some(digits) => Form::Digits(digits),
            None => Form::Value(raw),
        },
        _ => match unit_of(raw, ns) {
            Some(unit) => Form::Unit(unit),
            None => Form::Value(raw),
        },
    }
}

/// The fractional digits of a time that was read, if it is RFC 3339 in UTC and these digits and its
/// nanoseconds say all.
fn fraction_digits(text: &[u8]) -> Option<usize> {
    let (whole, rest) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let digits = rest.strip_suffix(b"Z")?;
    let plain = marks.iter().all(|(at, mark)| whole[*at] == *mark) && !whole.ends_with(b"60");
    if !plain || digits.is_empty() {
        return plain.then_some(0);
    }
    let digits = digits.strip_prefix(b".")?;
    let sound = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sound.then_some(digits.len())
}

/// The fractional digits that answers show.
pub(super) fn shown_digits(ns: i64) -> usize {
    match ns {
        _ if ns % 1_000_000_000 == 0 => 0,
        _ if ns % 1_000_000 == 0 => 3,
        _ if ns % 1_000 == 0 => 6,
        _ => 9,
    }
}

/// The unit of a whole number of a time, in nanoseconds.
fn unit_of(raw: &str, ns: i64) -> Option<i64> {
    let number: i64 = raw.parse().ok()?;
    let units = [1_000_000_000, 1_000_000, 1_000, 1];
    let unit = units.into_iter().find(|unit| number.checked_mul(*unit) == Some(ns))?;
    (raw == number.to_string()).then_some(unit)
}

/// What is noted of one known field.
#[derive(Debug, Default, serde::Deserialize)]
struct Noted<'a> {
    #[serde(borrow, default, rename = "as")]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    digits: Option<usize>,
    #[serde(default)]
    unit: Option<i64>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    text: bool,
}

/// Appends the JSON object of an event as it was sent, less its secrets; the order of its members
/// is that of answers.
pub fn write_as_sent(event: &EventRecord, out: &mut Vec<u8>) {
    let note = match &event.as_sent {
        Some(sent) if sent.kind == Kind::Json => return out.extend_from_slice(&sent.text),
        Some(sent) => serde_json::from_slice(&sent.text).unwrap_or_default(),
        None => BTreeMap::<&str, &RawValue>::new(),
    };
    let mut fields = event.fields.clone();
    // `Some(None)`: the field was not sent.
    let noted = |name: &str| -> Option<Option<Noted<'_>>> {
        let raw = note.get(name)?.get();
        Some(serde_json::from_str(raw).unwrap_or_default())
    };
    if note.contains_key("id") {
        for field in &mut fields {
            let inside = field
                .name
                .strip_prefix("_id")
                .filter(|rest| rest.is_empty() || rest.starts_with('.'));
            if let Some(inside) = inside {
                field.name = format!("id{inside}").into();
            }
        }
    }
    for name in field::KNOWN_FIELDS {
        match noted(name) {
            Some(Some(Noted { name: Some(sent), .. })) => rename(&mut fields, name, &sent),
            Some(None) => fields.retain(|field| &*field.name != name),
            _ => {}
        }
    }
    let level = (Kind::String, event.level.name().into());
    put(&mut fields, "level", noted("level"), level, |_| None);
    let shown = (Kind::String, event.timestamp.to_string().into_bytes());
    put(&mut fields, "timestamp", noted("timestamp"), shown, |noted| {
        time_again(event.timestamp, noted)
    });
    write_fields(&fields, out);
}

/// Adds the timestamp or the level as it was sent.
fn put(
    fields: &mut Vec<EventField>,
    name: &'static str,
    noted: Option<Option<Noted<'_>>>,
    shown: (Kind, Vec<u8>),
    again: impl Fn(&Noted<'_>) -> Option<(Kind, Vec<u8>)>,
) {
    let noted = match noted {
        Some(None) => return,
        Some(Some(noted)) => noted,
        None => Noted::default(),
    };
    let sent = noted.name.as_deref().unwrap_or(name);
    if noted.text {
        return rename(fields, &format!("{name}_text"), sent);
    }
    let exact = noted.value.map(|raw| match kind_of(raw.get()) {
        Kind::String => (Kind::String, string_text(raw.get()).into_owned()),
        kind => (kind, raw.get().as_bytes().to_vec()),
    });
    let (kind, text) = exact.or_else(|| again(&noted)).unwrap_or(shown);
    fields.push(EventField { name: sent.into(), kind, text });
}

fn time_again(Timestamp(ns): Timestamp, noted: &Noted<'_>) -> Option<(Kind, Vec<u8>)> {
    if let Some(unit) = noted.unit.filter(|unit| *unit > 0) {
        return Some((Kind::Number, (ns / unit).to_string().into_bytes()));
    }
    let digits = noted.digits?;
    let second = Timestamp(ns.checked_sub(ns.rem_euclid(1_000_000_000))?).to_string();
    let fraction = format!("{:09}", ns.rem_euclid(1_000_000_000));
    let fraction = fraction.get(..digits).filter(|fraction| !fraction.is_empty());
    let dot = if fraction.is_some() { "." } else { "" };
    let text = format!("{}{dot}{}Z", second.trim_end_matches('Z'), fraction.unwrap_or_default());
    Some((Kind::String, text.into_bytes()))
}

/// Gives a field another column name.
fn rename(fields: &mut [EventField], from: &str, to: &str) {
    if let Some(field) = fields.iter_mut().find(|field| &*field.name == from) {
        field.name = to.into();
    }
}

/// The column that a note or an object goes to.
pub(super) const COLUMN: &str = AS_SENT;

#[cfg(test)]
mod tests;
