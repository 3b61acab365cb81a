use super::*;
use crate::batch::{RowColumn, Rows};
use crate::codec::slice::Slice;
use crate::event::{Kind, Value};
use crate::index::testing::{self, rows};
use crate::index::{
    Filter, IndexCounts, SegmentIndex, SegmentIndexBuilder, Split, filter_bytes, terms,
};
use crate::io::Region;
use crate::limits::FRAME_ROWS_MAX;
use crate::query::matcher::Matcher;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn needed(query: &str) -> Need {
    need(&crate::query::parse(query).expect("a good query"))
}

fn word(text: &str) -> Need {
    Need::Term(Term::new(TermKind::Word, text.as_bytes()))
}

fn other(kind: TermKind, text: &str) -> Need {
    Need::Term(Term::new(kind, text.as_bytes()))
}

#[test]
fn every_token_of_a_phrase_is_needed() {
    assert_eq!(needed("Timeout"), word("timeout"));
    assert_eq!(needed("10.0.2.5"), Need::all(["10", "0", "2", "5"].map(word)));
    assert_eq!(
        needed("message:\"connection reset\""),
        Need::all([word("connection"), word("reset")])
    );
    assert_eq!(
        needed("日本語"),
        Need::all(["日本", "本語"].map(|two| other(TermKind::Bigram, two)))
    );
    assert_eq!(needed(&"x".repeat(70)), word(&"x".repeat(64)));
    for nothing in
        ["日", "\"-\"", "", "*", "status:*", "status:>5", "NOT a", "a OR NOT b", "level:error"]
    {
        assert_eq!(needed(nothing), Need::Nothing, "{nothing}");
    }
}

#[test]
fn an_exact_field_needs_its_whole_value() {
    let parts = [word("10"), word("0"), word("7"), other(TermKind::WholeValue, "10.0.0.7")];
    assert_eq!(needed("ip:10.0.0.7"), Need::all(parts));
    assert_eq!(needed("service:Checkout"), word("checkout"));
    assert_eq!(needed("path:a/b"), Need::all([word("a"), word("b")]));
}

#[test]
fn a_number_is_needed_in_any_form() {
    let odd = other(TermKind::Number, "500");
    assert_eq!(needed("status:500"), Need::any([word("500"), odd.clone()]));
    let typed = Need::all([word("500"), word("0")]);
    assert_eq!(needed("status:500.0"), Need::any([typed, word("500"), odd]));
    // A bare term knows no numbers.
    assert_eq!(needed("500"), word("500"));
}

#[test]
fn and_needs_all_or_needs_one() {
    assert_eq!(needed("a b -c"), Need::all([word("a"), word("b")]));
    assert_eq!(needed("a OR b"), Need::any([word("a"), word("b")]));
    assert_eq!(needed("a (b OR c)"), Need::all([word("a"), Need::any([word("b"), word("c")])]));
    assert_eq!(needed("a OR *"), Need::Nothing);
}

#[test]
fn terms_are_counted() {
    let many: Vec<String> = (0..NEED_TERMS_MAX).map(|n| format!("w{n}")).collect();
    assert!(matches!(needed(&many.join(" ")), Need::All(needs) if needs.len() == NEED_TERMS_MAX));
    assert!(
        matches!(needed(&many.join(" OR ")), Need::Any(needs) if needs.len() == NEED_TERMS_MAX)
    );
    let long = many.join("-") + "-more";
    assert!(matches!(needed(&long), Need::All(needs) if needs.len() == NEED_TERMS_MAX));
    assert_eq!(needed(&format!("{long} OR a")), Need::Nothing);
}

#[test]
fn needs_are_met_by_filters_that_may_hold_the_terms() {
    let filter =
        Filter::build(&terms::collect(&rows(&[&[("message", Kind::String, b"a b c")]]), |_| None));
    let filter = BlockIndex::Filter(Arc::new(filter));
    let is_met = |query: &str| needed(query).frames(&filter) == EVERY_FRAME;
    assert!(is_met("a b") && is_met("a OR z"));
    assert_eq!(needed("a z").frames(&filter) | needed("y OR z").frames(&filter), 0);
    assert_eq!((Need::Nothing.frames(&filter), Need::Never.frames(&filter)), (EVERY_FRAME, 0));
    assert_eq!(needed("a z").frames(&BlockIndex::Everything), EVERY_FRAME);
}

