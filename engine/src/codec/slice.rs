//! Bounded reads from foreign bytes: every one returns an error, none panics.

use crate::error::Corruption;
use std::path::{Path, PathBuf};

/// Reads little-endian fields from foreign bytes, remembering where they came from.
#[derive(Debug, Clone)]
pub(crate) struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the file.
    base: u64,
    what: &'static str,
    file: &'a Path,
}

impl<'a> Slice<'a> {
    /// Reads `bytes`, which begin at offset `base` of `file` and are a `what`.
    pub(crate) fn new(bytes: &'a [u8], base: u64, what: &'static str, file: &'a Path) -> Self {
        Self { bytes, at: 0, base, what, file }
    }

    /// The offset of the next read within `bytes`.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The file that the bytes are of, for errors.
    pub(crate) fn file(&self) -> &'a Path {
        self.file
    }

    /// The bytes not yet read.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at the current place.
    pub(crate) fn corrupt(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Corruption {
        Corruption {
            file: PathBuf::from(self.file),
            offset: self.base + self.at as u64,
            what: self.what,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Corruption> {
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(self.corrupt(format!("{len} more bytes"), self.remaining().to_string())),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corruption> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    pub(crate) fn u8(&mut self) -> Result<u8, Corruption> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    pub(crate) fn u16(&mut self) -> Result<u16, Corruption> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub(crate) fn u32(&mut self) -> Result<u32, Corruption> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub(crate) fn u64(&mut self) -> Result<u64, Corruption> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes, little-endian, two's complement.
    pub(crate) fn i64(&mut self) -> Result<i64, Corruption> {
        self.array().map(i64::from_le_bytes)
    }

    /// A varint (see [`super::varint`]).
    pub(crate) fn varint(&mut self) -> Result<u64, Corruption> {
        match super::varint::decode(&self.bytes[self.at..]) {
            Some((value, len)) => {
                self.at += len;
                Ok(value)
            }
            None => Err(self.corrupt("a varint", "none")),
        }
    }

    /// A varint that is a count or a length, at most `max`.
    pub(crate) fn varint_max(&mut self, max: usize) -> Result<usize, Corruption> {
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(value) if value <= max => Ok(value),
            _ => Err(self.corrupt(format!("at most {max}"), value.to_string())),
        }
    }

    /// A varint length, then that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Corruption> {
        let len = self.varint_max(self.remaining())?;
        self.take(len)
    }

    /// A varint length, then that many bytes of UTF-8.
    pub(crate) fn str(&mut self) -> Result<&'a str, Corruption> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|e| self.corrupt("UTF-8", e.to_string()))
    }

    /// An error if anything is left.
    pub(crate) fn finish(&self) -> Result<(), Corruption> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.corrupt("the end", format!("{left} more bytes"))),
        }
    }
}
