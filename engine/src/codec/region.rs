//! Reads bytes of an immutable file in place.

use crate::error::{Corruption, Error, Result};
use crate::io::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

/// Runs `work` on a range of a file, mapped if the storage maps. `work` verifies the bytes; the
/// caller has checked that a `what` may have that many.
///
/// # Errors
/// Those of `work`; `Corrupt` with the range's place if the file ends before, or if a part of it
/// can't be read any more; `Io`.
pub(crate) fn read_region<T>(
    file: &dyn File,
    path: &Path,
    range: Range<u64>,
    what: &'static str,
    work: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<T> {
    let lost = |found: String| {
        let expected = format!("{} bytes", range.end.saturating_sub(range.start));
        Corruption { file: path.to_owned(), offset: range.start, what, expected, found }.into()
    };
    let region = file.region(range.clone()).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => lost("the end of the file".to_owned()),
        _ => Error::io("read", path, e),
    })?;
    region.will_need(&(0..region.len()));
    region.read(work).map_err(|e| lost(e.to_string()))?
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, reason = "a file that another process cuts")]

    use super::*;
    use crate::error::ErrorKind;
    use crate::io::{FileStorage, Storage};

    /// A file that is cut while it is read is damage with a name, not the end of the process.
    #[test]
    fn a_cut_file_is_corrupt_also_while_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.l0");
        let storage = FileStorage::default();
        storage.create(&path).unwrap().write_all_at(&[7; 64 << 10], 0).unwrap();
        let file = storage.open(&path).unwrap();
        let read = |range, cut: Option<u64>| {
            read_region(&*file, &path, range, "footer", |bytes| {
                if let Some(len) = cut {
                    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                    file.set_len(len).unwrap();
                }
                Ok(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>())
            })
        };
        assert_eq!(read(0..64 << 10, None).unwrap(), 7 << 16);
        let error = read(16 << 10..64 << 10, Some(32 << 10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let text = error.to_string();
        assert!(text.contains("cut.l0: damaged footer at offset 16384"), "{text}");
        assert!(text.contains("49152 bytes") && text.contains("mapped page"), "{text}");
        assert_eq!(read(0..32 << 10, None).unwrap(), 7 << 15);
        let error = read(0..64 << 10, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("the end of the file"), "{error}");
    }
}
