//! A file of all that a query answers, made piece by piece.
//!
//! E1: a piece is asked for again after an error of the engine, never after one of writing; one that is
//! made is kept until there is memory for it: so no event is missing or there twice.
//! E2: what is held does not grow with the file: one page of events, one piece of the file.

mod columns;
mod csv;
mod days;
mod json;
mod packing;
mod parquet;
mod text;

pub(crate) use days::DayFormat;
pub(crate) use packing::Compression;

use crate::api::is_hot;
use crate::api::query::{parse_range, parse_stages};
use crate::api::search::parse_order;
use crate::status::ApiError;
use columns::Columns;
use logstrata_client::wire::{ErrorKind, ExportQuery};
use logstrata_engine::io::{Clock, SystemClock};
use logstrata_engine::query::{Answer, Cell, EventRecord, Export, QueryRequest, RowsAnswer};
use logstrata_engine::{Consumer, Control, Engine, Reservation};
use packing::Packing;
use std::io;

/// A piece of the file ends with the event that reaches this, before compression.
const PIECE_BYTES: usize = 512 << 10;

/// Names of fields that are asked for at most.
const FIELDS_MAX: usize = 1_000;
/// The same of a Parquet file: it keeps some hundred bytes of each column for each group of rows until
/// its end, and nothing counts them.
const PARQUET_FIELDS_MAX: usize = 128;

/// What events and rows are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ndjson,
    Json,
    Csv,
    Text,
    Parquet,
}

/// Writes events, or the rows of one table, as one kind of file.
trait Format: Send {
    /// What stands before the first event, or the first row of this table.
    fn begin(&mut self, table: Option<&RowsAnswer>, out: &mut Vec<u8>);
    /// One event.
    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>);
    /// One row of the table.
    fn row(&mut self, names: &[String], cells: &[Cell], out: &mut Vec<u8>);
    /// What stands behind the last.
    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// An export on its way.
pub(crate) struct Exporter {
    /// The text of the query.
    text: String,
    /// Whether only what is on this machine is wanted.
    is_hot: bool,
    rest: Export,
    /// The page that is being written, and how much of it is.
    page: Option<(Answer, usize)>,
    format: Box<dyn Format>,
    packing: Packing,
    /// The columns wanted of a table.
    fields: Option<Vec<String>>,
    begun: bool,
    over: bool,
    /// A piece that is made, but that there was no memory for.
    unsent: Option<Vec<u8>>,
    warnings: Vec<String>,
    /// What the format holds between pieces.
    _held: Reservation,
}

/// A piece of the file. It counts as the memory of queries until it is sent.
pub(crate) struct Piece {
    bytes: Vec<u8>,
    _memory: Reservation,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileType {
    pub(crate) kind: Kind,
    pub(crate) compression: Compression,
}

impl FileType {
    /// That of the parameters `format` and `compress`.
    pub(crate) fn of(query: &ExportQuery) -> Result<Self, ApiError> {
        let kind = match query.format.as_deref() {
            None | Some("ndjson") => Kind::Ndjson,
            Some("json") => Kind::Json,
            Some("csv") => Kind::Csv,
            Some("txt") => Kind::Text,
            Some("parquet") => Kind::Parquet,
            Some(_) => {
                let message = "format has to be ndjson, json, csv, txt or parquet";
                return Err(ApiError::invalid(message));
            }
        };
        let compression = match query.compress.as_deref() {
            None => Compression::None,
            Some(_) if kind == Kind::Parquet => {
                return Err(ApiError::invalid("compress: a Parquet file is compressed within"));
            }
            Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some(_) => return Err(ApiError::invalid("compress has to be gzip or zstd")),
        };
        Ok(Self { kind, compression })
    }

    /// What stands behind the file's name: `.csv.gz`.
    pub(crate) fn extension(self) -> String {
        let kind = match self.kind {
            Kind::Ndjson => ".ndjson",
            Kind::Json => ".json",
            Kind::Csv => ".csv",
            Kind::Text => ".txt",
            Kind::Parquet => ".parquet",
        };
        format!("{kind}{}", self.compression.extension())
    }

    /// The media type of the file as it is: a compressed file is one of its compression.
    pub(crate) fn media_type(self) -> &'static str {
        match (self.compression, self.kind) {
            (Compression::Gzip, _) => "application/gzip",
            (Compression::Zstd, _) => "application/zstd",
            (Compression::None, Kind::Ndjson) => "application/x-ndjson",
            (Compression::None, Kind::Json) => "application/json",
            (Compression::None, Kind::Csv) => "text/csv; charset=utf-8; header=present",
            (Compression::None, Kind::Text) => "text/plain; charset=utf-8",
            (Compression::None, Kind::Parquet) => "application/vnd.apache.parquet",
        }
    }
}

