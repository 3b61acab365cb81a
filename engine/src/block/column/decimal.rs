//! Encoding 4: decimal numbers of one kind, written in one style; whatever does not come back
//! exactly from its number is an exception, kept as it is.
//!
//! ```text
//! kind u8  scale u8  style u8  numbers (see integer.rs)
//! exceptions varint  [packed value indices  list of values]
//! ```

use super::integer::Integers;
use super::values::{self, Values, ValuesWriter};
use crate::batch::RowColumn;
use crate::block::format::NumberRange;
use crate::block::part::{Part, Shape};
use crate::codec::packed;
use crate::codec::slice::Slice;
use crate::codec::varint;
use crate::error::Corruption;
use crate::event::{Kind, Value};
use std::sync::Arc;

/// Decimal digits behind the point at most.
pub(crate) const SCALE_MAX: u8 = 9;
/// A column with more than one exception in so many values is not one of numbers.
const EXCEPTION_SHARE: usize = 16;

/// How numbers become text again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Style {
    /// Always `scale` digits behind the point: `5.00`.
    Fixed = 1,
    /// No zeros at the end, `5` without a point.
    Shortest = 2,
    /// No zeros at the end, but `5.0`.
    ShortestPoint = 3,
}

/// A plain decimal number: what matches `-?(0|[1-9][0-9]*)(\.[0-9]{1,9})?` and is not minus zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i64,
    scale: u8,
}

impl Decimal {
    /// Reads a lexeme. The number and the scale together give the lexeme back.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if !matches!(digits, [b'0'] | [b'0', b'.', ..] | [b'1'..=b'9', ..]) {
            return None;
        }
        let mut mantissa = 0u64;
        let mut point = None;
        for (index, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                }
                b'.' if point.is_none() => point = Some(index),
                _ => return None,
            }
        }
        let scale = point.map_or(0, |point| digits.len() - point - 1);
        let scale = u8::try_from(scale).ok().filter(|scale| *scale <= SCALE_MAX)?;
        if (negative && mantissa == 0) || (point.is_some() && scale == 0) {
            return None;
        }
        let mantissa = if negative {
            0i64.checked_sub_unsigned(mantissa)?
        } else {
            mantissa.try_into().ok()?
        };
        Some(Self { mantissa, scale })
    }

    fn has(self, style: Style, scale: u8) -> bool {
        let trimmed = self.mantissa % 10 != 0;
        match style {
            Style::Fixed => self.scale == scale,
            Style::Shortest => self.scale == 0 || trimmed,
            Style::ShortestPoint => self.scale == 1 || (self.scale > 1 && trimmed),
        }
    }

    fn rescaled(self, scale: u8) -> Option<i64> {
        let more = scale.checked_sub(self.scale)?;
        self.mantissa.checked_mul(10i64.pow(u32::from(more)))
    }
}

/// Appends the text of `mantissa / 10^scale`.
fn render(mantissa: i64, scale: u8, style: Style, out: &mut Vec<u8>) {
    let unit = 10u64.pow(u32::from(scale));
    let magnitude = mantissa.unsigned_abs();
    if mantissa < 0 {
        out.push(b'-');
    }
    push_digits(magnitude / unit, 1, out);
    let (mut fraction, mut digits) = (magnitude % unit, usize::from(scale));
    if style != Style::Fixed {
        while digits > 0 && fraction % 10 == 0 {
            (fraction, digits) = (fraction / 10, digits - 1);
        }
        if digits == 0 && style == Style::ShortestPoint {
            digits = 1;
        }
    }
    if digits > 0 {
        out.push(b'.');
        push_digits(fraction, digits, out);
    }
}

fn push_digits(mut number: u64, at_least: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - at_least)..]);
}

/// A column of numbers: value `i` is `mantissas[i] / 10^scale`, unless it is an exception.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(super) mantissas: Integers,
    /// Decimal digits behind the point.
    pub(crate) scale: u8,
    pub(super) style: Style,
    /// The kind of all values but the exceptions.
    pub(crate) kind: Kind,
    /// The values that are something else, in order of their value index.
    pub(crate) exceptions: Vec<Exception>,
}

/// A value of a column of numbers that is kept as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    /// Its value index.
    pub(crate) index: u32,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its lexeme.
    pub(crate) text: Box<[u8]>,
}

impl Numbers {
    /// A number for each value; arbitrary for exceptions.
    pub(crate) fn mantissas(&self) -> &[i64] {
        self.mantissas.all()
    }

    /// The bytes that they take in memory now, with the part.
    pub(super) fn heap_bytes(&self) -> usize {
        let exceptions =
            self.exceptions.iter().map(|other| size_of::<Exception>() + other.text.len());
        self.mantissas.heap_bytes() + exceptions.sum::<usize>()
    }

