//! Apache Parquet: groups of rows, each with its columns one after the other, compressed with zstd.
//!
//! P1: a group ends at [`GROUP_ROWS_MAX`] rows or [`GROUP_BYTES_MAX`] bytes of values, so what is held
//! does not grow with the file, but for some hundred bytes a column of each group.

use super::Format;
use super::columns::{Columns, Source, text_of_cell};
use bytes::Bytes;
use logstrata_engine::Kind;
use logstrata_engine::field::KNOWN_FIELDS;
use logstrata_engine::query::{Cell, EventRecord, RowsAnswer};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::io;
use std::sync::Arc;

const GROUP_ROWS_MAX: usize = 65_536;
const GROUP_BYTES_MAX: usize = 8 << 20;
/// What tells of a row whether a column has a value.
const PRESENT_BYTES: usize = size_of::<i16>();
/// What a group takes while it is collected, encoded and handed on.
pub(super) const MEMORY_BYTES: usize = 3 * GROUP_BYTES_MAX;

/// A file of events or of a table's rows.
pub(super) struct Parquet {
    columns: Columns,
    group: Vec<Column>,
    rows: usize,
    /// What the values of the group take.
    bytes: usize,
    writer: Option<SerializedFileWriter<Vec<u8>>>,
    failed: Option<io::Error>,
}

/// The values of a column in the group that is collected.
struct Column {
    name: String,
    values: Values,
    /// For each row whether it has a value: 1 or 0.
    present: Vec<i16>,
}

enum Values {
    /// Texts one behind the other, and where each ends.
    Texts(Vec<u8>, Vec<usize>),
    /// Nanoseconds since 1970.
    Times(Vec<i64>),
    Integers(Vec<i64>),
    Doubles(Vec<f64>),
}

impl Parquet {
    /// With these columns, or one for each field that Logstrata knows and one for all others.
    pub(super) fn new(fields: Option<&[String]>) -> Self {
        let known = ["timestamp", "level"].into_iter().chain(KNOWN_FIELDS);
        let columns = match fields {
            Some(_) => Columns::new(fields),
            None => Columns::of(known.chain(["attributes", "id"])),
        };
        Self { columns, group: Vec::new(), rows: 0, bytes: 0, writer: None, failed: None }
    }

    fn try_begin(&mut self, table: Option<&RowsAnswer>) -> Result<()> {
        self.group = match table {
            Some(table) => table.columns.iter().enumerate().map(|of| of_table(of, table)).collect(),
            None => self.columns.iter().map(|(name, source)| of_events(name, source)).collect(),
        };
        let fields = self.group.iter().map(|c| Ok(Arc::new(c.schema()?))).collect::<Result<_>>()?;
        let schema = Arc::new(Type::group_type_builder("logs").with_fields(fields).build()?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // They would be held for all groups until the end.
            .set_offset_index_disabled(true)
            .set_created_by("logstrata".into())
            .build();
        self.writer = Some(SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?);
        Ok(())
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        self.rows += 1;
        if self.rows >= GROUP_ROWS_MAX || self.bytes >= GROUP_BYTES_MAX {
            self.end_group(out);
        }
    }

    fn end_group(&mut self, out: &mut Vec<u8>) {
        if let Err(error) = self.try_end_group(out) {
            self.failed.get_or_insert(io::Error::other(error));
        }
    }

    fn try_end_group(&mut self, out: &mut Vec<u8>) -> Result<()> {
        (self.rows, self.bytes) = (0, 0);
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut group = writer.next_row_group()?;
        for column in &mut self.group {
            let writer = group.next_column()?.expect("a column of the schema");
            column.write(writer)?;
        }
        group.close()?;
        writer.flush()?;
        out.append(writer.inner_mut());
        Ok(())
    }
}

impl Format for Parquet {
    fn begin(&mut self, table: Option<&RowsAnswer>, _out: &mut Vec<u8>) {
        if let Err(error) = self.try_begin(table) {
            self.failed = Some(io::Error::other(error));
        }
    }

    fn event(&mut self, event: &EventRecord, out: &mut Vec<u8>) {
        for (column, cell) in self.group.iter_mut().zip(self.columns.cells(event)) {
            self.bytes += if let Values::Times(times) = &mut column.values {
                times.push(event.timestamp.0);
                column.present.push(1);
                size_of::<i64>() + PRESENT_BYTES
            } else {
                column.push(cell.as_deref())
            };
        }
        self.end_row(out);
    }