/// The columns of random events: a phrase field, an exact one, one with anything in it.
const COLUMNS: [&str; 4] = ["message", "service", "status", "service\u{0}1"];

fn value() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let number =
        prop::sample::select(&["5", "5.0", "50e-1", "0.5", "-5", "500", "5e2", "1e400"][..]);
    let number = number.prop_map(|number| number.as_bytes().to_vec());
    let json = prop::collection::vec(testing::query(), 0..3)
        .prop_map(|texts| serde_json::to_vec(&texts).expect("strings"));
    let json_number = number.clone().prop_map(|n| [b"[{\"k\":", &n[..], b"}]"].concat());
    prop_oneof![
        6 => testing::text().prop_map(|text| (Kind::String, text)),
        1 => number.clone().prop_map(|text| (Kind::String, text)),
        1 => number.prop_map(|text| (Kind::Number, text)),
        1 => json.prop_map(|text| (Kind::Json, text)),
        1 => json_number.prop_map(|text| (Kind::Json, text)),
        1 => Just((Kind::Bool, b"true".to_vec())),
    ]
}

type Event = Vec<(usize, Kind, Vec<u8>)>;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let field = (0..COLUMNS.len(), value()).prop_map(|(column, (kind, text))| (column, kind, text));
    let event = prop::collection::vec(field, 1..4).prop_map(|mut event: Event| {
        event.sort();
        event.dedup_by_key(|field| field.0);
        event
    });
    prop::collection::vec(event, 1..4)
}

/// A pattern that matches `text` more often than not: some characters of it, each as itself or as
/// something wider.
fn generalize(text: &str, shapes: &[u8]) -> String {
    let mut source = String::new();
    for (index, c) in text.chars().enumerate() {
        let c = regex::escape(&c.to_string());
        source += &match shapes.get(index).copied().unwrap_or(0) {
            1 => ".".to_owned(),
            2 => r"\w".to_owned(),
            3 => r"\W".to_owned(),
            4 => format!("{c}+"),
            5 => format!("{c}?"),
            6 => format!("(?:zz|{c})"),
            7 => format!(r"\b{c}"),
            8 => format!(r"\s*{c}"),
            9 => format!("(?i:{c})"),
            10 => format!("(?:{c}|)"),
            11 => format!(r"[^a\s]*{c}"),
            12 => format!(r"(?m:^|\b|{c}){c}"),
            13 => r"\d".to_owned(),
            14 => r"\S+".to_owned(),
            _ => c,
        };
    }
    match shapes.first() {
        Some(20..24) => source.insert(0, '^'),
        Some(24..28) => source.push('$'),
        Some(28..32) => source.insert_str(0, "(?i)"),
        Some(32..36) => source.push_str(r"\b"),
        _ => {}
    }
    source
}

/// A test of a field, or of all, that was made from a part of some value.
fn leaf() -> impl Strategy<Value = (Option<usize>, Shape)> {
    let shape = prop_oneof![
        4 => (any::<prop::sample::Index>(), 0usize..10, 1usize..10)
            .prop_map(|(of, from, len)| Shape::Part { of, from, len }),
        2 => any::<prop::sample::Index>().prop_map(|of| Shape::Part { of, from: 0, len: 99 }),
        6 => (any::<prop::sample::Index>(), 0usize..6, 1usize..10,
              prop::collection::vec(0u8..40, 0..10))
            .prop_map(|(of, from, len, shapes)| Shape::Pattern { of, from, len, shapes }),
        4 => (any::<prop::sample::Index>(), prop::collection::vec(0usize..10, 4), any::<[bool; 2]>())
            .prop_map(|(of, places, open)| Shape::Gaps { of, places, open }),
        1 => any::<prop::sample::Index>().prop_map(|of| Shape::Same { of }),
        1 => testing::query().prop_map(Shape::Text),
        1 => prop::sample::select(&["5", "5.0", "500", "500.0", "0.50e1", "10e399"][..])
            .prop_map(|number| Shape::Text(number.to_owned())),
    ];
    (prop::option::of(0..COLUMNS.len() - 1), shape)
}

