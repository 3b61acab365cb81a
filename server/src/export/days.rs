//! The files of the daily export: those of an export by query, of all fields.

use super::packing::{Compression, Packing};
use super::{Format, PIECE_BYTES, json, parquet};
use logstrata_archive::{ExportFormat, ExportWriter};
use logstrata_engine::query::EventRecord;
use std::io;

/// What the files of the daily export are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DayFormat {
    /// An object a line, compressed.
    #[default]
    Ndjson,
    /// Columns of all fields that Logstrata knows, and one for the others.
    Parquet,
}

impl DayFormat {
    const ALL: [Self; 2] = [Self::Ndjson, Self::Parquet];

    /// Its name, which also stands behind the dot of the files' names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson.zst",
            Self::Parquet => "parquet",
        }
    }

    /// That of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

impl ExportFormat for DayFormat {
    fn extension(&self) -> &'static str {
        self.name()
    }

    fn begin(&self) -> io::Result<Box<dyn ExportWriter>> {
        let (mut format, compression): (Box<dyn Format>, _) = match self {
            Self::Ndjson => (Box::new(json::Json::new(false, None)), Compression::Zstd),
            Self::Parquet => (Box::new(parquet::Parquet::new(None)), Compression::None),
        };
        let mut raw = Vec::new();
        format.begin(None, &mut raw);
        Ok(Box::new(DayWriter { format, packing: Packing::new(compression)?, raw }))
    }
}

/// A file that is being written.
struct DayWriter {
    format: Box<dyn Format>,
    packing: Packing,
    /// What is to be packed. It is packed in pieces that depend on the events alone: so are the bytes.
    raw: Vec<u8>,
}

impl ExportWriter for DayWriter {
    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) -> io::Result<()> {
        self.format.event(event, &mut self.raw);
        if self.raw.len() < PIECE_BYTES {
            return Ok(());
        }
        out.append(&mut self.packing.pack(std::mem::take(&mut self.raw), false)?);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.format.end(&mut self.raw)?;
        out.append(&mut self.packing.pack(std::mem::take(&mut self.raw), true)?);
        Ok(())
    }
}
