//! Plain edits where others are encrypted.

use super::*;
use crate::crypt::Keyring;
use crate::io::KeyedStorage;

const KEYS: &str = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn keyed(disk: &MemoryStorage) -> Io {
    let keys = Arc::new(Keyring::parse(KEYS).unwrap());
    io(KeyedStorage::new(Arc::new(disk.clone()), keys), 1)
}

/// Hashes and checksums need no key: an edit of somebody who has none was taken for one of the store's.
#[test]
fn a_plain_edit_behind_encrypted_ones_is_refused() {
    let disk = MemoryStorage::new();
    let keyed = keyed(&disk);
    let mut manifest = open(&keyed).unwrap();
    manifest.commit(add(manifest.state(), &[3])).unwrap();
    let sound = manifest.state().clone();
    manifest.io = io(disk.clone(), 2);
    manifest.commit(add(manifest.state(), &[4])).unwrap();
    let path = manifest.image().unwrap().path;
    drop(manifest);
    let error = open(&keyed).map(drop).unwrap_err();
    let corruption = error.corruption().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((&corruption.file, corruption.found.as_str()), (&path, "a plain one"));
    let remains = remains(&keyed, &path).unwrap();
    assert_eq!((remains.state, remains.later.len()), (Some(sound), 0));
}

/// Keys come to a store that is full: its manifest goes on, encrypted.
#[test]
fn encrypted_edits_behind_plain_ones_are_read() {
    let disk = MemoryStorage::new();
    let mut manifest = open(&io(disk.clone(), 1)).unwrap();
    manifest.commit(add(manifest.state(), &[3])).unwrap();
    manifest.io = keyed(&disk);
    manifest.commit(add(manifest.state(), &[4])).unwrap();
    let state = manifest.state().clone();
    drop(manifest);
    assert_eq!(*open(&keyed(&disk)).unwrap().state(), state);
}
