//! What people ask to find their way: the shape of a result, its fields, what stood around an event.

use super::{QueryMeta, write_list};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Where counts over time are asked for.
pub const HISTOGRAM_PATH: &str = "/api/v1/logs/histogram";

/// Where the fields of a result are asked for.
pub const FACETS_PATH: &str = "/api/v1/logs/facets";
/// Where the names of fields are asked for.
pub const FIELDS_PATH: &str = "/api/v1/fields";
/// Where the values of a field are asked for.
pub const VALUES_PATH: &str = "/api/v1/fields/{name}/values";
/// Where what stood around an event is asked for.
pub const CONTEXT_PATH: &str = "/api/v1/logs/{id}/context";

/// Counts over time.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistogramAnswer {
    /// The width of a bucket: `5m`; `None` if there is nothing to divide.
    pub interval: Option<String>,
    /// Every bucket of the range, the earliest first.
    pub buckets: Vec<HistogramBucket>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// The events of a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistogramBucket {
    /// When it begins, RFC 3339.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub time: String,
    /// The number of events.
    pub count: u64,
    /// The same by level, without those that no event has.
    pub levels: BTreeMap<String, u64>,
}

/// Writes a [`HistogramAnswer`].
pub fn write_histogram_answer(
    interval: Option<&str>,
    buckets: usize,
    mut bucket: impl FnMut(usize) -> HistogramBucket,
    meta: &QueryMeta,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Rest<'a> {
        interval: Option<&'a str>,
        #[serde(flatten)]
        meta: &'a QueryMeta,
    }
    let write = |place: usize, out: &mut Vec<u8>| push_json(out, &bucket(place));
    write_list("buckets", buckets, write, &Rest { interval, meta })
}

/// An event and its neighbours, each as the server wrote it.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContextAnswer {
    /// Those before it, the oldest first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::Event>"))]
    pub before: Vec<Box<RawValue>>,
    /// The event.
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::Event"))]
    pub event: Box<RawValue>,
    /// Those after it, the oldest first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::Event>"))]
    pub after: Vec<Box<RawValue>>,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// The fields of a result.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FacetsAnswer {
    /// Those that most events have first.
    pub fields: Vec<FacetOfField>,
    /// Events that match.
    pub events: u64,
    /// Whether fields are missing.
    pub cut: bool,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// A field of a result.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FacetOfField {
    /// The name that people type.
    pub name: String,
    /// Events that have it.
    pub events: u64,
    /// What its values are: `string`, `number`, `bool`, `null`, `json`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::ValueKind>"))]
    pub kinds: Vec<String>,
    /// The number of different values, if it is known.
    pub distinct: Option<u64>,
    /// What each count lacks at most; 0 if they are exact.
    pub error: u64,
    /// The commonest values; `None` if those of this field were not counted.
    pub values: Option<Vec<ValueCount>>,
    /// Events with other values than these.
    pub other: u64,
}

/// A value and the number of events that have it.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ValueCount {
    /// The value as JSON.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub value: Box<RawValue>,
    /// Events that have it.
    pub count: u64,
}

/// Names of fields.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldsAnswer {
    /// Those that most events have first.
    pub fields: Vec<NamedField>,
    /// Events that were looked at.
    pub events: u64,
    /// Events that were not looked at.
    pub events_left_out: u64,
    /// Whether fields are missing.
    pub cut: bool,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamedField {
    /// The name that people type.
    pub name: String,
    /// Of the events that were looked at, those that have it.
    pub events: u64,
    /// What its values are: `string`, `number`, `bool`, `null`, `json`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::ValueKind>"))]
    pub kinds: Vec<String>,
}

/// Values of a field.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ValuesAnswer {
    /// The commonest first.
    pub values: Vec<ValueCount>,
    /// The field.
    pub field: String,
    /// Events that have the field.
    pub events: u64,
    /// Of these, those with a value that begins as was asked for.
    pub matching: u64,
    /// The number of such values, if it is known.
    pub distinct: Option<u64>,
    /// What each count lacks at most; 0 if they are exact.
    pub error: u64,
    /// The rest.
    #[serde(flatten)]
    pub meta: QueryMeta,
}

/// Appends the members of a struct to an object, and ends the object.
pub fn push_members(out: &mut Vec<u8>, members: &impl Serialize) {
    let members = serde_json::to_vec(members).expect("plain values always serialize");
    out.extend_from_slice(members.strip_prefix(b"{").expect("a struct is an object"));
}

fn push_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("plain values are written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_read_back() {
        let bucket = |_| HistogramBucket {
            time: "t".into(),
            count: 3,
            levels: [("info".to_owned(), 3)].into(),
        };
        let bytes = write_histogram_answer(Some("5m"), 1, bucket, &QueryMeta::default());
        let answer: HistogramAnswer = serde_json::from_slice(&bytes).expect("own encoding");
        assert_eq!(
            (answer.interval.as_deref(), &answer.buckets[..]),
            (Some("5m"), &[bucket(0)][..])
        );
    }
}
