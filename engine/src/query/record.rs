//! An event as JSON: flat at the top, attributes nested as they were sent.

use super::request::{EventField, EventRecord};
use super::table::{EventTable as _, RowsTable};
use crate::batch::Batch;
use crate::event::{Kind, Value};
use crate::field::{self, KNOWN_FIELDS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::sync::Arc;

/// A field by its keys from the top of the event.
struct Keyed<'a> {
    keys: Vec<Cow<'a, str>>,
    value: Value<'a>,
}

impl EventRecord {
    /// Appends the event as one JSON object: `id`, `timestamp`, `level`, the known fields, then
    /// the attributes by name, nested as they were sent.
    ///
    /// Text that is not UTF-8 is shown with U+FFFD where it is broken, and whole beside it as
    /// `<name>_base64`. A key that was sent twice is shown twice. The object is one line: for line breaks
    /// between the tokens of a value there are blanks.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(self.id.to_string().as_bytes());
        out.extend_from_slice(b"\",");
        self.write_rest(out);
        out.push(b'}');
    }

    /// Appends the event as one JSON object with only these fields, by the names that people type; the
    /// name of an object stands for all that is in it.
    pub fn write_json_of(&self, names: &[String], out: &mut Vec<u8>) {
        let heads = [
            ("id", self.id.to_string()),
            ("timestamp", self.timestamp.to_string()),
            ("level", self.level.name().to_owned()),
        ];
        out.push(b'{');
        let mut first = true;
        for (name, value) in heads.iter().filter(|(name, _)| names.iter().any(|n| n == name)) {
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            out.extend_from_slice(format!("{comma}\"{name}\":\"{value}\"").as_bytes());
        }
        let is_named = |field: &&EventField| {
            let shown = field::display_name(&field.name);
            names.iter().any(|name| {
                shown
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let fields: Vec<EventField> = self.fields.iter().filter(is_named).cloned().collect();
        write_members(&keyed_in_order(&fields), 0, first, Exactness::Shown, out);
        out.push(b'}');
    }

    /// What the event takes in memory: more than its JSON, if its fields are many and short.
    pub(crate) fn memory_bytes(&self) -> usize {
        /// What an allocation takes beside what was asked for.
        const ALLOCATION_BYTES: usize = 16;
        let field = |field: &EventField| {
            // A name that no other event has; others are those of a block.
            let own = Arc::strong_count(&field.name) == 1;
            let name = if own { field.name.len() + ALLOCATION_BYTES } else { 0 };
            name + field.text.capacity() + ALLOCATION_BYTES
        };
        let fields = self.fields.iter().chain(&self.as_sent);
        size_of::<Self>()
            + self.fields.capacity() * size_of::<EventField>()
            + fields.map(field).sum::<usize>()
    }

    /// Appends the event as one line of JSON without its id, as [`Batch::write_ndjson`] does.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_rest(out);
        out.extend_from_slice(b"}\n");
    }

    /// Everything behind the id.
    fn write_rest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"timestamp\":\"");
        out.extend_from_slice(self.timestamp.to_string().as_bytes());
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(self.level.name().as_bytes());
        out.push(b'"');
        let fields = keyed_in_order(&self.fields);
        write_members(&fields, 0, false, Exactness::Shown, out);
    }

    /// The value of a field by its column name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        Some(Value { kind: field.kind, text: &field.text })
    }
}

/// Appends fields as one JSON object, nested by their column names: nothing added, the order that
/// of [`EventRecord::write_json`]. Lone surrogates are escapes again; other text that is not UTF-8 is
/// shown as there.
pub fn write_fields(fields: &[EventField], out: &mut Vec<u8>) {
    out.push(b'{');
    write_members(&keyed_in_order(fields), 0, true, Exactness::AsSent, out);
    out.push(b'}');
}

/// What becomes of text that is not UTF-8, and of line breaks between the tokens of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exactness {
    /// U+FFFD, and the bytes beside it; blanks.
    Shown,
    /// The same, unless it is text with lone surrogates; line breaks.
    AsSent,
}

