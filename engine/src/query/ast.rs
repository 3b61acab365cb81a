//! The abstract syntax of queries, with the place of each part in the text.

pub use crate::value::Network;

/// Byte offsets in the query text.
pub type Span = std::ops::Range<usize>;

/// A filter, and what is done with the events that pass it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Which events are wanted.
    pub filter: Filter,
    /// What stands behind the pipes.
    pub stages: Vec<Stage>,
}

/// What stands behind a pipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// Its place, without the pipe.
    pub span: Span,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum StageKind {
    /// `where level:error`: keeps what passes.
    Where(Filter),
    /// `extract "took <ms:int>ms" from message`: adds fields.
    Extract(Extract),
    /// `stats count(), p95(duration_ms) as slow by service, bin(5m)`: a row for each group.
    Stats {
        /// The columns behind those of the groups.
        figures: Vec<Figure>,
        /// What groups events.
        by: Vec<Group>,
    },
    /// `top 10 user_id`: the values with the most events.
    Top {
        /// So many rows.
        limit: usize,
        /// The fields.
        fields: Vec<Field>,
    },
    /// `uniq trace_id`: each combination of values once.
    Uniq(Vec<Field>),
    /// `sort -duration_ms, service`.
    Sort(Vec<SortKey>),
    /// `fields service, message`: only these.
    Fields(Vec<Field>),
    /// `limit 20`: the first so many.
    Limit(usize),
}

impl StageKind {
    /// The word that it begins with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Where(_) => "where",
            Self::Extract(_) => "extract",
            Self::Stats { .. } => "stats",
            Self::Top { .. } => "top",
            Self::Uniq(_) => "uniq",
            Self::Sort(_) => "sort",
            Self::Fields(_) => "fields",
            Self::Limit(_) => "limit",
        }
    }

    /// Whether it is done to each event by itself, and decides whether it is wanted or adds to it.
    pub fn is_of_one_event(&self) -> bool {
        matches!(self, Self::Where(_) | Self::Extract(_))
    }
}

/// A figure of each group.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The function's name, in small letters.
    pub function: String,
    /// Of which field, if it is of one.
    pub field: Option<Field>,
    /// A number behind the field, as in `quantile(duration_ms, 0.9)`.
    pub argument: Option<String>,
    /// The column's name: as was said with `as`, else as the figure was written, without blanks.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// What groups events.
#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    /// The values of a field.
    Field(Field),
    /// `bin(5m)`: the time, in so many nanoseconds.
    Time(i64),
    /// `bin(duration_ms, 100)`: the numbers of a field, in steps of this.
    Bin(Bin),
}

/// Numbers in steps: each stands for the greatest multiple of the step that is not above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    /// The field of the numbers.
    pub field: Field,
    /// The step, above 0.
    pub width: f64,
    /// The column's name.
    pub name: String,
}

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// The field, or the column.
    pub field: Field,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A text with places in it, the values of which become fields.
#[derive(Debug, Clone)]
pub struct Extract {
    /// As it was written.
    pub source: String,
    /// The field of the text; the message if none is named.
    pub from: Option<Field>,
    /// The names of the new fields, by the capture of `regex`, from 1.
    pub names: Vec<String>,
    /// Compiled.
    pub regex: regex::bytes::Regex,
}

impl PartialEq for Extract {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.from) == (&other.source, &other.from)
    }
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Filter {
    /// Every event.
    #[default]
    All,
    /// Events that pass each of these: at least two, none of them an `And`.
    And(Vec<Filter>),
    /// Events that pass one of these: at least two, none of them an `Or`.
    Or(Vec<Filter>),
    /// Events that do not pass this, which is no `Not`.
    Not(Box<Filter>),
    /// One test.
    Leaf(Leaf),
}

/// One test of one field, or of every field.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The field; `None` searches the message and every other field except timestamp and level.
    pub field: Option<Field>,
    /// What its value must be.
    pub test: Test,
    /// The place of the whole test.
    pub span: Span,
}

/// A field by the name that people type: keys joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name, unescaped.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `value` or `"value"`: the words stand in the text in this order with these separators; in
    /// an exact field the value is this, in any case; numerically equal if both are numbers.
    Text(String),
    /// `=="value"`: the value is this, byte for byte.
    Same(String),
    /// `conn*` and its like.
    Wildcard(Wildcard),
    /// `>value`, `[from TO to]` and their like: by number if both are numbers, else by text.
    Range(Range),
    /// `10.0.0.0/8`: the value is an address of this network, or has this text.
    Network(Network, String),
    /// `*`: the event has the field.
    Exists,
    /// `/pattern/` or `~"pattern"`: the pattern matches somewhere in the value.
    Regex(Box<Pattern>),
}

/// Text with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    /// What stands before, between and behind the gaps: one more than there are gaps, not all empty. No
    /// two gaps touch, so that only the first and the last can be empty.
    pub pieces: Vec<String>,
}

/// Two bounds, one of which may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Values are not below this.
    pub lower: Option<Bound>,
    /// Values are not above this.
    pub upper: Option<Bound>,
}

/// An end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The value.
    pub text: String,
    /// Whether the value itself is within.
    pub inclusive: bool,
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it was written.
    pub source: String,
    /// Compiled, over bytes: stored text may be invalid UTF-8.
    pub regex: regex::bytes::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}
