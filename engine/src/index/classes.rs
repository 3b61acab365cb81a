//! The class of a character and its case folding: what tokenizer version 1 knows of Unicode.

pub(super) mod tables;

use tables::{DIGITS, LETTERS, SOLO};

/// What a character is to the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Stands between tokens.
    Separator = 0,
    /// Joins its neighbours to a token.
    Letter = 1,
    /// Joins its neighbours to a token.
    Digit = 2,
    /// `_`: joins its neighbours to a token.
    Underscore = 4,
    /// A character of a script without spaces: never joins.
    Solo = 8,
}

impl Class {
    /// Whether the character is part of one token with a neighbour that joins too.
    pub(super) fn joins(self) -> bool {
        matches!(self, Self::Letter | Self::Digit | Self::Underscore)
    }
}

const BMP: usize = 0x1_0000;

/// The class of every character below U+10000, in 64 KiB: a lookup instead of a binary search.
static BMP_CLASSES: [Class; BMP] = {
    let mut classes = [Class::Separator; BMP];
    fill(&mut classes, &SOLO, Class::Solo);
    fill(&mut classes, &DIGITS, Class::Digit);
    fill(&mut classes, &LETTERS, Class::Letter);
    classes[b'_' as usize] = Class::Underscore;
    classes
};

const fn fill(classes: &mut [Class; BMP], ranges: &[(u32, u32)], class: Class) {
    let mut range = 0;
    while range < ranges.len() {
        let (mut code, last) = ranges[range];
        while code <= last && (code as usize) < BMP {
            classes[code as usize] = class;
            code += 1;
        }
        range += 1;
    }
}

/// The class of a character.
pub(super) fn class_of(c: char) -> Class {
    let code = c as u32;
    match BMP_CLASSES.get(code as usize) {
        Some(class) => *class,
        None if overlaps(&LETTERS, code, code) => Class::Letter,
        None if overlaps(&DIGITS, code, code) => Class::Digit,
        None if overlaps(&SOLO, code, code) => Class::Solo,
        None => Class::Separator,
    }
}

/// Whether one of `first..=last` lies in one of the ranges, which rise.
pub(super) fn overlaps(ranges: &[(u32, u32)], first: u32, last: u32) -> bool {
    let next = ranges.partition_point(|(_, end)| *end < first);
    ranges.get(next).is_some_and(|(start, _)| *start <= last)
}

/// Simple case folding (statuses C and S of Unicode's `CaseFolding.txt`): one character to one.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    unicode_case_mapping::case_folded(c)
        .and_then(|folded| char::from_u32(folded.get()))
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_rise_and_do_not_overlap() {
        for table in [&SOLO[..], &DIGITS, &LETTERS] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
        for (first, last) in LETTERS.into_iter().chain(DIGITS) {
            assert!(!overlaps(&SOLO, first, last));
        }
        for (first, last) in LETTERS {
            assert!(!overlaps(&DIGITS, first, last));
        }
    }

    #[test]
    fn folding_is_of_the_unicode_version_of_tokenizer_version_1() {
        assert_eq!(unicode_case_mapping::UNICODE_VERSION, (16, 0, 0));
    }

    #[test]
    fn folding_keeps_the_class_and_folds_no_further() {
        for c in '\0'..=char::MAX {
            let folded = fold(c);
            assert_eq!(fold(folded), folded, "{c:?}");
            assert_eq!(class_of(folded), class_of(c), "{c:?}");
        }
    }

    /// The fast path of a phrase and the ASCII path of the tokenizer rest on this.
    #[test]
    fn only_two_characters_fold_into_ascii() {
        let into_ascii: Vec<char> =
            ('\u{80}'..=char::MAX).filter(|c| fold(*c).is_ascii()).collect();
        assert_eq!(into_ascii, ['\u{17f}', '\u{212a}']);
    }

    #[test]
    fn classes_are_those_of_the_standard_library_but_for_scripts_without_spaces() {
        for c in '\0'..='\u{2ff}' {
            assert_eq!(class_of(c).joins(), c.is_alphanumeric() || c == '_', "{c:?}");
        }
        for c in "日本語ひカﾊไทยລາວမြန်မာខ្មែរㄅ𠀀".chars()
        {
            assert_eq!(class_of(c), Class::Solo, "{c:?}");
        }
        assert_eq!(class_of('๕'), Class::Digit);
        assert_eq!(class_of('한'), Class::Letter);
        assert_eq!(class_of('𝕬'), Class::Letter);
        assert_eq!(class_of('😀'), Class::Separator);
        assert_eq!(class_of('。'), Class::Separator);
    }
}
