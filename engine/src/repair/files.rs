//! Level-0 files, segments and packs: which blocks of them are what was written.
//!
//! Every file of the store's folder is looked at, with all of its sections, whether the manifest names
//! them or not: what one has lost another may still have, from before a merge or from one whose edit
//! was never written.

use super::blocks::{FoundSection, corrupt, list_of, walk};
use crate::crypt::Input;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{File, Io};
use crate::manifest::{FileId, FileMeta, NUMBER_MAX, Run, SectionMeta};
use crate::segment::{self, BlockPlace, Section, section_meta};
use std::path::Path;
use std::sync::Arc;

/// What is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file, as far as it can be read.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// What the manifest says of it, or has to say: its sections are those found.
    pub(super) meta: FileMeta,
    /// The first damage, or why it is not there.
    pub(super) error: Option<Error>,
    pub(super) sections: Vec<FoundSection>,
    /// Whether there is a file at all.
    pub(super) exists: bool,
}

/// What is to be found.
pub(super) struct Wanted<'a> {
    pub(super) store: [u8; 16],
    pub(super) id: FileId,
    /// What manifests say of the file, if any does.
    pub(super) known: Option<&'a FileMeta>,
    /// Whether its bytes are in the archive only.
    pub(super) is_evicted: bool,
    /// Now, in nanoseconds since the epoch.
    pub(super) now: i64,
}

/// Reads every block of a file.
///
/// # Errors
/// `Unsupported` for a file of a later version; `Io`.
pub(super) fn examine(io: &Io, dir: &Path, wanted: &Wanted<'_>) -> Result<FoundFile> {
    let path: Arc<Path> = wanted.id.path(dir).into();
    let mut found = FoundFile {
        meta: wanted.known.cloned().unwrap_or_else(|| blank(wanted)),
        error: None,
        sections: Vec::new(),
        exists: true,
    };
    if wanted.is_evicted {
        // What the archive has, a repair takes as it is: it was verified before it left the disk. A local
        // copy that a crash has left does not count.
        found.exists = false;
        let whole = |meta: &SectionMeta| FoundSection::whole(meta.clone());
        found.sections = found.meta.sections.iter().map(whole).collect();
        return Ok(found);
    }
    let file = match io.storage.open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let known = format!("{} bytes", found.meta.len);
            found.note(Error::from(corrupt(&path, 0, "segment", &known, "no file")));
            found.exists = false;
            let nothing = |meta: &SectionMeta| FoundSection::nothing(meta.clone());
            found.sections = found.meta.sections.iter().map(nothing).collect();
            return Ok(found);
        }
        file => file.map_err(|e| Error::io("open", &path, e))?,
    };
    let other_bytes = found.check_bytes(&*file, &path, wanted)?;
    let file = Arc::new(Input::new(file, io.storage.keys().cloned())) as Arc<dyn File>;
    for (meta, blocks, index) in found.directory(&file, &path, wanted)? {
        let section = found.section(&file, &path, meta, blocks)?;
        found.sections.push(section);
        if let Some(index) = index {
            found.check_index(&*file, &path, index)?;
        }
    }
    // What is damaged has a better name, if it has a checksum of its own.
    other_bytes.into_iter().for_each(|error| found.note(error));
    Ok(found)
}

/// What a file has to say of itself if nobody else does.
fn blank(wanted: &Wanted<'_>) -> FileMeta {
    FileMeta {
        id: wanted.id,
        len: 0,
        seqs: 0..0,
        created: wanted.now,
        writes: if wanted.id.is_level_zero() { 1 } else { 2 },
        checksum: None,
        sections: Vec::new(),
        columns: Vec::new(),
    }
}

type Listed = (SectionMeta, Vec<BlockPlace>, Option<segment::IndexPlace>);

