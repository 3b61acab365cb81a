//! The fields of random events: names that nest, repeat and collide, values of every kind.

use crate::dice::Dice;
use logstrata_engine::Kind;

/// A field: column name, kind, lexeme.
pub(super) type Field = (String, Kind, Vec<u8>);

pub(super) const WORDS: &[&str] = &[
    "connection",
    "refused",
    "timeout",
    "user",
    "order",
    "paid",
    "disk",
    "full",
    "retry",
    "Error",
    "GET",
    "the",
    "a",
    "größe",
    "GRÖSSE",
    "İstanbul",
    "日本語",
    "naïve",
    "user_id",
    "blk_4711",
    "12.5",
    "10.0.2.5",
    "a=b",
    "don't",
    "/api/v1/orders",
    "/var/log",
    "foo@bar.com",
    "->",
    "[warn]",
    "7",
    "42",
    "5e2",
    "😀",
    "null",
    "true",
    "x-user-id",
    "C:\\temp",
    "std::fs",
    "\"quoted\"",
    "Σίσυφος",
];

pub(super) const SERVICES: &[&str] = &["pay", "Pay", "checkout", "checkout-api", "web", "größe"];

/// Lexemes of numbers, of which several are equal and several are not canonical.
pub(super) const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "1e0",
    "-1",
    "5",
    "7",
    "42",
    "499.9",
    "500",
    "500.0",
    "5e2",
    "5E+2",
    "503",
    "404",
    "0.1",
    "0.10",
    "1e-7",
    "1.5e300",
    "1e400",
    "-1e400",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "18446744073709551617",
    "123456789012345678901234567890",
    "0.3333333333333333333333",
    "1234567.891",
];

const JSON: &[&str] = &[
    "[]",
    "{}",
    "[1,5.0,null]",
    "[[5]]",
    r#"["red","dark blue"]"#,
    r#"[{"color":"blue"},true]"#,
    r#"["größe","a\"b\\c",""]"#,
    r#"{"deep":[{"id":42}]}"#,
];

/// Names by the way in which they are stored.
pub(super) const ATTRIBUTES: &[&str] = &[
    "status",
    "duration_ms",
    "order.id",
    "order.lines",
    "order\\.id",
    "a.b",
    "a\\.b",
    "a",
    "tags",
    "path",
    "host",
    "odd name",
    "größe",
    "_id",
    "k\\\\",
    "nul\\0key",
    "",
    "error.code",
    "ok",
];

const KNOWN: &[&str] = &[
    "category",
    "action",
    "trace_id",
    "span_id",
    "parent_span_id",
    "correlation_id",
    "user_id",
    "resource_type",
    "resource_id",
    "ip",
    "error.type",
    "error.message",
    "error.stack",
];

/// The fields of one event, in no particular order; a name can come twice.
pub(super) fn fields(dice: &mut Dice) -> Vec<Field> {
    let mut fields = Vec::new();
    if dice.chance(90) {
        fields.push(("service".to_owned(), Kind::String, dice.pick(SERVICES).into()));
    }
    if dice.chance(90) {
        fields.push(("message".to_owned(), Kind::String, message(dice)));
    }
    for name in KNOWN {
        if dice.chance(12) {
            let (kind, text) = known(dice, name);
            fields.push(((*name).to_owned(), kind, text));
        }
    }
    for _ in 0..dice.weighted(&[20, 30, 25, 15, 10]) {
        let name = match dice.chance(3) {
            // Rare names, of which a block has too many for columns of their own.
            true => format!("rare{}", dice.below(400)),
            false => dice.pick(ATTRIBUTES).to_owned(),
        };
        let (kind, text) = attribute(dice, &name);
        fields.push((name.clone(), kind, text));
        if dice.chance(4) {
            let (kind, text) = any(dice);
            fields.push((name, kind, text));
        }
    }
    fields
}

