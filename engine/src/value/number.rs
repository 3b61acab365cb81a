//! Exact decimal numbers from lexemes: what comparisons of values are made with.
//!
//! A number is `mantissa * 10^exponent`, without binary floating point, so that an integer of 30
//! digits, `1e400` and `0.1` compare by their value and by nothing else.
//!
//! - `N1` The form of a value is unique: the mantissa does not end in zero, zero is `0 * 10^0`, and
//!   a mantissa that fits `i64` is [`Form::Small`]. So equality and hash are those of the form.
//! - `N2` The exponent lies within [`EXPONENT_MAX`]. A lexeme beyond it is not a number here: it
//!   is text, and compares as text. (Saturating would make different values equal.)

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

/// The exponent of a mantissa without trailing zeros is at most this, either way.
const EXPONENT_MAX: i64 = 1_000_000_000;
/// Canonical integers end in at most this many zeros.
const END_ZEROS_MAX: i64 = 20;
/// Canonical fractions have at most this many zeros between the point and the first digit.
const FRONT_ZEROS_MAX: i64 = 5;
/// As many decimal digits always fit `u64`.
const U64_DIGITS: usize = 19;

/// An exact decimal number. `1.0`, `1` and `1e0` are equal, as are `-0` and `0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Number(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    Small {
        mantissa: i64,
        exponent: i32,
    },
    /// `digits` are ASCII, the first and the last are not zero.
    Big {
        negative: bool,
        digits: Box<[u8]>,
        exponent: i32,
    },
}

