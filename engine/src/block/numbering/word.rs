//! Short strings as numbers: they are compared and hashed as fast as those.

use crate::event::{Kind, Value};

/// A string of at most eight bytes that does not begin with a NUL byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::block) struct Word(u64);

impl Word {
    /// Bytes at most.
    pub(in crate::block) const LEN_MAX: usize = size_of::<u64>();

    /// A value, if it is one.
    pub(in crate::block) fn of(value: Value<'_>) -> Option<Self> {
        let is_one = value.kind == Kind::String
            && value.text.len() <= Self::LEN_MAX
            && value.text.first() != Some(&0);
        is_one.then(|| {
            let mut bytes = [0; Self::LEN_MAX];
            bytes[Self::LEN_MAX - value.text.len()..].copy_from_slice(value.text);
            Self(u64::from_be_bytes(bytes))
        })
    }

    /// What stands behind NUL bytes, in `W` bytes, at most [`Word::LEN_MAX`].
    pub(in crate::block) fn of_padded<const W: usize>(padded: &[u8; W]) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        bytes[Self::LEN_MAX - W..].copy_from_slice(padded);
        Self(u64::from_be_bytes(bytes))
    }

    /// Its text, behind NUL bytes.
    pub(super) fn bytes(self) -> [u8; Self::LEN_MAX] {
        self.0.to_be_bytes()
    }

    #[cfg(test)]
    pub(in crate::block) fn to_text(self) -> Vec<u8> {
        Self::text(&self.bytes()).to_vec()
    }

    /// The text in [`Word::bytes`].
    pub(super) fn text(bytes: &[u8; Self::LEN_MAX]) -> &[u8] {
        &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(Self::LEN_MAX)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_is_its_text(text in prop::collection::vec(0u8..3, 0..10)) {
            let value = Value { kind: Kind::String, text: &text };
            match Word::of(value) {
                Some(word) => prop_assert!(word.to_text() == text),
                None => prop_assert!(text.len() > Word::LEN_MAX || text[0] == 0),
            }
            prop_assert_eq!(Word::of(Value { kind: Kind::Number, text: &text }), None);
        }
    }

    #[test]
    fn padding_does_not_count() {
        let of = |text: &[u8]| Word::of(Value { kind: Kind::String, text }).expect("it is short");
        assert_eq!(Word::of_padded(b"\0\0u7"), of(b"u7"));
        assert_eq!(Word::of_padded(b"u7"), of(b"u7"));
        assert_eq!(Word::of_padded(b"\0\0\0\0\0\0\0\0"), of(b""));
        assert_eq!(Word::of_padded(b"u1234567"), of(b"u1234567"));
        assert_ne!(of(b"u7"), of(b"u70"));
    }
}
