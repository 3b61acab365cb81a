//! Shows what is in a file of a store, for people.

mod keys;
mod manifest;
mod segment;
#[cfg(test)]
pub(crate) mod tests;
mod wal;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::names::Name;
use std::io::Write;
use std::path::Path;

/// Describes a file of a store: its header, its parts and their sizes. With `dump`, also every
/// event, one JSON object a line, or every key. The store may be open elsewhere; nothing is changed.
///
/// # Errors
/// `Invalid` if the name is not that of a file of a store, `Corrupt`, `Unsupported`, `Io`.
pub fn inspect(io: &Io, path: &Path, dump: bool, out: &mut dyn Write) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(Name::parse);
    let mut out = Output { out, path };
    match name {
        Some(Name::LevelZero(_) | Name::Segment(_) | Name::Pack(_)) => {
            segment::inspect(io, path, dump, &mut out)
        }
        Some(Name::Wal(id)) => wal::inspect(io, path, id, dump, &mut out),
        Some(Name::Keys(generation)) => keys::inspect(io, path, generation, dump, &mut out),
        Some(Name::Manifest(_)) => manifest::inspect(io, path, &mut out),
        _ => Err(Error::invalid(format!(
            "{}: not a file of a store by its name; there are segments/*.{{l0,seg,pack}}, \
             wal/*.wal, keys/*.keys and MANIFEST-*",
            path.display()
        ))),
    }
}

/// Lines for people.
pub(crate) struct Output<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
}

impl Output<'_> {
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> Result<()> {
        self.bytes(line.as_ref().as_bytes())
    }

    /// Writes a line of any bytes.
    fn bytes(&mut self, line: &[u8]) -> Result<()> {
        let written = self.out.write_all(line).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|e| Error::io("show", self.path, e))
    }

    /// Writes events as JSON lines.
    fn events(&mut self, events: &[crate::query::EventRecord]) -> Result<()> {
        let mut json = Vec::new();
        for event in events {
            json.clear();
            event.write_json(&mut json);
            self.bytes(&json)?;
        }
        Ok(())
    }
}