impl Exporter {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// `Invalid` for a query, a point in time, a format or fields that are none.
    pub(crate) fn new(
        engine: &Engine,
        clock: &dyn Clock,
        query: &ExportQuery,
    ) -> Result<Self, ApiError> {
        let file = FileType::of(query)?;
        let request = QueryRequest {
            query: parse_stages(&query.q)?,
            text: query.q.clone(),
            range: parse_range(query.from.as_deref(), query.to.as_deref(), clock.now())?,
            limit: None,
            order: parse_order(query.order.as_deref())?,
            cursor: None,
        };
        let wrong = |error| ApiError::from(error).in_query(&query.q);
        let rest = engine.export(&request).map_err(wrong)?;
        let asked = query.fields.as_deref().map(parse_fields).transpose()?;
        let columns = asked.as_ref().map_or(0, Vec::len);
        if file.kind == Kind::Parquet && columns > PARQUET_FIELDS_MAX {
            let message =
                format!("fields: at most {PARQUET_FIELDS_MAX} for parquet, not {columns}");
            return Err(ApiError::invalid(message));
        }
        let of_events = asked.clone().or_else(|| rest.fields().map(<[_]>::to_vec));
        let format: Box<dyn Format> = match file.kind {
            Kind::Ndjson => Box::new(json::Json::new(false, of_events)),
            Kind::Json => Box::new(json::Json::new(true, of_events)),
            Kind::Csv => Box::new(csv::Csv::new(Columns::new(of_events.as_deref()))),
            Kind::Text => Box::new(text::Text::new(of_events)),
            Kind::Parquet => Box::new(parquet::Parquet::new(of_events.as_deref())),
        };
        let packing = Packing::new(file.compression).map_err(unwritten)?;
        let held = if file.kind == Kind::Parquet { parquet::MEMORY_BYTES } else { 0 };
        let held = engine.pool().reserve(Consumer::Query, held);
        let _held = held.map_err(logstrata_engine::Error::from)?;
        let (fields, begun, over) = (asked, false, false);
        Ok(Self {
            text: query.q.clone(),
            is_hot: is_hot(query.tier.as_deref())?,
            rest,
            page: None,
            format,
            packing,
            fields,
            begun,
            over,
            unsent: None,
            warnings: Vec::new(),
            _held,
        })
    }

    /// What may surprise, for people: told with the first piece.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the last piece was given.
    pub(crate) fn is_over(&self) -> bool {
        self.over && self.unsent.is_none()
    }

    /// The next piece, which may be empty; `None` behind the last.
    ///
    /// # Errors
    /// The engine's. After `Busy` the same piece may be asked for again.
    pub(crate) fn next(
        &mut self,
        engine: &Engine,
        control: &Control,
    ) -> Result<Option<Piece>, ApiError> {
        if self.is_over() {
            return Ok(None);
        }
        let memory = engine.pool().reserve(Consumer::Query, 2 * PIECE_BYTES);
        let mut memory = memory.map_err(logstrata_engine::Error::from)?;
        let bytes = match self.unsent.take() {
            Some(bytes) => bytes,
            None => self.make_piece(engine, control)?,
        };
        // One event can have more than a piece.
        if let Err(refused) = memory.grow_to(bytes.capacity(), 0) {
            self.unsent = Some(bytes);
            return Err(logstrata_engine::Error::from(refused).into());
        }
        memory.shrink_to(bytes.capacity());
        Ok(Some(Piece { bytes, _memory: memory }))
    }

    fn make_piece(&mut self, engine: &Engine, control: &Control) -> Result<Vec<u8>, ApiError> {
        if self.page.is_none() {
            let wrong = |error| ApiError::from(error).in_query(&self.text);
            let control = Control { is_hot: self.is_hot, ..control.clone() };
            let page = engine.export_page(&mut self.rest, &control).map_err(wrong)?;
            if let Some(page) = page.as_ref().filter(|_| !self.begun) {
                self.warnings.clone_from(match page {
                    Answer::Events { page, .. } => &page.warnings,
                    Answer::Rows(table) => &table.warnings,
                });
            }
            self.page = page.map(|page| self.selected(page)).transpose()?.map(|page| (page, 0));
        }
        let mut raw = Vec::with_capacity(PIECE_BYTES);
        let is_whole = self.write_page(&mut raw);
        if is_whole {
            self.page = None;
            self.over = self.rest.is_over();
        }
        if self.over {
            self.format.end(&mut raw).map_err(unwritten)?;
        }
        self.packing.pack(raw, self.over).map_err(unwritten)
    }