/// A text of several words.
pub(super) fn message(dice: &mut Dice) -> Vec<u8> {
    if dice.chance(2) {
        return Vec::new();
    }
    if dice.chance(1) {
        return "long words ".repeat(dice.within(1..200)).into_bytes();
    }
    let mut text = Vec::new();
    for index in 0..dice.within(1..8) {
        if index > 0 {
            let separator = dice.pick(&[" ", " ", " ", " ", ", ", "=", "", "  ", "\n", "\t\0"]);
            text.extend_from_slice(separator.as_bytes());
        }
        match dice.weighted(&[80, 10, 5, 2]) {
            0 => text.extend_from_slice(dice.pick(WORDS).as_bytes()),
            1 => text.extend_from_slice(id(dice, 16).as_bytes()),
            2 => text.extend_from_slice(dice.below(2_000).to_string().as_bytes()),
            _ => text.extend_from_slice(dice.pick(&[b"\xff", b"\xe6\x97", b"a\xc3b"])),
        }
    }
    text
}

fn known(dice: &mut Dice, name: &str) -> (Kind, Vec<u8>) {
    if dice.chance(5) {
        return any(dice);
    }
    let text = match name {
        "trace_id" => id(dice, 32),
        "span_id" | "parent_span_id" => id(dice, 16),
        "correlation_id" | "resource_id" => uuid(dice),
        "ip" => format!("10.0.{}.{}", dice.below(2), dice.below(4)),
        "user_id" => return (Kind::Number, dice.below(30).to_string().into()),
        "error.stack" => return (Kind::String, message(dice)),
        "error.message" => return (Kind::String, message(dice)),
        _ => dice.pick(&["IOError", "ioerror", "payment", "java.io.IOError", ""]).to_owned(),
    };
    (Kind::String, text.into())
}

/// A value that suits the name, mostly, so that columns have a type, mostly.
fn attribute(dice: &mut Dice, name: &str) -> (Kind, Vec<u8>) {
    if dice.chance(15) {
        return any(dice);
    }
    match name {
        "status" | "order.id" => {
            (Kind::Number, dice.pick(&["200", "404", "500", "503", "500.0"]).into())
        }
        "duration_ms" => {
            let number = format!("{}.{}", dice.below(3_000), dice.within(1..10));
            (Kind::Number, number.into())
        }
        "ok" => (Kind::Bool, dice.pick(&["true", "false"]).into()),
        "path" => (Kind::String, dice.pick(&["/api/v1/orders", "/api/v2/orders/7", "/"]).into()),
        "tags" | "order.lines" => (Kind::Json, dice.pick(JSON).into()),
        "host" => (Kind::String, format!("web-{}.example", dice.below(6)).into()),
        _ => any(dice),
    }
}

/// A value of any kind.
fn any(dice: &mut Dice) -> (Kind, Vec<u8>) {
    match dice.below(7) {
        0 => (Kind::Number, dice.pick(NUMBERS).into()),
        1 => (Kind::Bool, dice.pick(&["true", "false"]).into()),
        2 => (Kind::Null, "null".into()),
        3 => (Kind::Json, dice.pick(JSON).into()),
        // A number that was sent as a string.
        4 => (Kind::String, dice.pick(NUMBERS).into()),
        5 => (Kind::String, message(dice)),
        _ => (Kind::String, dice.pick(WORDS).into()),
    }
}

/// Hexadecimal digits, of a few hundred ids; now and then in capitals or one too short.
fn id(dice: &mut Dice, digits: usize) -> String {
    let seed = dice.below(300) as u64;
    let number = u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let text = format!("{number:032x}");
    let text = &text[32 - digits..];
    match dice.below(40) {
        0 => text.to_uppercase(),
        1 => text[1..].to_owned(),
        _ => text.to_owned(),
    }
}

fn uuid(dice: &mut Dice) -> String {
    let id = id(dice, 32);
    if id.len() < 32 {
        return id;
    }
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}
