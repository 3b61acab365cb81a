//! Writes a file from its beginning to its end, encrypted if there are keys.

use super::frames::{FRAME_BYTES, nonce};
use super::header::{Header, Purpose};
use super::keyring::Keyring;
use crate::io::{Entropy, File, may_break};
use aws_lc_rs::aead::{Aad, LessSafeKey};
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

/// A file that is being written. Of an encrypted one, up to a frame is not in it before
/// [`Output::finish`].
#[derive(Debug)]
pub(crate) struct Output {
    file: Arc<dyn File>,
    /// Plain bytes so far.
    len: u64,
    stored: u64,
    hasher: blake3::Hasher,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Plain,
    Encrypted(Frames),
    /// It is whole, or a write has failed: what stands in it is unknown then, and a frame that was written
    /// in part must not be written again with other bytes (`X1`).
    Ended,
}

struct Frames {
    key: LessSafeKey,
    number: u64,
    /// The plain bytes of the next frame.
    pending: Vec<u8>,
}

impl Output {
    /// Begins an empty file.
    pub(crate) fn begin(
        file: Arc<dyn File>,
        keys: Option<&Keyring>,
        entropy: &dyn Entropy,
    ) -> io::Result<Self> {
        let hasher = blake3::Hasher::new();
        let mut output = Self { file, len: 0, stored: 0, hasher, form: Form::Plain };
        if let Some(keys) = keys {
            let (header, derived) = Header::begin(keys, entropy, Purpose::File);
            output.write(&header.encode())?;
            let pending = Vec::with_capacity(FRAME_BYTES);
            output.form = Form::Encrypted(Frames { key: derived.key, number: 0, pending });
        }
        Ok(output)
    }

    /// Appends plain bytes.
    ///
    /// # Errors
    /// Those of the file. After one nothing more is written: every later call fails too.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        match mem::replace(&mut self.form, Form::Ended) {
            Form::Plain => {
                self.write(bytes)?;
                self.form = Form::Plain;
            }
            Form::Encrypted(mut frames) => {
                self.put_frames(&mut frames, bytes)?;
                self.form = Form::Encrypted(frames);
            }
            Form::Ended => return Err(ended()),
        }
        Ok(())
    }

    fn put_frames(&mut self, frames: &mut Frames, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if frames.pending.len() == FRAME_BYTES {
                // There are more: it is not the last.
                self.write_frame(frames, false)?;
            }
            let room = FRAME_BYTES - frames.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            frames.pending.extend(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes what is not yet in the file. It is not synced.
    ///
    /// # Errors
    /// As [`Output::put`].
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match mem::replace(&mut self.form, Form::Ended) {
            Form::Plain => Ok(()),
            Form::Encrypted(mut frames) => self.write_frame(&mut frames, true),
            Form::Ended => Err(ended()),
        }
    }

    /// The plain bytes so far: where the next ones will be.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The length of the file.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// BLAKE3 of the file.
    pub(crate) fn hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    fn write_frame(&mut self, frames: &mut Frames, is_last: bool) -> io::Result<()> {
        let nonce = nonce(frames.number, is_last);
        let tag = frames.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut frames.pending);
        frames.pending.extend(tag.expect("a frame is far below what the cipher can do").as_ref());
        self.write(&frames.pending)?;
        frames.number += 1;
        frames.pending.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        may_break();
        self.file.write_all_at(bytes, self.stored)?;
        self.hasher.update(bytes);
        self.stored += bytes.len() as u64;
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::other("nothing is written behind the end of a file, or behind a write that failed")
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames", self.number)
    }
}
