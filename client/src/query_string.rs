//! Query strings, written and read: `application/x-www-form-urlencoded`, UTF-8 only.

use std::fmt;

/// A query string that does not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadQueryString {
    /// A `%` without two hexadecimal digits behind it.
    Percent,
    /// Decoded bytes that are not UTF-8.
    Utf8,
}

impl fmt::Display for BadQueryString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Percent => "the URL has a % without two hexadecimal digits behind it",
            Self::Utf8 => "the URL is not UTF-8 behind its encoding",
        })
    }
}

impl std::error::Error for BadQueryString {}

/// The query string of these names and values, without a leading `?`.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        push_encoded(&mut out, name);
        out.push('=');
        push_encoded(&mut out, value);
    }
    out
}

/// The names and values of a query string, in its order.
///
/// # Errors
/// Text that is not of the encoding.
pub fn decode(text: &str) -> Result<Vec<(String, String)>, BadQueryString> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// A text as one segment of a path.
pub fn encode_segment(text: &str) -> String {
    let mut out = String::new();
    push_encoded(&mut out, text);
    // In a path a plus is a plus.
    out.replace('+', "%20")
}

/// The text of one segment of a path.
///
/// # Errors
/// Text that is not of the encoding.
pub fn decode_segment(segment: &str) -> Result<String, BadQueryString> {
    decoded(&segment.replace('+', "%2B"))
}

fn push_encoded(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

fn decoded(text: &str) -> Result<String, BadQueryString> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = char::from(bytes.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let (high, low) = (digit(), digit());
                match (high, low) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(BadQueryString::Percent),
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| BadQueryString::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back() {
        let all: String = (0..0x250u32).filter_map(char::from_u32).collect();
        let pairs = [("q", all.as_str()), ("a&b=c", ""), ("", "x")];
        let decoded = decode(&encode(pairs)).expect("own encoding");
        let decoded: Vec<_> = decoded.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(decoded, pairs);
    }

    #[test]
    fn plus_is_a_space_and_values_may_hold_equals_signs() {
        assert_eq!(
            decode("q=a+b%20c&x=1=2&flag&&"),
            Ok(vec![
                ("q".into(), "a b c".into()),
                ("x".into(), "1=2".into()),
                ("flag".into(), String::new()),
            ])
        );
    }

    #[test]
    fn segments_keep_every_character() {
        let all: String = (0..0x250u32).filter_map(char::from_u32).collect();
        let segment = encode_segment(&all);
        assert!(!segment.contains(['/', '?', '#', '+']) && segment.is_ascii());
        assert_eq!(decode_segment(&segment).as_deref(), Ok(&*all));
        assert_eq!(decode_segment("a+b%2Fc").as_deref(), Ok("a+b/c"));
        assert_eq!(decode_segment("%f"), Err(BadQueryString::Percent));
    }

    #[test]
    fn damaged_encodings_are_errors() {
        for text in ["q=%", "q=%2", "q=%zz", "q=%2&x=1", "%"] {
            assert_eq!(decode(text), Err(BadQueryString::Percent), "{text}");
        }
        assert_eq!(decode("q=%ff"), Err(BadQueryString::Utf8));
    }
}
