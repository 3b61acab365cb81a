//! Any bytes as a manifest and as the body of an edit of any kind. Checksums around them are made
//! right, so that what stands behind the checksums is reached.

use super::chain::{Link, Links};
use super::edit::Edit;
use super::format::{EDIT_HEADER_BYTES, EDIT_MAGIC, EditHeader, FileHeader, PAGE};
use super::state::ManifestState;
use super::{Manifest, Remains, edit, remains};
use crate::codec::crc::crc32;
use crate::codec::pieces::{number_at, pieces, put};
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names;
use std::path::Path;
use std::sync::Arc;

const UUID: [u8; 16] = [7; 16];

/// Reads `bytes` in each of these ways.
pub(crate) fn fuzz(bytes: &[u8]) {
    open(bytes.to_vec());
    let (_, snapshot) = Edit::Snapshot(ManifestState::new(UUID, 1, 0)).encode();
    let first = (edit::SNAPSHOT, edit::EDIT_VERSION, &*snapshot);
    for version in 1..=edit::EDIT_VERSION {
        open(manifest_of(&[(edit::SNAPSHOT, version, bytes)]));
        for kind in [edit::ADD_FILE, edit::DROP_SECTIONS, edit::REPLACE, edit::RETENTION, 0] {
            open(manifest_of(&[first, (kind, version, bytes)]));
        }
    }
}

/// Reads `bytes` as a whole manifest, as it is and with checksums and hashes made right. Each edit
/// begins a page; padding is left out of the input.
pub(crate) fn fuzz_file(bytes: &[u8]) {
    let pieces = pieces(bytes, &[&EDIT_MAGIC]);
    let mut file = Vec::new();
    for piece in &pieces {
        file.resize(file.len().next_multiple_of(PAGE), 0);
        file.extend_from_slice(piece);
    }
    file.resize(file.len().next_multiple_of(PAGE), 0);
    open(file);
    let Some((head, edits)) = pieces.split_first() else { return };
    let mut store_uuid = [0; 16];
    put(&mut store_uuid, 0, head.get(16..32).unwrap_or_default());
    let header = FileHeader { store_uuid, manifest_id: number_at::<8>(head, 32), number: 1 };
    let mut previous = [0; 32];
    put(&mut previous, 0, edits.first().and_then(|edit| edit.get(24..56)).unwrap_or_default());
    let edits = edits.iter().filter(|edit| edit.starts_with(&EDIT_MAGIC)).map(|edit| {
        let body = edit.get(EDIT_HEADER_BYTES..).unwrap_or_default();
        (number_at::<2>(edit, 4) as u16, number_at::<2>(edit, 6) as u16, body)
    });
    open(chained(&header, previous, &edits.collect::<Vec<_>>()));
}

/// Reads `bytes` as a file of links, as they are and with the right checksum at their end.
pub(crate) fn fuzz_chain(bytes: &[u8]) {
    let path = Path::new("fuzz");
    let body = bytes.get(..bytes.len().saturating_sub(4)).unwrap_or_default();
    let sealed = [body, &crc32fast::hash(body).to_le_bytes()].concat();
    for bytes in [bytes, &sealed] {
        if let Ok(links) = Links::decode(bytes, &UUID, 1, path) {
            assert!(links.encode(&UUID) == bytes, "one form for each chain");
        }
    }
}

fn manifest_of(edits: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let header = FileHeader { store_uuid: UUID, manifest_id: 1, number: 1 };
    chained(&header, [0; 32], edits)
}

/// A manifest with these edits, as somebody makes it who may write the files and knows their form.
#[cfg(test)]
pub(crate) fn forge(store: [u8; 16], number: u64, previous: [u8; 32], edits: &[Edit]) -> Vec<u8> {
    let header = FileHeader { store_uuid: store, manifest_id: 1, number };
    let encoded: Vec<_> = edits.iter().map(Edit::encode).collect();
    let edits: Vec<_> =
        encoded.iter().map(|(kind, body)| (*kind, edit::EDIT_VERSION, &**body)).collect();
    chained(&header, previous, &edits)
}

fn chained(header: &FileHeader, mut previous: [u8; 32], edits: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut file = header.encode();
    for ((kind, version, body), number) in edits.iter().zip(1..) {
        let edit = EditHeader {
            kind: *kind,
            version: *version,
            number,
            body_len: body.len() as u32,
            body_crc: crc32(header.seed(), &[body]),
            previous,
        };
        file.extend(edit.frame(body, header.seed()));
        previous = Link::of(&edit, body).hash(&previous);
    }
    file
}

fn open(file: Vec<u8>) {
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    disk.overwrite(&names::manifest(Path::new("/"), 1), file);
    let io = Io {
        storage: Arc::new(disk),
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    // What a repair reads of it.
    if let Ok(Remains { state: Some(state), .. }) =
        remains(&io, &names::manifest(Path::new("/"), 1))
    {
        state.check().expect("a state that was read is sound");
    }
    let open = || Manifest::open_or_create(&io, Path::new("/"), &Limits::tiny());
    if let Ok(manifest) = open() {
        manifest.state().check().expect("a state that was read is sound");
        let state = manifest.state().clone();
        drop(manifest);
        assert!(open().is_ok_and(|again| *again.state() == state), "opened once, opens again");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
            super::fuzz_file(&bytes);
            super::fuzz_chain(&bytes);
        }
    }
}
