//! Events of a few senders' templates.

use crate::dice::Dice;
use crate::workload::{Draft, MARK, START};
use logstrata_engine::{Kind, Level, Timestamp};

/// What stands between variables: words that differ by case, by look-alikes, by what is beside
/// them; scripts without spaces; marks that are no letters; a letter run's edges.
pub(super) const LITERALS: &[&str] = &[
    "connection",
    "Connection",
    "connect",
    "conn",
    "blk_",
    "_",
    "user",
    "id",
    "id=",
    "a",
    "e",
    "s",
    "k",
    "K",
    "\u{212a}elvin",
    "ma\u{17f}k",
    "MASK",
    "straße",
    "STRAẞE",
    "é",
    "É",
    "e\u{301}t\u{e9}",
    "İ",
    "i\u{307}",
    "µs",
    "日本",
    "日",
    "ไทย",
    "한국",
    "null",
    "true",
    "x²",
    "١٢",
    "\u{2126}m",
    "naïve-",
    "https://x.y/",
    "C:\\temp",
    "[warn]",
    "\"q\"",
    "😀",
];

const SEPARATORS: &[&str] = &[
    " ", " ", " ", " ", ".", ":", "-", "/", "=", ", ", "  ", "\n", "\r\n", "\r", "\t", "", "",
    "\u{a0}", "\u{200d}", "+", "\u{b}",
];

/// Variables that look like others, or like none.
const ODD: &[&str] = &[
    "é1",
    "É1",
    "1é",
    "\u{212a}1",
    "k1",
    "1\u{17f}",
    "1s",
    "日1",
    "1日本",
    "x²1",
    "١1",
    "_1",
    "1_",
    "0x1F",
    "1e5",
    "1E5",
    "5e2",
    "a1",
    "A1",
    "conn1",
    "1conn2",
    "connection7connection",
];

/// Bytes that make a text one without a sentence, or not UTF-8.
const BAD: &[&[u8]] = &[
    b"\0",
    b"\x01",
    b"\x02",
    b"\x03",
    b"\x08",
    b"\xff",
    b"\xc3",
    b"\xe6\x97",
    b"1\xff1",
    b"\xc3k1",
];

pub(super) const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "1",
    "1.0",
    "1e0",
    "-1",
    "7",
    "42",
    "499.9",
    "500",
    "500.0",
    "5e2",
    "5E+2",
    "12.5",
    "0.00",
    "1e-7",
    "0.0000001",
    "100000000000000000000",
    "1e20",
    "1e21",
    "1e400",
    "-1e400",
    "9223372036854775807",
    "18446744073709551617",
    "12345678901234e5",
    "1e2000000000",
    "007",
];

#[derive(Debug, Clone)]
enum Part {
    Literal(&'static str),
    /// Digits, of so many different numbers.
    Digits(usize),
    Hex,
    /// Letters and digits.
    Mixed,
    Odd,
    Number,
    /// A number that is not written as it would be by others.
    Decimal,
    /// A word about as long as what is indexed of one.
    Long,
}

/// Makes events after a few templates.
#[derive(Debug)]
pub struct Sender {
    templates: Vec<Vec<Part>>,
    made: u64,
    wild: usize,
}

impl Sender {
    /// A sender with templates of its own.
    pub fn new(dice: &mut Dice) -> Self {
        let count = dice.within(1..12);
        let templates = (0..count).map(|_| template(dice)).collect();
        Self { templates, made: 0, wild: [0, 2, 10, 30][dice.below(4)] }
    }

    /// The next event.
    pub fn event(&mut self, dice: &mut Dice) -> Draft {
        self.made += 1;
        let mut fields = Vec::new();
        let mut push = |name: &str, kind, text| fields.push((name.to_owned(), kind, text));
        push(MARK, Kind::Number, self.made.to_string().into_bytes());
        for (name, chance) in [("message", 95), ("note", 60), ("service", 70), ("error.message", 8)]
        {
            if dice.chance(chance) {
                let (kind, text) = self.value(dice);
                push(name, kind, text);
                // A name can come twice.
                if name == "note" && dice.chance(5) {
                    let (kind, text) = self.value(dice);
                    push(name, kind, text);
                }
            }
        }
        if dice.chance(15) {
            push("tags", Kind::Json, self.json(dice));
        }
        if dice.chance(30) {
            push("n", if dice.chance(70) { Kind::Number } else { Kind::String }, number(dice));
        }
        if dice.chance(20) {
            push("user_id", Kind::String, id(dice).into_bytes());
        }
        let level = Level::ALL[dice.weighted(&[1, 1, 90, 4, 2, 2])];
        Draft { timestamp: Some(time(dice, self.made)), level: Some(level), fields }
    }

