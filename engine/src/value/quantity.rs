//! Durations and sizes with their units: `1.5s`, `1h30m`, `10MB`, `64KiB`.

use super::Number;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// In nanoseconds.
    Time,
    /// In bytes.
    Size,
}

/// A duration or a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quantity {
    pub(crate) dimension: Dimension,
    /// `mantissa / 10^scale` nanoseconds or bytes.
    mantissa: i128,
    scale: u32,
}

/// The unit in which the numbers of a field are measured: so many nanoseconds or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    dimension: Dimension,
    base: i128,
}

const DAY: i128 = 86_400_000_000_000;
/// A text that is longer is no quantity.
const TEXT_BYTES_MAX: usize = 64;
/// Digits of a number, so that no product overflows.
const DIGITS_MAX: usize = 15;

fn time_unit(name: &str) -> Option<i128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    })
}

fn size_unit(name: &str) -> Option<i128> {
    let lower = name.to_ascii_lowercase();
    Some(match lower.as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    })
}

impl Unit {
    /// The unit that the name of a field tells at its end: `duration_ms`, `took.seconds`,
    /// `body_bytes`, `elapsedMs`.
    pub(crate) fn of_field(name: &str) -> Option<Self> {
        let start = name.rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1);
        let last = last_word(&name[start..]);
        let is_whole = last.len() == name.len();
        let time = |base| Some(Self { dimension: Dimension::Time, base });
        let size = |base| Some(Self { dimension: Dimension::Size, base });
        match last.to_ascii_lowercase().as_str() {
            // A field of one letter is no unit.
            _ if is_whole && last.len() < 2 => None,
            "ns" | "nanos" | "nanoseconds" => time(1),
            "us" | "micros" | "microseconds" => time(1_000),
            "ms" | "millis" | "msec" | "milliseconds" => time(1_000_000),
            "s" | "sec" | "secs" | "seconds" => time(1_000_000_000),
            "bytes" => size(1),
            "kb" => size(1_000),
            "mb" => size(1_000_000),
            "gb" => size(1_000_000_000),
            "kib" => size(1 << 10),
            "mib" => size(1 << 20),
            "gib" => size(1 << 30),
            _ => None,
        }
    }
}

/// The last of the words that are told apart by capitals: `Ms` of `elapsedMs`, `MS` of `tookMS` and `MS`.
fn last_word(name: &str) -> &str {
    for unit in ["KiB", "MiB", "GiB"] {
        if name.ends_with(unit) {
            return &name[name.len() - unit.len()..];
        }
    }
    let Some(capital) = name.rfind(|c: char| c.is_ascii_uppercase()) else { return name };
    if name[capital + 1..].starts_with(|c: char| c.is_ascii_lowercase()) {
        return &name[capital..];
    }
    let before = name[..capital].trim_end_matches(|c: char| c.is_ascii_uppercase());
    &name[before.len()..]
}

