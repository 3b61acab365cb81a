//! What is told around events: facets, histograms, neighbours, spans, patterns, each from a list of all
//! events.

use super::table::{first_named, value_of};
use super::{Model, matches};
use logstrata_engine::query::ast::{Field, Filter, Leaf, Test};
use logstrata_engine::query::{
    Bucket, Context, ContextRequest, EventRecord, Facets, FacetsRequest, Histogram,
    HistogramRequest, Order, Pattern, Patterns, PatternsRequest, SearchRequest, Span, Spans,
    TimeRange,
};
use logstrata_engine::{EventId, Kind, Level, Timestamp, field};
use std::collections::{BTreeMap, BTreeSet};

/// Texts that are not counted unless their field is named.
const PROSE: [&str; 3] = ["message", "error.message", "error.stack"];
/// Longer values are not told.
const VALUE_BYTES_MAX: usize = 256;
/// More buckets are refused.
const BUCKETS_MAX: u64 = 10_000;

impl Model {
    fn all(&self, filter: &Filter, range: TimeRange) -> Vec<&EventRecord> {
        self.search(filter, range, Order::OldestFirst, u64::MAX)
    }

    /// Panics unless these are the fields of a result; an answer from which something was left out is
    /// not looked at. Returns whether it was.
    pub fn check_facets(&self, request: &FacetsRequest, found: &Facets) -> bool {
        if found.is_cut || found.events_left_out > 0 {
            return false;
        }
        let events = self.all(&request.filter, request.range);
        assert_eq!(found.events, events.len() as u64);
        let small = |text: &str| -> String { text.chars().flat_map(char::to_lowercase).collect() };
        let begins = |text: &[u8], prefix: &str| {
            small(&String::from_utf8_lossy(text)).starts_with(&small(prefix))
        };
        let names: BTreeSet<String> = match &request.fields {
            Some(names) => names.iter().cloned().collect(),
            None => {
                let of_event = |event: &&EventRecord| -> Vec<String> {
                    let fields = event.fields.iter();
                    fields.map(|f| field::display_name(&f.name).into_owned()).collect()
                };
                let mut names: BTreeSet<String> = events.iter().flat_map(of_event).collect();
                if !events.is_empty() {
                    names.insert("level".to_owned());
                }
                names.retain(|name| begins(name.as_bytes(), &request.name_prefix));
                names
            }
        };
        let told: Vec<&str> = found.fields.iter().map(|facet| &*facet.name).collect();
        assert_eq!(told.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), names);
        assert_eq!(told.len(), names.len(), "each field once");
        let rank = |at: usize| (u64::MAX - found.fields[at].events, &found.fields[at].name);
        assert!((1..told.len()).all(|at| rank(at - 1) < rank(at)), "{told:?}");
        for facet in &found.fields {
            let mut kinds: BTreeSet<Kind> = BTreeSet::new();
            let mut counts: BTreeMap<(&[u8], bool), (Kind, u64)> = BTreeMap::new();
            let (mut having, mut matching, mut has_long) = (0, 0, false);
            for event in &events {
                let Some(text) = value_of(event, &facet.name) else { continue };
                let kind = match &*facet.name {
                    "level" => Kind::String,
                    name => first_named(event, name).expect("has a value").kind,
                };
                having += 1;
                kinds.insert(kind);
                if !begins(text, &request.value_prefix) {
                    continue;
                }
                matching += 1;
                if text.len() > VALUE_BYTES_MAX {
                    has_long = true;
                    continue;
                }
                // `null` is not the text of these letters.
                let value = counts.entry((text, kind != Kind::Null)).or_insert((kind, 0));
                *value = (value.0.min(kind), value.1 + 1);
            }
            let name = &facet.name;
            assert_eq!(facet.events, having, "events with {name:?}");
            let told: BTreeSet<Kind> = facet.kinds.iter().copied().collect();
            assert!(kinds.is_subset(&told), "kinds of {name:?}: {told:?} for {kinds:?}");
            let is_prose = PROSE.contains(&name.as_str());
            let counted = request.values > 0 && (request.fields.is_some() || !is_prose);
            assert_eq!(facet.values.is_some(), counted, "{name:?}");
            let Some(values) = &facet.values else { continue };
            assert_eq!(told, kinds, "kinds of {name:?}");
            assert_eq!((facet.matching, facet.error), (matching, 0), "{name:?}");
            let distinct = (!has_long).then_some(counts.len() as u64);
            assert_eq!(facet.distinct, distinct, "distinct values of {name:?}");
            let mut wanted: Vec<_> = counts
                .into_iter()
                .map(|((text, _), (kind, count))| (Some((kind, text.to_vec())), count))
                .collect();
            wanted.sort_by_key(|(_, count)| u64::MAX - count);
            wanted.truncate(request.values);
            assert_eq!(*values, wanted, "values of {name:?}");
        }
        true
    }

    /// Panics unless this is what the histogram must be; `Err` is that there are too many buckets.
    pub fn check_histogram(&self, request: &HistogramRequest, found: Result<Histogram, String>) {
        let events = self.all(&request.filter, request.range);
        let times = events.iter().map(|event| event.timestamp.0);
        let TimeRange { from, to } = request.range;
        let first = from.map(|from| from.0).or(times.clone().next());
        // The last point in time that is wanted; of what ends before all time there is none.
        let last = match to {
            Some(to) => to.0.checked_sub(1),
            None => times.clone().next_back(),
        };
        let ends = first.zip(last).filter(|(first, last)| first <= last);
        let buckets_of = |(first, last): (i64, i64), width: i64| {
            last.div_euclid(width).abs_diff(first.div_euclid(width)).saturating_add(1)
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let interval = request.interval.expect("a width that was chosen fits");
                let count = buckets_of(ends.expect("has ends"), interval);
                assert!(error.contains("buckets") && count > BUCKETS_MAX, "{count}: {error}");
                return;
            }
        };
        let Some((first, last)) = ends else { return assert!(found.buckets.is_empty()) };
        let width = found.interval.expect("a width");
        assert_eq!(request.interval.unwrap_or(width), width);
        let count = buckets_of((first, last), width);
        if request.interval.is_none() {
            const WIDEST: i64 = 520 * 7 * 86_400 * 1_000_000_000;
            assert!(count <= request.buckets as u64 || width == WIDEST, "{count} of {width}");
        }
        let start = first.div_euclid(width);
        let bucket = |at: u64| Bucket {
            time: Timestamp(start.saturating_add_unsigned(at).saturating_mul(width)),
            levels: [0; Level::ALL.len()],
        };
        let mut wanted: Vec<Bucket> = (0..count).map(bucket).collect();
        for event in &events {
            let at = event.timestamp.0.div_euclid(width).abs_diff(start);
            let level = Level::ALL.iter().position(|level| *level == event.level);
            wanted[at as usize].levels[level.expect("one of all")] += 1;
        }
        assert_eq!(found.buckets, wanted);
    }

    /// Panics unless these are the neighbours; `Err` is that a field can't be compared.
    pub fn check_context(&self, request: &ContextRequest, found: Result<Option<Context>, String>) {
        let Some(event) = self.get(request.id) else {
            return assert!(found.expect("no error").is_none());
        };
        let is_text = |name: &&String| match &***name {
            "level" => true,
            name => first_named(event, name).is_none_or(|field| {
                field.kind != Kind::Json && std::str::from_utf8(&field.text).is_ok()
            }),
        };
        if let Some(name) = request.same.iter().find(|name| !is_text(name)) {
            let error = found.expect_err("can't be compared");
            return assert!(error.contains(&**name), "{error}");
        }
        let is_same = |other: &EventRecord| {
            request.same.iter().all(|name| {
                let leaf = |test| {
                    let field = Some(Field { name: name.clone(), span: 0..0 });
                    Filter::Leaf(Leaf { field, test, span: 0..0 })
                };
                match value_of(event, name) {
                    None => value_of(other, name).is_none(),
                    Some(text) => {
                        let text = String::from_utf8(text.to_vec()).expect("was looked at");
                        matches(&leaf(Test::Same(text)), other)
                    }
                }
            })
        };
        let rank = |event: &EventRecord| (event.timestamp, event.id.seq());
        let all = self.all(&Filter::All, TimeRange::default());
        let same = all.into_iter().filter(|other| is_same(other));
        let (before, after): (Vec<&EventRecord>, Vec<_>) =
            same.filter(|other| other.id != event.id).partition(|other| rank(other) < rank(event));
        let before = &before[before.len().saturating_sub(request.before)..];
        let after = &after[..after.len().min(request.after)];
        let found = found.expect("no error").expect("the event is there");
        let ids =
            |events: &[EventRecord]| -> Vec<EventId> { events.iter().map(|e| e.id).collect() };
        let wanted = |events: &[&EventRecord]| -> Vec<_> { events.iter().map(|e| e.id).collect() };
        assert_eq!(found.event.id, event.id);
        assert_eq!(ids(&found.before), wanted(before), "before");
        assert_eq!(ids(&found.after), wanted(after), "after");
    }

    /// Panics unless these are the spans of the events that the request finds.
    pub fn check_spans(&self, request: &SearchRequest, found: &Spans) {
        let events = self.all(&request.filter, request.range);
        let text = |event: &EventRecord, name: &str| -> Option<Vec<u8>> {
            let field = first_named(event, name).filter(|field| field.kind != Kind::Null)?;
            // What tracers write in the place of no span.
            let is_none = field.text.iter().all(|byte| *byte == b'0');
            (!is_none).then(|| field.text.clone())
        };
        let mut spans: BTreeMap<Vec<u8>, Vec<&EventRecord>> = BTreeMap::new();
        let mut outside = 0;
        for event in &events {
            match text(event, "span_id") {
                Some(span) => spans.entry(span).or_default().push(event),
                None => outside += 1,
            }
        }
        assert_eq!((found.events, found.events_outside), (events.len() as u64, outside));
        let mut told: Vec<Span> = found.spans.clone();
        told.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(told.len(), spans.len());
        for (span, (id, events)) in told.iter().zip(&spans) {
            assert_eq!(span.id, *id);
            let parent = events.iter().find_map(|event| text(event, "parent_span_id"));
            assert_eq!(span.parent, parent, "parent of {id:?}");
            let is_orphan = parent.is_some_and(|parent| !spans.contains_key(&parent));
            assert_eq!(span.is_orphan, is_orphan, "{id:?}");
            let (first, last) = (events[0].timestamp, events[events.len() - 1].timestamp);
            assert_eq!((span.start, span.end), (first, last), "{id:?}");
            let of_level = |level: Level| events.iter().filter(|e| e.level == level).count() as u64;
            assert_eq!(span.levels, Level::ALL.map(of_level), "{id:?}");
            let services: BTreeSet<Vec<u8>> =
                events.iter().filter_map(|event| text(event, "service")).collect();
            assert!(services.iter().eq(&span.services), "{services:?} {:?}", span.services);
        }
    }

    /// Panics unless the counts of patterns add up, and each pattern is of events that there are.
    pub fn check_patterns(&self, request: &PatternsRequest, found: &Patterns) {
        let events = self.all(&request.filter, request.range);
        let without =
            events.iter().filter(|event| first_named(event, "message").is_none()).count() as u64;
        assert_eq!((found.events, found.without_message), (events.len() as u64, without));
        assert!(found.patterns.len() <= request.limit);
        let all: Vec<&Pattern> = found.patterns.iter().chain(&found.other).collect();
        let count: u64 = all.iter().map(|pattern| pattern.count).sum();
        assert_eq!(count + without, found.events, "counts add up");
        for pattern in all {
            assert_eq!(pattern.trend.iter().sum::<u64>(), pattern.count, "{pattern:?}");
            let id = pattern.example_id.expect("a pattern has an event");
            let example = events.iter().find(|event| event.id == id).expect("is one of these");
            let message = first_named(example, "message").expect("has a message");
            assert!(message.text.starts_with(&pattern.example), "{pattern:?}");
            assert_eq!(pattern.last, Some(example.timestamp), "{pattern:?}");
            assert!(pattern.first <= pattern.last, "{pattern:?}");
        }
        let ranks: Vec<u64> = found.patterns.iter().map(|pattern| pattern.count).collect();
        assert!(ranks.is_sorted_by(|a, b| a >= b), "{ranks:?}");
    }
}
