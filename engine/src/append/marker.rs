//! What stands in the place of a secret: `[redacted:<rule>]`.

use super::rules::Rule;

const HEAD: &[u8] = b"[redacted:";

/// Appends the marker of a rule.
pub(super) fn push(rule: Rule, out: &mut Vec<u8>) {
    out.extend_from_slice(HEAD);
    out.extend_from_slice(rule.name().as_bytes());
    out.push(b']');
}

/// Whether a text begins with the marker of any rule.
pub(super) fn begins(text: &[u8]) -> bool {
    let named = |rest: &[u8]| {
        Rule::ALL.iter().any(|rule| {
            rest.strip_prefix(rule.name().as_bytes()).is_some_and(|rest| rest.starts_with(b"]"))
        })
    };
    text.strip_prefix(HEAD).is_some_and(named)
}

/// Whether a text is a marker and nothing else.
pub(super) fn is_whole(text: &[u8]) -> bool {
    begins(text) && text.iter().position(|byte| *byte == b']') == Some(text.len() - 1)
}

/// Whether what follows `before` is the name in a marker.
pub(super) fn is_inside(before: &[u8]) -> bool {
    before.ends_with(HEAD)
}
