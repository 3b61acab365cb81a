//! Queries as parameters: each is declared once, with its name, its type and what it means.

use crate::query_string;
use std::borrow::Cow;

/// What stands in a query string for a value; nothing for what is left to the server.
pub(super) trait Parameter {
    fn text(&self) -> Option<Cow<'_, str>>;

    /// The value of a text; nothing of it for what is none.
    fn of_text(text: Option<String>) -> Self;
}

impl Parameter for String {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(self.into())
    }

    fn of_text(text: Option<String>) -> Self {
        text.unwrap_or_default()
    }
}

impl Parameter for Option<String> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_deref().map(Cow::from)
    }

    fn of_text(text: Option<String>) -> Self {
        text
    }
}

impl Parameter for Option<usize> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.map(|number| number.to_string().into())
    }

    fn of_text(_: Option<String>) -> Self {
        None
    }
}

impl Parameter for Option<bool> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.map(|on| if on { "true" } else { "false" }.into())
    }

    fn of_text(_: Option<String>) -> Self {
        None
    }
}

impl Parameter for bool {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.then_some("true".into())
    }

    fn of_text(_: Option<String>) -> Self {
        false
    }
}

/// A query string of what is given.
pub(super) fn encode<const N: usize>(pairs: [(&str, Option<Cow<'_, str>>); N]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    query_string::encode(given.filter(|(_, value)| !value.is_empty()))
}

/// What a parameter is that many queries have.
macro_rules! common {
    (doc q) => {
        "The query; empty wants every event."
    };
    (doc from) => {
        "The first point in time wanted: RFC 3339, epoch, `now-15m`."
    };
    (doc to) => {
        "The first point in time no longer wanted."
    };
    (doc timeout) => {
        "The time that the query may take: `5s`."
    };
    (doc partial) => {
        "Whether the answer may lack something: what is damaged, too (`true`), or nothing (`false`). By \
         default it may be of what was found in time, and in the memory that it may take."
    };
    (doc tier) => {
        "`hot` leaves the archive alone: only what is on the server's machine is looked at, and nothing of the \
         archive is missed. `all` by default."
    };
    (doc explain) => {
        "Whether the answer tells what the query did."
    };
    (type q) => { String };
    (type from) => { Option<String> };
    (type to) => { Option<String> };
    (type timeout) => { Option<String> };
    (type partial) => { Option<bool> };
    (type tier) => { Option<String> };
    (type explain) => { bool };
}

/// Declares a query: the common parameters before its own, its own, the common ones behind them.
macro_rules! query {
    (
        $(#[$about:meta])*
        $name:ident [$($first:ident),*] {
            $($(#[$doc:meta])* $own:ident: $type:ty,)*
        } [$($last:ident),*]
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = common!(doc $first)] pub $first: common!(type $first),)*
            $($(#[$doc])* pub $own: $type,)*
            $(#[doc = common!(doc $last)] pub $last: common!(type $last),)*
        }

        impl $name {
            /// The parameters' names.
            pub const PARAMETERS: &'static [&'static str] =
                &[$(stringify!($first),)* $(stringify!($own),)* $(stringify!($last),)*];

            /// As a query string, or as a form in the body of a `POST`.
            pub fn encode(&self) -> String {
                encode([
                    $((stringify!($first), self.$first.text()),)*
                    $((stringify!($own), self.$own.text()),)*
                    $((stringify!($last), self.$last.text()),)*
                ])
            }

            /// The query of these texts by name; without its numbers, whose bounds are the server's, and
            /// its switches.
            pub fn of_texts(text: impl Fn(&str) -> Option<String>) -> Self {
                Self {
                    $($first: Parameter::of_text(text(stringify!($first))),)*
                    $($own: Parameter::of_text(text(stringify!($own))),)*
                    $($last: Parameter::of_text(text(stringify!($last))),)*
                }
            }
        }
    };
}

query! {
    /// A page of events is wanted. Empty and `None` fields are left to the server's defaults.
    SearchQuery [q, from, to] {
        /// Events at most.
        limit: Option<usize>,
        /// `desc` or `asc`.
        order: Option<String>,
        /// The `next_cursor` of the page before.
        cursor: Option<String>,
    } [timeout, partial, tier, explain]
}

query! {
    /// A table of figures is wanted. Empty and `None` fields are left to the server's defaults.
    StatsQuery [q, from, to] {
        /// The fields that group events, separated by commas.
        group_by: Option<String>,
        /// The width of a time bucket: `30s 5m 1h 1d`.
        interval: Option<String>,
        /// The figures, separated by commas: `count,p95(duration_ms)`.
        agg: Option<String>,
        /// Only this many groups, those with the highest counts.
        top: Option<usize>,
    } [timeout, partial, tier, explain]
}

query! {
    /// A file of all that a query answers is wanted. Empty and `None` fields are left to the server's
    /// defaults. It is whole, so its time is without end if none is given.
    ExportQuery [q, from, to] {
        /// `ndjson`, `json`, `csv`, `txt` or `parquet`.
        format: Option<String>,
        /// `gzip` or `zstd`.
        compress: Option<String>,
        /// The fields wanted, separated by commas.
        fields: Option<String>,
        /// `desc` or `asc`.
        order: Option<String>,
    } [timeout, tier]
}

query! {
    /// A query is followed. Empty and `None` fields are left to the server's defaults.
    TailQuery [q] {
        /// The id behind which to begin; with what is stored from now on if it is absent.
        after: Option<String>,
    } []
}

query! {
    /// Counts over time are wanted. Empty and `None` fields are left to the server's defaults.
    HistogramQuery [q, from, to] {
        /// The width of a bucket: `30s 5m 1h 1d`.
        interval: Option<String>,
        /// About so many buckets, if no width is given.
        buckets: Option<usize>,
    } [timeout, partial, tier, explain]
}

query! {
    /// The fields of a result are wanted. Empty and `None` fields are left to the server's defaults.
    FacetsQuery [q, from, to] {
        /// Only these fields, separated by commas.
        fields: Option<String>,
        /// Values of each field at most.
        limit: Option<usize>,
    } [timeout, partial, tier, explain]
}

query! {
    /// Names of fields, or values of one, are wanted. Empty and `None` fields are left to the server's
    /// defaults.
    FieldsQuery [q, from, to] {
        /// How they begin, in any case.
        prefix: Option<String>,
        /// So many at most.
        limit: Option<usize>,
    } [timeout, partial, tier]
}

query! {
    /// Patterns are wanted. Empty and `None` fields are left to the server's defaults.
    PatternsQuery [q, from, to] {
        /// The start of the time that it is compared with.
        compare_from: Option<String>,
        /// The end of it.
        compare_to: Option<String>,
        /// Patterns that are listed at most.
        limit: Option<usize>,
    } [timeout, partial, tier]
}

query! {
    /// What stood around an event is wanted. `None` fields are left to the server's defaults.
    ContextQuery [] {
        /// Events before it at most.
        before: Option<usize>,
        /// Events after it at most.
        after: Option<usize>,
        /// Only events that have the same values of these fields, separated by commas.
        same: Option<String>,
    } [timeout, partial, tier]
}

query! {
    /// A page of a timeline is wanted: of a trace, a correlation id, a resource. `None` fields are left
    /// to the server's defaults.
    TimelineQuery [from, to] {
        /// Events at most.
        limit: Option<usize>,
        /// The `next_cursor` of the page before.
        cursor: Option<String>,
    } [timeout, partial, tier]
}

query! {
    /// Something is to be held: what fits all that is given.
    HoldQuery [] {
        /// Only this class.
        class: Option<String>,
        /// Only this tenant.
        tenant: Option<String>,
        /// Only days from this one on, as `2026-11-21`.
        from_day: Option<String>,
        /// Only days up to this one, itself included.
        to_day: Option<String>,
        /// Only sections with an event that matches this.
        q: Option<String>,
        /// Who wants it.
        owner: String,
        /// Why.
        reason: String,
        /// When somebody should look whether it is still needed.
        review: Option<String>,
    } []
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query_string::decode;

    fn x() -> Option<String> {
        Some("x".into())
    }

    #[test]
    fn queries_name_only_what_is_given() {
        let query = SearchQuery { q: "a b".into(), limit: Some(5), ..SearchQuery::default() };
        assert_eq!(query.encode(), "q=a+b&limit=5");
        assert_eq!(SearchQuery::default().encode(), "");
    }

    #[test]
    fn what_is_encoded_is_what_is_declared() {
        let stats = StatsQuery {
            q: "q".into(),
            from: x(),
            to: x(),
            group_by: x(),
            interval: x(),
            agg: x(),
            top: Some(1),
            timeout: x(),
            partial: Some(false),
            tier: x(),
            explain: true,
        };
        let pairs = decode(&stats.encode()).expect("own encoding");
        assert_eq!(pairs.iter().map(|(name, _)| name).collect::<Vec<_>>(), StatsQuery::PARAMETERS);
        let text = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| known == name);
            pair.map(|(_, value)| value.clone())
        };
        let texts = StatsQuery { top: None, partial: None, explain: false, ..stats };
        assert_eq!(StatsQuery::of_texts(text), texts);
    }
}
