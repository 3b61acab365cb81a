//! Where a command writes: the terminal, where colours help and foreign control characters must
//! not reach it, or a pipe, where every event is one clean line.

pub(super) use crate::clean::push_clean;
use logstrata_client::wire::QueryMeta;
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

/// A size for people: rounded, unlike those of the configuration.
pub(super) fn size(bytes: u64) -> String {
    let unit =
        |shift: u32, name: &str| format!("{:.1} {name}", bytes as f64 / (1_u64 << shift) as f64);
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => unit(10, "KiB"),
        0x10_0000..0x4000_0000 => unit(20, "MiB"),
        0x4000_0000..0x100_0000_0000 => unit(30, "GiB"),
        _ => unit(40, "TiB"),
    }
}

/// Whether colours help there; `NO_COLOR` and a dumb terminal want none.
pub(super) fn colours_on(output: &impl IsTerminal) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    output.is_terminal() && !no_colour && !dumb
}

/// Says something that is not the result, on the standard error.
pub(super) fn complain(what: &str, message: &str) {
    let mut line = String::new();
    push_clean(&mut line, message, true);
    // There is nobody left to tell if this fails.
    let _ = writeln!(io::stderr(), "{what}: {line}");
}

/// Says what there is to say of an answer: what may surprise, and what it lacks.
pub(super) fn complain_of(meta: &QueryMeta) {
    meta.warnings.iter().for_each(|warning| complain("warning", warning));
    complain_of_gaps(meta);
}

/// Says what an answer lacks.
pub(super) fn complain_of_gaps(meta: &QueryMeta) {
    for gap in &meta.partial {
        complain("warning", &format!("the answer is partial ({}): {}", gap.kind, gap.message));
    }
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
