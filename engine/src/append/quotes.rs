//! The marks around keys and values as texts show them: quotes, escaped as often as JSON stands in
//! JSON, and their names in JSON, HTML and addresses.

/// Backslashes before a quote at most: JSON in JSON, four deep.
const ESCAPES_MAX: usize = 15;
/// So often is a percent sign itself encoded, at most.
const PERCENTS_MAX: usize = 3;
/// Names of quotes in HTML, and in JSON behind the backslashes.
const NAMED: [&[u8]; 4] = [b"&quot;", b"&#34;", b"&#39;", b"&apos;"];
const NAMED_IN_JSON: [&[u8]; 2] = [b"u0022", b"u0027"];

/// A quote that opens, and what it looks like when it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote<'a> {
    /// A byte behind this many backslashes.
    Plain { mark: u8, escapes: usize },
    /// Always these bytes.
    Named(&'a [u8]),
}

impl<'a> Quote<'a> {
    /// The quote that a text begins with, and its length.
    pub(super) fn begins(text: &'a [u8]) -> Option<(Self, usize)> {
        let escapes = text.iter().take(ESCAPES_MAX).take_while(|byte| **byte == b'\\').count();
        if let Some(mark @ (b'"' | b'\'' | b'`')) = text.get(escapes) {
            return Some((Self::Plain { mark: *mark, escapes }, escapes + 1));
        }
        let (names, rest) = match escapes {
            0 => (&NAMED[..], text),
            _ => (&NAMED_IN_JSON[..], &text[escapes..]),
        };
        let named = names.iter().find(|name| rest.starts_with(name));
        let named = named.map(|name| escapes + name.len());
        let encoded = || match percent(text) {
            Some((b'"' | b'\'', len)) => Some(len),
            _ => None,
        };
        let len = named.or_else(encoded)?;
        Some((Self::Named(&text[..len]), len))
    }

    /// The bytes up to the closing quote, or to the end of what was cut off.
    pub(super) fn content_len(self, rest: &[u8]) -> usize {
        let (mark, escapes) = match self {
            Self::Named(name) => return memchr::memmem::find(rest, name).unwrap_or(rest.len()),
            Self::Plain { mark, escapes } => (mark, escapes),
        };
        for at in memchr::memchr_iter(mark, rest) {
            let before = rest[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            // A quote or a backslash inside has all of its own escapes once more; fewer than the
            // opening one's close what stands around.
            if before < escapes || before % (2 * (escapes + 1)) == escapes {
                return at - before.min(escapes);
            }
        }
        rest.len()
    }
}

/// The byte that a text begins with as addresses write it, `%3D` or `%253D`, and its length.
pub(super) fn percent(text: &[u8]) -> Option<(u8, usize)> {
    let mut digits = text.strip_prefix(b"%")?;
    for _ in 0..PERCENTS_MAX {
        digits = digits.strip_prefix(b"25").unwrap_or(digits);
    }
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    let byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    Some((byte, text.len() - digits.len() + 2))
}

/// The bytes of an escape at the end of a text, of which the letters could be taken for the
/// beginning of the key behind them: `\n`, `\u0022`, `%3F`. `after` are these letters and the key.
pub(super) fn escape_len(before: &[u8], after: &[u8]) -> usize {
    let hex = |range: std::ops::Range<usize>| {
        after.get(range).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    match (before.last(), after.first()) {
        (Some(b'\\'), Some(b'u')) if hex(1..5) => 5,
        (Some(b'\\'), Some(b'n' | b'r' | b't' | b'b' | b'f')) => 1,
        (Some(b'%'), Some(b'2')) if after.starts_with(b"25") && hex(2..4) => 4,
        (Some(b'%'), _) if hex(0..2) => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_the_quote_of_its_own_depth() {
        for (text, content) in [
            (r#""a\"b" x"#, r#"a\"b"#),
            (r#""a\\" x"#, r#"a\\"#),
            (r#"\"a\\\"b\",\"c\""#, r#"a\\\"b"#),
            (r#"\"a\\\\\" x"#, r#"a\\\\"#),
            (r#"\\\"a\\\\\\\"b\\\" x"#, r#"a\\\\\\\"b"#),
            (r#"\"cut off" x"#, "cut off"),
            ("%22a'b%22c", "a'b"),
            ("%2522ab%2522c", "ab"),
            ("&quot;a&b&quot;c", "a&b"),
            (r"\u0022ab\u0022c", "ab"),
            (r"\\u0022ab\\u0022c", "ab"),
            ("'ab", "ab"),
        ] {
            let (quote, len) = Quote::begins(text.as_bytes()).expect(text);
            let rest = &text[len..];
            assert_eq!(&rest[..quote.content_len(rest.as_bytes())], content, "{text}");
        }
        for text in ["", "a\"", "\\", "%", "%2", "%2z", "%41", "\\u0023", "&amp;"] {
            assert_eq!(Quote::begins(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bytes_of_addresses_are_read_at_any_depth() {
        assert_eq!(percent(b"%3dx"), Some((b'=', 3)));
        assert_eq!(percent(b"%253D"), Some((b'=', 5)));
        assert_eq!(percent(b"%25"), None);
        assert_eq!(percent(b"%"), None);
    }
}
