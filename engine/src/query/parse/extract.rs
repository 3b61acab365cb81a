//! Compiles a text with places, `user=<user> took <ms:int>ms`, to a pattern.
//!
//! A place takes as few characters as it can before what follows it; the last one, with nothing behind
//! it, takes the rest. `<name:int>` and `<name:float>` take a number, `<name:word>` no blanks, `<_>` is
//! not kept; `<<` is `<`.

use super::pattern;
use crate::limits::{QUERY_NAME_BYTES_MAX, QUERY_NAMES_MAX};
use crate::query::ast::{Extract, Field};

/// The extraction of this source, the `nth` regular expression of its query, or what is wrong with it.
pub(super) fn compile(source: String, from: Option<Field>, nth: usize) -> Result<Extract, String> {
    let mut regex = "(?s-u)".to_owned();
    let mut names: Vec<String> = Vec::new();
    let mut rest = source.as_str();
    let mut behind_place = false;
    while let Some(open) = rest.find('<') {
        let (literal, behind) = rest.split_at(open);
        regex += &escape(literal);
        if let Some(behind) = behind.strip_prefix("<<") {
            regex += "<";
            (rest, behind_place) = (behind, false);
            continue;
        }
        if behind_place && literal.is_empty() {
            return Err("two places side by side: put something between them".into());
        }
        let close =
            behind.find('>').ok_or("expected `>` to close a place; `<<` is the character `<`")?;
        let (name, kind) = behind[1..close].split_once(':').unwrap_or((&behind[1..close], ""));
        rest = &behind[close + 1..];
        behind_place = true;
        let taken = match kind {
            "" if rest.is_empty() => ".*",
            "" => ".*?",
            "word" => r"[^\s]+?",
            "int" => "-?[0-9]+",
            "float" => r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
            kind => return Err(format!("no place is of `{kind}`; there are int, float and word")),
        };
        // As few as can be, but not where a word ends the text.
        let taken = if kind == "word" && rest.is_empty() { r"[^\s]+" } else { taken };
        match name {
            "" => return Err("a place needs a name, as in <user>; <_> is not kept".into()),
            "_" => regex += &format!("(?:{taken})"),
            "id" | "timestamp" | "level" => {
                return Err(format!("`{name}` is the event's own: call the place otherwise"));
            }
            name if name.len() > QUERY_NAME_BYTES_MAX => {
                return Err(format!("a place's name has more than {QUERY_NAME_BYTES_MAX} bytes"));
            }
            name if name.contains(|c: char| !c.is_alphanumeric() && !"_.-/$@".contains(c)) => {
                return Err(format!("`{name}` has more than letters, digits and _ . - / $ @"));
            }
            name if names.iter().any(|before| before == name) => {
                return Err(format!("two places are called `{name}`"));
            }
            name => {
                regex += &format!("({taken})");
                names.push(name.to_owned());
            }
        }
    }
    regex += &escape(rest);
    match names.len() {
        0 => Err("expected a place in the text, as in \"took <ms:int>ms\"".into()),
        count if count > QUERY_NAMES_MAX => Err(format!("more than {QUERY_NAMES_MAX} places")),
        _ => Ok(Extract { regex: pattern::compile(regex, nth)?.regex, source, from, names }),
    }
}

/// A literal in a pattern of bytes: Unicode is off, so that what is not ASCII goes in byte by byte.
fn escape(literal: &str) -> String {
    let mut escaped = String::new();
    for byte in literal.bytes() {
        match byte {
            byte if byte.is_ascii() => escaped += &regex::escape(&char::from(byte).to_string()),
            byte => escaped += &format!("\\x{byte:02x}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(source: &str, text: &str) -> Option<String> {
        let extract = compile(source.into(), None, 1).unwrap_or_else(|e| panic!("{source}: {e}"));
        let captures = extract.regex.captures(text.as_bytes())?;
        let value = |(index, name): (usize, &String)| {
            let value = String::from_utf8_lossy(captures.get(index + 1)?.as_bytes()).into_owned();
            Some(format!("{name}={value}"))
        };
        Some(extract.names.iter().enumerate().filter_map(value).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn places_take_what_is_between() {
        for (source, text, expected) in [
            ("user=<user> took <ms:int>ms", "x user=ann b took 15ms", Some("user=ann b,ms=15")),
            ("user=<user:word> ", "user=a b user=c", Some("user=a")),
            ("took <ms:int>ms", "took 1.5ms took 7ms", Some("ms=7")),
            ("took <ms:float>ms", "took -1.5e3ms", Some("ms=-1.5e3")),
            ("<a>: <b>", "x: y: z", Some("a=x,b=y: z")),
            ("id <nr:word>", "id a-b c", Some("nr=a-b")),
            ("<_>=<v>", "k=1", Some("v=1")),
            ("<<<x>>", "a <b> c", Some("x=b")),
            ("größe <n:int>", "die größe 5", Some("n=5")),
            ("(<x>)", "f(a.b)", Some("x=a.b")),
            ("a<x>c", "b", None),
        ] {
            assert_eq!(extracted(source, text).as_deref(), expected, "{source} in {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (source, part) in [
            ("abc", "a place"),
            ("<a", "close"),
            ("<a><b>", "side by side"),
            ("<a> <a>", "two places"),
            ("<>", "name"),
            ("<a\\b>", "letters"),
            ("<a:date>", "`date`"),
            ("<id>", "the event's own"),
        ] {
            let error = compile(source.into(), None, 1).expect_err(source);
            assert!(error.contains(part), "{source}: {error}");
        }
    }
}
