//! The steps in which numbers lie.
//!
//! `B1` A bin is the greatest multiple of the width that is not above the number, exactly: as the decimals
//! that people read, of which `0.3` is three times `0.1`.

/// Whole doubles up to here, and all between them, are exact.
const WHOLE_MAX: f64 = (1u64 << 53) as f64;
/// Digits behind the point, so that no product overflows.
const SCALE_MAX: usize = 18;

/// A decimal: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    mantissa: i128,
    scale: usize,
}

/// The bin of a whole width, if it and the number are small enough to be told by a whole number.
pub(super) fn whole_bin(number: f64, width: f64) -> Option<i64> {
    if width.fract() != 0.0 || width > WHOLE_MAX || number.abs() > WHOLE_MAX - width {
        return None;
    }
    // The quotient is rounded: it may be one off.
    let guess = (number / width).floor() * width;
    let bin = match () {
        () if guess > number => guess - width,
        () if guess + width <= number => guess + width,
        () => guess,
    };
    Some(bin as i64)
}

/// The bin of any number, as its lexeme.
pub(super) fn bin_lexeme(number: f64, width: f64) -> Option<String> {
    if let Some(bin) = whole_bin(number, width) {
        return Some(bin.to_string());
    }
    if let Some(bin) = Decimal::of(number).zip(Decimal::of(width)).and_then(|(n, w)| n.bin(w)) {
        return Some(bin);
    }
    // Of numbers that are this large or small no decimal is exact.
    let bin = (number / width).floor() * width;
    bin.is_finite().then(|| if bin == 0.0 { "0".to_owned() } else { bin.to_string() })
}

impl Decimal {
    /// The shortest decimal that is nearest to this double and to no other.
    fn of(number: f64) -> Option<Self> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if fraction.len() > SCALE_MAX || whole.len() > SCALE_MAX {
            return None;
        }
        Some(Self { mantissa: format!("{whole}{fraction}").parse().ok()?, scale: fraction.len() })
    }

    fn scaled(self, scale: usize) -> Option<i128> {
        self.mantissa.checked_mul(10i128.pow(u32::try_from(scale - self.scale).ok()?))
    }

    fn bin(self, width: Self) -> Option<String> {
        let scale = self.scale.max(width.scale);
        let (number, width) = (self.scaled(scale)?, width.scaled(scale)?);
        let bin = number.checked_div_euclid(width)?.checked_mul(width)?;
        let one = 10i128.pow(u32::try_from(scale).ok()?);
        let (whole, fraction) =
            (bin.unsigned_abs() / one as u128, bin.unsigned_abs() % one as u128);
        let sign = if bin < 0 { "-" } else { "" };
        let fraction = format!("{fraction:0scale$}");
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        Some(format!("{sign}{whole}{point}{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Number;
    use proptest::prelude::*;

    fn bin(number: f64, width: f64) -> String {
        bin_lexeme(number, width).expect("a bin")
    }

    /// `0.3 / 0.1` is below three.
    #[test]
    fn bins_are_those_of_the_decimals() {
        assert_eq!(bin(0.3, 0.1), "0.3");
        assert_eq!(bin(0.7, 0.1), "0.7");
        assert_eq!(bin(-0.05, 0.1), "-0.1");
        assert_eq!(bin(1.0, 0.25), "1");
        assert_eq!(bin(299.999_999_999_999_97, 100.0), "200");
        assert_eq!(bin(-1.0, 100.0), "-100");
        assert_eq!(bin(-0.0, 100.0), "0");
        assert_eq!(bin(-0.0, 0.1), "0");
        assert_eq!(bin(9_007_199_254_740_993.0, 1_000.0), "9007199254740000");
        assert_eq!(bin_lexeme(f64::MAX, 0.1), None);
        assert_eq!(bin(1e-300, 0.1), "0");
        assert_eq!(bin_lexeme(f64::MAX, f64::MIN_POSITIVE), None);
    }

    proptest! {
        #[test]
        fn no_multiple_is_nearer(
            number in -1_000_000_000i64..1_000_000_000,
            scale in 0u8..6,
            width in 1i64..100_000,
            width_scale in 0u8..6,
        ) {
            let (n, w) = (Number::from_scaled(number, scale), Number::from_scaled(width, width_scale));
            let all = 10i128.pow(6);
            let of = |mantissa: i64, scale: u8| i128::from(mantissa) * all / 10i128.pow(scale.into());
            let exact = of(number, scale).div_euclid(of(width, width_scale)) * of(width, width_scale);
            let exact = Number::parse(format!("{exact}e-6").as_bytes());
            let got = bin(n.to_f64(), w.to_f64());
            prop_assert_eq!(Number::parse(got.as_bytes()), exact, "{}", got);
        }
    }
}
