//! Numbers as people compare them: digits with a decimal point, on paper.

use std::cmp::Ordering;

/// What is further from one is a text.
const EXPONENT_MAX: i64 = 1_000_000_000;

/// A JSON number without its insignificant zeros: `0.digits * 10^point`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// The number of a JSON number lexeme; `None` for any other text.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let point = whole.len() as i64 + exponent;
        let significant = all.trim_start_matches('0');
        let skipped = (all.len() - significant.len()) as i64;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, point: 0 });
        }
        let number = Self { negative, point: point - skipped, digits };
        // The exponent of the mantissa without the zeros at its end.
        let exponent = number.point - number.digits.len() as i64;
        (exponent.abs() <= EXPONENT_MAX).then_some(number)
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let magnitude: i64 = digits.parse().ok().filter(|_| is_digits(digits))?;
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let magnitude =
            || (self.point, self.digits.as_str()).cmp(&(other.point, other.digits.as_str()));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            1 => magnitude(),
            -1 => magnitude().reverse(),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_order() {
        let rising = [
            "-1e400",
            "-123456789012345678901",
            "-10",
            "-9.5",
            "-0.001",
            "-0.0",
            "1e-30",
            "0.1",
            "0.12",
            "1",
            "1.0000000000000000000001",
            "9",
            "10",
            "1e30",
        ];
        for pair in rising.windows(2) {
            let parse = |text: &str| Decimal::parse(text.as_bytes()).expect("a number");
            assert!(parse(pair[0]) < parse(pair[1]), "{pair:?}");
        }
        for same in [["1", "1.0"], ["0", "-0.0"], ["500", "5e2"], ["0.05", "5E-2"]] {
            assert_eq!(Decimal::parse(same[0].as_bytes()), Decimal::parse(same[1].as_bytes()));
        }
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", " 1", "1 ", "NaN", "1_0"]
        {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
    }
}
