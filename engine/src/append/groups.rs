//! Lists and objects inside texts: `"token":["…"]`, `password={…}`, `authorization: [ '…' ]`.

use super::quotes::Quote;

/// The bytes of what a bracket opens, to the one that closes it or to the end of what was cut off.
/// Brackets in quotes do not count.
pub(super) fn len(text: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    // Quotes open behind one of these only: prose has apostrophes.
    let mut may_quote = false;
    while let Some(byte) = text.get(at) {
        match byte {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth -= 1,
            b'"' | b'\'' | b'`' | b'\\' | b'&' | b'%' if may_quote => {
                if let Some((quote, len)) = Quote::begins(&text[at..]) {
                    // The closing one is read as a byte like others.
                    at += len + quote.content_len(&text[at + len..]);
                }
            }
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
        let opens = matches!(byte, b'[' | b'{' | b'(' | b',' | b':' | b'=');
        may_quote = opens || may_quote && byte.is_ascii_whitespace();
        at += 1;
    }
    text.len()
}

/// Whether there is nothing between the brackets.
pub(super) fn is_empty(group: &[u8]) -> bool {
    let inside = group.get(1..group.len().max(2) - 1).unwrap_or_default();
    inside.trim_ascii().is_empty()
}

/// Whether the first thing behind the brackets is in quotes.
pub(super) fn begins_with_quote(text: &[u8]) -> bool {
    let of_opening = |byte: &&u8| matches!(byte, b'[' | b'{' | b' ');
    let opening = text.iter().take(8).take_while(of_opening).count();
    Quote::begins(&text[opening..]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_where_it_began() {
        for (text, group) in [
            ("[a] b]", "[a]"),
            (r#"["a]", "b"], c"#, r#"["a]", "b"]"#),
            (r#"[\"a]\", {\"b\":[]}], c"#, r#"[\"a]\", {\"b\":[]}]"#),
            ("{a=don't}, it's", "{a=don't}"),
            ("[ 'a]' ] b", "[ 'a]' ]"),
            ("[cut off", "[cut off"),
            ("[\"cut off]", "[\"cut off]"),
        ] {
            assert_eq!(&text[..len(text.as_bytes())], group, "{text}");
        }
        assert!(is_empty(b"[]") && is_empty(b"{ }") && is_empty(b"["));
        assert!(!is_empty(b"[a]"));
    }
}