    /// Writes of the page what fits a piece. Returns whether that is the rest of it.
    fn write_page(&mut self, raw: &mut Vec<u8>) -> bool {
        let table = match &self.page {
            Some((Answer::Rows(table), _)) => Some(table),
            _ => None,
        };
        if !std::mem::replace(&mut self.begun, true) {
            self.format.begin(table, raw);
        }
        let Some((page, written)) = &mut self.page else { return true };
        let count = match &*page {
            Answer::Events { page, .. } => page.events.len(),
            Answer::Rows(table) => table.rows.len(),
        };
        while *written < count && raw.len() < PIECE_BYTES {
            match &*page {
                Answer::Events { page, .. } => self.format.event(&page.events[*written], raw),
                Answer::Rows(table) => {
                    self.format.row(&table.columns, &table.rows[*written], raw);
                }
            }
            *written += 1;
        }
        *written == count
    }

    /// A table with only the columns that are asked for.
    fn selected(&self, page: Answer) -> Result<Answer, ApiError> {
        let (mut table, names) = match (page, &self.fields) {
            (Answer::Rows(table), Some(names)) => (table, names),
            (page, _) => return Ok(page),
        };
        let place = |name: &String| {
            table.columns.iter().position(|column| column == name).ok_or_else(|| {
                let columns = table.columns.join(", ");
                ApiError::invalid(format!(
                    "fields: no column is called {name:?}; there are {columns}"
                ))
            })
        };
        let places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        for row in &mut table.rows {
            *row = places.iter().map(|place| row[*place].clone()).collect();
        }
        table.columns = names.clone();
        Ok(Answer::Rows(table))
    }
}

/// Makes a file of all that a query answers, and throws it away. Returns its bytes. For benches.
///
/// # Errors
/// What is wrong with the query, or the engine's.
pub fn exported_bytes(engine: &Engine, query: &ExportQuery) -> Result<u64, String> {
    let said = |error: ApiError| error.detail().message.clone();
    let mut exporter = Exporter::new(engine, &SystemClock::new(), query).map_err(said)?;
    let mut bytes = 0;
    while let Some(piece) = exporter.next(engine, &Control::default()).map_err(said)? {
        bytes += piece.as_ref().len() as u64;
    }
    Ok(bytes)
}

fn parse_fields(text: &str) -> Result<Vec<String>, ApiError> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(ApiError::invalid("fields are names separated by commas"));
        }
        if names.iter().any(|before| before == name) {
            return Err(ApiError::invalid(format!("fields: {name:?} is there twice")));
        }
        names.push(name.to_owned());
        if names.len() > FIELDS_MAX {
            return Err(ApiError::invalid(format!("fields: at most {FIELDS_MAX}")));
        }
    }
    Ok(names)
}

/// The file can't be written on: what is there of it is all that there will be.
fn unwritten(error: io::Error) -> ApiError {
    ApiError::new(ErrorKind::Internal, format!("the file can't be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_engine::{BatchBuilder, Kind as ValueKind, Limits, Options};

    /// The page was advanced, and then the export broke off as if by a defect.
    #[test]
    fn a_piece_without_memory_is_kept_until_there_is_some() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(Options::new(dir.path())).expect("opens");
        let clock = logstrata_engine::io::SystemClock::new();
        let mut batch = BatchBuilder::new(&Limits::default(), clock.now());
        for _ in 0..2 {
            let mut event = batch.event();
            // Each byte is six of JSON: two of these fit a page, and none a piece.
            event.field("message", ValueKind::String, &[1; 400 << 10]);
            event.finish().expect("small");
        }
        engine.append(batch.build()).expect("appended");
        let query = ExportQuery::default();
        let mut exporter = Exporter::new(&engine, &clock, &query).expect("a query");
        let mut next = || exporter.next(&engine, &Control::default());
        let first = next().expect("there is memory").expect("a piece");
        let length = first.as_ref().len();
        drop(first);
        let mut others = engine.pool().reserve(Consumer::Query, 0).expect("nothing");
        while others.grow(64 << 10).is_ok() {}
        others.shrink_to(others.bytes() - 3 * PIECE_BYTES);
        for _ in 0..3 {
            let refused = next().err().expect("there is no memory");
            assert_eq!(refused.detail().kind, ErrorKind::Busy, "{}", refused.detail().message);
        }
        drop(others);
        let second = next().expect("there is memory").expect("a piece");
        assert_eq!(second.as_ref().len(), length, "none is left out");
        drop(second);
        assert!(next().expect("nothing is read").is_none() && exporter.is_over());
    }
}
