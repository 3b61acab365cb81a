//! Request bodies: decompressed into bounded memory.
//!
//! `B1`: never more than `max` bytes are produced, whatever the body claims about itself.

use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

/// The largest zstd window that is accepted, as a power of two: what the decoder itself may take.
/// 8 MiB, as RFC 9659 has it for HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Asked for the bytes that a body is to take in all, before it takes them.
type Memory<'a> = &'a mut dyn FnMut(usize) -> bool;
/// How much an output buffer grows at a time at least.
const GROWTH_BYTES: usize = 16 << 10;

/// Why a body can't be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// More than `max` bytes come out.
    TooLarge {
        /// What was allowed, in bytes.
        max: usize,
    },
    /// There is no memory for it now.
    NoMemory,
    /// The `Content-Encoding` is none that this server knows.
    Unsupported,
    /// The bytes are not what the `Content-Encoding` says, or end too early.
    Broken {
        /// The encoding that was expected.
        encoding: &'static str,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { max } => write!(f, "the body has more than {max} bytes"),
            Self::NoMemory => f.write_str("there is no memory for the body now"),
            Self::Unsupported => {
                f.write_str("unknown Content-Encoding: gzip, zstd, deflate and identity are known")
            }
            Self::Broken { encoding } => {
                write!(f, "the body is not valid {encoding}, or ends too early")
            }
        }
    }
}

impl std::error::Error for BodyError {}

/// Undoes the `Content-Encoding` of a body: `gzip` of any number of members, `zstd` of any number
/// of frames, `deflate` with and without its zlib header, `identity` or none.
///
/// # Errors
/// See [`BodyError`]. A body of more than `max` bytes after decompression is refused as soon as
/// that is known.
pub fn decompress<'a>(
    body: &'a [u8],
    encoding: Option<&str>,
    max: usize,
) -> Result<Cow<'a, [u8]>, BodyError> {
    decompress_within(body, encoding, max, &mut |_| true)
}

/// The same with a say in how much it takes: `memory` is asked for the bytes of the output so far
/// and of its next step; without them the body is given up as [`BodyError::NoMemory`].
pub(crate) fn decompress_within<'a>(
    body: &'a [u8],
    encoding: Option<&str>,
    max: usize,
    memory: Memory<'_>,
) -> Result<Cow<'a, [u8]>, BodyError> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" if body.len() > max => Err(BodyError::TooLarge { max }),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => {
            read_bounded(MultiGzDecoder::new(body), "gzip", max, memory).map(Cow::Owned)
        }
        "zstd" => {
            let broken = |_| BodyError::Broken { encoding: "zstd" };
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
            read_bounded(decoder, "zstd", max, memory).map(Cow::Owned)
        }
        "deflate" => inflate(body, max, memory).map(Cow::Owned),
        _ => Err(BodyError::Unsupported),
    }
}

fn read_bounded(
    mut decoder: impl Read,
    encoding: &'static str,
    max: usize,
    memory: Memory<'_>,
) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    loop {
        grow(&mut out, max, memory)?;
        let room = (out.capacity() - out.len()) as u64;
        let read: io::Result<usize> = decoder.by_ref().take(room).read_to_end(&mut out);
        if out.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        if read.map_err(|_| BodyError::Broken { encoding })? == 0 {
            return Ok(out);
        }
    }
}

/// Makes room for the next step, of which the last byte is one more than allowed.
fn grow(out: &mut Vec<u8>, max: usize, memory: Memory<'_>) -> Result<(), BodyError> {
    let step = out.len().clamp(GROWTH_BYTES, max.saturating_add(1).max(GROWTH_BYTES));
    let step = step.min((max - out.len()).saturating_add(1));
    if !memory(out.len() + step) {
        return Err(BodyError::NoMemory);
    }
    out.reserve_exact(step);
    Ok(())
}

