//! What a text with places takes from another, by trying: no pattern, no automaton.

use std::collections::BTreeMap;

/// A text with places, in parts.
enum Part {
    Literal(Vec<u8>),
    Place(String, Takes),
}

/// What a place may take.
#[derive(Clone, Copy)]
enum Takes {
    Few,
    Rest,
    Word,
    LastWord,
    Int,
    Float,
}

/// What each place of `source` has taken from the first part of `text` that fits; the names of all places
/// with `None` if no part does.
pub(super) fn extracted(source: &str, text: Option<&[u8]>) -> BTreeMap<String, Option<Vec<u8>>> {
    let parts = parts(source);
    let mut taken = Vec::new();
    let fits = text
        .is_some_and(|text| (0..=text.len()).any(|start| fits(&parts, text, start, &mut taken)));
    let names = parts.iter().filter_map(|part| match part {
        Part::Place(name, _) if name != "_" => Some(name.clone()),
        _ => None,
    });
    let mut found: BTreeMap<_, _> = names.map(|name| (name, None)).collect();
    if let Some(text) = text.filter(|_| fits) {
        for (name, start, end) in taken {
            found.entry(name).and_modify(|value| *value = Some(text[start..end].to_vec()));
        }
    }
    found
}

fn parts(source: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("<<") {
            literal.push(b'<');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('<') {
            let (place, behind) = behind.split_once('>').expect("places are closed");
            let (name, kind) = place.split_once(':').unwrap_or((place, ""));
            let takes = match kind {
                "" if behind.is_empty() => Takes::Rest,
                "" => Takes::Few,
                "word" if behind.is_empty() => Takes::LastWord,
                "word" => Takes::Word,
                "int" => Takes::Int,
                "float" => Takes::Float,
                other => panic!("a place of {other}"),
            };
            parts.push(Part::Literal(std::mem::take(&mut literal)));
            parts.push(Part::Place(name.to_owned(), takes));
            rest = behind;
        } else {
            literal.extend_from_slice(c.to_string().as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    parts.push(Part::Literal(literal));
    parts
}

/// Whether the parts stand in the text from here on; if so, `taken` is what the places took.
fn fits(parts: &[Part], text: &[u8], at: usize, taken: &mut Vec<(String, usize, usize)>) -> bool {
    let Some((first, others)) = parts.split_first() else { return true };
    match first {
        Part::Literal(literal) => {
            text[at..].starts_with(literal) && fits(others, text, at + literal.len(), taken)
        }
        Part::Place(name, takes) => lengths(*takes, &text[at..]).into_iter().any(|len| {
            let before = taken.len();
            taken.push((name.clone(), at, at + len));
            let all_fit = fits(others, text, at + len, taken);
            if !all_fit {
                taken.truncate(before);
            }
            all_fit
        }),
    }
}

/// So many bytes a place may take, those that it likes best first.
fn lengths(takes: Takes, text: &[u8]) -> Vec<usize> {
    let is_blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let word = text.iter().position(is_blank).unwrap_or(text.len());
    let sign = usize::from(text.first() == Some(&b'-'));
    match takes {
        Takes::Few => (0..=text.len()).collect(),
        Takes::Rest => vec![text.len()],
        Takes::Word => (1..=word).collect(),
        Takes::LastWord => (1..=word).rev().collect(),
        Takes::Int => digits(text, sign),
        Takes::Float => {
            let mut all = Vec::new();
            for whole in digits(text, sign) {
                let mut ends = Vec::new();
                if text.get(whole) == Some(&b'.') {
                    ends.extend(digits(text, whole + 1));
                }
                ends.push(whole);
                for end in ends {
                    if matches!(text.get(end), Some(b'e' | b'E')) {
                        if matches!(text.get(end + 1), Some(b'+' | b'-')) {
                            all.extend(digits(text, end + 2));
                        }
                        all.extend(digits(text, end + 1));
                    }
                    all.push(end);
                }
            }
            all
        }
    }
}

/// Where the digits from here on may end, the last place first.
fn digits(text: &[u8], start: usize) -> Vec<usize> {
    let count = text.get(start..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit());
    (1..=count.count()).rev().map(|count| start + count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, text: &str) -> String {
        let value = |value: Option<Vec<u8>>| match value {
            Some(value) => String::from_utf8(value).expect("UTF-8"),
            None => "-".to_owned(),
        };
        let found = extracted(source, Some(text.as_bytes())).into_iter();
        found.map(|(name, text)| format!("{name}={}", value(text))).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn places_take_as_the_page_says() {
        for (source, text, expected) in [
            ("user=<user> took <ms:int>ms", "x user=ann b took 15ms", "ms=15,user=ann b"),
            ("took <ms:int>ms", "took 1.5ms took 7ms", "ms=7"),
            ("took <ms:float>ms", "took -1.5e3ms", "ms=-1.5e3"),
            ("<a>: <b>", "x: y: z", "a=x,b=y: z"),
            ("<_>=<v:word>", "k=1 2", "v=1"),
            ("<<<x>>", "a <b> c", "x=b"),
            ("a<x>c", "b", "x=-"),
        ] {
            assert_eq!(shown(source, text), expected, "{source} in {text}");
        }
    }
}
