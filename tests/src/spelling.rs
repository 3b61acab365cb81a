//! How the values of random queries are written.

use crate::dice::Dice;

/// A text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A part of a word with nothing in it that means something.
pub(crate) fn escaped(text: &str) -> String {
    let escaped = |c: char| {
        let is_plain = c.is_alphanumeric() || c == '_';
        (!is_plain).then_some('\\').into_iter().chain([c])
    };
    text.chars().flat_map(escaped).collect()
}

/// A word of a text with a gap or two in it. Never empty.
pub(crate) fn gapped(dice: &mut Dice, text: &str) -> String {
    let words: Vec<&str> =
        text.split(char::is_whitespace).filter(|word| !word.is_empty()).collect();
    let Some(word) = words.get(dice.below(words.len().max(1))) else { return "*x".to_owned() };
    let ends: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
    let mut places: Vec<usize> = (0..4).map(|_| ends[dice.below(ends.len())]).collect();
    places.sort_unstable();
    let part = |from: usize, to: usize| escaped(&word[from..to]);
    match dice.below(4) {
        0 => format!("{}*", part(0, places[3])),
        1 => format!("*{}*", part(places[0], places[3])),
        2 => format!("{}*{}", part(0, places[1]), part(places[2], word.len())),
        _ => format!(
            "*{}*{}*{}",
            part(places[0], places[1]),
            part(places[2], places[3]),
            part(places[3], word.len())
        ),
    }
}

/// A range between two values.
pub(crate) fn range(dice: &mut Dice, a: &str, b: &str) -> String {
    let end = |dice: &mut Dice, value: &str| match dice.chance(15) {
        true => "*".to_owned(),
        false => quoted(value),
    };
    let (from, to) = (end(dice, a), end(dice, b));
    format!("{}{from} TO {to}{}", dice.pick(&["[", "{"]), dice.pick(&["]", "}"]))
}
