//! How a file is cut into frames, and frames that were decrypted before.

use super::header::{HEADER_BYTES, TAG_BYTES};
use aws_lc_rs::aead::{NONCE_LEN, Nonce};
use quick_cache::sync::Cache;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The plain bytes of each frame but the last. What is read of a file that is far is rounded up to frames, so
/// they are small: of 64 KiB a needle over a year of days would read three times as much.
pub(super) const FRAME_BYTES: usize = 8 << 10;
/// The stored bytes of each frame but the last.
const STORED_BYTES: u64 = (FRAME_BYTES + TAG_BYTES) as u64;
/// Decrypted frames that are kept: 4 MiB. Reads of one block touch a frame again and again.
const KEPT_FRAMES: usize = 512;

/// How a file of some length is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// The number of frames; at least one.
    pub(super) frames: u64,
    /// The number of plain bytes.
    pub(super) len: u64,
}

impl Layout {
    /// That of a file of so many stored bytes; `None` if no file has that many.
    pub(super) fn of(stored: u64) -> Option<Self> {
        let body = stored.checked_sub(HEADER_BYTES as u64)?;
        let (full, rest) = (body / STORED_BYTES, body % STORED_BYTES);
        if rest == 0 {
            return (full > 0).then_some(Self { frames: full, len: full * FRAME_BYTES as u64 });
        }
        let last = rest.checked_sub(TAG_BYTES as u64)?;
        // An empty frame stands only in an empty file.
        let is_written = last > 0 || full == 0;
        is_written.then_some(Self { frames: full + 1, len: full * FRAME_BYTES as u64 + last })
    }

    /// Where these frames stand, in the stored bytes.
    pub(super) fn stored(&self, frames: Range<u64>) -> Range<u64> {
        let begin = |frame: u64| HEADER_BYTES as u64 + frame * STORED_BYTES;
        let end = match frames.end == self.frames {
            true => HEADER_BYTES as u64 + self.len + self.frames * TAG_BYTES as u64,
            false => begin(frames.end),
        };
        begin(frames.start)..end
    }

    pub(super) fn nonce(&self, frame: u64) -> Nonce {
        nonce(frame, frame + 1 == self.frames)
    }
}

/// `X2`: the place of a frame, and whether it is the last.
pub(super) fn nonce(frame: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&frame.to_le_bytes());
    nonce[8] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

/// Decrypted frames of any files, those read last.
pub(super) struct FrameCache {
    frames: Cache<(u64, u64), Arc<[u8]>>,
    files: AtomicU64,
}

impl FrameCache {
    /// A number for a file whose frames are kept.
    pub(super) fn file(&self) -> u64 {
        self.files.fetch_add(1, Relaxed)
    }

    pub(super) fn get(&self, file: u64, frame: u64) -> Option<Arc<[u8]>> {
        self.frames.get(&(file, frame))
    }

    pub(super) fn put(&self, file: u64, frame: u64, plain: Arc<[u8]>) {
        self.frames.insert((file, frame), plain);
    }
}

impl Default for FrameCache {
    fn default() -> Self {
        Self { frames: Cache::new(KEPT_FRAMES), files: AtomicU64::new(0) }
    }
}

impl fmt::Debug for FrameCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames", self.frames.len())
    }
}
