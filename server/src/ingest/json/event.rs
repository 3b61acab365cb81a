//! One JSON object becomes one event, in one pass over its members, without a tree.
//!
//! `J1`: no member is lost: each is a known field, an attribute, or part of `_rest`.
//! `J2`: what is staged stays below `event_bytes_max` plus one value, so that long names above
//! many short members can't multiply.

use super::lexeme::{Bytes, is_filled_object, kind_of, nesting, string_text};
use super::out::Fields;
use super::sent::{self, Form, Note};
use super::slots::{Candidate, Slots};
use crate::ingest::fields::{self, ALIASES, Slot};
use crate::ingest::level::Spelling;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use logstrata_engine::query::is_wtf8;
use logstrata_engine::{Kind, field};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Objects inside each other that become fields; one level more is kept as JSON.
pub(super) const FIELD_DEPTH_MAX: usize = 16;
/// Arrays and objects inside each other, of any kind.
pub(super) const DEPTH_MAX: usize = 128;
/// An object whose own name is longer than this is kept as JSON, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 1_024;
/// Attributes of one event; what comes after them is kept together in [`REST`].
pub(super) const FIELDS_MAX: usize = 1_024;
/// The attribute that keeps what is too much.
pub(super) const REST: &str = "_rest";
/// The bytes of a message that is not UTF-8, as answers have it.
const MESSAGE_BASE64: &str = "message_base64";

/// The slots that are stored as they are, in the order in which they are stored.
const STORED: [Slot; 15] = [
    Slot::Service,
    Slot::Category,
    Slot::Action,
    Slot::Message,
    Slot::TraceId,
    Slot::SpanId,
    Slot::ParentSpanId,
    Slot::CorrelationId,
    Slot::UserId,
    Slot::ResourceType,
    Slot::ResourceId,
    Slot::Ip,
    Slot::ErrorType,
    Slot::ErrorMessage,
    Slot::ErrorStack,
];

/// Buffers that outlive an event.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The column name of the member at hand.
    name: String,
    /// The key of the event's member at hand, as sent.
    head: String,
}

/// Why an object is no event. Quotes nothing of it.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not JSON; the column counts bytes from 1.
    Syntax { what: String, column: usize },
    /// It is JSON, but too large or too deep.
    Bounds(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { what, column } => write!(f, "{what} at column {column}"),
            Self::Bounds(what) => f.write_str(what),
        }
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        Self::Syntax { what: what.to_owned(), column: error.column() }
    }
}

/// What a finished event tells about its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeRead {
    /// As sent.
    Plain,
    /// None was sent: that of arrival.
    Absent,
    /// Clamped to what can be stored.
    Clamped,
    /// Not understood, so of arrival.
    Unread,
}

/// An event under construction from one JSON object.
pub(super) struct JsonEvent<'a, 'b> {
    out: Fields<'b>,
    scratch: &'b mut Scratch,
    slots: Slots<'a>,
    /// Members beyond [`FIELDS_MAX`]: a JSON object without its closing brace.
    rest: String,
    refusal: Option<String>,
    /// The decoded `message_base64`, and the member as sent.
    message_bytes: Option<(Vec<u8>, &'a str)>,
    /// The object, as sent.
    text: &'a str,
    /// How many members `id` and `_id` there are.
    ids: [u32; 2],
    /// Whether the stored fields and a note can't tell how the event was sent.
    is_odd: bool,
    /// Members `timestamp_text` and `level_text`: their names may be needed for others.
    has_texts: bool,
}

impl<'a, 'b> JsonEvent<'a, 'b> {
    pub(super) fn new(out: Fields<'b>, scratch: &'b mut Scratch) -> Self {
        scratch.name.clear();
        Self {
            out,
            scratch,
            slots: Slots::default(),
            rest: String::new(),
            refusal: None,
            message_bytes: None,
            text: "",
            ids: [0; 2],
            is_odd: false,
            has_texts: false,
        }
    }

