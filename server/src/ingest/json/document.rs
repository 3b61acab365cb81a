//! One JSON document: an object, an array of objects, or an envelope `{"logs":[…]}`.

use super::event::Key;
use super::{JsonDecoder, without_bom};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The only member of an envelope.
const ENVELOPE: &str = "logs";

/// Why a body is no document of events. Quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

impl std::error::Error for DocumentError {}

impl From<serde_json::Error> for DocumentError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        let hint = match what {
            "trailing characters" => " (one object a line is application/x-ndjson)",
            _ => "",
        };
        Self { line: error.line(), column: error.column(), what: format!("{what}{hint}") }
    }
}

impl JsonDecoder {
    /// Reads one document. On an error nothing of the decoder is of use any more.
    ///
    /// # Errors
    /// The body is no JSON, or neither an object nor an array.
    pub fn push_document(&mut self, body: &[u8]) -> Result<(), DocumentError> {
        let body = without_bom(body);
        let text = std::str::from_utf8(body)
            .map_err(|error| at(body, error.valid_up_to(), "invalid UTF-8"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'[') => json.deserialize_seq(Elements(self))?,
            Some(b'{') if begins_envelope(text) => json.deserialize_map(Envelope(self))?,
            Some(b'{') => return self.push_single(text),
            None => return Err(at(body, body.len(), "the body is empty")),
            Some(_) => {
                let start = text.len() - text.trim_ascii_start().len();
                return Err(at(body, start, "expected a JSON object or an array of objects"));
            }
        }
        Ok(json.end()?)
    }

    fn push_single(&mut self, text: &str) -> Result<(), DocumentError> {
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(NoLateEnvelope)?;
        json.end()?;
        self.push_element(text);
        Ok(())
    }

    fn push_element(&mut self, text: &str) {
        self.lines += 1;
        if let Err(refusal) = self.push_object(text) {
            self.reject(self.lines, &refusal);
        }
    }
}

/// The error at a byte of the body.
fn at(body: &[u8], offset: usize, what: &str) -> DocumentError {
    let before = body.get(..offset).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    DocumentError { line, column, what: what.to_owned() }
}

/// Whether an object's first member is `logs` with an array.
fn begins_envelope(text: &str) -> bool {
    let begins = || {
        let text = text.trim_ascii_start().strip_prefix('{')?.trim_ascii_start();
        let text = text.strip_prefix('"')?.strip_prefix(ENVELOPE)?.strip_prefix('"')?;
        text.trim_ascii_start().strip_prefix(':')?.trim_ascii_start().strip_prefix('[')
    };
    begins().is_some()
}

/// Stores each element of an array.
struct Elements<'d>(&'d mut JsonDecoder);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0.push_element(element.get());
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

const LONELY: &str = "an object with an array `logs` may have no other member";

/// Stores each element of `logs`.
struct Envelope<'d>(&'d mut JsonDecoder);

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if members.next_key_seed(Key)?.is_some() {
            members.next_value_seed(Elements(self.0))?;
        }
        match members.next_key_seed(Key)? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom(LONELY)),
        }
    }
}

/// Refuses an object that has an array `logs` behind other members: taking it for one event would
/// hide the events in it.
struct NoLateEnvelope;

impl<'de> Visitor<'de> for NoLateEnvelope {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Key)? {
            let value = members.next_value::<&RawValue>()?;
            if *key == *ENVELOPE.as_bytes() && value.get().starts_with('[') {
                return Err(A::Error::custom(LONELY));
            }
        }
        Ok(())
    }
}
