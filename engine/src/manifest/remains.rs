//! What can still be read of a manifest that is damaged, and a manifest that begins anew. Only a repair
//! asks for either.

use super::begin::{Start, begin};
use super::chain::{Link, Links};
use super::edit::Edit;
use super::format::{FILE_HEADER_BYTES, FileHeader, PAGE, edit_bytes};
use super::reader::{Frame, Reader};
use super::state::ManifestState;
use crate::error::{Error, ErrorKind, Result};
use crate::io::Io;
use crate::limits::Limits;
use std::path::Path;

/// What a damaged manifest still says.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// The store that it is of, if its header is sound. Without the header no edit can be told from
    /// other bytes.
    pub(crate) store: Option<[u8; 16]>,
    /// The state after the last edit before the damage; `None` if the snapshot is damaged.
    pub(crate) state: Option<ManifestState>,
    /// The links of the edits up to there.
    pub(crate) links: Option<Links>,
    /// The sound edits behind the damage, in order.
    pub(crate) later: Vec<Edit>,
}

/// Reads what is sound in a manifest that [`super::read`] refuses.
///
/// # Errors
/// `Unsupported`, `Io`.
pub(crate) fn remains(io: &Io, path: &Path) -> Result<Remains> {
    let mut remains = Remains::default();
    let file = io.storage.open(path).map_err(|e| Error::io("open", path, e))?;
    let len = file.len().map_err(|e| Error::io("read", path, e))?;
    let mut page = vec![0; len.min(FILE_HEADER_BYTES) as usize];
    file.read_exact_at(&mut page, 0).map_err(|e| Error::io("read", path, e))?;
    let Some(header) = sound(FileHeader::decode(&page, path))? else { return Ok(remains) };
    remains.store = Some(header.store_uuid);
    let (seed, store) = (header.seed(), header.store_uuid);
    let reader = Reader::new(&*io.storage, (&*file, path, len), seed, store);
    let (mut at, mut number) = (FILE_HEADER_BYTES, 1);
    while let Some(frame) = reader.frame(number, at)? {
        if !remains.goes_on(&header, &reader, &frame, at)? {
            break;
        }
        at += edit_bytes(frame.body.len()) as u64;
        number += 1;
    }
    // The place of the damaged edit is known, its length is not: edits begin at multiples of a page.
    while at < len {
        let Some(head) = reader.header(at)?.filter(|head| head.number > number) else {
            at += PAGE as u64;
            continue;
        };
        let frame = reader.frame(head.number, at)?;
        number = head.number;
        at += PAGE as u64;
        if let Some(frame) = frame {
            remains.later.extend(sound(reader.edit(&frame, at - PAGE as u64))?);
            at += (edit_bytes(frame.body.len()) - PAGE) as u64;
        }
    }
    Ok(remains)
}

impl Remains {
    /// Takes the edit behind all before it, if it is one.
    fn goes_on(
        &mut self,
        header: &FileHeader,
        reader: &Reader<'_>,
        frame: &Frame,
        at: u64,
    ) -> Result<bool> {
        let Some(edit) = sound(reader.edit(frame, at))? else { return Ok(false) };
        let link = Link::of(&frame.header, &frame.body);
        match (&mut self.state, &mut self.links, edit) {
            (None, _, Edit::Snapshot(state)) if state.store_uuid == header.store_uuid => {
                let previous = frame.header.previous;
                self.state = Some(state);
                self.links = Some(Links { manifest: header.number, previous, links: vec![link] });
            }
            (Some(state), Some(links), edit)
                if frame.header.previous == links.last() && state.check_edit(&edit).is_ok() =>
            {
                state.apply(edit);
                links.links.push(link);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What was read, unless it is damaged.
fn sound<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

/// Begins manifest `number` with a snapshot of `state`: durable under its name when this returns, in the
/// place of what had the name. The chain goes on from the edits of `ended`, whose links are written.
///
/// # Errors
/// `Full`, `Io`, `Invalid` for a state that no manifest can hold.
pub(crate) fn begin_anew(
    io: &Io,
    dir: &Path,
    limits: &Limits,
    state: &ManifestState,
    number: u64,
    ended: Option<&Links>,
) -> Result<()> {
    state.check().map_err(|what| {
        Error::invalid(format!("the files of the store contradict each other: {what}"))
    })?;
    let start = Start { number, previous: ended.map_or([0; 32], Links::last), ended };
    let begun = begin(io, dir, state, &start, limits.manifest_bytes_max, 0);
    begun.map(drop).map_err(|failure| failure.error)
}