    /// Reads the object that `text` begins with. Whether nothing but space follows it.
    ///
    /// # Errors
    /// It is no JSON object, or one that is too deep or too large.
    pub(super) fn read(&mut self, text: &'a str) -> Result<bool, Refusal> {
        self.text = text;
        if let Some(trace) = &mut self.out.trace {
            trace.begin(text);
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(Members { event: self, depth: 1 });
        if let Err(error) = read {
            return Err(match self.refusal.take() {
                Some(refusal) => Refusal::Bounds(refusal),
                None => error.into(),
            });
        }
        Ok(json.end().is_ok())
    }

    /// Takes the member whose column name is in the scratch; `key` is its last key as sent,
    /// `depth` the number of objects around it.
    fn member(&mut self, key: &str, raw: &'a str, depth: usize) -> Result<(), String> {
        let scalar = !is_filled_object(raw);
        if depth == 1 && key == MESSAGE_BASE64 {
            self.out.is_peculiar();
        }
        if depth == 1
            && key == MESSAGE_BASE64
            && self.message_bytes.is_none()
            && let Ok(bytes) = STANDARD.decode(string_text(raw))
            && kind_of(raw) == Kind::String
        {
            self.message_bytes = Some((bytes, raw));
            return Ok(());
        }
        if scalar && let Some(alias) = self.alias(key, depth) {
            self.slots.offer(alias, depth == 1, raw);
            if let Some(trace) = &mut self.out.trace {
                trace.leaf(raw, Some(alias));
            }
            return if kind_of(raw) == Kind::Json { check_depth(raw, depth) } else { Ok(()) };
        }
        let full = self.out.count >= FIELDS_MAX;
        let nests = depth < FIELD_DEPTH_MAX && self.scratch.name.len() <= PATH_BYTES_MAX;
        if !scalar && !full && nests {
            if depth == 1 {
                self.scratch.head.clear();
                self.scratch.head.push_str(key);
            }
            let mut json = serde_json::Deserializer::from_str(raw);
            let read = json.deserialize_map(Members { event: self, depth: depth + 1 });
            return read.map_err(|error| Refusal::from(error).to_string());
        }
        check_depth(raw, depth)?;
        self.has_texts |= depth == 1 && matches!(key, "timestamp_text" | "level_text");
        if full {
            return self.keep_in_rest(raw);
        }
        if let Some(trace) = &mut self.out.trace {
            trace.leaf(raw, None);
        }
        self.out.put(&self.scratch.name, raw)
    }

    fn alias(&self, key: &str, depth: usize) -> Option<usize> {
        match depth {
            1 => fields::lookup(key.as_bytes()),
            2 => {
                const LONGEST: usize = 32;
                let head = self.scratch.head.as_bytes();
                let mut path = [0; LONGEST];
                let path = path.get_mut(..head.len() + 1 + key.len())?;
                let (front, back) = path.split_at_mut(head.len());
                front.copy_from_slice(head);
                let (dot, back) = back.split_at_mut(1);
                dot.fill(b'.');
                back.copy_from_slice(key.as_bytes());
                fields::lookup(path)
            }
            _ => None,
        }
    }

    fn keep_in_rest(&mut self, raw: &str) -> Result<(), String> {
        self.is_odd = true;
        let name = serde_json::to_string(&self.scratch.name).map_err(|error| error.to_string())?;
        self.rest.push(if self.rest.is_empty() { '{' } else { ',' });
        self.rest.push_str(&name);
        self.rest.push(':');
        self.rest.push_str(raw);
        self.out.reserve(name.len() + raw.len() + 2)
    }

    /// Files the event. `service` is for an event that names none.
    ///
    /// # Errors
    /// The event is too large.
    pub(super) fn finish(mut self, service: Option<&str>) -> Result<TimeRead, Refusal> {
        let time = self.put_known(service).map_err(Refusal::Bounds)?;
        let finished = self.out.event.finish();
        finished.map(|()| time).map_err(|error| Refusal::Bounds(error.to_string()))
    }

    fn put_known(&mut self, service: Option<&str>) -> Result<TimeRead, String> {
        let mut note = Note::default();
        let time = self.put_time(&mut note)?;
        self.put_level(&mut note)?;
        for slot in STORED {
            let given = slot == Slot::Service && service.is_some();
            note.slot(slot, self.slots.winning(slot), given);
            if slot == Slot::Message && self.put_message_bytes()? {
                continue;
            }
            match (self.slots.winner(slot), service) {
                (Some(raw), _) => self.out.put(slot.column(), raw)?,
                (None, Some(service)) if slot == Slot::Service => {
                    self.out.put_constant(slot.column(), Kind::String, service.as_bytes())?;
                }
                _ => {}
            }
        }
        for loser in std::mem::take(&mut self.slots.losers) {
            self.out.is_peculiar();
            self.put_loser(loser)?;
        }
        if !self.rest.is_empty() {
            self.rest.push('}');
            // Its bytes were counted when they came.
            self.out.event.field(REST, Kind::Json, self.rest.as_bytes());
        }
        self.put_as_sent(note);
        Ok(time)
    }

    /// Keeps how the event was sent, as far as its fields don't tell. An object that would not fit
    /// beside its fields is not kept.
    fn put_as_sent(&mut self, mut note: Note) {
        match self.ids {
            [0, _] => {}
            [1, 0] => note.id(),
            _ => self.is_odd = true,
        }
        if self.is_odd {
            let object = self.text.trim_ascii();
            if self.out.reserve(object.len() + sent::COLUMN.len()).is_ok() {
                self.out.event.field(sent::COLUMN, Kind::Json, object.as_bytes());
            }
        } else if let Some(note) = note.finish() {
            // `Err`: it would not fit, and is not kept.
            let _ = self.out.put_constant(sent::COLUMN, Kind::String, note.as_bytes());
        }
        if let Some(trace) = &mut self.out.trace {
            trace.level = self.out.event.level;
            trace.is_peculiar |= self.is_odd || self.has_texts;
        }
    }

    /// Puts the message from its bytes, if `message` is what they look like as text: it was not
    /// UTF-8, and an answer or the command line shows both. Otherwise `message_base64` is an
    /// attribute like any other.
    fn put_message_bytes(&mut self) -> Result<bool, String> {
        let Some((bytes, raw)) = self.message_bytes.take() else { return Ok(false) };
        let shown = self.slots.winner(Slot::Message).map(string_text);
        if shown.is_some_and(|shown| *shown == *String::from_utf8_lossy(&bytes).as_bytes()) {
            // An answer shows such a message and its bytes, as they came.
            let same = STANDARD.encode(&bytes).as_bytes() == &*string_text(raw);
            self.is_odd |= !same || is_wtf8(&bytes);
            self.out.put_text(Slot::Message.column(), Kind::String, &bytes)?;
            return Ok(true);
        }
        self.out.put(MESSAGE_BASE64, raw)?;
        Ok(false)
    }

    fn put_time(&mut self, note: &mut Note) -> Result<TimeRead, String> {
        let Some(winner) = self.slots.winning(Slot::Timestamp) else {
            note.slot(Slot::Timestamp, None, true);
            return Ok(TimeRead::Absent);
        };
        let raw = winner.raw;
        let form = sent::form_of_time(self.slots.time, raw);
        if let Some(trace) = &mut self.out.trace {
            trace.time = form.constant();
            trace.is_peculiar |= trace.time.is_none();
        }
        note.known(Slot::Timestamp, winner, form);
        self.is_odd |= form == Form::InText && self.has_texts;
        let time = self.slots.time;
        if let Some(time) = time {
            self.out.event.timestamp = time.timestamp;
        }
        match time {
            Some(time) if !time.clamped => return Ok(TimeRead::Plain),
            _ => self.out.put(Slot::Timestamp.column(), raw)?,
        }
        Ok(if time.is_some() { TimeRead::Clamped } else { TimeRead::Unread })
    }

    fn put_level(&mut self, note: &mut Note) -> Result<(), String> {
        let Some(winner) = self.slots.winning(Slot::Level) else {
            note.slot(Slot::Level, None, true);
            return Ok(());
        };
        let raw = winner.raw;
        match self.slots.level {
            Some((level, Spelling::Own)) => {
                let is_shown =
                    raw.as_bytes().get(1..raw.len() - 1) == Some(level.name().as_bytes());
                note.known(
                    Slot::Level,
                    winner,
                    if is_shown { Form::Shown } else { Form::Value(raw) },
                );
                self.out.event.level = level;
            }
            read => {
                note.known(Slot::Level, winner, Form::InText);
                self.is_odd |= self.has_texts;
                self.out.event.level = read.map_or_else(Default::default, |(level, _)| level);
                self.out.put(Slot::Level.column(), raw)?;
            }
        }
        Ok(())
    }

    /// Under its own name, except that `timestamp` and `level` are no columns: what can't be
    /// either is told apart by their `_text`.
    fn put_loser(&mut self, loser: Candidate<'a>) -> Result<(), String> {
        let alias = &ALIASES[usize::from(loser.alias)];
        let name = match alias.name {
            "timestamp" | "level" => {
                self.is_odd = true;
                alias.slot.column().into()
            }
            name if loser.flat => column_name(name),
            name => Cow::Borrowed(name),
        };
        self.out.put(&name, loser.raw)
    }
}

/// The column name of one key at the event's top.
pub(super) fn column_name(key: &str) -> Cow<'_, str> {
    if is_plain(key) {
        return Cow::Borrowed(key);
    }
    let mut name = String::with_capacity(key.len() + 2);
    field::push_key(&mut name, key, true);
    Cow::Owned(name)
}

fn is_plain(key: &str) -> bool {
    !key.bytes().any(|byte| matches!(byte, b'.' | b'\\' | b'\0'))
}

fn check_depth(raw: &str, depth: usize) -> Result<(), String> {
    if kind_of(raw) == Kind::Json && depth + nesting(raw) > DEPTH_MAX {
        return Err(format!("the event is nested deeper than {DEPTH_MAX} levels"));
    }
    Ok(())
}

/// Visits the members of an object with `depth` objects around them, the event's own included.
struct Members<'e, 'a, 'b> {
    event: &'e mut JsonEvent<'a, 'b>,
    depth: usize,
}