/// The parts of a lexeme.
struct Lexeme<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Number {
    /// The number of a JSON number lexeme; `None` for everything else: no leading `+`, no leading
    /// zeros, no blanks, no infinity. Allocates only if the mantissa does not fit `i64`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let Lexeme { negative, whole, fraction, exponent } = Lexeme::split(text)?;
        let exponent = exponent.saturating_sub(i64::try_from(fraction.len()).ok()?);
        if whole.len() + fraction.len() <= U64_DIGITS {
            return Self::from_parts(negative, to_u64(whole.iter().chain(fraction)), exponent);
        }
        let digits: Vec<u8> =
            whole.iter().chain(fraction).copied().skip_while(|digit| *digit == b'0').collect();
        let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let exponent = exponent.saturating_add(i64::try_from(digits.len() - kept).ok()?);
        if kept <= U64_DIGITS {
            return Self::from_parts(negative, to_u64(&digits[..kept]), exponent);
        }
        Self::big(negative, digits[..kept].into(), exponent)
    }

    /// `mantissa / 10^scale`.
    pub(crate) fn from_scaled(mantissa: i64, scale: u8) -> Self {
        Self::from_parts(mantissa < 0, mantissa.unsigned_abs(), -i64::from(scale))
            .expect("a scale of 255 and 19 digits are within the exponents")
    }

    /// The nearest binary number; infinite beyond its range.
    pub(crate) fn to_f64(&self) -> f64 {
        // Both operands are exact up to these bounds, so that the one rounding is the right one.
        const EXACT_MANTISSA: u64 = 1 << 53;
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        if let Form::Small { mantissa, exponent } = self.0
            && mantissa.unsigned_abs() <= EXACT_MANTISSA
            && let Some(power) = POWERS.get(exponent.unsigned_abs() as usize)
        {
            return if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
        }
        self.canonical().parse().expect("the canonical form is a decimal literal")
    }

    /// The one lexeme of this value: `500`, `12.5`, `-0.25`; with an exponent, as in `1e400` or
    /// `1.5e-7`, where it would end in more than 20 zeros or have more than 5 behind the point.
    pub(crate) fn canonical(&self) -> String {
        let mut text = Vec::new();
        self.write_canonical(&mut text);
        String::from_utf8(text).expect("digits, sign, point and e are ASCII")
    }

    /// Appends the canonical lexeme.
    pub(crate) fn write_canonical(&self, out: &mut Vec<u8>) {
        let mut buffer = [0; U64_DIGITS];
        let (digits, exponent) = self.digits(&mut buffer);
        if self.sign() == Ordering::Less {
            out.push(b'-');
        }
        let len = digits.len() as i64;
        // Digits before the point; zero or less: so many zeros behind it.
        let point = len + exponent;
        if (0..=END_ZEROS_MAX).contains(&exponent) {
            out.extend_from_slice(digits);
            out.extend(std::iter::repeat_n(b'0', exponent as usize));
        } else if exponent < 0 && point > 0 {
            let (whole, fraction) = digits.split_at(point as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        } else if exponent < 0 && -point <= FRONT_ZEROS_MAX {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', -point as usize));
            out.extend_from_slice(digits);
        } else {
            out.push(digits[0]);
            if len > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(format!("e{}", point - 1).as_bytes());
        }
    }

    /// Whether a text is the canonical lexeme of some number.
    pub(crate) fn is_canonical(text: &[u8]) -> bool {
        let Some(lexeme) = Lexeme::split(text) else { return false };
        let Lexeme { negative, whole, fraction, .. } = lexeme;
        let plain = text.len() == usize::from(negative) + whole.len();
        if plain && whole.len() <= U64_DIGITS {
            return !negative || whole != b"0";
        }
        Self::parse(text).is_some_and(|number| {
            let mut canonical = Vec::with_capacity(whole.len() + fraction.len() + 16);
            number.write_canonical(&mut canonical);
            canonical == text
        })
    }

    fn from_parts(negative: bool, mut magnitude: u64, mut exponent: i64) -> Option<Self> {
        if magnitude == 0 {
            return Some(Self(Form::Small { mantissa: 0, exponent: 0 }));
        }
        while magnitude.is_multiple_of(10) {
            magnitude /= 10;
            exponent = exponent.saturating_add(1);
        }
        let mantissa = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        match mantissa {
            Some(mantissa) => {
                Some(Self(Form::Small { mantissa, exponent: bounded_exponent(exponent)? }))
            }
            None => Self::big(negative, magnitude.to_string().into_bytes().into(), exponent),
        }
    }

    fn big(negative: bool, digits: Box<[u8]>, exponent: i64) -> Option<Self> {
        Some(Self(Form::Big { negative, digits, exponent: bounded_exponent(exponent)? }))
    }

    /// How it compares with zero.
    fn sign(&self) -> Ordering {
        match &self.0 {
            Form::Small { mantissa, .. } => mantissa.cmp(&0),
            Form::Big { negative: true, .. } => Ordering::Less,
            Form::Big { negative: false, .. } => Ordering::Greater,
        }
    }

    /// The digits of the mantissa and the exponent.
    fn digits<'a>(&'a self, buffer: &'a mut [u8; U64_DIGITS]) -> (&'a [u8], i64) {
        match &self.0 {
            Form::Big { digits, exponent, .. } => (digits, i64::from(*exponent)),
            Form::Small { mantissa, exponent } => {
                let mut rest = mantissa.unsigned_abs();
                let mut start = buffer.len();
                while rest > 0 || start == buffer.len() {
                    start -= 1;
                    buffer[start] = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
                (&buffer[start..], i64::from(*exponent))
            }
        }
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = ([0; U64_DIGITS], [0; U64_DIGITS]);
        let (left, left_exponent) = self.digits(&mut left);
        let (right, right_exponent) = other.digits(&mut right);
        let left_point = left.len() as i64 + left_exponent;
        let right_point = right.len() as i64 + right_exponent;
        // Without trailing zeros, the shorter of two that agree so far is the smaller (N1).
        left_point.cmp(&right_point).then_with(|| left.cmp(right))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (
            Form::Small { mantissa: left, exponent: left_exponent },
            Form::Small { mantissa: right, exponent: right_exponent },
        ) = (&self.0, &other.0)
            && left_exponent.abs_diff(*right_exponent) <= U64_DIGITS as u32
        {
            // 2^63 * 10^19 is below 2^127.
            let common = *left_exponent.min(right_exponent);
            let scale = |mantissa: i64, exponent: i32| {
                i128::from(mantissa) * 10i128.pow(exponent.abs_diff(common))
            };
            return scale(*left, *left_exponent).cmp(&scale(*right, *right_exponent));
        }
        self.sign().cmp(&other.sign()).then_with(|| match self.sign() {
            Ordering::Less => other.cmp_magnitude(self),
            _ => self.cmp_magnitude(other),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Lexeme<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, rest) = rest.split_at(digits_at_start(rest));
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => rest.split_at(digits_at_start(rest)),
            None => (&rest[..0], rest),
        };
        if fraction.is_empty() && text.get(usize::from(negative) + whole.len()) == Some(&b'.') {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => Self::exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }

    fn exponent(text: &[u8]) -> Option<i64> {
        let (sign, digits) = match text {
            [b'-', digits @ ..] => (-1, digits),
            [b'+', digits @ ..] => (1, digits),
            digits => (1, digits),
        };
        if digits.is_empty() || digits_at_start(digits) != digits.len() {
            return None;
        }
        let value = digits.iter().fold(0i64, |value, digit| {
            value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
        });
        Some(sign * value)
    }
}

fn digits_at_start(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// At most [`U64_DIGITS`] ASCII digits.
fn to_u64<'a>(digits: impl IntoIterator<Item = &'a u8>) -> u64 {
    digits.into_iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

fn bounded_exponent(exponent: i64) -> Option<i32> {
    if exponent.abs() > EXPONENT_MAX { None } else { i32::try_from(exponent).ok() }
}
