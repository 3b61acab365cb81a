//! Ranges, quantities and networks as `docs/query.md` says them.

use super::number::Decimal;
use logstrata_engine::query::ast::{Bound, Range};
use std::cmp::Ordering;
use std::net::IpAddr;

/// Whether a text of a field of this name lies in a range.
pub(super) fn is_within(range: &Range, name: &str, text: &[u8]) -> bool {
    let holds = |bound: &Option<Bound>, inside: Ordering| {
        bound.as_ref().is_none_or(|bound| {
            let order = order(name, text, &bound.text);
            order == Some(inside) || bound.inclusive && order == Some(Ordering::Equal)
        })
    };
    holds(&range.lower, Ordering::Greater) && holds(&range.upper, Ordering::Less)
}

fn order(name: &str, text: &[u8], bound: &str) -> Option<Ordering> {
    let value = Decimal::parse(text);
    let Some((is_time, amount)) = quantity(bound) else {
        return Some(match (value, Decimal::parse(bound.as_bytes())) {
            (Some(value), Some(bound)) => value.cmp(&bound),
            _ => text.cmp(bound.as_bytes()),
        });
    };
    if let Some(value) = value {
        // Of the fields in workloads these alone tell a unit.
        let exponent = match (name, is_time) {
            ("duration_ms", true) => -15,
            ("body_bytes", false) => -9,
            _ => return None,
        };
        return Some(value.cmp(&Decimal::parse(format!("{amount}e{exponent}").as_bytes())?));
    }
    let (is_time_too, value) = quantity(std::str::from_utf8(text).ok()?)?;
    (is_time == is_time_too).then(|| value.cmp(&amount))
}

/// Whether it is a time, and `10^9` times its nanoseconds or bytes. Knows numbers of few digits with one
/// unit.
fn quantity(text: &str) -> Option<(bool, i128)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let split = digits.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = digits.split_at(split);
    let (is_time, base) = match unit {
        "ns" => (true, 1),
        "us" => (true, 1_000),
        "ms" => (true, 1_000_000),
        "s" => (true, 1_000_000_000),
        "m" => (true, 60_000_000_000),
        "h" => (true, 3_600_000_000_000),
        _ => match unit.to_ascii_lowercase().as_str() {
            "b" => (false, 1),
            "kb" => (false, 1_000),
            "mb" => (false, 1_000_000),
            "kib" => (false, 1_024),
            "mib" => (false, 1_048_576),
            _ => return None,
        },
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() > 9 || fraction.len() > 9 {
        return None;
    }
    let nine: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
    Some((is_time, if text.starts_with('-') { -nine * base } else { nine * base }))
}

/// Whether a text is an address of a network that is written with a slash, bit by bit.
pub(super) fn is_in_network(text: &[u8], network: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)).collect()
    };
    let Some((first, count)) = network.split_once('/') else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (Some(value), Some(prefix)) = (address(text), address(first)) else { return false };
    let (value, prefix) = (bits(value), bits(prefix));
    let Ok(count) = count.parse::<usize>() else { return false };
    value.len() == prefix.len() && value[..count] == prefix[..count]
}
