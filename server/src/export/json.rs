//! JSON: an object a line, or all in one array.

use super::Format;
use crate::api::search::write_row;
use logstrata_engine::query::{Cell, EventRecord, RowsAnswer};

/// Events as a search gives them.
#[derive(Debug)]
pub(super) struct Json {
    /// One array, rather than lines.
    array: bool,
    fields: Option<Vec<String>>,
    is_first: bool,
}

impl Json {
    pub(super) fn new(array: bool, fields: Option<Vec<String>>) -> Self {
        Self { array, fields, is_first: true }
    }

    fn before(&mut self, out: &mut Vec<u8>) {
        if self.array {
            let comma: &[u8] = if self.is_first { b"\n" } else { b",\n" };
            out.extend_from_slice(comma);
        }
        self.is_first = false;
    }

    fn after(&self, out: &mut Vec<u8>) {
        if !self.array {
            out.push(b'\n');
        }
    }
}

impl Format for Json {
    fn begin(&mut self, _table: Option<&RowsAnswer>, out: &mut Vec<u8>) {
        if self.array {
            out.push(b'[');
        }
    }

    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) {
        self.before(out);
        match &self.fields {
            None => event.write_json(out),
            Some(names) => event.write_json_of(names, out),
        }
        self.after(out);
    }

    fn row(&mut self, names: &[String], cells: &[Cell], out: &mut Vec<u8>) {
        self.before(out);
        write_row(names, cells, out);
        self.after(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        if self.array {
            out.extend_from_slice(b"\n]\n");
        }
        Ok(())
    }
}
