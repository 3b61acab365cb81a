//! Finds the class of an event while its batch is built: a table by level, unless the event has a
//! field that a rule looks at.

use super::rule::ClassRule;
use crate::event::{Kind, Level, Value};
use crate::field;
use crate::query::ast::{Filter, Leaf, Span, Test};
use crate::query::matcher::{Matcher, level_mask};
use crate::query::parse;
use std::sync::Arc;

/// A class by its place among the rules.
pub(crate) type ClassIndex = u16;

/// The longest name whose length the mask tells from others.
const LENGTH_BITS: usize = 63;

/// What decides the class of events, for one tenant.
#[derive(Debug)]
pub(crate) struct Classifier {
    names: Vec<Arc<str>>,
    /// By the code of the level.
    levels: [ByLevel; 8],
    /// The columns that rules look at, and bit `1 << length` for each.
    columns: Vec<Box<str>>,
    lengths: u64,
}

/// The rules that an event of one level can fall under.
#[derive(Debug, Default)]
struct ByLevel {
    /// The class of an event that has none of the columns.
    plain: ClassIndex,
    /// Rules that look at columns, before the first that is sure to match.
    tests: Vec<(Node, ClassIndex)>,
    /// That one.
    last: ClassIndex,
}

/// A rule of one level and tenant.
#[derive(Debug, Clone)]
enum Node {
    /// What it was about was known before.
    Known(bool),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// A column of one of these names has a value that passes.
    Column(Arc<[Box<str>]>, Arc<Matcher>),
}

/// The filter of a rule.
///
/// # Errors
/// What it may not say, and where.
pub(super) fn compile(text: &str) -> Result<Filter, (String, Option<Span>)> {
    let filter = parse(text).map_err(|error| (error.message, Some(error.span)))?;
    check(&filter)?;
    Ok(filter)
}

/// Whether a rule looks only at what is certain when an event comes in, and can be told quickly.
fn check(filter: &Filter) -> Result<(), (String, Option<Span>)> {
    match filter {
        Filter::All => Ok(()),
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(check),
        Filter::Not(inner) => check(inner),
        Filter::Leaf(leaf) => check_leaf(leaf),
    }
}

fn check_leaf(leaf: &Leaf) -> Result<(), (String, Option<Span>)> {
    let wrong = |message: String| Err((message, Some(leaf.span.clone())));
    let Some(name) = leaf.field.as_ref().map(|field| &*field.name) else {
        return wrong(
            "a rule of retention can't search everything: name a field, as in service:pay".into(),
        );
    };
    if matches!(leaf.test, Test::Regex(_)) {
        return wrong(format!(
            "a rule of retention has no regular expressions: say {name} without one"
        ));
    }
    if name == "level" || name == "tenant" || field::is_exact(name) {
        return Ok(());
    }
    wrong(format!(
        "a rule of retention can look at tenant, level and exact fields like service, category and \
         error.type, not at {name}"
    ))
}

impl Classifier {
    /// The classes of these rules, whose filters are compiled already; the last are sure to match.
    pub(super) fn new(rules: &[ClassRule], tenant: &str) -> Self {
        let filters: Vec<Filter> = rules
            .iter()
            .map(|rule| compile(&rule.matches).expect("the rules were compiled before"))
            .collect();
        let mut columns = Vec::new();
        let mut levels: [ByLevel; 8] = Default::default();
        for level in Level::ALL {
            let mut by_level = ByLevel::default();
            for (filter, index) in filters.iter().zip(0..) {
                match Node::new(filter, level, tenant, &mut columns) {
                    Node::Known(false) => {}
                    Node::Known(true) => {
                        by_level.last = index;
                        break;
                    }
                    node => by_level.tests.push((node, index)),
                }
            }
            let absent = by_level.tests.iter().find(|(node, _)| node.matches(&|_, _| false));
            by_level.plain = absent.map_or(by_level.last, |(_, index)| *index);
            levels[level as usize] = by_level;
        }
        let lengths = columns.iter().fold(0, |mask, name| mask | length_bit(name));
        let names = rules.iter().map(|rule| rule.name.as_str().into()).collect();
        Self { names, levels, columns, lengths }
    }

    /// The name of a class.
    pub(crate) fn name(&self, class: ClassIndex) -> &Arc<str> {
        &self.names[class as usize]
    }

