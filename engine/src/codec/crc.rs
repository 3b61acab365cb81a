//! CRC-32 (IEEE) with a start value, so that bytes of another file or an earlier life don't pass.

/// The checksum of the parts, one behind the other, begun with `seed`.
pub(crate) fn crc32(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}
