//! Events whose texts are few sentences with many variables, and queries at their seams: words that
//! span a text and its variables, characters that fold across lengths, bytes that stand for slots,
//! tokens that are cut.

use super::Draft;
use crate::dice::Dice;
use logstrata_engine::query::EventRecord;
use logstrata_engine::{Kind, Level, Timestamp};

/// What sentences are made of.
const LITERALS: &[&str] = &[
    " ", " ", " ", "user ", "conn", "Conn", "_", "-", ".", "=", "k", "\u{212a}", "\u{17f}", "s",
    "é", "É", "e", "E+", "日", "日本", "語", "a", "ab", "abcd", "ABCD ", "\n", "\t", "\r\n", "\"",
    "GET /", "(", "e", "+", "\u{1}", "\0", "\u{8}", "timeout", " TIMEOUT", "σ", "ς", "null",
    "true", "\u{7f}", "/", ":", "İ", "ß", "²", "١", "😀", "{\"a\":", "f", "0x", "  ",
];

/// Words, most of them with digits.
const VARIABLES: &[&str] = &[
    "0",
    "00",
    "007",
    "7",
    "42",
    "4711",
    "1e5",
    "1E5",
    "5e2",
    "500",
    "12345678901234567890",
    "a1",
    "0f",
    "A1",
    "deadbeef1",
    "0123456789abcdef",
    "0123456789ABCDEF",
    "x1",
    "user_17",
    "K9",
    "\u{212a}9",
    "k9",
    "s3",
    "\u{17f}3",
    "conn4711",
    "CONN4711",
    "é5",
    "É5",
    "İ1",
    "5²",
    "1١",
    "١",
    "²",
    "_1",
    "1_",
    "9日",
    "日9",
    "9日本",
    "abcd1abcd",
    "1abcd",
    "abcd1",
    "",
    "abc",
    "k",
    "ßẞ1",
    "σς1",
    "12345678901234e5",
    "\u{1}",
    "-1",
    "1.0",
    "1.5",
];

/// The fields of these events as people type them, those that are exact too.
const FIELDS: &[&str] = &["message", "note", "user_id", "n", "deep.k"];

