//! The rules inside a value of kind [`crate::Kind::Json`]: keys of its objects, and every string.
//!
//! Reads the text as it came, without recursion and without a tree; what is not replaced stays byte
//! for byte. An array under the key of a secret is replaced as a whole, of an object each scalar. The
//! `value` of an object counts as that of its `name`: `{"name":"password","value":"…"}`.

use super::cards;
use super::keys::KeyState;
use super::marker;
use super::rules::Rule;
use crate::event::Kind;
use crate::value::json::{is_key, string_end, token_end, unescape};
use std::borrow::Cow;
use std::ops::Range;

/// `API key` is a name, `a new password was sent` is none.
const NAME_WORDS_MAX: usize = 2;

/// What the walk asks of the rules.
pub(super) trait Judge {
    /// The rule that redacts a scalar for its key.
    fn of_key(&mut self, keys: KeyState, kind: Kind, text: &[u8]) -> Option<Rule>;
    /// The string with a marker in the place of each secret, if there is one.
    fn of_text(&mut self, keys: KeyState, text: &[u8]) -> Option<Vec<u8>>;
}

/// The JSON without its secrets; `None` if there is none. `keys` is the path that it stands under.
pub(super) fn redact(json: &[u8], keys: KeyState, judge: &mut impl Judge) -> Option<Vec<u8>> {
    let mut walk = Walk {
        json,
        edits: Vec::new(),
        inside: vec![keys],
        key: None,
        is_name: false,
        named: None,
        whole: None,
    };
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at = match byte {
            b'"' => walk.string(at, judge),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => walk.scalar(at, judge),
            b'{' | b'[' => walk.open(at, judge),
            b'}' | b']' => walk.close(at),
            _ => at + 1,
        };
    }
    walk.replaced()
}

struct Walk<'a> {
    json: &'a [u8],
    edits: Vec<(Range<usize>, Vec<u8>)>,
    /// The paths of the arrays and objects around the place.
    inside: Vec<KeyState>,
    /// The path of the member whose value comes next.
    key: Option<KeyState>,
    /// Whether that is the name of what stands beside it.
    is_name: bool,
    /// The depth of the object that has the name of a secret, and that as a path.
    named: Option<(usize, KeyState)>,
    /// An array that goes as a whole: how many were around it, where it began, and its rule.
    whole: Option<(usize, usize, Rule)>,
}

impl Walk<'_> {
    /// The path of the value that comes next.
    fn path(&mut self) -> KeyState {
        let around = self.inside.last().copied().unwrap_or_default();
        self.key.take().unwrap_or(around)
    }

    fn string(&mut self, start: usize, judge: &mut impl Judge) -> usize {
        let end = string_end(self.json, start + 1);
        let quoted = &self.json[start..end];
        if is_key(&self.json[end..]) {
            let key = unescape(quoted);
            self.enter(&key);
            if self.whole.is_none()
                && let Some(redacted) = judge.of_text(KeyState::default(), &key)
            {
                let was_escaped = matches!(key, Cow::Owned(_));
                self.edits.push((start..end, in_quotes(was_escaped, &redacted)));
            }
            return end;
        }
        let path = self.path();
        let is_name = std::mem::take(&mut self.is_name);
        if self.whole.is_some() {
            return end;
        }
        let text = unescape(quoted);
        if is_name {
            self.name(&text);
        }
        if let Some(rule) = judge.of_key(path, Kind::String, &text) {
            self.mark(start..end, rule);
        } else if let Some(redacted) = judge.of_text(path, &text) {
            let was_escaped = matches!(text, Cow::Owned(_));
            self.edits.push((start..end, in_quotes(was_escaped, &redacted)));
        }
        end
    }

    /// Goes on to the value of a key.
    fn enter(&mut self, key: &[u8]) {
        let around = self.inside.last().copied().unwrap_or_default();
        let is = |words: &[&[u8]]| words.iter().any(|word| key.eq_ignore_ascii_case(word));
        self.is_name = is(&[b"name", b"key", b"header", b"field", b"k"]);
        let named = self.named.filter(|(depth, _)| *depth == self.inside.len());
        self.key = Some(match named {
            Some((_, named)) if is(&[b"value", b"values", b"val", b"v"]) => named,
            _ => around.with(key),
        });
    }

    /// Remembers the name of what stands beside it, if that is a secret. Prose is no name.
    fn name(&mut self, text: &[u8]) {
        let named = KeyState::of(text);
        let words = text.split(u8::is_ascii_whitespace).count();
        let depth = self.inside.len();
        if named.rule().is_some() && words <= NAME_WORDS_MAX {
            self.named = Some((depth, named));
        } else {
            self.named = self.named.filter(|(other, _)| *other != depth);
        }
    }

    fn scalar(&mut self, start: usize, judge: &mut impl Judge) -> usize {
        let end = token_end(self.json, start + 1);
        let path = self.path();
        self.is_name = false;
        let kind = match self.json[start] {
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => Kind::Number,
        };
        if self.whole.is_none()
            && let Some(rule) = judge.of_key(path, kind, &self.json[start..end])
        {
            self.mark(start..end, rule);
        }
        end
    }

    fn open(&mut self, at: usize, judge: &mut impl Judge) -> usize {
        let path = self.path();
        self.is_name = false;
        if self.whole.is_none()
            && self.json[at] == b'['
            && let Some(rule) = judge.of_key(path, Kind::Json, &self.json[at..])
        {
            self.whole = Some((self.inside.len(), at, rule));
        }
        self.inside.push(path);
        at + 1
    }

    fn close(&mut self, at: usize) -> usize {
        // The outermost path stays, also where the text closes more than it opened.
        if self.inside.len() > 1 {
            self.inside.pop();
        }
        self.key = None;
        self.is_name = false;
        self.named = self.named.filter(|(depth, _)| *depth <= self.inside.len());
        if let Some((around, start, rule)) = self.whole
            && self.inside.len() <= around
        {
            self.whole = None;
            self.mark(start..at + 1, rule);
        }
        at + 1
    }

    fn mark(&mut self, place: Range<usize>, rule: Rule) {
        let mut text = vec![b'"'];
        marker::push(rule, &mut text);
        text.push(b'"');
        self.edits.push((place, text));
    }

    fn replaced(mut self) -> Option<Vec<u8>> {
        if let Some((_, start, rule)) = self.whole.take() {
            // An array that never ends: everything behind it goes.
            self.mark(start..self.json.len(), rule);
        }
        if self.edits.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(self.json.len());
        let mut at = 0;
        for (place, text) in &self.edits {
            out.extend_from_slice(&self.json[at..place.start]);
            out.extend_from_slice(text);
            at = place.end;
        }
        out.extend_from_slice(&self.json[at..]);
        Some(out)
    }
}

/// A string in its quotes; escaped only if it had been unescaped.
fn in_quotes(was_escaped: bool, redacted: &[u8]) -> Vec<u8> {
    if was_escaped && let Ok(redacted) = std::str::from_utf8(redacted) {
        return serde_json::to_vec(redacted).expect("a string into memory");
    }
    [b"\"", redacted, b"\""].concat()
}

/// Whether a number under the key of a card is one.
pub(super) fn is_card_number(keys: KeyState, kind: Kind, text: &[u8]) -> bool {
    kind == Kind::Number && keys.says_card() && cards::any(text)
}

/// Whether an array or object has nothing in it.
pub(super) fn is_empty(json: &[u8]) -> bool {
    let inside = json.get(1..).unwrap_or_default().trim_ascii_start();
    matches!(inside.first(), None | Some(b']' | b'}'))
}