/// Known fields in their order, then attributes by their keys, so that members of one object
/// stand together.
fn keyed_in_order(fields: &[EventField]) -> Vec<Keyed<'_>> {
    let mut fields: Vec<_> = fields
        .iter()
        .map(|field| {
            let value = Value { kind: field.kind, text: &field.text };
            // Within one path, repetitions stay in the order in which they were sent: their
            // ordinals rise, and so does the length of the name.
            let order = (rank(&field.name), field::keys(&field.name), field.name.len());
            (order, &field.name, value)
        })
        .collect();
    fields.sort_by(|(a, a_name, _), (b, b_name, _)| (a, a_name).cmp(&(b, b_name)));
    fields.into_iter().map(|((_, keys, _), _, value)| Keyed { keys, value }).collect()
}

impl Batch {
    /// The events, in their order. They have no ids yet: those given are of no store.
    pub fn events(&self) -> Vec<EventRecord> {
        let mut events = Vec::with_capacity(self.len());
        for part in self.parts() {
            let rows: Vec<usize> = (0..part.rows.len()).collect();
            let table = RowsTable::new(&part.rows, 0..part.rows.len());
            let records = table.fetch(&rows, 0).expect("rows in memory can be read");
            events.extend(part.rows.seq_offsets.iter().copied().zip(records));
        }
        events.sort_unstable_by_key(|(offset, _)| *offset);
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// Appends the events as JSON lines, in their order, as [`EventRecord::write_json`] has them but
    /// without ids: what a server reads back as the same batch.
    pub fn write_ndjson(&self, out: &mut Vec<u8>) {
        for event in self.events() {
            event.write_line(out);
        }
    }
}

/// The place of a field among the known ones. All of `error.` share one place and sort by key.
fn rank(name: &str) -> usize {
    if name.starts_with("error.") {
        return KNOWN_FIELDS.len();
    }
    KNOWN_FIELDS.iter().position(|known| *known == name).unwrap_or(usize::MAX)
}

/// Writes members that share their first `depth` keys.
fn write_members(
    mut fields: &[Keyed<'_>],
    depth: usize,
    first: bool,
    exactness: Exactness,
    out: &mut Vec<u8>,
) {
    let mut first = first;
    while let Some(field) = fields.first() {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let key = &field.keys[depth];
        if field.keys.len() == depth + 1 {
            write_member(key, field.value, exactness, out);
            fields = &fields[1..];
            continue;
        }
        let inside = |f: &&Keyed<'_>| f.keys.len() > depth + 1 && f.keys[depth] == *key;
        let count = fields.iter().take_while(inside).count();
        write_string(key, out);
        out.extend_from_slice(b":{");
        write_members(&fields[..count], depth + 1, true, exactness, out);
        out.push(b'}');
        fields = &fields[count..];
    }
}

fn write_member(key: &str, value: Value<'_>, exactness: Exactness, out: &mut Vec<u8>) {
    write_string(key, out);
    out.push(b':');
    if value.kind != Kind::String {
        match exactness {
            Exactness::AsSent => out.extend_from_slice(value.text),
            Exactness::Shown => push_in_one_line(value.text, out),
        }
        return;
    }
    match std::str::from_utf8(value.text) {
        Ok(text) => write_string(text, out),
        Err(_) if exactness == Exactness::AsSent && is_wtf8(value.text) => {
            write_wtf8(value.text, out);
        }
        Err(_) => {
            write_string(&String::from_utf8_lossy(value.text), out);
            out.push(b',');
            write_string(&format!("{key}_base64"), out);
            out.extend_from_slice(b":\"");
            out.extend_from_slice(STANDARD.encode(value.text).as_bytes());
            out.push(b'"');
        }
    }
}

/// Appends a lexeme with blanks for line breaks, which it can have between its tokens only: an event
/// is one line of NDJSON, and of Server-Sent Events.
fn push_in_one_line(lexeme: &[u8], out: &mut Vec<u8>) {
    let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    out.extend(lexeme.iter().map(blank));
}

/// The bytes of a lone surrogate, as the decoder of JSON keeps them.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf])
}

/// The parts of a text: whole characters, and what is not UTF-8.
fn parts(mut text: &[u8]) -> impl Iterator<Item = Result<&str, &[u8]>> {
    std::iter::from_fn(move || {
        let (part, rest) = match std::str::from_utf8(text) {
            Ok("") => return None,
            Ok(all) => (Ok(all), &text[text.len()..]),
            Err(error) if error.valid_up_to() > 0 => {
                let (valid, rest) = text.split_at(error.valid_up_to());
                (Ok(std::str::from_utf8(valid).unwrap_or_default()), rest)
            }
            Err(_) => {
                let (broken, rest) = text.split_at(text.len().min(3));
                (Err(broken), rest)
            }
        };
        text = rest;
        Some(part)
    })
}

/// Whether a text is UTF-8 but for lone surrogates.
pub fn is_wtf8(text: &[u8]) -> bool {
    parts(text).all(|part| part.map_or_else(is_surrogate, |_| true))
}

fn write_wtf8(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for part in parts(text) {
        match part {
            Ok(text) => {
                let start = out.len();
                write_string(text, out);
                out.pop();
                out.remove(start);
            }
            Err(bytes) => {
                let low =
                    bytes.iter().skip(1).fold(0, |bits, byte| bits << 6 | u32::from(byte & 0x3f));
                out.extend_from_slice(format!("\\ud{low:03x}").as_bytes());
            }
        }
    }
    out.push(b'"');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string into memory");
}

#[cfg(test)]
mod tests {
    use crate::event::{EventId, Kind, Level, Seq};
    use crate::query::{EventField, EventRecord};
    use crate::timestamp::Timestamp;

