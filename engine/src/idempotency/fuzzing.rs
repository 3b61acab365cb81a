//! Any bytes as a file of keys, and as one whose checksum and header are right.

use super::file::{decode, encode};
use std::path::Path;

const STORE: [u8; 16] = [7; 16];

/// Reads `bytes` in both ways. What comes out is written as it was.
pub(crate) fn fuzz(bytes: &[u8]) {
    let path = Path::new("");
    // An error is as good as entries.
    let _ = decode(bytes, STORE, 1, path);
    let (count, body) = bytes.split_first().map_or((0, bytes), |(count, body)| (*count, body));
    let mut file = encode(STORE, 1, &[]);
    file.truncate(file.len() - 8);
    file.extend_from_slice(&u32::from(count).to_le_bytes());
    file.extend_from_slice(body);
    let crc = crc32fast::hash(&file);
    file.extend_from_slice(&crc.to_le_bytes());
    if let Ok(entries) = decode(&file, STORE, 1, path) {
        let again = encode(STORE, 1, &entries);
        assert_eq!(decode(&again, STORE, 1, path).ok(), Some(entries));
    }
}
