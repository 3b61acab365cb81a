//! The plain bytes of a file that is not written to any more, encrypted or not.

use super::frames::{FRAME_BYTES, Layout};
use super::header::{HEADER_BYTES, Header, MAGIC, Purpose, TAG_BYTES};
use super::keyring::{Derived, KeyId, Keyring};
use super::{Refusal, is_encrypted};
use crate::io::{File, FileBytes, Region, read_region};
use aws_lc_rs::aead::{Aad, LessSafeKey};
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A file whose plain bytes are read. Which it is, is looked up when it is first read, and only if
/// there are keys: without them no store is opened that has encrypted files.
#[derive(Debug)]
pub(crate) struct Input {
    stored: Arc<dyn File>,
    keys: Option<Arc<Keyring>>,
    form: OnceLock<Framed>,
    key_id: OnceLock<KeyId>,
    /// Whether the file was found to be plain beyond doubt.
    is_plain: OnceLock<()>,
}

/// An encrypted file.
struct Framed {
    /// By which its frames are kept.
    number: u64,
    key: LessSafeKey,
    layout: Layout,
}

impl Input {
    /// The plain bytes of a file.
    pub(crate) fn new(stored: Arc<dyn File>, keys: Option<Arc<Keyring>>) -> Self {
        Self {
            stored,
            keys,
            form: OnceLock::new(),
            key_id: OnceLock::new(),
            is_plain: OnceLock::new(),
        }
    }

    /// The key that the file is encrypted under, if it is.
    pub(crate) fn key_id(&self) -> io::Result<Option<KeyId>> {
        if let Some(id) = self.key_id.get() {
            return Ok(Some(*id));
        }
        Ok(self.header()?.map(|header| *self.key_id.get_or_init(|| header.key)))
    }

    /// Knows its key from another of the same bytes. What can't be read now is read when it is asked for.
    pub(crate) fn take_key_of(&self, other: &Self) {
        if let Ok(Some(id)) = other.key_id() {
            let _ = self.key_id.set(id);
        }
    }

    /// The header of the file, if it is encrypted. That it is not is kept only of a file that begins with
    /// something else altogether: a read that failed in its first bytes must not let it be taken for a plain
    /// one for ever.
    fn header(&self) -> io::Result<Option<Header>> {
        if self.is_plain.get().is_some() {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES];
        let bytes = beginning(&*self.stored, &mut bytes)?;
        if is_encrypted(bytes) {
            return Ok(Some(Header::decode(bytes, Purpose::File)?));
        }
        let same = bytes.iter().zip(MAGIC).filter(|(byte, other)| *byte == other).count();
        if bytes.len() == HEADER_BYTES && same <= MAGIC.len() / 2 {
            let _ = self.is_plain.set(());
        }
        Ok(None)
    }

    /// Whether the key that the file is encrypted under is there, and is that one; and whether it may be
    /// plain.
    ///
    /// # Errors
    /// A [`Refusal`] if not.
    pub(crate) fn check_key(&self) -> io::Result<()> {
        match self.keys.as_deref() {
            Some(keys) => self.form(keys).map(drop),
            None => self.key_id()?.map_or(Ok(()), |id| Err(Refusal::NoKey(id).into())),
        }
    }

    /// Whether reads of the file decrypt it, or fail because they can't.
    pub(crate) fn is_decrypted(&self) -> bool {
        let form = self.keys.as_deref().map(|keys| self.form(keys));
        form.is_some_and(|form| !matches!(form, Ok(None)))
    }

    /// Where the bytes of a range are stored, or wider as long as it is unknown how.
    pub(crate) fn stored(&self, range: Range<u64>) -> Range<u64> {
        if self.keys.is_none() || range.is_empty() {
            return range;
        }
        let frame_bytes = FRAME_BYTES as u64;
        match self.form.get() {
            Some(form) => {
                form.layout.stored(range.start / frame_bytes..range.end.div_ceil(frame_bytes))
            }
            None => {
                let start = range.start.saturating_sub(frame_bytes);
                start..range.end.saturating_add(frame_bytes)
            }
        }
    }

    /// How the file is encrypted, if it is.
    fn form(&self, keys: &Keyring) -> io::Result<Option<&Framed>> {
        if let Some(form) = self.form.get() {
            return Ok(Some(form));
        }
        let Some(header) = self.header()? else {
            keys.admit_plain()?;
            return Ok(None);
        };
        let Derived { key, .. } = header.derive(keys)?;
        let damaged = || Refusal::damaged(0, "a whole number of frames");
        let layout = Layout::of(self.stored.len()?).ok_or_else(damaged)?;
        let form = Framed { number: keys.frames().file(), key, layout };
        if layout.len == 0 {
            self.check_empty(&form)?;
        }
        Ok(Some(self.form.get_or_init(|| form)))
    }

    /// Whether the only frame is one of no bytes that was written: nobody will read it, and a file that was
    /// cut off behind the first bytes of another has the same length.
    fn check_empty(&self, form: &Framed) -> io::Result<()> {
        let place = form.layout.stored(0..1);
        let mut stored = [0; TAG_BYTES];
        self.stored.read_exact_at(&mut stored, place.start)?;
        let opened = form.key.open_in_place(form.layout.nonce(0), Aad::empty(), &mut stored);
        let damaged = || Refusal::damaged(place.start, "the frame that was written here");
        opened.map(drop).map_err(|_| damaged().into())
    }

