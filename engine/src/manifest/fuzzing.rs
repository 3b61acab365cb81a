//! Any bytes as a manifest and as the body of an edit of any kind. Checksums around them are made
//! right, so that what stands behind the checksums is reached.

use super::chain::{Link, Links};
use super::edit::Edit;
use super::format::{EditHeader, FileHeader};
use super::state::ManifestState;
use super::{Manifest, edit};
use crate::codec::crc::crc32;
use crate::io::{Io, ManualClock, MemoryStorage, SeededEntropy, Storage};
use crate::limits::Limits;
use crate::names;
use std::path::Path;
use std::sync::Arc;

const UUID: [u8; 16] = [7; 16];

/// Reads `bytes` in each of these ways.
pub(crate) fn fuzz(bytes: &[u8]) {
    open(bytes.to_vec());
    links(bytes);
    let (_, snapshot) = Edit::Snapshot(ManifestState::new(UUID, 1, 0)).encode();
    let first = (edit::SNAPSHOT, edit::EDIT_VERSION, &*snapshot);
    for version in 1..=edit::EDIT_VERSION {
        open(manifest_of(&[(edit::SNAPSHOT, version, bytes)]));
        for kind in [edit::ADD_FILE, edit::DROP_SECTIONS, edit::REPLACE, 0] {
            open(manifest_of(&[first, (kind, version, bytes)]));
        }
    }
}

/// Reads bytes as a file of links, as they are and with the right checksum.
fn links(bytes: &[u8]) {
    let path = Path::new("fuzz");
    let mut sealed = bytes.to_vec();
    sealed.extend(crc32fast::hash(bytes).to_le_bytes());
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
    if let Ok(manifest) = Manifest::open_or_create(&io, Path::new("/"), &Limits::tiny()) {
        manifest.state().check().expect("a state that was read is sound");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::fuzz(&bytes);
        }
    }
}