#[derive(Debug, Clone)]
enum Shape {
    Text(String),
    Part { of: prop::sample::Index, from: usize, len: usize },
    Pattern { of: prop::sample::Index, from: usize, len: usize, shapes: Vec<u8> },
    Gaps { of: prop::sample::Index, places: Vec<usize>, open: [bool; 2] },
    Same { of: prop::sample::Index },
}

fn leaf_of(field: Option<usize>, shape: &Shape, events: &[Event]) -> ast::Leaf {
    let part = |of: &prop::sample::Index, from: usize, len: usize| -> String {
        let texts: Vec<&[u8]> = events.iter().flatten().map(|(_, _, text)| &text[..]).collect();
        String::from_utf8_lossy(texts[of.index(texts.len())]).chars().skip(from).take(len).collect()
    };
    let test = match shape {
        Shape::Text(text) => ast::Test::Text(text.clone()),
        Shape::Part { of, from, len } => ast::Test::Text(part(of, *from, *len)),
        Shape::Same { of } => ast::Test::Same(part(of, 0, 99)),
        Shape::Gaps { of, places, open } => {
            let mut places = places.clone();
            places.sort_unstable();
            let mut pieces: Vec<String> =
                places.chunks(2).map(|ends| part(of, ends[0], ends[1] - ends[0])).collect();
            pieces.retain(|piece| !piece.is_empty());
            let mut ends = open.iter().map(|open| open.then(String::new));
            let (first, last) = (ends.next().flatten(), ends.next().flatten());
            let mut pieces: Vec<String> = first.into_iter().chain(pieces).chain(last).collect();
            while pieces.len() < 2 {
                // Without a gap it is no wildcard, but a text.
                pieces.push(String::new());
            }
            ast::Test::Wildcard(ast::Wildcard { pieces })
        }
        Shape::Pattern { of, from, len, shapes } => {
            let source = generalize(&part(of, *from, *len), shapes);
            let regex = regex::bytes::Regex::new(&source).expect("a good pattern");
            ast::Test::Regex(Box::new(ast::Pattern { source, regex }))
        }
    };
    let field = field.map(|column| ast::Field { name: COLUMNS[column].to_owned(), span: 0..0 });
    ast::Leaf { field, test, span: 0..0 }
}

fn passes(filter: &ast::Filter, event: &Event) -> bool {
    match filter {
        ast::Filter::All => true,
        ast::Filter::And(filters) => filters.iter().all(|filter| passes(filter, event)),
        ast::Filter::Or(filters) => filters.iter().any(|filter| passes(filter, event)),
        ast::Filter::Not(filter) => !passes(filter, event),
        ast::Filter::Leaf(leaf) => {
            let matcher = Matcher::new(leaf);
            event.iter().any(|(column, kind, text)| {
                let name = field::without_ordinal(COLUMNS[*column]);
                leaf.field.as_ref().is_none_or(|field| field.name == name)
                    && matcher.matches(Value { kind: *kind, text })
            })
        }
    }
}

