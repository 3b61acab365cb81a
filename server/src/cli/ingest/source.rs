//! A file to be read: decompressed, in whole lines, its progress shown.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files of users, not of the store"
)]

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes read at a time, before decompression.
const BUFFER_BYTES: usize = 256 << 10;
/// Enough of a file to tell its form.
const HEAD_BYTES: usize = 64 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// An open file.
pub(super) struct Source {
    name: String,
    service: Option<String>,
    reader: Box<dyn Read>,
    /// Read, but not handed out.
    ahead: Vec<u8>,
    ended: bool,
    /// Why it ended, if that was too early: told once what came before is handed out.
    broken: Option<io::Error>,
}

/// The bytes of all files as they lie on the disk; `None` if one has no size.
pub(super) fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then_some(metadata.len())
    };
    files.iter().map(size).sum()
}

impl Source {
    /// Opens a file, or the standard input for `-`.
    pub(super) fn open(path: &Path, progress: &ProgressBar) -> Result<Self, String> {
        let name = path.display().to_string();
        let failed = |error: io::Error| format!("cannot read {name}: {error}");
        if path == Path::new("-") {
            let input = progress.wrap_read(io::stdin());
            return Self::new("standard input".into(), None, Box::new(input)).map_err(failed);
        }
        let file = File::open(path).map_err(failed)?;
        let service = service_of(path);
        Self::new(name.clone(), service, Box::new(progress.wrap_read(file))).map_err(failed)
    }

    fn new(name: String, service: Option<String>, raw: Box<dyn Read>) -> io::Result<Self> {
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, raw);
        // A pipe may give less than a magic number at first; then it is not compressed, for every
        // compressor writes more at once.
        let head = raw.fill_buf()?;
        let reader: Box<dyn Read> = if head.starts_with(GZIP_MAGIC) {
            Box::new(MultiGzDecoder::new(raw))
        } else if head.starts_with(ZSTD_MAGIC) {
            Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
        } else {
            Box::new(raw)
        };
        Ok(Self { name, service, reader, ahead: Vec::new(), ended: false, broken: None })
    }

    /// The file, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The service that the file's name suggests.
    pub(super) fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The beginning of the contents.
    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        self.fill(HEAD_BYTES);
        Ok(&self.ahead)
    }

    /// The next whole lines: about `bytes` of them, more if one line is longer. Empty at the end.
    /// If the file breaks off, the lines before are still handed out.
    pub(super) fn lines(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut wanted = bytes;
        loop {
            self.fill(wanted);
            if self.ended && self.ahead.len() <= wanted {
                return match self.broken.take_if(|_| self.ahead.is_empty()) {
                    Some(error) => Err(error),
                    None => Ok(std::mem::take(&mut self.ahead)),
                };
            }
            let searched = &self.ahead[..wanted.min(self.ahead.len())];
            if let Some(end) = searched.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.ahead.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.ahead, rest));
            }
            wanted *= 2;
        }
    }

    /// All that is left, if it is at most `bytes_max`.
    pub(super) fn rest(&mut self, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.fill(bytes_max.saturating_add(1));
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if self.ahead.len() > bytes_max {
            return Err(io::Error::other(format!(
                "a JSON document of more than {bytes_max} bytes; NDJSON, one event a line, can be \
                 of any size"
            )));
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Reads until `bytes` are ahead or the file ends.
    fn fill(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.ahead.len());
        if missing > 0 && !self.ended {
            match (&mut self.reader).take(missing as u64).read_to_end(&mut self.ahead) {
                Ok(read) => self.ended = read < missing,
                Err(error) => {
                    self.ended = true;
                    self.broken = Some(error);
                }
            }
        }
    }
}

/// The service that a file's name suggests: `HDFS_2k.log` is `hdfs`, `pay.log.1.gz` is `pay`.
fn service_of(path: &Path) -> Option<String> {
    let mut name = path.file_name()?.to_str()?;
    for suffix in [".gz", ".zst", ".zstd"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    let is_rotation = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    while let Some((before, last)) = name.rsplit_once(['.', '-'])
        && is_rotation(last)
    {
        name = before;
    }
    if let Some((before, _extension)) = name.rsplit_once('.') {
        name = before;
    }
    let name = name.strip_suffix("_2k").unwrap_or(name).to_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn source(bytes: &[u8]) -> Source {
        let reader = io::Cursor::new(bytes.to_vec());
        Source::new("test".into(), None, Box::new(reader)).expect("opens")
    }

    fn all_lines(source: &mut Source, bytes: usize) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        loop {
            let piece = source.lines(bytes).expect("reads");
            if piece.is_empty() {
                return pieces;
            }
            pieces.push(piece);
        }
    }

    #[test]
    fn pieces_are_whole_lines_and_together_the_file() {
        let file = b"one\ntwo\na line that is longer than a piece\n\nlast without end";
        for bytes in 1..file.len() + 2 {
            let mut source = source(file);
            source.head().expect("reads");
            let pieces = all_lines(&mut source, bytes);
            assert_eq!(pieces.concat(), file, "{bytes}");
            let (last, before) = pieces.split_last().expect("not empty");
            assert!(before.iter().all(|piece| piece.ends_with(b"\n")), "{bytes}");
            assert!(last.ends_with(b"end"), "{bytes}");
        }
        assert!(all_lines(&mut source(b""), 10).is_empty());
    }

    #[test]
    fn compressed_files_are_recognised_by_content() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"a\nb\n").expect("in memory");
        let mut twice = gzip.finish().expect("in memory");
        twice.extend_from_within(..);
        assert_eq!(all_lines(&mut source(&twice), 100).concat(), b"a\nb\na\nb\n");
        let zstd = zstd::bulk::compress(b"a\n", 1).expect("in memory");
        assert_eq!(all_lines(&mut source(&zstd), 100).concat(), b"a\n");
    }

    #[test]
    fn a_file_that_breaks_off_gives_what_comes_before_and_then_the_error() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&b"a line\n".repeat(1_000)).expect("in memory");
        let whole = gzip.finish().expect("in memory");
        let mut cut = source(&whole[..whole.len() - 8]);
        let mut read = Vec::new();
        let error = loop {
            match cut.lines(1_000) {
                Ok(lines) if lines.is_empty() => panic!("no error"),
                Ok(lines) => read.extend(lines),
                Err(error) => break error,
            }
        };
        assert_eq!((read.len(), error.kind()), (7_000, io::ErrorKind::UnexpectedEof));
        assert!(source(&whole[..whole.len() - 8]).rest(10_000).is_err());
    }

    #[test]
    fn a_document_has_a_limit() {
        assert_eq!(source(b"[1]").rest(3).expect("fits"), b"[1]");
        assert!(source(b"[12]").rest(3).is_err());
    }

    #[test]
    fn services_come_from_file_names() {
        for (path, service) in [
            ("loghub/HDFS/HDFS_2k.log", Some("hdfs")),
            ("pay.log.1.gz", Some("pay")),
            ("my.service.ndjson.zst", Some("my.service")),
            ("app-20261121.log", Some("app-20261121")),
            ("app.log-20261121", Some("app")),
            ("Syslog", Some("syslog")),
            ("_2k.log", None),
            ("/", None),
        ] {
            assert_eq!(service_of(Path::new(path)).as_deref(), service, "{path}");
        }
    }
}