    fn json(fields: &[(&str, Kind, &[u8])]) -> String {
        let record = EventRecord {
            id: EventId::new(Timestamp(0), 1, Seq(2)),
            timestamp: Timestamp(0),
            level: Level::Warn,
            as_sent: None,
            fields: fields
                .iter()
                .map(|(name, kind, text)| EventField {
                    name: (*name).into(),
                    kind: *kind,
                    text: text.to_vec(),
                })
                .collect(),
        };
        let mut out = Vec::new();
        record.write_json(&mut out);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).expect("valid JSON");
        let head = format!("{{\"id\":\"{}\",\"timestamp\":\"1970-01-01T00:00:00Z\",", record.id);
        text.strip_prefix(&head).expect("id and timestamp come first").to_owned()
    }

    #[test]
    fn known_fields_first_then_attributes_nested_as_sent() {
        let text = json(&[
            ("order.id", Kind::Number, b"7"),
            ("error.code", Kind::Number, b"5"),
            ("order.lines", Kind::Json, b"[1, {\"a\":null}]"),
            ("order\\.id", Kind::Number, b"8"),
            ("message", Kind::String, b"a \"b\"\n"),
            ("error.type", Kind::String, b"E"),
            ("service", Kind::String, b"pay"),
            ("ok", Kind::Bool, b"true"),
        ]);
        assert_eq!(
            text,
            r#""level":"warn","service":"pay","message":"a \"b\"\n","error":{"code":5,"type":"E"},"ok":true,"order":{"id":7,"lines":[1, {"a":null}]},"order.id":8}"#
        );
    }

    #[test]
    fn a_key_that_is_both_a_value_and_an_object_keeps_both() {
        let text = json(&[
            ("a.b", Kind::Number, b"2"),
            ("a", Kind::Number, b"1"),
            ("a\x001", Kind::Null, b"null"),
            ("a.b\x001", Kind::Number, b"3"),
        ]);
        assert_eq!(text, r#""level":"warn","a":1,"a":null,"a":{"b":2,"b":3}}"#);
    }

    /// A line break within a value made two lines of an event, neither of which was JSON.
    #[test]
    fn an_event_is_one_line() {
        let text = json(&[("tags", Kind::Json, b"[1,\r\n  {\"a\\n\":\n2}]")]);
        assert_eq!(text, r#""level":"warn","tags":[1,    {"a\n": 2}]}"#);
    }

    #[test]
    fn broken_utf8_is_shown_and_kept_whole() {
        let text = json(&[("message", Kind::String, b"a\xffb")]);
        assert_eq!(
            text,
            "\"level\":\"warn\",\"message\":\"a\u{fffd}b\",\"message_base64\":\"Yf9i\"}"
        );
        for (bytes, base64) in
            [(&b"\xff"[..], "/w=="), (b"\xff\xff", "//8="), (b"\xff\xff\xff", "////")]
        {
            assert!(
                json(&[("m", Kind::String, bytes)]).contains(&format!("\"m_base64\":\"{base64}\""))
            );
        }
    }
}