/// Whether the block of the events would be read.
fn is_read(filter: &ast::Filter, events: &[Event]) -> bool {
    let fields: Vec<Vec<testing::Field<'_>>> = events
        .iter()
        .map(|event| event.iter().map(|(c, kind, text)| (COLUMNS[*c], *kind, &text[..])).collect())
        .collect();
    let fields: Vec<&[testing::Field<'_>]> = fields.iter().map(|event| &event[..]).collect();
    let bytes = filter_bytes(&rows(&fields));
    let stored = Filter::decode(Slice::new(&bytes, 0, "filter", Path::new("test")));
    let filter_of_block = BlockIndex::Filter(Arc::new(stored.expect("our own bytes")));
    need(filter).frames(&filter_of_block) != 0
}

/// The events in frames of their own, as a block.
fn spread(events: &[Event]) -> Rows {
    let count = events.len() * FRAME_ROWS_MAX;
    let mut columns: Vec<RowColumn> = Vec::new();
    for (number, name) in COLUMNS.iter().enumerate() {
        let mut column = RowColumn::new((*name).into());
        for (frame, event) in events.iter().enumerate() {
            for (_, kind, text) in event.iter().filter(|field| field.0 == number) {
                let row = frame * FRAME_ROWS_MAX + frame * 170;
                column.push(row as u32, Value { kind: *kind, text });
            }
        }
        if !column.is_empty() {
            columns.push(column);
        }
    }
    let rows = Rows {
        base_seq: 1,
        seq_offsets: (0..count as u32).collect(),
        timestamps: vec![0; count],
        levels: vec![3; count],
        columns,
    };
    rows.check_invariants();
    rows
}

/// The frames of the block of these events that would be read, by the index of a section in which
/// it is the second, and the third with its columns cut.
fn frames_read(filter: &ast::Filter, events: &[Event]) -> FrameMask {
    let mut builder = SegmentIndexBuilder::new();
    let first = rows(&[&[("message", Kind::String, b"word 5")]]);
    builder.add_block(&first, |_| None::<Split>).expect("in memory");
    builder.add_block(&spread(events), |_| None::<Split>).expect("in memory");
    builder.add_block(&spread(events), |column| Some(Split::always(column))).expect("in memory");
    let region = Region::owned(builder.finish().expect("in memory"));
    let counts = IndexCounts::default();
    let index = SegmentIndex::open(region, 3, &Path::new("test").into(), 0, &counts);
    let need = need(filter);
    let mut terms = Vec::new();
    need.for_each_term(&mut |term| terms.push(term));
    let hits = Arc::new(index.expect("our own bytes").look_up(terms).expect("in memory"));
    assert_eq!(counts.faults(), 0);
    let frames = need.frames(&BlockIndex::Section(Arc::clone(&hits), 1));
    let of_cut = need.frames(&BlockIndex::Section(Arc::clone(&hits), 2));
    assert_eq!(
        frames & !of_cut,
        0,
        "the same terms, however they are found: of cut ones the blocks"
    );
    assert!(frames == 0 || need.is_met_in(&hits));
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The contract, for the index of a section: each answer lies in a frame that is read.
    #[test]
    fn a_frame_with_an_answer_is_read(events in events(), (field, shape) in leaf(), is_nested: bool) {
        let leaf = ast::Filter::Leaf(leaf_of(field, &shape, &events));
        let filter = match is_nested {
            true => ast::Filter::Or(vec![ast::Filter::And(vec![leaf.clone(), leaf.clone()]), leaf]),
            false => leaf,
        };
        let frames = frames_read(&filter, &events);
        for (frame, event) in events.iter().enumerate() {
            if passes(&filter, event) {
                prop_assert!(frames >> frame & 1 == 1, "{filter:?} {:?} {frame}", need(&filter));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// The contract, for one test.
    #[test]
    fn a_block_with_an_answer_is_read(events in events(), (field, shape) in leaf()) {
        let filter = ast::Filter::Leaf(leaf_of(field, &shape, &events));
        if events.iter().any(|event| passes(&filter, event)) {
            prop_assert!(is_read(&filter, &events), "{filter:?} {:?}", need(&filter));
        }
    }

    /// The contract, for whole queries.
    #[test]
    fn a_block_with_an_answer_to_a_query_is_read(
        events in events(),
        leaves in prop::collection::vec(leaf(), 1..5),
        operators in prop::collection::vec(0u8..4, 5),
    ) {
        let leaves = leaves.iter().map(|(field, shape)| leaf_of(*field, shape, &events));
        let filter = leaves.zip(operators).map(|(leaf, operator)| (ast::Filter::Leaf(leaf), operator))
            .reduce(|(left, _), (right, operator)| {
                let filter = match operator {
                    0 => ast::Filter::Or(vec![left, right]),
                    1 => ast::Filter::And(vec![left, ast::Filter::Not(Box::new(right))]),
                    2 => ast::Filter::Not(Box::new(ast::Filter::And(vec![left, right]))),
                    _ => ast::Filter::And(vec![left, right]),
                };
                (filter, operator)
            });
        let (filter, _) = filter.expect("at least one leaf");
        if events.iter().any(|event| passes(&filter, event)) {
            prop_assert!(is_read(&filter, &events), "{filter:?} {:?}", need(&filter));
        }
    }
}