impl FoundFile {
    /// Keeps the first damage.
    fn note(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Reads all bytes, and says if they are not those of the hash that the manifest has.
    fn check_bytes(
        &mut self,
        file: &dyn File,
        path: &Path,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Error>> {
        let failed = |e| Error::io("read", path, e);
        let len = file.len().map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < len {
            let piece = usize::try_from(len - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let piece = &mut buffer[..piece];
            file.read_exact_at(piece, at).map_err(failed)?;
            hasher.update(piece);
            at += piece.len() as u64;
        }
        let hash = *hasher.finalize().as_bytes();
        match wanted.known {
            None => (self.meta.len, self.meta.checksum) = (len, Some(hash)),
            Some(known) if known.len != len => {
                let (expected, found) = (format!("{} bytes", known.len), len.to_string());
                self.note(corrupt(path, len.min(known.len), "segment", &expected, &found).into());
            }
            Some(known) if known.checksum.is_some_and(|expected| expected != hash) => {
                let found = "other bytes, in which every checksum fits";
                let error = corrupt(path, 0, "segment", "the bytes that were written", found);
                return Ok(Some(error.into()));
            }
            Some(_) => {}
        }
        Ok(None)
    }

    /// The sections and their blocks: by the file's own directory or, if that is damaged, by the
    /// manifest's, and then block by block.
    fn directory(
        &mut self,
        file: &Arc<dyn File>,
        path: &Arc<Path>,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Listed>> {
        let known = wanted.known;
        let read = segment::read_directory(&**file, path).and_then(|directory| {
            let header = directory.header;
            let is_it = (header.store, header.id) == (wanted.store, wanted.id)
                && known.is_none_or(|known| (known.seqs.start, known.seqs.end) == header.seqs);
            if is_it {
                return Ok(directory);
            }
            let expected = format!("{} of this store", wanted.id);
            let found = format!("{} of store {:02x?}", header.id, header.store);
            Err(corrupt(path, 0, "segment header", &expected, &found).into())
        });
        match read {
            Ok(directory) => {
                if known.is_none() {
                    self.meta.seqs = directory.header.seqs.0..directory.header.seqs.1;
                    self.meta.columns = directory.names;
                }
                Ok(self.listed(directory.sections, file, path, known))
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note(error);
                let sections = known.map_or(&[][..], |known| &known.sections);
                let listed = |meta: &SectionMeta| (meta.clone(), walk(file, path, meta), None);
                Ok(sections.iter().map(listed).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The sections of a directory, as the manifest has them where it does.
    fn listed(
        &mut self,
        sections: Vec<Section>,
        file: &Arc<dyn File>,
        path: &Arc<Path>,
        known: Option<&FileMeta>,
    ) -> Vec<Listed> {
        let mut missing: Vec<&SectionMeta> =
            known.map_or(&[][..], |known| &known.sections).iter().collect();
        let mut listed = Vec::new();
        for mut section in sections {
            let has_no_runs = section.runs.is_empty();
            if has_no_runs {
                section.runs = self.only_run(&section);
            }
            let (blocks, index) = (section.blocks.clone(), section.index);
            let Some(mut meta) = section_meta(section) else { continue };
            if let Some(place) = missing.iter().position(|live| live.offset == meta.offset) {
                let live = missing.swap_remove(place);
                if has_no_runs {
                    meta.runs.clone_from(&live.runs);
                }
                if meta != *live {
                    let expected = format!("{}, {} events", live.partition, live.rows);
                    let found = format!("{}, {} events", meta.partition, meta.rows);
                    let error = corrupt(path, live.offset, "section", &expected, &found);
                    self.note(error.into());
                }
                listed.push((live.clone(), blocks, index));
                continue;
            }
            // Nobody has checked it yet.
            let bound = |run: &Run| run.generation <= NUMBER_MAX && run.seqs.end <= NUMBER_MAX;
            match meta.check(&self.meta.seqs) {
                Ok(()) if meta.runs.iter().all(bound) => listed.push((meta, blocks, index)),
                checked => {
                    let found = checked.err().unwrap_or_else(|| "numbers out of range".to_owned());
                    self.note(corrupt(path, meta.offset, "section", "a section", &found).into());
                }
            }
        }
        for live in missing {
            let expected = format!("{}, {} events", live.partition, live.rows);
            self.note(corrupt(path, live.offset, "section", &expected, "no section").into());
            listed.push((live.clone(), walk(file, path, live), None));
        }
        listed.sort_unstable_by_key(|(meta, ..)| meta.offset);
        listed
    }

    /// The one run of a section in a level-0 file of before there were runs.
    fn only_run(&self, section: &Section) -> Vec<Run> {
        let FileId::LevelZero(generation) = self.meta.id else { return Vec::new() };
        let rows = section.blocks.iter().map(|place| u64::from(place.meta.rows)).sum();
        vec![Run { generation, seqs: self.meta.seqs.clone().into(), rows, digest: None }]
    }

    /// Reads the blocks of a section.
    fn section(
        &mut self,
        file: &Arc<dyn File>,
        path: &Arc<Path>,
        meta: SectionMeta,
        places: Vec<BlockPlace>,
    ) -> Result<FoundSection> {
        let mut found = FoundSection::nothing(meta);
        let list = list_of(places.first(), file, path);
        if let Some(list) = &list {
            match list.verify() {
                Ok(()) => {}
                // The other copy may be sound: then its blocks are.
                Err(error) if error.kind() == ErrorKind::Corrupt => self.note(error),
                Err(error) => return Err(error),
            }
        }
        for place in places {
            match found.block(file, path, &place, list.as_ref()) {
                Ok(None) => {}
                Ok(Some(error)) => self.note(error),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.note(error);
                    found.lost.push(place);
                }
                Err(error) => return Err(error),
            }
        }
        let rows = found.kept.iter().sum::<u64>();
        if rows != found.meta.rows {
            let expected = format!("{} events of {}", found.meta.rows, found.meta.partition);
            let error = corrupt(path, found.meta.offset, "section", &expected, &rows.to_string());
            self.note(error.into());
        }
        Ok(found)
    }

    fn check_index(
        &mut self,
        file: &dyn File,
        path: &Path,
        index: segment::IndexPlace,
    ) -> Result<()> {
        // The directory has checked that it lies in the file.
        let region = file.region(index.offset..index.offset.saturating_add(index.len));
        let crc = region.and_then(|region| {
            region.will_need(&(0..region.len()));
            region.read(crc32fast::hash)
        });
        match crc.map_err(|e| Error::io("read", path, e)) {
            Ok(crc) if crc == index.crc => {}
            Ok(crc) => {
                let (expected, found) = (format!("CRC {:08x}", index.crc), format!("{crc:08x}"));
                self.note(corrupt(path, index.offset, "segment index", &expected, &found).into());
            }
            // A frame of it that does not decrypt.
            Err(error) if error.kind() == ErrorKind::Corrupt => self.note(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
