//! Numbers, texts and lists as bytes, and back from bytes that may be anybody's.

/// What a text has at most.
const TEXT_BYTES_MAX: usize = 4_096;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    /// A number, seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A signed number: zigzag.
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// Its length, then its bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// As many as there always are.
    pub(super) fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.0.extend_from_slice(bytes);
    }

    /// How many, then each.
    pub(super) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.number(items.len() as u64);
        items.for_each(|item| each(self, item));
    }
}

/// Bytes that are read. Errors say what was expected.
#[derive(Debug)]
pub(super) struct In<'a>(pub(super) &'a [u8]);

/// What was read, or what is wrong.
pub(super) type Read<T> = Result<T, String>;

impl<'a> In<'a> {
    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| format!("{count} more bytes"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// As many as there always are.
    pub(super) fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| format!("{N} bytes"))
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.fixed()?))
    }

    /// See [`Out::number`]. Only the shortest form is read: a value has one form.
    pub(super) fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of 64 bits in its shortest form".to_owned())
    }

    /// See [`Out::signed`].
    pub(super) fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// See [`Out::bytes`].
    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::try_from(len).map_err(|_| format!("{len} more bytes"))?)
    }

    /// A text.
    pub(super) fn text(&mut self) -> Read<String> {
        let bytes = self.bytes()?;
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(format!("a text of at most {TEXT_BYTES_MAX} bytes"));
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| "a text in UTF-8".to_owned())
    }

    /// See [`Out::list`]. Memory grows with what is read, not with what is promised.
    pub(super) fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.number()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(each(self)?);
        }
        Ok(items)
    }

    /// Whether all was read.
    pub(super) fn finish(&self) -> Read<()> {
        match self.0.len() {
            0 => Ok(()),
            more => Err(format!("the end, not {more} more bytes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_texts_come_back(
            number: u64,
            signed: i64,
            text in ".{0,40}",
            list: Vec<u64>,
        ) {
            let mut out = Out::default();
            out.number(number);
            out.signed(signed);
            out.bytes(text.as_bytes());
            out.list(list.iter(), |out, number| out.number(*number));
            let mut bytes = In(&out.0);
            prop_assert_eq!(bytes.number().unwrap(), number);
            prop_assert_eq!(bytes.signed().unwrap(), signed);
            prop_assert_eq!(bytes.text().unwrap(), text);
            prop_assert_eq!(bytes.list(In::number).unwrap(), list);
            bytes.finish().unwrap();
        }

        #[test]
        fn a_number_that_is_read_is_written_as_it_stood(bytes: [u8; 11]) {
            let mut input = In(&bytes);
            if let Ok(number) = input.number() {
                let mut out = Out::default();
                out.number(number);
                prop_assert_eq!(&out.0[..], &bytes[..11 - input.0.len()]);
            }
        }
    }
}
