//! Foreign text made harmless for whoever reads it on a terminal.

use std::fmt::Write as _;

/// Appends `text` with control characters as escapes: a log must not drive the terminal. Line
/// breaks stay if `multiline`, indented; tabs stay then, too.
pub(crate) fn push_clean(out: &mut String, text: &str, multiline: bool) {
    for c in text.chars() {
        match c {
            '\n' if multiline => out.push_str("\n    "),
            '\t' if multiline => out.push('\t'),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_direction(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a string takes everything");
            }
            c => out.push(c),
        }
    }
}

/// Marks that change the direction of text, with which a line can be made to read as another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str, multiline: bool) -> String {
        let mut out = String::new();
        push_clean(&mut out, text, multiline);
        out
    }

    #[test]
    fn foreign_control_characters_never_reach_the_output() {
        let text = "a\x1b[31mred\x07\u{9b}\u{202e}\0é\r\n\tb";
        let piped = clean(text, false);
        assert_eq!(piped, "a\\u{1b}[31mred\\u{7}\\u{9b}\\u{202e}\\u{0}é\\r\\n\\tb");
        assert_eq!(clean("a\n\tb\r", true), "a\n    \tb\\r");
    }
}
