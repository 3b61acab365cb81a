//! Where a command writes: the terminal, where colours help and foreign control characters must
//! not reach it, or a pipe, where every event is one clean line.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// How output is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// With colours.
    pub(super) colour: bool,
    /// Line breaks of values are shown as such, not as `\n`.
    pub(super) multiline: bool,
}

impl Style {
    /// As the standard output wants it.
    pub(super) fn of_stdout() -> Self {
        let stdout = io::stdout();
        Self { colour: colours_on(&stdout), multiline: stdout.is_terminal() }
    }

    /// Appends `text` in the colour `code` of ANSI.
    pub(super) fn paint(self, out: &mut String, code: &str, text: &str) {
        if self.colour {
            write!(out, "\x1b[{code}m{text}\x1b[0m").expect("a string takes everything");
        } else {
            out.push_str(text);
        }
    }
}

/// Whether colours help there; `NO_COLOR` and a dumb terminal want none.
pub(super) fn colours_on(output: &impl IsTerminal) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    output.is_terminal() && !no_colour && !dumb
}

/// Appends `text` with control characters as escapes: a log must not drive the terminal. Line
/// breaks stay if `multiline`, indented; tabs stay then, too.
pub(super) fn push_clean(out: &mut String, text: &str, multiline: bool) {
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

/// Says something that is not the result, on the standard error.
pub(super) fn complain(what: &str, message: &str) {
    let mut line = String::new();
    push_clean(&mut line, message, true);
    // There is nobody left to tell if this fails.
    let _ = writeln!(io::stderr(), "{what}: {line}");
}

/// Writes to the standard output.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
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

    #[test]
    fn colours_only_where_they_are_wanted() {
        let paint = |colour| {
            let mut out = String::new();
            Style { colour, multiline: colour }.paint(&mut out, "31", "x");
            out
        };
        assert_eq!(paint(false), "x");
        assert_eq!(paint(true), "\x1b[31mx\x1b[0m");
    }
}