    fn value(&self, dice: &mut Dice) -> (Kind, Vec<u8>) {
        if dice.chance(self.wild) {
            return match dice.below(8) {
                0 => (Kind::Null, b"null".to_vec()),
                1 => (Kind::Bool, b"true".to_vec()),
                2 => (Kind::Number, number(dice)),
                3 => (Kind::Json, self.json(dice)),
                4 => (Kind::String, Vec::new()),
                5 => (Kind::String, self.bad(dice)),
                _ => (Kind::String, free(dice)),
            };
        }
        (Kind::String, self.text(dice))
    }

    /// A text of a template.
    fn text(&self, dice: &mut Dice) -> Vec<u8> {
        let template = &self.templates[dice.below(self.templates.len())];
        let mut text = String::new();
        template.iter().for_each(|part| write(part, dice, &mut text));
        text.into_bytes()
    }

    /// A text with bytes that are not meant to be in one.
    fn bad(&self, dice: &mut Dice) -> Vec<u8> {
        let mut text = self.text(dice);
        let at = dice.below(text.len() + 1);
        text.splice(at..at, BAD[dice.below(BAD.len())].iter().copied());
        text
    }

    fn json(&self, dice: &mut Dice) -> Vec<u8> {
        let leaves = (0..dice.below(4)).map(|_| match dice.below(6) {
            0 => "null".to_owned(),
            1 => "true".to_owned(),
            2 => dice.pick(&["5", "5.0", "-0", "1e2", "500"]).to_owned(),
            3 => format!("{{\"connection\":{}}}", escaped(&self.text(dice), dice)),
            _ => escaped(&self.text(dice), dice),
        });
        format!("[{}]", leaves.collect::<Vec<_>>().join(",")).into_bytes()
    }
}

fn template(dice: &mut Dice) -> Vec<Part> {
    if dice.chance(10) {
        return vec![Part::Decimal];
    }
    let mut parts = Vec::new();
    for index in 0..dice.within(1..7) {
        if index > 0 {
            parts.push(Part::Literal(dice.pick(SEPARATORS)));
        }
        parts.push(match dice.weighted(&[40, 25, 8, 8, 10, 5, 2]) {
            0 => Part::Literal(dice.pick(LITERALS)),
            1 => Part::Digits([3, 100, 1_000_000][dice.below(3)]),
            2 => Part::Hex,
            3 => Part::Mixed,
            4 => Part::Odd,
            5 => Part::Number,
            _ => Part::Long,
        });
    }
    parts
}

fn write(part: &Part, dice: &mut Dice, text: &mut String) {
    match part {
        Part::Literal(literal) => text.push_str(literal),
        Part::Digits(count) => text.push_str(&dice.below(*count).to_string()),
        Part::Hex => text.push_str(&format!("{:x}", dice.below(1 << 20) + 10)),
        Part::Mixed => text.push_str(&format!("{}{}", dice.pick(LITERALS), dice.below(300))),
        Part::Odd => text.push_str(dice.pick(ODD)),
        Part::Number => text.push_str(dice.pick(NUMBERS)),
        Part::Decimal => {
            let end = dice.pick(&["", "0", "e0", "E1", "e-1", "00"]);
            text.push_str(&format!("{}.{}{end}", dice.below(300), dice.below(100)));
        }
        Part::Long => text.push_str(&long(dice)),
    }
}

/// Words whose first 64 bytes are alike, or end within a character.
fn long(dice: &mut Dice) -> String {
    let stem = "é".repeat(dice.within(0..2)) + &"a".repeat(dice.within(60..66));
    format!("{stem}{}{}", dice.pick(&["", "é", "1", "b"]), dice.pick(&["", "x", "9"]))
}

/// A text of no template.
fn free(dice: &mut Dice) -> Vec<u8> {
    let mut text = String::new();
    template(dice).iter().for_each(|part| write(part, dice, &mut text));
    text.into_bytes()
}

fn number(dice: &mut Dice) -> Vec<u8> {
    match dice.chance(60) {
        true => dice.pick(NUMBERS).into(),
        false => format!("{}.{}", dice.below(500), dice.below(4)).into_bytes(),
    }
}

fn id(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => format!("{:016X}", dice.below(500)),
        1 => format!("user {}", dice.below(50)),
        2 => dice.below(50).to_string(),
        // An id that is a number, too.
        3 => format!("{:014}e{}", 10_000_000_000_000 + dice.below(9), dice.below(9)),
        _ => format!("{:016x}", dice.below(500)),
    }
}

/// A JSON string, with escapes where none are needed.
fn escaped(text: &[u8], dice: &mut Dice) -> String {
    let mut json = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' || dice.chance(3) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    json.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => json.push(c),
        }
    }
    json + "\""
}

/// Rising, mostly; within a day.
fn time(dice: &mut Dice, made: u64) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let start = START.0 - START.0.rem_euclid(86_400 * SECOND);
    let late = if dice.chance(10) { dice.below(300) as i64 } else { 0 };
    Timestamp(start + ((made as i64 / 3) - late).max(0) * SECOND)
}