/// HTTP says that `deflate` has a zlib header; some senders leave it out.
fn inflate(body: &[u8], max: usize, memory: Memory<'_>) -> Result<Vec<u8>, BodyError> {
    let zlib = match body {
        [first, second, ..] => {
            first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        _ => false,
    };
    match inflate_as(zlib, body, max, memory) {
        Err(BodyError::Broken { .. }) if zlib => inflate_as(false, body, max, memory),
        done => done,
    }
}

/// The stream readers of flate2 take a stream that was cut for one that has ended; this does not.
fn inflate_as(
    zlib: bool,
    body: &[u8],
    max: usize,
    memory: Memory<'_>,
) -> Result<Vec<u8>, BodyError> {
    let broken = BodyError::Broken { encoding: "deflate" };
    let mut state = Decompress::new(zlib);
    let mut out = Vec::new();
    loop {
        if out.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        grow(&mut out, max, memory)?;
        let rest = usize::try_from(state.total_in()).ok().and_then(|read| body.get(read..));
        let Some(rest) = rest else { return Err(broken) };
        let before = (state.total_in(), out.len());
        match state.decompress_vec(rest, &mut out, FlushDecompress::None) {
            Ok(Status::StreamEnd) if out.len() > max => return Err(BodyError::TooLarge { max }),
            Ok(Status::StreamEnd) => return Ok(out),
            Ok(_) if before == (state.total_in(), out.len()) => return Err(broken),
            Ok(_) => {}
            Err(_) => return Err(broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const MAX: usize = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 1).unwrap()
    }

    proptest! {
        #[test]
        fn every_encoding_comes_back(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5_000), 1..4),
        ) {
            let whole = parts.concat();
            let joined = |one: fn(&[u8]) -> Vec<u8>| parts.iter().flat_map(|p| one(p)).collect();
            let bodies: [(&str, Vec<u8>); 5] = [
                ("gzip", joined(gzip)),
                ("ZSTD", joined(zstd)),
                ("deflate", zlib(&whole)),
                ("deflate", raw(&whole)),
                ("identity", whole.clone()),
            ];
            for (encoding, body) in bodies {
                let plain = decompress(&body, Some(encoding), MAX);
                prop_assert_eq!(plain.as_deref(), Ok(whole.as_slice()), "{}", encoding);
            }
        }

        #[test]
        fn a_cut_body_is_broken(
            bytes in prop::collection::vec(any::<u8>(), 1..2_000),
            cut in 0.0..1.0f64,
        ) {
            for (encoding, body) in
                [("gzip", gzip(&bytes)), ("zstd", zstd(&bytes)), ("deflate", zlib(&bytes)), ("deflate", raw(&bytes))]
            {
                let len = 1 + ((body.len() - 2) as f64 * cut) as usize;
                let read = decompress(&body[..len], Some(encoding), MAX);
                prop_assert!(matches!(read, Err(BodyError::Broken { .. })), "{} {:?}", encoding, read);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for encoding in ["gzip", "zstd", "deflate", "identity"] {
                if let Ok(plain) = decompress(&bytes, Some(encoding), 100) {
                    prop_assert!(plain.len() <= 100);
                }
            }
        }
    }

    #[test]
    fn bombs_are_refused_and_the_bound_itself_is_not() {
        let zeros = vec![0; MAX + 1];
        for (encoding, compress) in [
            ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
            ("zstd", zstd),
            ("deflate", zlib),
            ("deflate", raw),
        ] {
            let bomb = compress(&zeros);
            assert_eq!(
                decompress(&bomb, Some(encoding), MAX),
                Err(BodyError::TooLarge { max: MAX })
            );
            let fits = compress(&zeros[..MAX]);
            assert_eq!(decompress(&fits, Some(encoding), MAX).unwrap().len(), MAX, "{encoding}");
        }
        for (encoding, compress) in
            [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd), ("deflate", zlib)]
        {
            let (body, mut most) = (compress(&zeros[..MAX]), 0);
            let mut memory = |bytes: usize| {
                most = most.max(bytes);
                bytes <= MAX / 2
            };
            let read = decompress_within(&body, Some(encoding), MAX, &mut memory);
            assert_eq!(read, Err(BodyError::NoMemory), "{encoding}");
            assert!(most <= MAX + 1, "{most}: no step is larger than what is there");
        }
        assert_eq!(decompress(&zeros, None, MAX), Err(BodyError::TooLarge { max: MAX }));
        assert_eq!(decompress(b"x", Some("br"), MAX), Err(BodyError::Unsupported));
    }
}
