//! Small pieces of encoding that every format uses.

pub(crate) mod bitpack;
pub(crate) mod copy;
pub(crate) mod crc;
#[cfg(test)]
pub(crate) mod dump;
pub(crate) mod packed;
pub(crate) mod region;
pub(crate) mod slice;
pub(crate) mod varint;
