//! Any bytes as an encrypted file and as encrypted messages, and writes and reads of any lengths.

use super::frames::FRAME_BYTES;
use super::{Input, Keyring, Output, Purpose, key_of, open, open_object};
use crate::codec::pieces::put;
use crate::io::{File, MemoryStorage, SeededEntropy, Storage};
use std::path::Path;
use std::sync::Arc;

/// The keys that seeds are encrypted under.
pub(super) const KEYS: &str =
    "fuzz:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Reads `bytes` as they are, and behind a header whose key and checksum are right; then writes them as a
/// file and reads that.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = Keyring::parse(&String::from_utf8_lossy(bytes));
    let keys = Arc::new(Keyring::parse(KEYS).expect("keys"));
    for purpose in [Purpose::File, Purpose::Group, Purpose::Edit] {
        let _ = open(Some(&keys), (purpose, b"place"), bytes);
        let _ = key_of(purpose, bytes);
    }
    let _ = open_object(Some(&keys), "object", bytes);
    read_any(bytes.to_vec(), &keys);
    let mut headed = written(&[], &keys);
    headed.truncate(super::HEADER_BYTES);
    headed.extend(bytes);
    read_any(headed, &keys);
    let mut damaged = written(bytes, &keys);
    assert!(plain_of(damaged.clone(), &keys).is_ok_and(|plain| plain == bytes));
    let at = bytes.first().map_or(0, |byte| usize::from(*byte)) % damaged.len();
    let other = damaged.get(at).map_or(0, |byte| byte ^ 1);
    put(&mut damaged, at, &[other]);
    assert!(plain_of(damaged, &keys).map_or(true, |plain| plain != bytes));
}

/// What reads must hold to, whatever the file is.
fn read_any(stored: Vec<u8>, keys: &Arc<Keyring>) {
    let file = file_of(stored, keys);
    let Ok(len) = file.len() else { return };
    let mut buffer = vec![0; FRAME_BYTES];
    for offset in [0, len / 2, len] {
        let read = file.read_at(&mut buffer, offset);
        assert!(read.map_or(true, |read| read as u64 <= len - offset));
    }
}

/// A file with these plain bytes.
pub(super) fn written(plain: &[u8], keys: &Keyring) -> Vec<u8> {
    let disk = MemoryStorage::new();
    let path = Path::new("/written");
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    let file = disk.create(path).expect("memory never fails");
    let mut output =
        Output::begin(file, Some(keys), &SeededEntropy::new(1)).expect("memory never fails");
    for piece in plain.chunks(FRAME_BYTES / 3 + 1) {
        output.put(piece).expect("memory never fails");
    }
    output.finish().expect("memory never fails");
    let stored = disk.read(path).expect("the file is there");
    assert_eq!((output.len(), output.stored()), (plain.len() as u64, stored.len() as u64));
    assert_eq!(output.hash(), *blake3::hash(&stored).as_bytes());
    stored
}

/// The plain bytes of a file.
pub(super) fn plain_of(stored: Vec<u8>, keys: &Arc<Keyring>) -> std::io::Result<Vec<u8>> {
    let file = file_of(stored, keys);
    let mut plain = vec![0; usize::try_from(file.len()?).expect("it is in memory")];
    file.read_exact_at(&mut plain, 0)?;
    Ok(plain)
}

/// A file of these stored bytes.
pub(super) fn file_of(stored: Vec<u8>, keys: &Arc<Keyring>) -> Input {
    let disk = MemoryStorage::new();
    disk.create_dir_all(Path::new("/")).expect("memory never fails");
    disk.overwrite(Path::new("/stored"), stored);
    let file = disk.open(Path::new("/stored")).expect("the file is there");
    Input::new(file, Some(Arc::clone(keys)))
}
