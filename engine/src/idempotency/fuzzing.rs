//! Any bytes as a file of keys, and as one whose checksums and header are right.

use super::format::{chunk, decode, end, framed, header};
use std::path::Path;

const STORE: [u8; 16] = [7; 16];

/// Reads `bytes` in all ways. What comes out is written as it was.
pub(crate) fn fuzz(bytes: &[u8]) {
    let path = Path::new("");
    // An error is as good as entries.
    let _ = decode(bytes, None, 1, path);
    let (count, body) = bytes.split_first().map_or((0, bytes), |(count, body)| (*count, body));
    let mut file = header(STORE, 1, 9);
    file.extend(framed(usize::from(count), body));
    file.extend(end(u64::from(count)));
    check(&file);
    // Version 1 has one checksum, at the end.
    let mut file = header(STORE, 1, 9);
    file[8] = 1;
    file.truncate(file.len() - 12);
    file.extend(u32::from(count).to_le_bytes());
    file.extend_from_slice(body);
    file.extend(crc32fast::hash(&file).to_le_bytes());
    check(&file);
}

fn check(file: &[u8]) {
    let path = Path::new("");
    let Ok(read) = decode(file, Some(STORE), 1, path) else { return };
    let mut again = header(STORE, 1, 9);
    if !read.entries.is_empty() {
        again.extend(chunk(&read.entries));
    }
    again.extend(end(read.entries.len() as u64));
    let again = decode(&again, Some(STORE), 1, path).expect("just written");
    assert_eq!((again.entries, again.damage), (read.entries, None));
}
