//! An event as a line for people: `timestamp level service message key=value…`.

use super::output::{Style, push_clean};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// The fields of an object in its order, repetitions included.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Fields<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'a>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'a RawValue>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each(std::marker::PhantomData))
    }
}

/// Appends an event, given as the server's JSON, and a line end. What is no event is shown as it
/// is.
pub(super) fn push_event(out: &mut String, json: &str, style: Style) {
    let Ok(Fields(fields)) = serde_json::from_str(json) else {
        push_clean(out, json, false);
        out.push('\n');
        return;
    };
    let text = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| plain(value)).unwrap_or_default()
    };
    style.paint(out, "2", &clean(&text("timestamp"), false));
    let level = clean(&text("level"), false);
    out.push(' ');
    style.paint(out, colour_of(&level), &format!("{level:<8}"));
    out.push(' ');
    style.paint(out, "36", &clean(&text("service"), false));
    out.push(' ');
    push_clean(out, &text("message"), style.multiline);
    let mut blocks = String::new();
    for (name, value) in &fields {
        if !matches!(name.as_str(), "id" | "timestamp" | "level" | "service" | "message") {
            push_field(out, &mut blocks, name, value, style);
        }
    }
    out.push_str(&blocks);
    out.push('\n');
}

/// ` key=value`; the members of an object as `key.member=value`. Values of several lines go to
/// `blocks`, which come last, if line breaks are shown as such.
fn push_field(out: &mut String, blocks: &mut String, name: &str, value: &RawValue, style: Style) {
    if let Ok(Fields(members)) = serde_json::from_str(value.get())
        && !members.is_empty()
    {
        for (member, value) in &members {
            push_field(out, blocks, &format!("{name}.{member}"), value, style);
        }
        return;
    }
    let text = plain(value);
    let label = format!("{}=", clean(name, false));
    if style.multiline && text.contains('\n') {
        blocks.push_str("\n  ");
        style.paint(blocks, "2", &label);
        push_clean(blocks, &format!("\n{}", text.trim_end()), true);
        return;
    }
    out.push(' ');
    style.paint(out, "2", &label);
    let quoted = text.is_empty() || text.contains([' ', '"', '=']);
    let shown = if quoted && value.get().starts_with('"') { value.get() } else { &text };
    push_clean(out, shown, false);
}

/// A string without its quotes, anything else as its JSON.
pub(super) fn plain(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

pub(super) fn clean(text: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(text.len());
    push_clean(&mut out, text, multiline);
    out
}

fn colour_of(level: &str) -> &'static str {
    match level {
        "critical" => "1;97;41",
        "error" => "1;31",
        "warn" => "33",
        "info" => "32",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Style = Style { colour: false, multiline: false };

    fn shown(json: &str, style: Style) -> String {
        let mut out = String::new();
        push_event(&mut out, json, style);
        out
    }

    #[test]
    fn an_event_is_one_line_in_a_pipe() {
        let json = r#"{"id":"01","timestamp":"2026-11-21T00:00:00Z","level":"error",
            "service":"pay","message":"declined\nagain","order":{"id":7,"note":"a b"},
            "n":1e400,"empty":"","tags":["x"],"none":null,"o":{}}"#;
        assert_eq!(
            shown(json, PIPE),
            "2026-11-21T00:00:00Z error    pay declined\\nagain order.id=7 order.note=\"a b\" \
             n=1e400 empty=\"\" tags=[\"x\"] none=null o={}\n"
        );
    }

    #[test]
    fn a_terminal_gets_colours_and_line_breaks_but_no_foreign_escapes() {
        let style = Style { colour: true, multiline: true };
        let json = r#"{"timestamp":"t","level":"warn","service":"s\u001b[0m","message":"a\nb",
            "error":{"stack":"x\n at y\n"},"n":1}"#;
        let line = shown(json, style);
        assert!(line.contains("\x1b[33mwarn    \x1b[0m"), "{line:?}");
        assert!(line.contains("a\n    b"), "{line:?}");
        assert!(
            line.ends_with("n=\x1b[0m1\n  \x1b[2merror.stack=\x1b[0m\n    x\n     at y\n"),
            "{line:?}"
        );
        assert!(!line.contains("s\x1b[0m\x1b"), "{line:?}");
    }

    #[test]
    fn what_is_no_event_is_shown_as_it_is() {
        assert_eq!(shown("[1,\n2]", PIPE), "[1,\\n2]\n");
    }
}