impl Quantity {
    /// The quantity of a number and its unit; of a duration several may follow one another, as in
    /// `1h30m`. `None` for every other text.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX || !text.last().is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
        let mut rest = std::str::from_utf8(text).ok()?;
        let negative = rest.starts_with('-');
        rest = rest.strip_prefix('-').unwrap_or(rest);
        let mut sum: Option<Self> = None;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, behind) = rest.split_at(digits);
            let is_part = |c: char| c.is_ascii_digit() || c == '.';
            let (unit, behind) = behind.split_at(behind.find(is_part).unwrap_or(behind.len()));
            rest = behind;
            let (dimension, base) = match time_unit(unit) {
                Some(base) => (Dimension::Time, base),
                None => (Dimension::Size, size_unit(unit)?),
            };
            let part = Self::of(number, dimension, base)?;
            sum = Some(match sum {
                None => part,
                Some(sum) if dimension == Dimension::Time => sum.plus(&part)?,
                Some(_) => return None,
            });
        }
        let mut sum = sum?;
        if negative {
            sum.mantissa = -sum.mantissa;
        }
        Some(sum)
    }

    fn of(number: &str, dimension: Dimension, base: i128) -> Option<Self> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || whole.len() + fraction.len() > DIGITS_MAX {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { dimension, mantissa: mantissa * base, scale: fraction.len() as u32 })
    }

    /// The sum of two of the same dimension.
    fn plus(&self, other: &Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let scaled = |part: &Self| part.mantissa.checked_mul(10i128.pow(scale - part.scale));
        let mantissa = scaled(self)?.checked_add(scaled(other)?)?;
        Some(Self { dimension: self.dimension, mantissa, scale })
    }

    /// As a number of nanoseconds or bytes.
    pub(crate) fn number(&self) -> Number {
        number(self.mantissa, self.scale)
    }

    /// Whole nanoseconds, if it is a duration of so many.
    pub(crate) fn nanoseconds(&self) -> Option<i64> {
        let one = 10i128.pow(self.scale);
        let is_whole = self.dimension == Dimension::Time && self.mantissa % one == 0;
        is_whole.then(|| i64::try_from(self.mantissa / one).ok())?
    }

    /// As a number of this unit; `None` if that is one of another dimension.
    pub(crate) fn number_in(&self, unit: Unit) -> Option<Number> {
        if unit.dimension != self.dimension {
            return None;
        }
        // `base` is a power of ten, or `2^k`: `1/2^k` is `5^k / 10^k`.
        let twos = unit.base.trailing_zeros();
        let fives = unit.base >> twos;
        let (factor, zeros) = match fives {
            1 => (5i128.pow(twos), twos),
            _ => (1, unit.base.ilog10()),
        };
        Some(number(self.mantissa.checked_mul(factor)?, self.scale + zeros))
    }
}

/// `mantissa / 10^scale`.
fn number(mantissa: i128, scale: u32) -> Number {
    let lexeme = format!("{mantissa}e-{scale}");
    Number::parse(lexeme.as_bytes()).expect("digits and a small exponent are a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_texts() {
        for (text, expected) in [
            ("1s", "1000000000"),
            ("1.5s", "1500000000"),
            ("0.25ms", "250000"),
            ("10us", "10000"),
            ("10µs", "10000"),
            ("1.5ns", "1.5"),
            ("1h30m", "5400000000000"),
            ("2m0.5s", "120500000000"),
            ("-3ms", "-3000000"),
            ("1w", "604800000000000"),
            ("10MB", "10000000"),
            ("1.5KiB", "1536"),
            ("5B", "5"),
            ("2gib", "2147483648"),
        ] {
            let parsed = Quantity::parse(text.as_bytes()).expect(text);
            assert_eq!(parsed.number().canonical(), expected, "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "1 s",
            "1S",
            "1.s",
            ".5s",
            "1..5s",
            "1x",
            "1sB",
            "1MB2KB",
            "1s1MB",
            "--1s",
            "1234567890123456s",
            "5ms ",
        ] {
            assert_eq!(Quantity::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn units_of_fields() {
        let in_unit = |text: &str, field: &str| {
            let unit = Unit::of_field(field)?;
            Some(Quantity::parse(text.as_bytes())?.number_in(unit)?.canonical())
        };
        for (text, field, expected) in [
            ("1s", "duration_ms", "1000"),
            ("1.5us", "took.ms", "0.0015"),
            ("1m", "elapsedSeconds", "60"),
            ("1ms", "elapsedMs", "1"),
            ("3s", "duration_ns", "3000000000"),
            ("1MiB", "body_bytes", "1048576"),
            ("1kB", "memory_kib", "0.9765625"),
            ("1KiB", "size_mb", "0.001024"),
            ("1ms", "ms", "1"),
            ("1s", "tookMS", "1000"),
            ("1s", "DURATION_MS", "1000"),
            ("1us", "latencyNS", "1000"),
            ("1MB", "sizeKB", "1000"),
            ("1MiB", "sizeKiB", "1024"),
            ("1s", "HTTPSeconds", "1"),
        ] {
            assert_eq!(in_unit(text, field).as_deref(), Some(expected), "{text} in {field}");
        }
        for (text, field) in [
            ("1s", "duration"),
            ("1s", "body_bytes"),
            ("1MB", "took_ms"),
            ("1s", "s"),
            ("1s", ""),
            ("1s", "STATUS"),
            ("1s", "queryDNS"),
        ] {
            assert_eq!(in_unit(text, field), None, "{text} in {field}");
        }
    }
}