    /// Whether any rule looks at a column of this name.
    #[inline]
    pub(crate) fn looks_at(&self, column: &str) -> bool {
        self.lengths & length_bit(column) != 0 && self.columns.iter().any(|name| **name == *column)
    }

    /// The class of an event of this level that has no column that a rule looks at.
    #[inline]
    pub(crate) fn plain(&self, level: Level) -> ClassIndex {
        self.levels[level as usize & 7].plain
    }

    /// The class of an event of this level with these columns.
    pub(crate) fn class<'a, I>(&self, level: Level, columns: impl Fn() -> I) -> ClassIndex
    where
        I: Iterator<Item = (&'a str, Value<'a>)>,
    {
        let by_level = &self.levels[level as usize & 7];
        let passes = |names: &[Box<str>], matcher: &Matcher| {
            columns().any(|(name, value)| {
                names.iter().any(|known| **known == *name) && matcher.matches(value)
            })
        };
        let first = by_level.tests.iter().find(|(node, _)| node.matches(&passes));
        first.map_or(by_level.last, |(_, index)| *index)
    }
}

/// Bit `1 << length`; all long names share one.
#[inline]
fn length_bit(name: &str) -> u64 {
    1 << name.len().min(LENGTH_BITS)
}

impl Node {
    fn new(filter: &Filter, level: Level, tenant: &str, columns: &mut Vec<Box<str>>) -> Self {
        let mut each = |parts: &[Filter]| -> Vec<Self> {
            parts.iter().map(|part| Self::new(part, level, tenant, columns)).collect()
        };
        match filter {
            Filter::All => Self::Known(true),
            Filter::And(parts) => Self::joined(each(parts), false),
            Filter::Or(parts) => Self::joined(each(parts), true),
            Filter::Not(inner) => match Self::new(inner, level, tenant, columns) {
                Self::Known(known) => Self::Known(!known),
                node => Self::Not(Box::new(node)),
            },
            Filter::Leaf(leaf) => Self::leaf(leaf, level, tenant, columns),
        }
    }

    fn leaf(leaf: &Leaf, level: Level, tenant: &str, columns: &mut Vec<Box<str>>) -> Self {
        let name = leaf.field.as_ref().map_or("", |field| &field.name);
        let matcher = Matcher::new(leaf);
        match name {
            "level" => Self::Known(level_mask(&leaf.test) & 1 << level as u8 != 0),
            // A tenant is named by all of its name, as an exact field is.
            "tenant" => Self::Known(match &leaf.test {
                Test::Text(text) => text.eq_ignore_ascii_case(tenant),
                _ => matcher.matches(Value { kind: Kind::String, text: tenant.as_bytes() }),
            }),
            name => {
                let names = spellings(name);
                for name in &names {
                    if !columns.contains(name) {
                        columns.push(name.clone());
                    }
                }
                Self::Column(names.into(), Arc::new(matcher))
            }
        }
    }

    /// Nodes of which all have to match, or one; what is `decisive` known decides.
    fn joined(nodes: Vec<Self>, decisive: bool) -> Self {
        let mut left = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Self::Known(known) if known == decisive => return Self::Known(decisive),
                Self::Known(_) => {}
                node => left.push(node),
            }
        }
        match (left.is_empty(), decisive) {
            (true, _) => Self::Known(!decisive),
            (false, true) => Self::Any(left),
            (false, false) => Self::All(left),
        }
    }

    /// Whether it matches; `passes` says it of a column.
    fn matches(&self, passes: &dyn Fn(&[Box<str>], &Matcher) -> bool) -> bool {
        match self {
            Self::Known(known) => *known,
            Self::All(nodes) => nodes.iter().all(|node| node.matches(passes)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(passes)),
            Self::Not(node) => !node.matches(passes),
            Self::Column(names, matcher) => passes(names, matcher),
        }
    }
}

/// The columns that people mean by the name of an exact field: each dot is a step down, or a dot in a
/// key.
fn spellings(typed: &str) -> Vec<Box<str>> {
    let mut names = vec![String::new()];
    for (at, key) in typed.split('.').enumerate() {
        let dots: &[&str] = if at == 0 { &[""] } else { &[".", "\\."] };
        names = names
            .iter()
            .flat_map(|name| dots.iter().map(move |dot| format!("{name}{dot}{key}")))
            .collect();
    }
    names.into_iter().map(String::into_boxed_str).collect()
}
