//! A position in foreign bytes that only moves forward over what was expected.

/// Reads foreign bytes from the front. A method that returns `None` or `false` has not moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes one byte if it is `wanted`.
    pub(crate) fn eat(&mut self, wanted: u8) -> bool {
        self.eat_if(|byte| byte == wanted).is_some()
    }

    /// Takes one byte if it is wanted.
    pub(crate) fn eat_if(&mut self, wanted: impl Fn(u8) -> bool) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        if !wanted(*first) {
            return None;
        }
        self.rest = rest;
        Some(*first)
    }

    /// Takes `wanted`, in any ASCII case.
    pub(crate) fn eat_word(&mut self, wanted: &[u8]) -> bool {
        let Some((head, rest)) = self.rest.split_at_checked(wanted.len()) else { return false };
        let same = head.eq_ignore_ascii_case(wanted);
        if same {
            self.rest = rest;
        }
        same
    }

    /// Takes as many bytes as are wanted.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        head
    }

    /// Takes the bytes up to the next space, which stays.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(|byte| byte != b' ')
    }

    pub(crate) fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    /// Takes exactly `count` digits, at most nine.
    pub(crate) fn digits(&mut self, count: usize) -> Option<u32> {
        debug_assert!(count <= 9, "ten digits do not fit u32");
        let (head, rest) = self.rest.split_at_checked(count)?;
        let mut value = 0;
        for byte in head {
            if !byte.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u32::from(byte - b'0');
        }
        self.rest = rest;
        Some(value)
    }

    /// Takes one to `most` digits, `most` at most nine.
    pub(crate) fn digits_up_to(&mut self, most: usize) -> Option<u32> {
        let here = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if here == 0 { None } else { self.digits(here) }
    }
}
