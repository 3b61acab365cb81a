//! A term: what a filter holds, 64 bits for a thing that a query can ask for.
//!
//! Terms carry no field name, so that one probe serves a bare term and a fielded one; which field
//! it was in, the scan finds out.

use super::classes::{Class, class_of};
use super::split::is_whole_word;
use super::tokens::TokenKind;
use crate::limits::TOKEN_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a folded value up to which it is a term as a whole.
pub(super) const WHOLE_VALUE_BYTES_MAX: usize = TOKEN_BYTES_MAX;

/// Simple folding makes a text at most this many times shorter (`K`, U+212A, becomes `k`).
const FOLDING_SHRINKS_MAX: usize = 3;

/// What a term is the hash of. The code is the seed of the hash, and part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum TermKind {
    /// A word, folded and cut.
    Word = 1,
    /// A run of at least four letters within a word that has others too, folded and cut.
    LetterRun = 2,
    /// Two neighbours of a script without spaces.
    Bigram = 3,
    /// A value of an exact field, folded, that is not one word.
    WholeValue = 4,
    /// The canonical lexeme of a number that was written in another form.
    Number = 5,
}

/// The term of `bytes`: XXH3, 64 bits, seeded with the kind.
#[inline]
pub(super) fn term(kind: TermKind, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, kind as u64)
}

impl From<TokenKind> for TermKind {
    fn from(kind: TokenKind) -> Self {
        match kind {
            TokenKind::Word => Self::Word,
            TokenKind::Bigram => Self::Bigram,
        }
    }
}

/// Something to look up, as both sides of the index know it. Words are kept as they are written,
/// because a segment has a dictionary of them; of all other terms the hash is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Term {
    hash: u64,
    /// The key in a dictionary of words (see [`write_word_key`]).
    word: Option<Box<[u8]>>,
}

impl Term {
    /// The term of these folded and cut bytes.
    pub(super) fn new(kind: TermKind, bytes: &[u8]) -> Self {
        let word = is_dictionary_word(kind, bytes).then(|| {
            let mut key = Vec::with_capacity(bytes.len() + 1);
            write_word_key(kind, bytes, &mut key);
            key.into()
        });
        Self { hash: term(kind, bytes), word }
    }

    /// The term of a word.
    #[cfg(feature = "testing")]
    pub(crate) fn of_word(word: &str) -> Self {
        Self::new(TermKind::Word, word.as_bytes())
    }

    /// What a filter has of it.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Its key in a dictionary of words, if it can be in one.
    pub(super) fn word_key(&self) -> Option<&[u8]> {
        self.word.as_deref()
    }
}

/// Whether a term can be in a segment's dictionary of words, not only in its id map: by its shape
/// alone, so that writer and planner agree. Words, letter runs and bigrams can if they have no digit.
pub(super) fn is_dictionary_word(kind: TermKind, bytes: &[u8]) -> bool {
    match kind {
        TermKind::LetterRun | TermKind::Bigram => true,
        TermKind::Word if bytes.is_ascii() => !bytes.iter().any(u8::is_ascii_digit),
        TermKind::Word => std::str::from_utf8(bytes)
            .is_ok_and(|word| word.chars().all(|c| class_of(c) != Class::Digit)),
        TermKind::WholeValue | TermKind::Number => false,
    }
}

/// Appends the key of a word in a dictionary: the code of its kind and the word.
pub(super) fn write_word_key(kind: TermKind, word: &[u8], out: &mut Vec<u8>) {
    out.push(kind as u8);
    out.extend_from_slice(word);
}

/// The term of a value of an exact field as a whole, which is the value folded. None for an empty
/// or long value, nor for one word: that is a term already. `folded` is scratch space.
pub(super) fn whole_value<'a>(value: &[u8], folded: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if value.len() > WHOLE_VALUE_BYTES_MAX * FOLDING_SHRINKS_MAX {
        return None;
    }
    folded.clear();
    super::tokens::fold_into(value, folded);
    if folded.is_empty() || folded.len() > WHOLE_VALUE_BYTES_MAX || is_whole_word(folded) {
        return None;
    }
    Some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters hold these hashes for years: neither the crate nor the codes may change them.
    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(xxh3_64_with_seed(b"", 0), 0x2d06_8005_38d3_94c2);
        assert_eq!(term(TermKind::Word, b"timeout"), 0xf926_f049_cd87_94c9);
        assert_eq!(term(TermKind::LetterRun, b"timeout"), 0xb4d5_10e3_4c6b_8e5f);
        assert_eq!(term(TermKind::Bigram, "日本".as_bytes()), 0x33b5_1224_2cb9_ae11);
        assert_eq!(term(TermKind::WholeValue, b"10.0.0.7"), 0xd307_435b_2c39_96c9);
        assert_eq!(term(TermKind::Number, b"500"), 0x34c6_839d_ef7b_3ede);
    }

    #[test]
    fn only_values_of_other_than_one_word_are_whole_terms() {
        let mut scratch = Vec::new();
        let mut has = |value: &str| whole_value(value.as_bytes(), &mut scratch).is_some();
        assert!(has("10.0.0.7") && has("-") && has("日本語") && has("日") && has(" a"));
        assert!(!has("") && !has("checkout") && !has("user_17"));
        assert!(has(&"a-".repeat(32)) && !has(&"a-".repeat(33)));
        // Folding makes these short enough.
        assert!(has(&format!("-{}", "\u{212a}".repeat(63))));
        assert!(!has(&format!("-{}", "\u{212a}".repeat(64))));
    }

    #[test]
    fn what_has_a_digit_is_no_word_of_a_dictionary() {
        let is_word = |kind, text: &str| is_dictionary_word(kind, text.as_bytes());
        for word in ["timeout", "user_id", "_", "café"] {
            assert!(is_word(TermKind::Word, word), "{word}");
        }
        for id in ["500", "conn4711", "x²", "é١"] {
            assert!(!is_word(TermKind::Word, id), "{id}");
        }
        assert!(is_word(TermKind::LetterRun, "conn") && is_word(TermKind::Bigram, "日本"));
        assert!(!is_word(TermKind::WholeValue, "a-b") && !is_word(TermKind::Number, "5"));
        let run = Term::new(TermKind::LetterRun, b"conn");
        assert_eq!(run.word_key(), Some(&b"\x02conn"[..]));
        assert_eq!(run.hash(), term(TermKind::LetterRun, b"conn"));
    }

    #[test]
    fn case_does_not_matter() {
        let mut scratch = Vec::new();
        let mut whole =
            |value: &str| whole_value(value.as_bytes(), &mut scratch).map(<[u8]>::to_vec);
        assert_eq!(whole("É-\u{212a}"), whole("é-k"));
        assert_ne!(whole("é-k"), whole("e-k"));
    }
}
