//! The compression of an export's file.

use flate2::write::GzEncoder;
use std::io::{self, Write};

/// How the file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    Gzip,
    Zstd,
}

/// Takes the file piece by piece, and gives it compressed.
pub(super) enum Packing {
    None,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compression {
    /// What stands behind the file's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl Packing {
    pub(super) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Gzip => {
                Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(6)))
            }
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// What is there of the compressed file once `raw` is added; with all of it if this is the end.
    pub(super) fn pack(&mut self, raw: Vec<u8>, is_end: bool) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(raw),
            Self::Gzip(encoder) => {
                encoder.write_all(&raw)?;
                if is_end {
                    encoder.try_finish()?;
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&raw)?;
                if is_end {
                    encoder.do_finish()?;
                }
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }
}
