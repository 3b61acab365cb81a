//! The sentence list of a section: each sentence of its columns of templates once. Blocks of one
//! partition share nearly all of theirs, which are 3 bytes an event where each block keeps its own.
//! The bytes are described in `docs/format/sentence-list.md`.
//!
//! - `L1` A sentence's place in the list never changes once a block names it.
//! - `L2` A list stands in its file twice: behind the last block of its section, and at the section's
//!   end. All texts of the section need it, so one bad sector must not take it.
//! - `L3` A copy tells of itself where it ends, from either end: it is found without the footer.

mod builder;
mod share;
#[cfg(test)]
mod tests;

pub(crate) use builder::{ListPart, SentenceListBuilder};
pub(crate) use share::share;
#[cfg(test)]
pub(crate) use tests::in_one_section;

use super::column::{Values, ValuesWriter, count_slots};
use super::format::check_crc;
use crate::codec::slice::Slice;
use crate::cold;
use crate::error::{Corruption, Error, ErrorKind, Result};
use crate::event::Kind;
use crate::io::File;
use crate::limits::{SENTENCE_LIST_BYTES_MAX, SENTENCE_LIST_MAX};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

const MAGIC: [u8; 4] = *b"LSSL";
const VERSION: u16 = 1;
/// Magic, version, reserved, the lengths as stored and inflated, the number of sentences, the CRC of
/// what is stored, and of the head.
const HEAD_LEN: usize = 28;
/// The length of the whole copy, and its CRC.
const TAIL_LEN: usize = 8;
/// Two bytes tell of what kind the texts are and how they end; a length takes three at most.
const RAW_LEN_MAX: usize = SENTENCE_LIST_BYTES_MAX + 3 * SENTENCE_LIST_MAX + 2;
const WHAT: &str = "sentence list";

/// Where the two copies of a section's list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListPlace {
    /// Where the first begins.
    pub(crate) offset: u64,
    /// Where the second begins.
    pub(crate) copy: u64,
    /// Bytes of each.
    pub(crate) len: u32,
    /// About what it takes in memory.
    pub(crate) memory: u32,
}

/// The sentences of a section, by number.
#[derive(Debug)]
pub(crate) struct SentenceList {
    sentences: Values,
    /// How many slots each has.
    slots: Box<[u32]>,
}

/// A section's list, read when first asked for.
#[derive(Debug)]
pub(crate) struct SharedSentences {
    file: Arc<dyn File>,
    path: Arc<Path>,
    place: ListPlace,
    list: OnceLock<Arc<SentenceList>>,
}

/// What the head of a copy says.
struct Head {
    stored_len: usize,
    raw_len: usize,
    sentences: usize,
    crc: u32,
}

impl ListPlace {
    /// Finds the list of a section without its directory (`L3`): behind its blocks, if it is known where
    /// they end, and where the section ends. `None` if there is no sound head.
    pub(crate) fn find(
        file: &dyn File,
        path: &Path,
        blocks_end: Option<u64>,
        end: u64,
    ) -> Option<Self> {
        let first = blocks_end.and_then(|offset| Self::at(file, path, offset).ok());
        let second = Self::before(file, path, end).ok();
        match (first, second) {
            (Some(first), Some(second)) => Some(Self { copy: second.offset, ..first }),
            (first, second) => first.or(second),
        }
    }

    /// The only copy that is known of, at `offset`.
    fn at(file: &dyn File, path: &Path, offset: u64) -> Result<Self> {
        let mut bytes = [0; HEAD_LEN];
        read_at(file, path, &mut bytes, offset)?;
        let head = Head::decode(&mut Slice::new(&bytes, offset, WHAT, path))?;
        let len = (HEAD_LEN + head.stored_len + TAIL_LEN) as u32;
        Ok(Self { offset, copy: offset, len, memory: head.memory() })
    }

    /// The only copy that is known of, which ends at `end`.
    fn before(file: &dyn File, path: &Path, end: u64) -> Result<Self> {
        let at = end.saturating_sub(TAIL_LEN as u64);
        let mut bytes = [0; TAIL_LEN];
        read_at(file, path, &mut bytes, at)?;
        let len = decode_tail(&mut Slice::new(&bytes, at, WHAT, path))?;
        Self::at(file, path, end.saturating_sub(u64::from(len)))
    }
}

impl SharedSentences {
    /// The list of a section of a file; nothing is read yet.
    pub(crate) fn new(file: Arc<dyn File>, path: Arc<Path>, place: ListPlace) -> Self {
        Self { file, path, place, list: OnceLock::new() }
    }