    /// Reads up to `buf.len()` plain bytes at `offset`.
    fn read(
        &self,
        (keys, framed): (&Keyring, &Framed),
        buf: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let there = framed.layout.len.saturating_sub(offset);
        let len = usize::try_from(there).map_or(buf.len(), |there| there.min(buf.len()));
        let buf = &mut buf[..len];
        if len == 0 {
            return Ok(0);
        }
        let frame_bytes = FRAME_BYTES as u64;
        let wanted = offset..offset + len as u64;
        let first = offset / frame_bytes;
        let mut frames = first..(wanted.end - 1) / frame_bytes + 1;
        // Frames at either end may be known; all others are read in one piece.
        if let Some(plain) = keys.frames().get(framed.number, frames.start) {
            copy(&plain, frames.start, &wanted, buf);
            frames.start += 1;
        }
        if frames.is_empty() {
            return Ok(len);
        }
        if let Some(plain) = keys.frames().get(framed.number, frames.end - 1) {
            copy(&plain, frames.end - 1, &wanted, buf);
            frames.end -= 1;
        }
        if frames.is_empty() {
            return Ok(len);
        }
        let place = framed.layout.stored(frames.clone());
        let bytes = usize::try_from(place.end - place.start);
        let mut stored = vec![0; bytes.map_err(|_| io::ErrorKind::OutOfMemory)?];
        self.stored.read_exact_at(&mut stored, place.start)?;
        for (frame, stored) in frames.zip(stored.chunks_mut(FRAME_BYTES + TAG_BYTES)) {
            let opened = framed.key.open_in_place(framed.layout.nonce(frame), Aad::empty(), stored);
            let plain = &*opened.map_err(|_| {
                let at = framed.layout.stored(frame..frame + 1).start;
                Refusal::damaged(at, "the frame that was written here")
            })?;
            copy(plain, frame, &wanted, buf);
            let begin = frame * frame_bytes;
            let is_edge = begin < wanted.start || begin + plain.len() as u64 > wanted.end;
            if is_edge {
                keys.frames().put(framed.number, frame, plain.into());
            }
        }
        Ok(len)
    }
}

/// Copies what is wanted of a frame to its place in `buf`, which takes all that is wanted.
fn copy(plain: &[u8], frame: u64, wanted: &Range<u64>, buf: &mut [u8]) {
    let begin = frame * FRAME_BYTES as u64;
    let from = wanted.start.max(begin);
    let to = wanted.end.min(begin + plain.len() as u64);
    let within = |base: u64| (from - base) as usize..(to - base) as usize;
    buf[within(wanted.start)].copy_from_slice(&plain[within(begin)]);
}

/// The first bytes of a file, as many as fit or as it has.
fn beginning<'a>(stored: &dyn File, bytes: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut len = 0;
    while len < bytes.len() {
        match stored.read_at(&mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(&bytes[..len])
}

impl File for Input {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(keys) = self.keys.as_deref() else { return self.stored.read_at(buf, offset) };
        match self.form(keys)? {
            Some(framed) => self.read((keys, framed), buf, offset),
            None => {
                let read = self.stored.read_at(buf, offset)?;
                check_plain(buf.get(..read).unwrap_or_default(), offset)?;
                Ok(read)
            }
        }
    }

    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        if self.keys.is_none() {
            return self.stored.read_vec_at(len, offset);
        }
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn bytes_at(&self, len: usize, offset: u64) -> io::Result<FileBytes> {
        match &self.keys {
            None => self.stored.bytes_at(len, offset),
            Some(_) => self.read_vec_at(len, offset).map(FileBytes::Read),
        }
    }

    fn will_need(&self, range: Range<u64>) {
        if self.keys.is_none() {
            self.stored.will_need(range);
        }
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        let Some(keys) = self.keys.as_deref() else { return self.stored.len() };
        match self.form(keys)? {
            Some(framed) => Ok(framed.layout.len),
            None => self.stored.len(),
        }
    }

    fn mistrust(&self) -> bool {
        self.stored.mistrust()
    }

    fn region(&self, range: Range<u64>) -> io::Result<Region> {
        let Some(keys) = self.keys.as_deref() else { return self.stored.region(range) };
        match self.form(keys)? {
            Some(framed) if range.end > framed.layout.len => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Some(_) => read_region(self, range),
            None => {
                let start = range.start;
                let region = self.stored.region(range)?;
                region.read(|bytes| check_plain(bytes, start))??;
                Ok(region)
            }
        }
    }
}

/// Of a file that began as plain ones do a moment ago.
fn check_plain(bytes: &[u8], offset: u64) -> Result<(), Refusal> {
    match offset == 0 && is_encrypted(bytes) {
        true => Err(Refusal::damaged(0, "what they were a moment ago")),
        false => Ok(()),
    }
}

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.layout)
    }
}