/// A part of a sentence.
#[derive(Debug, Clone)]
enum Part {
    Literal(&'static str),
    /// One of these, or a number below a hundred.
    Variable(Vec<&'static str>),
}

/// The sentences of a world.
#[derive(Debug)]
pub struct Shapes {
    sentences: Vec<Vec<Part>>,
    /// How many in a hundred texts are of no sentence.
    wild: usize,
}

impl Shapes {
    /// Some sentences.
    pub fn new(dice: &mut Dice) -> Self {
        let count = dice.within(1..12);
        let sentences = (0..count).map(|_| sentence(dice)).collect();
        Self { sentences, wild: [0, 0, 2, 20][dice.below(4)] }
    }

    /// An event of about this time.
    pub fn draft(&self, dice: &mut Dice, now: Timestamp) -> Draft {
        let mut fields = Vec::new();
        let mut add = |name: &str, value: (Kind, Vec<u8>)| {
            fields.push((name.to_owned(), value.0, value.1));
        };
        if dice.chance(95) {
            add("message", self.value(dice));
        }
        for _ in 0..dice.weighted(&[40, 55, 5]) {
            add("note", self.value(dice));
        }
        if dice.chance(20) {
            add("user_id", self.value(dice));
        }
        if dice.chance(20) {
            add("deep.k", self.value(dice));
        }
        if dice.chance(5) {
            add("deep\\.k", self.value(dice));
        }
        if dice.chance(50) {
            let number = dice.pick(&["1", "2.5", "500", "-3", "0", "5e2", "1.0"]);
            let kind = if dice.chance(90) { Kind::Number } else { Kind::String };
            add("n", (kind, number.into()));
        }
        let level = Some(Level::ALL[dice.weighted(&[5, 20, 50, 12, 10, 3])]);
        let back = if dice.chance(10) { dice.roll() % 3_000_000_000 } else { 0 };
        Draft { timestamp: Some(Timestamp(now.0 - back as i64)), level, fields }
    }

    fn value(&self, dice: &mut Dice) -> (Kind, Vec<u8>) {
        if dice.chance(self.wild) {
            return wild(dice);
        }
        let shape = &self.sentences[dice.below(self.sentences.len())];
        let mut text = String::new();
        for part in shape {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable(_) if dice.chance(30) => {
                    text.push_str(&dice.below(100).to_string());
                }
                Part::Variable(of) => text.push_str(dice.pick(of)),
            }
        }
        (Kind::String, text.into_bytes())
    }
}

fn sentence(dice: &mut Dice) -> Vec<Part> {
    (0..dice.within(1..8))
        .map(|_| match dice.chance(60) {
            true => Part::Literal(dice.pick(LITERALS)),
            false => {
                let count = dice.within(1..5);
                Part::Variable((0..count).map(|_| dice.pick(VARIABLES)).collect())
            }
        })
        .collect()
}

/// A value of no sentence, of any kind.
fn wild(dice: &mut Dice) -> (Kind, Vec<u8>) {
    let text = |dice: &mut Dice| {
        let count = dice.within(0..6);
        let mut text = String::new();
        for _ in 0..count {
            let list = if dice.chance(50) { LITERALS } else { VARIABLES };
            text.push_str(dice.pick(list));
        }
        text
    };
    match dice.below(9) {
        0 => (Kind::Null, b"null".to_vec()),
        1 => (Kind::Bool, dice.pick(&["true", "false"]).into()),
        2 => (Kind::Number, dice.pick(&["500", "5e2", "7", "1.0", "-1", "1e5"]).into()),
        3 => {
            let text = text(dice).replace(['"', '\\'], "").replace(char::is_control, "\\u0001");
            (Kind::Json, format!("[\"{text}\",7,{{\"k\":\"conn4711 \\u212a9\"}}]").into_bytes())
        }
        // Longer than a token: the cut falls between and within characters.
        4 => {
            let unit = dice.pick(&["a", "é", "日本", "1", "x9", "K"]);
            (Kind::String, format!("{}{}", text(dice), unit.repeat(dice.within(20..90))).into())
        }
        5 => {
            let mut bytes = text(dice).into_bytes();
            bytes.extend_from_slice(dice.pick(&[b"\xff", b"\xe6\x97", b"a\xc3b", b"1\xc3\x28"]));
            bytes.extend_from_slice(text(dice).as_bytes());
            (Kind::String, bytes)
        }
        _ => (Kind::String, text(dice).into_bytes()),
    }
}

/// The text of a query about such events.
pub fn sentence_filter(dice: &mut Dice, events: &[EventRecord]) -> String {
    expression(dice, events, 2)
}

fn expression(dice: &mut Dice, events: &[EventRecord], depth: usize) -> String {
    if depth == 0 || dice.chance(60) {
        return leaf(dice, events);
    }
    let mut part = || expression(dice, events, depth - 1);
    let (a, b) = (part(), part());
    match dice.below(5) {
        0 => format!("({a}) ({b})"),
        1 => format!("({a}) OR ({b})"),
        2 => format!("({a}) -({b})"),
        3 => format!("NOT ({a}) OR ({b})"),
        _ => format!("NOT ({a})"),
    }
}

fn leaf(dice: &mut Dice, events: &[EventRecord]) -> String {
    let field = match dice.weighted(&[40, 60]) {
        0 => String::new(),
        _ => format!("{}:", dice.pick(FIELDS)),
    };
    match dice.weighted(&[60, 8, 3, 28, 6]) {
        1 if !field.is_empty() => {
            let operator = dice.pick(&[">", ">=", "<", "<="]);
            format!("{field}{operator}{}", quoted(&piece(dice, events)))
        }
        2 if !field.is_empty() => format!("{field}*"),
        3 if !field.is_empty() => format!("{field}~{}", quoted(&pattern(dice, events))),
        4 => format!("level:{}{}", dice.pick(&["", ">=", "<"]), dice.pick(&["info", "error"])),
        _ => match piece(dice, events) {
            // An empty term is an error.
            text if text.is_empty() && field.is_empty() => "timeout".to_owned(),
            text => format!("{field}{}", quoted(&text)),
        },
    }
}

/// A text that some event has, or has nearly.
fn piece(dice: &mut Dice, events: &[EventRecord]) -> String {
    let mut text = match dice.weighted(&[70, 15, 15]) {
        0 => some_text(dice, events),
        1 => dice.pick(LITERALS).to_owned(),
        _ => format!("{}{}", dice.pick(LITERALS), dice.pick(VARIABLES)),
    };
    if dice.chance(80) {
        let mut ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        ends.push(text.len());
        let (a, b) = (ends[dice.below(ends.len())], ends[dice.below(ends.len())]);
        text = text[a.min(b)..a.max(b)].to_owned();
    }
    match dice.below(12) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => text.replace(['k', 'K'], "\u{212a}").replace('s', "\u{17f}"),
        3 => text.replace('\u{212a}', "k").replace('\u{17f}', "S").replace('σ', "ς"),
        4 => format!("{text}{}", dice.pick(VARIABLES)),
        5 => {
            // One digit for another: of a variable that never was.
            let digit = dice.below(10).to_string();
            text.replacen(|c: char| c.is_ascii_digit(), &digit, 1)
        }
        _ => text,
    }
}

fn some_text(dice: &mut Dice, events: &[EventRecord]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let fields = &events[dice.below(events.len())].fields;
    let text = match fields.len() {
        0 => Vec::new(),
        count => fields[dice.below(count)].text.clone(),
    };
    String::from_utf8_lossy(&text).into_owned()
}

fn pattern(dice: &mut Dice, events: &[EventRecord]) -> String {
    const CLASSES: &[&str] = &[
        "[0-9]+",
        "[0-9]*",
        "[a-f0-9]+",
        "\\d",
        "\\d+",
        "\\w+",
        "\\W",
        ".*",
        ".",
        "\\b",
        "\\B",
        "^",
        "$",
        "(?m:^)",
        "(?m:$)",
        "(?-u:\\b)",
        "(?-u:\\w)",
        "(?s-u:.)",
        "[^0-9]",
        "[^a-z ]",
        "(?:7|42|x1)",
        "\\s",
        "(?i:k)",
        "(?i:conn)",
        "x?",
        "[1-9][0-9]*",
        "(?:)",
        "\\p{L}",
        "\\pN",
        "[\\x00-\\x08]",
        "(?R:$)",
        "_",
        "\\b{start}",
        "\\b{end}",
        "\\b{start-half}",
    ];
    let mut source = String::new();
    for _ in 0..dice.within(1..4) {
        match dice.chance(50) {
            true => source.push_str(dice.pick(CLASSES)),
            false => source.push_str(&escaped(&piece(dice, events))),
        }
    }
    if dice.chance(10) {
        source = format!("{source}|{}", escaped(&piece(dice, events)));
    }
    if dice.chance(10) {
        source = format!("(?i){source}");
    }
    source
}

fn escaped(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation() && c != '_';
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