    /// The list.
    ///
    /// # Errors
    /// Corrupt if both copies are damaged; unsupported if its version is unknown; IO.
    pub(crate) fn get(&self) -> Result<Arc<SentenceList>> {
        if let Some(list) = self.list.get() {
            return Ok(Arc::clone(list));
        }
        // `L2`
        let list = match self.read(self.place.offset) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.read(self.place.copy).map_err(|_| error)?
            }
            list => list?,
        };
        Ok(Arc::clone(self.list.get_or_init(|| list)))
    }

    /// Verifies both copies.
    ///
    /// # Errors
    /// As of [`SharedSentences::get`], of the first copy that is damaged.
    pub(crate) fn verify(&self) -> Result<()> {
        self.read(self.place.offset)?;
        self.read(self.place.copy).map(drop)
    }

    /// Whether it was read.
    #[cfg(test)]
    pub(crate) fn is_read(&self) -> bool {
        self.list.get().is_some()
    }

    /// The bytes that it takes in memory, once it is read.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.place.memory as usize
    }

    fn read(&self, offset: u64) -> Result<Arc<SentenceList>> {
        cold::verified(&*self.file, || {
            // A foreign length does not make us allocate.
            let len = (self.place.len as usize).min(HEAD_LEN + RAW_LEN_MAX + TAIL_LEN);
            let mut bytes = vec![0; len];
            read_at(&*self.file, &self.path, &mut bytes, offset)?;
            let mut slice = Slice::new(&bytes, offset, WHAT, &self.path);
            Ok(Arc::new(SentenceList::decode(&mut slice)?))
        })
    }
}

impl SentenceList {
    /// The number of sentences.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The sentence of a number, with [`crate::index::SLOT`] for each variable; panics past the last.
    pub(crate) fn get(&self, number: usize) -> &[u8] {
        self.sentences.value(number).text
    }

    /// The bytes of the sentence of a number; panics past the last.
    pub(crate) fn len_of(&self, number: usize) -> usize {
        self.sentences.text_len(number)
    }

    /// How many slots the sentence of a number has; panics past the last.
    pub(crate) fn slots_of(&self, number: usize) -> u32 {
        self.slots[number]
    }

    /// The bytes of a copy.
    fn encode(sentences: usize, raw_len: usize, stored: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN + stored.len() + TAIL_LEN);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        let numbers = [stored.len(), raw_len, sentences];
        numbers.iter().for_each(|number| out.extend((*number as u32).to_le_bytes()));
        out.extend(crc32fast::hash(stored).to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        assert_eq!(out.len(), HEAD_LEN);
        out.extend(stored);
        let len = ((out.len() + TAIL_LEN) as u32).to_le_bytes();
        out.extend(len);
        out.extend(crc32fast::hash(&len).to_le_bytes());
        out
    }

    /// Reads exactly one copy.
    pub(crate) fn decode(slice: &mut Slice<'_>) -> Result<Self> {
        let head = Head::decode(slice)?;
        let body = slice.clone().take(head.stored_len)?;
        check_crc(slice, body, head.crc)?;
        let sentences = Values::inflate(slice, head.sentences, head.raw_len, head.stored_len)?;
        if sentences.iter().any(|sentence| sentence.kind != Kind::String) {
            return Err(slice.corrupt("strings", "others").into());
        }
        decode_tail(slice)?;
        slice.finish()?;
        let slots = sentences.iter().map(|sentence| count_slots(sentence.text) as u32).collect();
        Ok(Self { sentences, slots })
    }
}

impl Head {
    fn decode(slice: &mut Slice<'_>) -> Result<Self> {
        let bytes = slice.clone().take(HEAD_LEN)?;
        let magic = slice.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(slice.corrupt(format!("{MAGIC:?}"), format!("{magic:?}")).into());
        }
        let (body, crc) = bytes.split_at(HEAD_LEN - 4);
        check_crc(slice, body, u32::from_le_bytes(crc.try_into().expect("4 bytes are left")))?;
        let (version, reserved) = (slice.u16()?, slice.u16()?);
        if (version, reserved) != (VERSION, 0) {
            let file = slice.file().display();
            return Err(Error::unsupported(format!(
                "{file}: sentence list of version {version}, this program reads {VERSION}"
            )));
        }
        let [stored_len, raw_len, sentences] = [slice.u32()?, slice.u32()?, slice.u32()?];
        let (crc, _) = (slice.u32()?, slice.u32()?);
        let head = Self {
            stored_len: stored_len as usize,
            raw_len: raw_len as usize,
            sentences: sentences as usize,
            crc,
        };
        if head.raw_len > RAW_LEN_MAX
            || head.stored_len > head.raw_len
            || head.sentences > SENTENCE_LIST_MAX
        {
            let found = format!("{sentences} in {stored_len} bytes of {raw_len}");
            return Err(slice.corrupt("sentences within their bounds", found).into());
        }
        Ok(head)
    }

    fn memory(&self) -> u32 {
        memory_of(self.raw_len, self.sentences) as u32
    }
}

/// What a list takes in memory.
fn memory_of(raw_len: usize, sentences: usize) -> usize {
    raw_len + sentences * (size_of::<Kind>() + 2 * size_of::<u32>())
}

/// The length of the copy that ends in these bytes.
fn decode_tail(slice: &mut Slice<'_>) -> Result<u32> {
    let len = slice.clone().take(4)?;
    let (number, crc) = (slice.u32()?, slice.u32()?);
    check_crc(slice, len, crc)?;
    Ok(number)
}

fn read_at(file: &dyn File, path: &Path, bytes: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Corruption {
            file: path.to_path_buf(),
            offset,
            what: WHAT,
            expected: format!("{} bytes", bytes.len()),
            found: "the end of the file".to_owned(),
        }
        .into(),
        _ => Error::io("read", path, e),
    })
}
