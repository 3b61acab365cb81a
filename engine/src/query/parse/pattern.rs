//! Compiles the regular expressions of a query, within their limits.

use crate::limits::{REGEX_BYTES_MAX, REGEX_DFA_BYTES_MAX};
use crate::query::ast::Pattern;
use regex::bytes::RegexBuilder;

/// The pattern of this source, the `nth` of its query from 1, or in a few words what is wrong with it.
pub(super) fn compile(source: String, nth: usize) -> Result<Pattern, String> {
    let regex = RegexBuilder::new(&source)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_DFA_BYTES_MAX / nth)
        .build()
        .map_err(|e| reason(&e))?;
    Ok(Pattern { source, regex })
}

/// The last line of what the regex crate says; the lines before draw the pattern.
fn reason(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        return format!("it compiles to more than {REGEX_BYTES_MAX} bytes");
    }
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