    fn row(&mut self, _names: &[String], cells: &[Cell], out: &mut Vec<u8>) {
        for (column, cell) in self.group.iter_mut().zip(cells) {
            self.bytes += column.push(text_of_cell(cell).as_deref());
        }
        self.end_row(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.rows > 0 {
            self.end_group(out);
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.finish().map_err(io::Error::other)?;
        writer.flush()?;
        out.append(writer.inner_mut());
        Ok(())
    }
}

fn of_events(name: &str, source: Source) -> Column {
    let values = match source {
        Source::Timestamp => Values::Times(Vec::new()),
        _ => Values::Texts(Vec::new(), Vec::new()),
    };
    Column { name: name.into(), values, present: Vec::new() }
}

/// A column of a table: of numbers if it has nothing else.
fn of_table((place, name): (usize, &String), table: &RowsAnswer) -> Column {
    let cells = || table.rows.iter().filter_map(|row| row.get(place)?.as_ref());
    let are_numbers = cells().next().is_some() && cells().all(|(kind, _)| *kind == Kind::Number);
    let values = match are_numbers {
        true if cells().all(|(_, text)| parsed::<i64>(text).is_some()) => {
            Values::Integers(Vec::new())
        }
        true if cells().all(|(_, text)| is_double(text)) => Values::Doubles(Vec::new()),
        _ => Values::Texts(Vec::new(), Vec::new()),
    };
    Column { name: name.clone(), values, present: Vec::new() }
}

/// Whether a number is the same once it is a double: other tables keep the text.
fn is_double(text: &[u8]) -> bool {
    let digits = std::str::from_utf8(text).ok().and_then(digits);
    let again = parsed::<f64>(text).filter(|number| number.is_finite());
    digits.is_some() && digits == again.and_then(|number| self::digits(&number.to_string()))
}

/// The sign, the digits from the first to the last that is not 0, and the power of ten of the last.
fn digits(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    if digits.is_empty() {
        return Some((negative, String::new(), 0));
    }
    let zeros = i64::try_from(all.len() - digits.len()).ok()?;
    let power = exponent.parse::<i64>().ok()?.checked_add(zeros)?;
    let power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some((negative, digits.trim_start_matches('0').to_owned(), power))
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Column {
    fn schema(&self) -> Result<Type> {
        let (physical, logical) = match self.values {
            Values::Texts(..) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Times(_) => {
                (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS)))
            }
            Values::Integers(_) => (Physical::INT64, None),
            Values::Doubles(_) => (Physical::DOUBLE, None),
        };
        Type::primitive_type_builder(&self.name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL)
            .build()
    }

    /// Adds the value of a row. Returns the bytes that it takes.
    fn push(&mut self, text: Option<&str>) -> usize {
        let mut taken = size_of::<i64>();
        let is_there = match (&mut self.values, text) {
            (_, None) => false,
            (Values::Texts(bytes, ends), Some(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                taken += text.len();
                true
            }
            (Values::Times(numbers) | Values::Integers(numbers), Some(text)) => {
                let number = text.parse();
                numbers.extend(&number);
                number.is_ok()
            }
            (Values::Doubles(numbers), Some(text)) => {
                let number = text.parse();
                numbers.extend(&number);
                number.is_ok()
            }
        };
        self.present.push(is_there.into());
        if is_there { taken + PRESENT_BYTES } else { PRESENT_BYTES }
    }

    /// Writes the values and forgets them.
    fn write(&mut self, mut writer: SerializedColumnWriter<'_>) -> Result<()> {
        let present = std::mem::take(&mut self.present);
        let present = Some(present.as_slice());
        match &mut self.values {
            Values::Texts(bytes, ends) => {
                let bytes = Bytes::from(std::mem::take(bytes));
                let mut start = 0;
                let texts = std::mem::take(ends).into_iter().map(|end| {
                    let text = bytes.slice(start..end);
                    start = end;
                    ByteArray::from(text)
                });
                let texts: Vec<ByteArray> = texts.collect();
                writer.typed::<ByteArrayType>().write_batch(&texts, present, None)?;
            }
            Values::Times(numbers) | Values::Integers(numbers) => {
                let numbers = std::mem::take(numbers);
                writer.typed::<Int64Type>().write_batch(&numbers, present, None)?;
            }
            Values::Doubles(numbers) => {
                let numbers = std::mem::take(numbers);
                writer.typed::<DoubleType>().write_batch(&numbers, present, None)?;
            }
        }
        writer.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 18446744073709551615 and the number before it became one, and 1e400 became infinite.
    #[test]
    fn only_numbers_that_stay_the_same_become_doubles() {
        for text in ["0", "-0.0", "1.50", "0.1", "1e22", "-12.5E-3", "123456789.25", "1e-300"] {
            assert!(is_double(text.as_bytes()), "{text}");
        }
        for text in [
            "18446744073709551615",
            "18446744073709551614",
            "1e400",
            "1e-400",
            "0.1000000000000000000001",
            "9007199254740993",
            "1e99999999999999999999",
            "",
            "x",
        ] {
            assert!(!is_double(text.as_bytes()), "{text}");
        }
    }
}
