//! Numbers of payment cards in texts: the right beginning for their length, a right check digit, and
//! nothing around them that makes them part of something longer.
//!
//! A number is one run of 13 to 19 digits, or groups as they stand on cards, all joined by spaces
//! (`+` in a URL) or all by dashes. A text is looked at 64 bytes at a time, so that one without long numbers costs
//! next to nothing.

use crate::codec::chunk::{CHUNK, Chunk};
use std::ops::Range;

pub(super) const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// Digits of each group, as cards show them.
const GROUPINGS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];
/// Places at which a run may begin, of a chunk: behind each it has [`DIGITS_MIN`] bytes.
const STRIDE: usize = CHUNK - DIGITS_MIN + 1;
const _: () = assert!(DIGITS_MIN == 13, "twelve neighbours: see `long_runs`");

/// Calls `found` with each run of digits and single separators that is long enough to be looked at, from
/// its first byte to its last.
pub(super) fn each_run(text: &[u8], mut found: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while at + DIGITS_MIN <= text.len() {
        let Joined { digits, joints } = match text[at..].first_chunk() {
            Some(chunk) => Joined::of(chunk),
            None => {
                let mut filled = [0; CHUNK];
                filled[..text.len() - at].copy_from_slice(&text[at..]);
                Joined::of(&filled)
            }
        };
        let runs = long_runs(joints);
        if runs == 0 {
            at += STRIDE;
            continue;
        }
        // Nothing before it joins it: it would have been found from there.
        let first = runs.trailing_zeros() as usize;
        let within = (joints >> first).trailing_ones() as usize + 1;
        let run = at + first..end_of_run(text, at + first + within);
        // Dates with a time behind them are as long, but have fewer digits.
        let few = (digits >> first & (u64::MAX >> (CHUNK - within))).count_ones() as usize;
        let is_long = if run.len() == within {
            few >= DIGITS_MIN
        } else {
            text[run.clone()].iter().filter(|byte| byte.is_ascii_digit()).count() >= DIGITS_MIN
        };
        at = run.end;
        if is_long {
            found(run);
        }
    }
}

/// One bit for each byte of a chunk.
struct Joined {
    digits: u64,
    /// Whether the byte and the next may lie within one number.
    joints: u64,
}

impl Joined {
    fn of(chunk: &[u8; CHUNK]) -> Self {
        let chunk = Chunk::new(chunk);
        let digits = chunk.within(b'0', b'9');
        let joins = (digits | chunk.is(b' ') | chunk.is(b'-') | chunk.is(b'+')).bits();
        let digits = digits.bits();
        Self { digits, joints: joins & joins >> 1 & (digits | digits >> 1) }
    }
}

/// The bits at which twelve in a row begin.
fn long_runs(joints: u64) -> u64 {
    let two = joints & joints >> 1;
    let four = two & two >> 2;
    four & four >> 4 & four >> 8
}

/// Where the run ends that goes on up to `end` at least.
fn end_of_run(text: &[u8], mut end: usize) -> usize {
    while end < text.len() && may_join(text[end - 1], text[end]) {
        end += 1;
    }
    end
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
    use proptest::prelude::*;

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

    /// All runs, byte by byte.
    fn runs(text: &[u8]) -> Vec<Range<usize>> {
        let (mut runs, mut start) = (Vec::new(), 0);
        for end in 1..=text.len() {
            if end == text.len() || !may_join(text[end - 1], text[end]) {
                let digits = text[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
                if digits >= DIGITS_MIN {
                    runs.push(start..end);
                }
                start = end;
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn runs_are_found_wherever_they_lie(
            text in "([a-z.]{0,40}|[0-9]{1,20}|[0-9]{60,80}|[0-9 +-]{1,30}|[0-9]{4}[ -][0-9]{4}[ -]){0,12}",
        ) {
            let mut found = Vec::new();
            each_run(text.as_bytes(), |run| found.push(run));
            prop_assert_eq!(found, runs(text.as_bytes()));
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
