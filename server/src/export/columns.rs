//! Which columns a table of events has, and what an event has in each.

use logstrata_engine::query::{Cell, EventField, EventRecord, write_fields};
use logstrata_engine::{Kind, field};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// The column of all fields that have none of their own, as one JSON object.
const ATTRIBUTES: &str = "attributes";

/// Columns if none are asked for: nothing of an event is lost.
const COLUMNS_DEFAULT: [&str; 6] = ["timestamp", "level", "service", "message", ATTRIBUTES, "id"];

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Id,
    Timestamp,
    Level,
    /// The field of the column's name.
    Field,
    /// All fields without a column.
    Attributes,
}

/// The columns of a table of events, by the names that people type.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<(String, Source)>,
    /// The places of those that are fields.
    own: HashMap<String, usize>,
}

impl Columns {
    /// These, or the usual ones.
    pub(super) fn new(names: Option<&[String]>) -> Self {
        match names {
            Some(names) => Self::of(names.iter().map(String::as_str)),
            None => Self::of(COLUMNS_DEFAULT),
        }
    }

    /// Columns of these names, in their order.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let source = |name: &str| match name {
            "id" => Source::Id,
            "timestamp" => Source::Timestamp,
            "level" => Source::Level,
            ATTRIBUTES => Source::Attributes,
            _ => Source::Field,
        };
        let columns: Vec<(String, Source)> =
            names.into_iter().map(|name| (name.to_owned(), source(name))).collect();
        let places = columns.iter().enumerate();
        let fields = places.filter(|(_, (_, source))| *source == Source::Field);
        let own = fields.map(|(place, (name, _))| (name.clone(), place)).collect();
        Self { columns, own }
    }

    /// The columns and what they show.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Source)> {
        self.columns.iter().map(|(name, source)| (name.as_str(), *source))
    }

    /// What the event has in each column, as text. A column shows the first field of its name, else the
    /// object of all fields below it; what no column shows is an attribute, repetitions of a field too.
    pub(super) fn cells<'e>(&self, event: &'e EventRecord) -> Vec<Option<Cow<'e, str>>> {
        let mut cells: Vec<Option<Cow<'e, str>>> = vec![None; self.columns.len()];
        let mut taken = vec![false; self.columns.len()];
        // Most fields are above none: the objects of columns, and what is left for the attributes.
        let mut objects: BTreeMap<usize, Vec<EventField>> = BTreeMap::new();
        let mut left: Vec<&EventField> = Vec::new();
        let names: Vec<_> = event.fields.iter().map(|f| field::display_name(&f.name)).collect();
        let mut shown = vec![false; names.len()];
        for ((name, shown), field) in names.iter().zip(&mut shown).zip(&event.fields) {
            if let Some(place) = self.own.get(&**name).filter(|place| !taken[**place]) {
                (taken[*place], *shown) = (true, true);
                cells[*place] = text_of(field.kind, &field.text);
            }
        }
        for ((name, is_shown), field) in names.iter().zip(shown).zip(&event.fields) {
            let mut is_shown = is_shown;
            for (at, _) in name.match_indices('.') {
                let Some(place) = self.own.get(&name[..at]).filter(|place| !taken[**place]) else {
                    continue;
                };
                if let Some(below) = field::below(&field.name, &name[..at]) {
                    is_shown = true;
                    let field = EventField { name: below.into(), ..field.clone() };
                    objects.entry(*place).or_default().push(field);
                }
            }
            if !is_shown {
                left.push(field);
            }
        }
        for (place, fields) in objects {
            cells[place] = Some(json_of(&fields).into());
        }
        for ((_, source), cell) in self.columns.iter().zip(&mut cells) {
            *cell = match source {
                Source::Id => Some(event.id.to_string().into()),
                Source::Timestamp => Some(event.timestamp.to_string().into()),
                Source::Level => Some(event.level.name().into()),
                Source::Field => continue,
                Source::Attributes => {
                    let left: Vec<_> = left.iter().copied().cloned().collect();
                    (!left.is_empty()).then(|| json_of(&left).into())
                }
            }
        }
        cells
    }
}

/// A value as text; `null` is none.
fn text_of(kind: Kind, text: &[u8]) -> Option<Cow<'_, str>> {
    (kind != Kind::Null).then(|| String::from_utf8_lossy(text))
}

/// The same of a row's cell.
pub(super) fn text_of_cell(cell: &Cell) -> Option<Cow<'_, str>> {
    cell.as_ref().and_then(|(kind, text)| text_of(*kind, text))
}

fn json_of(fields: &[EventField]) -> String {
    let mut out = Vec::new();
    write_fields(fields, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::{EventId, Level, Seq, Timestamp};

    fn cells(columns: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let field = |(name, text): &(&str, &str)| EventField {
            name: (*name).into(),
            kind: Kind::Number,
            text: text.as_bytes().to_vec(),
        };
        let event = EventRecord {
            id: EventId::new(Timestamp(0), 1, Seq(2)),
            timestamp: Timestamp(0),
            level: Level::Info,
            as_sent: None,
            fields: fields.iter().map(field).collect(),
        };
        let cells = Columns::of(columns.split(',')).cells(&event);
        cells.into_iter().map(|cell| cell.unwrap_or_default().into_owned()).collect()
    }

    /// A column took them from the attributes and did not show them: it compared names that people type
    /// with escaped ones.
    #[test]
    fn members_below_a_key_with_a_dot_are_shown() {
        let fields = [("x\\.y.z", "1"), ("x\\.y.a\\.b", "2"), ("other", "3")];
        let expected = [r#"{"a.b":2,"z":1}"#, r#"{"other":3}"#];
        assert_eq!(cells("x.y,attributes", &fields), expected);
        assert_eq!(cells("x,x.y.z", &fields), [r#"{"y":{"a.b":2,"z":1}}"#, "1"]);
    }

    #[test]
    fn what_no_column_shows_is_an_attribute() {
        // A key sent twice, and one that is a value and an object.
        let fields = [("a", "1"), ("a\x001", "2"), ("a.b", "3"), ("c.d", "4"), ("c.e", "5")];
        let all = cells("a,c.d,attributes", &fields);
        assert_eq!(all, ["1", "4", r#"{"a":2,"a":{"b":3},"c":{"e":5}}"#]);
        let all = cells("c,c.d,level,attributes", &fields);
        assert_eq!(all[..3], [r#"{"d":4,"e":5}"#, "4", "info"]);
    }
}
