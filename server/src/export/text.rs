//! Lines for people: time, level, service, message, and the rest as `name=value`.

use super::Format;
use super::columns::text_of_cell;
use crate::clean::push_clean;
use logstrata_engine::query::{Cell, EventRecord, RowsAnswer};
use logstrata_engine::{Kind, field};

/// One line an event. Control characters are escapes: a file of logs must not drive a terminal.
#[derive(Debug)]
pub(super) struct Text {
    /// Only these fields stand behind the message.
    fields: Option<Vec<String>>,
    line: String,
}

impl Text {
    pub(super) fn new(fields: Option<Vec<String>>) -> Self {
        Self { fields, line: String::new() }
    }

    fn pair(&mut self, name: &str, text: &str) {
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        push_clean(&mut self.line, name, false);
        self.line.push('=');
        let is_plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        if !text.is_empty() && text.chars().all(is_plain) {
            push_clean(&mut self.line, text, false);
            return;
        }
        self.line.push('"');
        push_clean(&mut self.line, &text.replace('\\', "\\\\").replace('"', "\\\""), false);
        self.line.push('"');
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line.as_bytes());
        out.push(b'\n');
        self.line.clear();
    }
}

impl Format for Text {
    fn begin(&mut self, _table: Option<&RowsAnswer>, _out: &mut Vec<u8>) {}

    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) {
        let level = event.level.name().to_uppercase();
        self.line = format!("{} {level:<5}", event.timestamp);
        for name in ["service", "message"] {
            let value = event.get(name).map(|value| String::from_utf8_lossy(value.text));
            self.line.push(' ');
            push_clean(&mut self.line, value.as_deref().unwrap_or("-"), false);
        }
        for field in &event.fields {
            let name = field::display_name(&field.name);
            let wanted = |names: &Vec<String>| names.iter().any(|wanted| *wanted == *name);
            let is_shown = self.fields.as_ref().is_none_or(wanted);
            if is_shown
                && field.kind != Kind::Null
                && !matches!(&*field.name, "service" | "message")
            {
                self.pair(&name, &String::from_utf8_lossy(&field.text));
            }
        }
        self.end_line(out);
    }

    fn row(&mut self, names: &[String], cells: &[Cell], out: &mut Vec<u8>) {
        for (name, cell) in names.iter().zip(cells) {
            self.pair(name, text_of_cell(cell).as_deref().unwrap_or_default());
        }
        self.end_line(out);
    }
}
