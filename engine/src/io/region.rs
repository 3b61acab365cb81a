//! Bytes of a file that never change, wherever they are kept.

use super::map::Mapping;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A range of an immutable file: read into memory once, or mapped. Mapped bytes can turn out to be
/// unreadable at any time, because the file was cut or its disk fails; then they read as zeros and
/// the region is not intact any more, for ever.
#[derive(Debug, Clone)]
pub struct Region {
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    Owned(Arc<[u8]>),
    Mapped(Arc<Mapping>),
}

impl Region {
    /// Bytes in memory.
    pub fn owned(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { kept: Kept::Owned(bytes.into()) }
    }

    pub(super) fn mapped(mapping: Mapping) -> Self {
        Self { kept: Kept::Mapped(Arc::new(mapping)) }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.unchecked().len()
    }

    /// The bytes that it takes on the heap: mapped ones take none.
    pub fn heap_bytes(&self) -> usize {
        match &self.kept {
            Kept::Owned(bytes) => bytes.len(),
            Kept::Mapped(_) => size_of::<Mapping>(),
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs `work` on the bytes. They are foreign: `work` verifies them.
    ///
    /// # Errors
    /// If the bytes could not be read while `work` ran, or ever before: what it returned is then
    /// worth nothing.
    pub fn read<T>(&self, work: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let result = work(self.unchecked());
        if self.is_intact() { Ok(result) } else { Err(lost()) }
    }

    /// Lets the system read a range of them ahead if they are mapped. Nothing happens if they have no such range.
    pub(crate) fn will_need(&self, range: &Range<usize>) {
        if let Kept::Mapped(mapping) = &self.kept
            && range.start <= range.end
            && range.end <= mapping.bytes().len()
        {
            mapping.will_need(range);
        }
    }

    /// The bytes for whoever keeps them: [`RegionBytes::is_intact`] is to be asked after each use.
    pub fn bytes(&self) -> RegionBytes {
        RegionBytes(self.clone())
    }

    fn is_intact(&self) -> bool {
        match &self.kept {
            Kept::Owned(_) => true,
            Kept::Mapped(mapping) => mapping.is_intact(),
        }
    }

    fn unchecked(&self) -> &[u8] {
        match &self.kept {
            Kept::Owned(bytes) => bytes,
            Kept::Mapped(mapping) => mapping.bytes(),
        }
    }
}

/// What errors say of mapped bytes that are not there any more.
pub(crate) const LOST: &str = "a mapped page can't be read: the file was cut, or its disk fails";

fn lost() -> io::Error {
    io::Error::other(LOST)
}

/// The bytes of a [`Region`], at one address as long as this or a clone of it lives: for libraries
/// that want to own bytes. What was made of them counts only if [`RegionBytes::is_intact`] holds
/// afterwards.
#[derive(Debug, Clone)]
pub struct RegionBytes(Region);

/// Bytes of a file, for whoever keeps them.
#[derive(Debug, Clone)]
pub enum FileBytes {
    /// Read for this alone.
    Read(Vec<u8>),
    /// A range of what is mapped, which lies in it: [`RegionBytes::is_intact`] is to be asked after each use.
    Mapped(RegionBytes, Range<usize>),
}

impl FileBytes {
    /// The bytes that they take on the heap: mapped ones take none.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Read(bytes) => bytes.len(),
            Self::Mapped(..) => 0,
        }
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(bytes, range) => &bytes[range.clone()],
        }
    }
}

impl RegionBytes {
    /// Lets the system read a range of them ahead.
    pub(crate) fn will_need(&self, range: &Range<usize>) {
        self.0.will_need(range);
    }

    /// Makes them bytes that are not intact: the file was found to be shorter. Of a page that it ends in, the rest
    /// reads as zeros without a fault.
    pub(crate) fn mistrust(&self) {
        if let Kept::Mapped(mapping) = &self.0.kept {
            mapping.mistrust();
        }
    }

    /// Whether both are the same bytes at the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const **self, &raw const **other)
    }

    /// Whether every byte that was read so far was the file's. Once it isn't, it never is again.
    pub fn is_intact(&self) -> bool {
        self.0.is_intact()
    }
}

impl Deref for RegionBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.unchecked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_bytes_are_always_intact() {
        let region = Region::owned(*b"abc");
        assert_eq!((region.len(), region.is_empty()), (3, false));
        assert_eq!(region.read(<[u8]>::to_vec).unwrap(), b"abc");
        let bytes = region.bytes();
        let address = bytes.as_ptr();
        drop(region);
        assert!(bytes.is_intact() && *bytes == *b"abc" && bytes.clone().as_ptr() == address);
    }
}