    /// The value of this index, if it is an exception.
    pub(crate) fn exception(&self, index: usize) -> Option<Value<'_>> {
        let at = self.exceptions.binary_search_by_key(&index, |e| e.index as usize).ok()?;
        let exception = &self.exceptions[at];
        Some(Value { kind: exception.kind, text: &exception.text })
    }

    /// The value of this index, its text written to `scratch` unless it is an exception.
    pub(super) fn value<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Value<'a> {
        if let Some(value) = self.exception(index) {
            return value;
        }
        self.render(self.mantissas.get(index), scratch);
        Value { kind: self.kind, text: scratch }
    }

    /// Writes the text of a number that is no exception.
    pub(in crate::block) fn render(&self, mantissa: i64, out: &mut Vec<u8>) {
        out.clear();
        render(mantissa, self.scale, self.style, out);
    }
}

/// A column that could be stored as numbers.
#[derive(Debug)]
pub(in crate::block) struct Plan {
    pub(super) kind: Kind,
    scale: u8,
    style: Style,
    pub(super) numbers: super::integer::Scaled,
    exceptions: Vec<u32>,
    exceptions_len: usize,
    pub(super) range: Option<NumberRange>,
}

impl Plan {
    /// How to store a column as numbers, if nearly all of its values are.
    pub(super) fn new(column: &RowColumn) -> Option<Self> {
        let parsed = parse_all(column)?;
        let kind = parsed.iter().position(Option::is_some).map(|at| column.value(at).kind)?;
        let of_kind = |index: usize| column.kinds[index] == kind as u8;
        let (style, scale) = style_of(&parsed);
        let mut mantissas = Vec::with_capacity(parsed.len());
        let mut exceptions = Vec::new();
        let mut last = 0;
        for (index, decimal) in parsed.iter().enumerate() {
            let kept = decimal.filter(|d| d.has(style, scale) && of_kind(index));
            match kept.and_then(|decimal| decimal.rescaled(scale)) {
                Some(mantissa) => last = mantissa,
                None => exceptions.push(index as u32),
            }
            mantissas.push(last);
        }
        if too_many(exceptions.len(), column) {
            return None;
        }
        let range = range_of(parsed.into_iter());
        let exceptions_len =
            exceptions.iter().map(|at| column.value(*at as usize).text.len() + 2).sum();
        let numbers = super::integer::Scaled::new(&mantissas);
        Some(Self { kind, scale, style, numbers, exceptions, exceptions_len, range })
    }

    /// Whether encoding 3 does.
    pub(super) fn is_integer(&self) -> bool {
        self.scale == 0 && self.exceptions.is_empty()
    }

    /// The bytes that it takes, roughly.
    pub(super) fn size(&self) -> usize {
        self.numbers.size() + self.exceptions_len
    }

    pub(super) fn encode(&self, column: &RowColumn, writer: &mut ValuesWriter, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind as u8, self.scale, self.style as u8]);
        self.numbers.encode(out);
        varint::encode(self.exceptions.len() as u64, out);
        if !self.exceptions.is_empty() {
            let places: Vec<u64> = self.exceptions.iter().map(|at| u64::from(*at)).collect();
            packed::encode(&places, out);
            writer.write(self.exceptions.iter().map(|at| column.value(*at as usize)), out);
        }
    }
}

fn too_many(exceptions: usize, column: &RowColumn) -> bool {
    exceptions > column.len() / EXCEPTION_SHARE
}

/// The numbers of a column; `None` as soon as too many values are none.
fn parse_all(column: &RowColumn) -> Option<Vec<Option<Decimal>>> {
    let mut parsed = Vec::with_capacity(column.len());
    let mut others = 0;
    for index in 0..column.len() {
        let value = column.value(index);
        let decimal = match value.kind {
            Kind::String | Kind::Number => Decimal::parse(value.text),
            Kind::Bool | Kind::Null | Kind::Json => None,
        };
        others += usize::from(decimal.is_none());
        if too_many(others, column) {
            return None;
        }
        parsed.push(decimal);
    }
    Some(parsed)
}

