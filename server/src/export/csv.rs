//! CSV after RFC 4180, safe to be opened by a spreadsheet.
//!
//! `C1` no cell begins with what a spreadsheet takes for a formula, unless it is a plain number: an
//! apostrophe stands before it. Logs are written by strangers.

use super::Format;
use super::columns::{Columns, text_of_cell};
use logstrata_engine::query::{Cell, EventRecord, RowsAnswer};
use std::borrow::Cow;

/// Rows of cells, the first one with the names.
#[derive(Debug)]
pub(super) struct Csv {
    columns: Columns,
}

impl Csv {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns }
    }
}

impl Format for Csv {
    fn begin(&mut self, table: Option<&RowsAnswer>, out: &mut Vec<u8>) {
        match table {
            Some(table) => record(table.columns.iter().map(|name| Some(name.into())), out),
            None => record(self.columns.iter().map(|(name, _)| Some(name.into())), out),
        }
    }

    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) {
        record(self.columns.cells(event).into_iter(), out);
    }

    fn row(&mut self, _names: &[String], cells: &[Cell], out: &mut Vec<u8>) {
        record(cells.iter().map(text_of_cell), out);
    }
}

fn record<'a>(cells: impl Iterator<Item = Option<Cow<'a, str>>>, out: &mut Vec<u8>) {
    let start = out.len();
    for (place, text) in cells.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        cell(&text.unwrap_or_default(), out);
    }
    // A line with nothing on it is no record for most readers.
    if out.len() == start {
        out.extend_from_slice(b"\"\"");
    }
    out.extend_from_slice(b"\r\n");
}

/// What a formula begins with: also in full width, as some spreadsheets read it, and behind characters that
/// some leave out (OWASP, "CSV Injection").
const FORMULA_STARTS: [char; 12] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'];

fn cell(text: &str, out: &mut Vec<u8>) {
    let is_formula = text.starts_with(FORMULA_STARTS) && !is_plain_number(text.as_bytes());
    let apostrophe: &[u8] = if is_formula { b"'" } else { b"" };
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(apostrophe);
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(apostrophe);
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Digits with a sign, a fraction and an exponent, or without.
fn is_plain_number(text: &[u8]) -> bool {
    let digits = |text: &mut &[u8]| {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *text = &text[count..];
        count > 0
    };
    let mut rest = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if !digits(&mut rest) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        if !digits(&mut rest) {
            return false;
        }
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        rest = exponent;
        rest = rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest);
        return digits(&mut rest) && rest.is_empty();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        cell(text, &mut out);
        String::from_utf8(out).expect("is text")
    }

    #[test]
    fn what_would_be_a_formula_is_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-x", "'-x"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"u\",\"v\")", "\"'=HYPERLINK(\"\"u\"\",\"\"v\"\")\""),
            ("\n=1", "\"'\n=1\""),
            ("\0=1", "'\0=1"),
            ("＝1+1", "'＝1+1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠x", "'＠x"),
            ("-12", "-12"),
            ("+0.5e-7", "+0.5e-7"),
            ("-", "'-"),
            ("-1.", "'-1."),
            ("-1e", "'-1e"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_record_of_nothing_is_still_a_record() {
        let mut out = Vec::new();
        record([None].into_iter(), &mut out);
        record([None, Some("a\nb".into())].into_iter(), &mut out);
        assert_eq!(out, b"\"\"\r\n,\"a\nb\"\r\n");
    }
}
