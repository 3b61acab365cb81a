//! Numbers of payment cards in texts: the right beginning for their length, a right check digit, and
//! nothing around them that makes them part of something longer.
//!
//! A number is one run of 13 to 19 digits, or groups as they stand on cards, all joined by spaces
//! (`+` in a URL) or all by dashes. A text is probed in strides, so that one without long numbers costs next to nothing.

use std::ops::Range;

pub(super) const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// Digits of each group, as cards show them.
const GROUPINGS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];
/// Bytes that are looked at together.
const WINDOW_BYTES: usize = 8;
/// A run of [`DIGITS_MIN`] bytes, wherever it begins, has a window within it, if there is one every
/// so many bytes.
const STRIDE: usize = DIGITS_MIN - WINDOW_BYTES + 1;

/// Calls `found` with each run of digits and single separators that is long enough to be looked at.
pub(super) fn each_run(text: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while let Some(window) = text.get(at..at + WINDOW_BYTES) {
        let window = window.try_into().expect("of this length");
        if !may_be_within(window) || !may_join(text[at], text[at + 1]) {
            at += STRIDE;
            continue;
        }
        let run = run_around(text, at);
        at = run.end;
        // Dates with a time behind them are as long, but have fewer digits.
        let digits = |run: &[u8]| run.iter().filter(|byte| byte.is_ascii_digit()).count();
        if run.len() >= DIGITS_MIN && digits(&text[run.clone()]) >= DIGITS_MIN {
            found(run);
        }
    }
}

/// Whether these bytes may lie within a number: a quick test that lets some others pass.
fn may_be_within(window: [u8; WINDOW_BYTES]) -> bool {
    let bytes = u64::from_le_bytes(window);
    // Digits, spaces and dashes lie between 0x20 and 0x3f, digits from 0x30 on. Groups have three
    // digits at least, so there are no more than two separators.
    bytes & 0xe0e0_e0e0_e0e0_e0e0 == 0x2020_2020_2020_2020
        && (bytes & 0x1010_1010_1010_1010).count_ones() >= 6
}

/// Whether two neighbours may lie within one number.
fn may_join(first: u8, second: u8) -> bool {
    let joins = |byte| matches!(byte, b' ' | b'-' | b'+');
    match (first.is_ascii_digit(), second.is_ascii_digit()) {
        (true, true) => true,
        (true, false) => joins(second),
        (false, true) => joins(first),
        (false, false) => false,
    }
}

fn run_around(text: &[u8], at: usize) -> Range<usize> {
    let mut run = at..at + 2;
    while run.start > 0 && may_join(text[run.start - 1], text[run.start]) {
        run.start -= 1;
    }
    while run.end < text.len() && may_join(text[run.end - 1], text[run.end]) {
        run.end += 1;
    }
    run
}

/// Whether a text holds a card's number.
pub(super) fn any(text: &[u8]) -> bool {
    let mut any = false;
    each(text, |_| any = true);
    any
}

/// Calls `found` with every card's number, in the order of the text.
pub(super) fn each(text: &[u8], mut found: impl FnMut(Range<usize>)) {
    each_run(text, |run| in_run(text, run, &mut found));
}

/// Whether a run holds a card's number.
pub(super) fn any_in(text: &[u8], run: Range<usize>) -> bool {
    let mut any = false;
    in_run(text, run, &mut |_| any = true);
    any
}