/// The style that most values have, and its scale.
fn style_of(parsed: &[Option<Decimal>]) -> (Style, u8) {
    let mut fixed = [0usize; SCALE_MAX as usize + 1];
    // Each with the number of values that have the style and the greatest scale among them.
    let mut shortest = [(Style::Shortest, 0, 0), (Style::ShortestPoint, 0, 0)];
    for number in parsed.iter().flatten() {
        fixed[usize::from(number.scale)] += 1;
        for (style, count, scale) in &mut shortest {
            if number.has(*style, 0) {
                *count += 1;
                *scale = number.scale.max(*scale);
            }
        }
    }
    let fixed =
        fixed.into_iter().zip(0..=SCALE_MAX).map(|(count, scale)| (Style::Fixed, count, scale));
    // The last of equals wins: an integer is fixed with scale 0.
    let candidates = shortest.into_iter().chain(fixed.rev());
    let (style, _, scale) = candidates.max_by_key(|(_, count, _)| *count).expect("some");
    (style, scale)
}

/// The range of numbers, if every value is one and both ends have a common scale.
pub(super) fn range_of(
    numbers: impl Iterator<Item = Option<Decimal>> + Clone,
) -> Option<NumberRange> {
    let scale = numbers.clone().map(|number| number.map_or(0, |number| number.scale)).max()?;
    let mut range = NumberRange { min: i64::MAX, max: i64::MIN, scale };
    for number in numbers {
        let mantissa = number?.rescaled(scale)?;
        range.min = range.min.min(mantissa);
        range.max = range.max.max(mantissa);
    }
    Some(range)
}

/// The range of values that are listed once each.
pub(super) fn range_of_values<'a>(
    values: impl Iterator<Item = Value<'a>> + Clone,
) -> Option<NumberRange> {
    range_of(values.map(|value| Decimal::parse(value.text)))
}

pub(super) fn decode(
    part: &Arc<Part>,
    slice: &mut Slice<'_>,
    shape: Shape,
) -> Result<Numbers, Corruption> {
    let kind = super::read_kind(slice)?;
    let (scale, style) = (slice.u8()?, slice.u8()?);
    let style = match style {
        1 => Style::Fixed,
        2 => Style::Shortest,
        3 => Style::ShortestPoint,
        _ => return Err(slice.corrupt("a style of 1 to 3", style.to_string())),
    };
    if scale > SCALE_MAX {
        return Err(slice.corrupt("a scale of at most 9", scale.to_string()));
    }
    let mantissas = Integers::read(part, slice, shape.values)?;
    let exceptions = decode_exceptions(slice, shape)?;
    Ok(Numbers { mantissas, scale, style, kind, exceptions })
}

fn decode_exceptions(slice: &mut Slice<'_>, shape: Shape) -> Result<Vec<Exception>, Corruption> {
    let count = slice.varint_max(shape.values)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let places = packed::decode(slice, count)?;
    let in_order = places.is_sorted_by(|a, b| a < b);
    if !in_order || places.last().is_some_and(|last| *last >= shape.values as u64) {
        return Err(slice.corrupt("exceptions in order", format!("{places:?}")));
    }
    let values: Values = values::read(slice, count, shape.raw_max)?;
    let exception = |(at, value): (u64, Value<'_>)| Exception {
        index: at as u32,
        kind: value.kind,
        text: value.text.into(),
    };
    Ok(places.into_iter().zip(values.iter()).map(exception).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(decimal: Decimal, style: Style, scale: u8) -> Option<String> {
        let mut out = Vec::new();
        render(decimal.rescaled(scale)?, scale, style, &mut out);
        Some(String::from_utf8(out).expect("digits"))
    }

    proptest! {
        /// The first invariant of the encoding: what is no exception comes back letter for letter.
        #[test]
        fn what_has_a_style_comes_back_exactly(
            text in prop_oneof!["-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,9})?", "-?[0-9]{0,3}\\.?[0-9]{0,3}"],
            scale in 0..=SCALE_MAX,
        ) {
            let Some(decimal) = Decimal::parse(text.as_bytes()) else { return Ok(()) };
            for style in [Style::Fixed, Style::Shortest, Style::ShortestPoint] {
                if decimal.has(style, scale) && let Some(again) = rendered(decimal, style, scale) {
                    prop_assert_eq!(&again, &text);
                }
            }
            prop_assert_eq!(rendered(decimal, Style::Fixed, decimal.scale), Some(text));
        }
    }

    #[test]
    fn what_is_not_canonical_is_no_decimal() {
        for text in [
            "",
            "-",
            "+5",
            "007",
            "-0",
            "-0.0",
            "5.",
            ".5",
            "1e3",
            "0x1f",
            "1.0000000000",
            " 1",
            "1.2.3",
            "NaN",
            "9223372036854775808",
            "00",
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["0", "-5", "0.0", "-0.5", "5.0", "9223372036854775807", "-9223372036854775808"]
        {
            assert!(Decimal::parse(text.as_bytes()).is_some(), "{text}");
        }
    }
}
