//! Small pieces of encoding that every format uses.

pub(crate) mod bitpack;
pub(crate) mod chunk;
pub(crate) mod copy;
pub(crate) mod crc;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod dump;
pub(crate) mod packed;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod pieces;
pub(crate) mod places;
pub(crate) mod region;
pub(crate) mod slice;
pub(crate) mod varint;
