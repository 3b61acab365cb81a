//! Pages of events and tables of figures.

use super::{QueryMeta, write_list};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A page of events, or the rows of a table if the query ends in one.
#[derive(Debug, Clone, Deserialize)]
pub struct SearchAnswer {
    /// The events as the server wrote them.
    #[serde(default)]
    pub logs: Vec<Box<RawValue>>,
    /// The rows of a table; `None` if the query answers events.
    #[serde(default)]
    pub rows: Option<Vec<StatsRow>>,
    /// What of the rows is not exact.
    #[serde(flatten)]
    pub inexact: Inexact,
    /// Where the next page begins; `None` if there is none.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// What follows the events in a page; see [`write_search_answer`].
#[derive(Debug, Clone, Serialize)]
struct SearchTail<'a> {
    next_cursor: Option<&'a str>,
    #[serde(flatten)]
    meta: &'a QueryMeta,
}

/// One row of a table: the names of its columns and their values, as the server wrote them and in the
/// same order.
#[derive(Debug, Clone, Default)]
pub struct StatsRow(pub Vec<(String, Box<RawValue>)>);

impl StatsRow {
    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| &**value)
    }
}

impl<'de> Deserialize<'de> for StatsRow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = StatsRow;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<StatsRow, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(StatsRow(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The groups of a table that have no row of their own: together they are its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OtherGroups {
    /// Their events.
    pub events: u64,
    /// None of them has more.
    pub group_events_max: u64,
}

/// A column whose figures are not exact: one of the members tells how far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approximate {
    /// Its name.
    pub column: String,
    /// Figures are off by this part of their value at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_error: Option<f64>,
    /// The standard error of figures that are estimates, as a part of their value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// A value that is in no row may have so many events, more than the last of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_max: Option<u64>,
}

/// What a table does not tell exactly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inexact {
    /// What the last row is of, if there are more groups than there may be rows.
    #[serde(default)]
    pub other: Option<OtherGroups>,
    /// The columns that are not exact.
    #[serde(default)]
    pub approximate: Vec<Approximate>,
}

/// A table of figures.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatsAnswer {
    /// By time, then by count, greatest first.
    pub rows: Vec<StatsRow>,
    /// What of them is not exact.
    #[serde(flatten)]
    pub inexact: Inexact,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// Writes a [`SearchAnswer`]; `write_event` appends the n-th event's JSON.
pub fn write_search_answer(
    events: usize,
    write_event: impl FnMut(usize, &mut Vec<u8>),
    next_cursor: Option<&str>,
    meta: &QueryMeta,
) -> Vec<u8> {
    write_list("logs", events, write_event, &SearchTail { next_cursor, meta })
}

/// Writes a [`StatsAnswer`]; `write_row` appends the n-th row's JSON.
pub fn write_stats_answer(
    rows: usize,
    write_row: impl FnMut(usize, &mut Vec<u8>),
    inexact: &Inexact,
    meta: &QueryMeta,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Tail<'a> {
        #[serde(flatten)]
        inexact: &'a Inexact,
        #[serde(flatten)]
        meta: &'a QueryMeta,
    }
    write_list("rows", rows, write_row, &Tail { inexact, meta })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Gap, ResolvedRange, Scanned};

    fn meta() -> QueryMeta {
        QueryMeta {
            took_ms: 1.25,
            warnings: vec!["no field usr: did you mean user?".into()],
            range: ResolvedRange { from: Some("1970-01-01T00:00:00Z".into()), to: None },
            scanned: Scanned { blocks: 1, blocks_pruned: u64::MAX, rows: 3 },
            partial: vec![Gap { kind: "deadline".into(), message: "late".into() }],
            tiers: None,
            plan: None,
        }
    }

    #[test]
    fn pages_read_back_with_each_event_as_it_was_written() {
        let events = ["{\"id\":\"1\",\"n\":1e999}", "{}"];
        let write = |n: usize, out: &mut Vec<u8>| out.extend_from_slice(events[n].as_bytes());
        let bytes = write_search_answer(2, write, Some("c"), &meta());
        let page: SearchAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert_eq!(page.logs.iter().map(|event| event.get()).collect::<Vec<_>>(), events);
        assert_eq!((page.next_cursor.as_deref(), page.meta), (Some("c"), meta()));

        let bytes = write_search_answer(0, write, None, &meta());
        let page: SearchAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert!(page.logs.is_empty() && page.next_cursor.is_none());
    }

    #[test]
    fn tables_read_back() {
        let write = |_: usize, out: &mut Vec<u8>| out.extend_from_slice(b"{\"count\":7}");
        let column =
            Approximate { column: "p".into(), relative_error: Some(0.5), ..Approximate::default() };
        let other = Some(OtherGroups { events: u64::MAX, group_events_max: 3 });
        let inexact = Inexact { other, approximate: vec![column] };
        let bytes = write_stats_answer(1, write, &inexact, &meta());
        let table: StatsAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert_eq!(table.inexact, inexact);
        assert_eq!(table.rows[0].get("count").map(RawValue::get), Some("7"));
        assert_eq!(table.meta, meta());
    }
}
