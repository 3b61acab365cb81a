//! Quotes as they stand in logs: plain, behind backslashes, doubled or tripled, and spelled out for
//! URLs, HTML or JSON.

/// Slashes before a quote: four levels of JSON in JSON.
const SLASHES_MAX: usize = 15;
/// Quotes that are spelled out.
const SPELLED: [&[u8]; 9] = [
    b"%22", b"%27", b"&quot;", b"&apos;", b"&#34;", b"&#39;", b"\\u0022", b"\\u0027",
    // Behind those with it as their beginning.
    b"\"\"\"",
];

/// What opens a string, and what will close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// `"`, `'` or a backtick behind so many backslashes.
    Mark { mark: u8, slashes: usize },
    /// Exactly this text.
    Spelled(&'static [u8]),
}

impl Quote {
    /// The quote at the beginning of a text.
    pub(super) fn at(text: &[u8]) -> Option<Self> {
        if let Some(spelled) = SPELLED.into_iter().find(|spelled| text.starts_with(spelled)) {
            return Some(Self::Spelled(spelled));
        }
        if text.starts_with(b"'''") {
            return Some(Self::Spelled(b"'''"));
        }
        // Of a table's cell; followed by anything that ends a value, it is an empty string.
        if let [b'"', b'"', next, ..] = text
            && !(next.is_ascii_whitespace() || b",;&)]}<>\"".contains(next))
            && memchr::memmem::find(&text[2..], b"\"\"").is_some()
        {
            return Some(Self::Spelled(b"\"\""));
        }
        let slashes = text.iter().take(SLASHES_MAX).take_while(|byte| **byte == b'\\').count();
        let mark = *text.get(slashes)?;
        matches!(mark, b'"' | b'\'' | b'`').then_some(Self::Mark { mark, slashes })
    }

    /// The bytes that it takes.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Mark { slashes, .. } => slashes + 1,
            Self::Spelled(spelled) => spelled.len(),
        }
    }

    /// The bytes up to what closes it, or to the end of what was cut off.
    pub(super) fn content_len(self, rest: &[u8]) -> usize {
        match self {
            Self::Spelled(spelled) => memchr::memmem::find(rest, spelled).unwrap_or(rest.len()),
            Self::Mark { mark, slashes } => marked_len(rest, mark, slashes),
        }
    }
}

fn marked_len(rest: &[u8], mark: u8, slashes: usize) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(mark, b'\\', &rest[at..]) {
        let start = at + found;
        let run = rest[start..].iter().take_while(|byte| **byte == b'\\').count();
        let end = start + run;
        at = end + 1;
        match rest.get(end) {
            Some(next) if *next == mark && closes(run, slashes) => {
                // SQL's way to have a quote within: `'it''s'`.
                let doubled = slashes == 0 && end > 0 && rest.get(at) == Some(&mark);
                if !doubled {
                    return end - slashes.min(run);
                }
                at += 1;
            }
            Some(_) => {}
            None => break,
        }
    }
    rest.len()
}

/// Whether a quote behind `run` backslashes closes one that was opened behind `slashes`: each level
/// of escaping makes two of every backslash, and puts one before the quote.
pub(super) fn closes(mut run: usize, mut slashes: usize) -> bool {
    while slashes > 0 {
        if run.is_multiple_of(2) {
            // That of an outer level.
            return true;
        }
        run /= 2;
        slashes /= 2;
    }
    run.is_multiple_of(2)
}

/// The byte that `%3D` and the like at the beginning of a text stand for.
pub(super) fn percent(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Option<&str> {
        let quote = Quote::at(text.as_bytes())?;
        let rest = &text[quote.len()..];
        Some(&rest[..quote.content_len(rest.as_bytes())])
    }

    #[test]
    fn every_quote_is_closed_by_its_own() {
        for (text, expected) in [
            (r#""a b" c"#, "a b"),
            (r#""a\"b" c"#, r#"a\"b"#),
            (r#""a\\" c"#, r"a\\"),
            (r#"\"a\\\"b\" c"#, r#"a\\\"b"#),
            (r#"\"a\\\\\" c"#, r"a\\\\"),
            (r#"\\\"a\\\\\\\" b\\\" c"#, r#"a\\\\\\\" b"#),
            (r#"\"a" c"#, "a"),
            ("'it''s' c", "it''s"),
            ("''", ""),
            ("\"\"a\"\" c", "a"),
            ("\"\", c", ""),
            ("\"\"\"a\"b\"\"\" c", "a\"b"),
            ("%22a%27%22", "a%27"),
            ("&quot;a&quot;", "a"),
            (r"\u0022a\u0022", "a"),
            ("`a", "a"),
        ] {
            assert_eq!(content(text), Some(expected), "{text}");
        }
        for text in ["", "a", "\\", "\\n", "%2", "&qu"] {
            assert_eq!(content(text), None, "{text}");
        }
    }

    #[test]
    fn percent_escapes_are_read() {
        assert_eq!(percent(b"%3d1"), Some(b'='));
        assert_eq!((percent(b"%3"), percent(b"%+1"), percent(b"3D")), (None, None, None));
    }
}