/// The groups of digits of a run, tried from each one on.
fn in_run(text: &[u8], run: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
    // `%20` before a number is none of its digits.
    let escaped = match &text[..run.start] {
        [.., b'%'] if text[run.clone()].iter().take(2).all(u8::is_ascii_digit) => 2,
        [.., b'%', b'A'..=b'F' | b'a'..=b'f'] => 1,
        _ => 0,
    };
    let mut at = run.start + escaped;
    while at < run.end {
        let len = digits(&text[at..run.end]);
        if len == 0 {
            at += 1;
            continue;
        }
        at = match card_at(text, at, len) {
            Some(end) => {
                found(at..end);
                end
            }
            None => at + len,
        };
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// Where the card's number ends whose first group is at `at` and has `len` digits.
fn card_at(text: &[u8], at: usize, len: usize) -> Option<usize> {
    if !is_free_before(&text[..at]) {
        return None;
    }
    if (DIGITS_MIN..=DIGITS_MAX).contains(&len) {
        return is_card(text, at..at + len).then_some(at + len);
    }
    GROUPINGS.iter().filter(|groups| groups[0] == len).find_map(|groups| {
        let end = grouped(&text[at..], groups)? + at;
        is_card(text, at..end).then_some(end)
    })
}

/// The end of digits in exactly these groups, with the same separator between all.
fn grouped(text: &[u8], groups: &[usize]) -> Option<usize> {
    let mut end = 0;
    let mut joint = None;
    for (place, len) in groups.iter().enumerate() {
        if place > 0 {
            let separator = *text.get(end)?;
            if !matches!(separator, b' ' | b'-' | b'+')
                || *joint.get_or_insert(separator) != separator
            {
                return None;
            }
            end += 1;
        }
        if digits(&text[end..]) != *len {
            return None;
        }
        end += len;
    }
    Some(end)
}

fn is_card(text: &[u8], place: Range<usize>) -> bool {
    let mut number = [0; DIGITS_MAX];
    let mut len = 0;
    for byte in text[place.clone()].iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(digit) = number.get_mut(len) else { return false };
        *digit = byte - b'0';
        len += 1;
    }
    is_free_behind(&text[place.end..])
        && has_right_beginning(&number[..len])
        && has_right_check_digit(&number[..len])
}

/// Whether what stands before lets a number begin: no word, no decimal point, no joined id.
fn is_free_before(before: &[u8]) -> bool {
    let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    match before {
        [] => true,
        // `%3D4111…`, `\n4111…`
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., other, b'-' | b'.' | b'+'] => !of_word(other),
        [b'-' | b'.' | b'+'] => false,
        [.., last] => !of_word(last),
    }
}

/// Whether what stands behind lets a number end.
fn is_free_behind(behind: &[u8]) -> bool {
    match behind {
        [] => true,
        [b'-' | b'.', next, ..] => !next.is_ascii_alphanumeric(),
        [next, ..] => !(next.is_ascii_alphanumeric() || *next == b'_' || *next >= 0x80),
    }
}

/// Whether digits of this number begin as those of a large scheme do: Visa, Mastercard, American
/// Express, Discover, JCB, Diners Club, UnionPay.
fn has_right_beginning(number: &[u8]) -> bool {
    let head = number.iter().take(4).fold(0u16, |head, digit| head * 10 + u16::from(*digit));
    match number.len() {
        13 => head / 1_000 == 4,
        14 => matches!(head / 10, 300..=305) || matches!(head / 100, 36 | 38 | 39),
        15 => matches!(head / 100, 34 | 37),
        16 => {
            head / 1_000 == 4
                || matches!(head / 100, 51..=55 | 62 | 65)
                || matches!(head / 10, 644..=649)
                || matches!(head, 2_221..=2_720 | 3_528..=3_589 | 6_011)
        }
        19 => head / 1_000 == 4 || head / 100 == 62,
        17 | 18 => head / 100 == 62,
        _ => false,
    }
}

/// Luhn: every second digit from the right doubled, and the digits of all that summed up.
fn has_right_check_digit(number: &[u8]) -> bool {
    let value = |(place, digit): (usize, &u8)| match (place % 2, digit * 2) {
        (0, _) => u32::from(*digit),
        (_, doubled) if doubled > 9 => u32::from(doubled - 9),
        (_, doubled) => u32::from(doubled),
    };
    number.iter().rev().enumerate().map(value).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        each(text.as_bytes(), |place| found.push(&text[place]));
        found
    }

    #[test]
    fn cards_are_found_wherever_they_stand() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "3056 930902 5904",
            "6200000000000005",
        ] {
            for before in 0..30 {
                let text = format!("{} {card}, paid", "x".repeat(before));
                assert_eq!(found(&text), [card], "{text}");
            }
            for text in [format!("pan={card}"), format!("12 {card} 3456"), format!("({card}).")] {
                assert_eq!(found(&text), [card], "{text}");
            }
        }
        let two = "4111111111111111,378282246310005";
        assert_eq!(found(two), ["4111111111111111", "378282246310005"]);
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "4111111111111112",
            "blk_4111111111111111",
            "blk_-4111111111111111",
            "order-4111111111111111",
            "4111111111111111a",
            "a4111111111111111",
            "0.4111111111111111",
            "4111111111111111.5",
            "4111111111111111-1",
            "-4111111111111111",
            "1700000000000000000",
            "1700000000000",
            "41111111111111110",
            "411111111111111 1",
            "4111 1111-1111 1111",
            "4111  1111 1111 1111",
            "12345678-1234-1234-1234-123456789012",
            "2015-10-18 18:03:24,546",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn cards_behind_escapes_are_found() {
        let card = "4111111111111111";
        for before in ["pan%3D", "pan=%20", "%A0", "\\n", "a\\t", "%2B"] {
            assert_eq!(found(&format!("x {before}{card}%20")), [card], "{before}");
        }
        assert_eq!(found("n=4111+1111+1111+1111&x"), ["4111+1111+1111+1111"]);
    }
}