impl<'a> Visitor<'a> for Members<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Key)? {
            let raw = members.next_value::<&'a RawValue>()?.get();
            let key = match std::str::from_utf8(&key) {
                Ok(key) => Cow::Borrowed(key),
                Err(_) => {
                    self.event.is_odd = true;
                    String::from_utf8_lossy(&key)
                }
            };
            if self.depth == 1 {
                match &*key {
                    "id" => self.event.ids[0] += 1,
                    "_id" => self.event.ids[1] += 1,
                    _ => {}
                }
            }
            let name = &mut self.event.scratch.name;
            let outer = name.len();
            match (self.depth, &*key) {
                // Answers call the event's own name `id`.
                (1, "id") => name.push_str("_id"),
                // They have a time and a level of the event's own, too: a reader of JSON that takes the
                // last of two members would take this object for them.
                (1, "timestamp" | "level") if is_filled_object(raw) => {
                    self.event.is_odd = true;
                    name.push_str(&key);
                    name.push_str("_text");
                }
                (1, key) if is_plain(key) => name.push_str(key),
                (depth, key) => field::push_key(name, key, depth == 1),
            }
            let taken = self.event.member(&key, raw, self.depth);
            self.event.scratch.name.truncate(outer);
            if let Err(refusal) = taken {
                // The innermost says why; the parser's own error would tell of its text.
                self.event.refusal.get_or_insert(refusal);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// A key's bytes. A lone surrogate in a key is no error, but names are text: it becomes U+FFFD.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, [u8]>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_bytes(Bytes)
    }
}
