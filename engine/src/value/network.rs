//! Networks of addresses, as `10.0.0.0/8` (RFC 4632) and `2001:db8::/32` (RFC 4291).

use std::net::IpAddr;

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    is_v4: bool,
    /// The first bits of all addresses, at the top of 128; the others are 0.
    prefix: u128,
    /// The bits that count.
    mask: u128,
}

/// An address at the top of 128 bits; an IPv4 address that is written as one of IPv6 is itself.
fn bits(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (true, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (false, v6.to_bits()),
    }
}

impl Network {
    /// The network of an address, a slash and a number of bits. Bits of the address behind these are
    /// ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits_that_count) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        if bits_that_count.len() > 3 || !bits_that_count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut count: u32 = bits_that_count.parse().ok().filter(|count| *count <= max)?;
        let (is_v4, prefix) = bits(address);
        if is_v4 && max == 128 {
            count = count.checked_sub(96)?;
        }
        let mask = u128::MAX.checked_shl(128 - count).unwrap_or(0);
        Some(Self { is_v4, prefix: prefix & mask, mask })
    }

    /// Whether a text is an address of the network.
    #[must_use]
    pub fn contains(&self, text: &[u8]) -> bool {
        // The longest form of an IPv6 address.
        const ADDRESS_BYTES_MAX: usize = 45;
        let address = (text.len() <= ADDRESS_BYTES_MAX).then(|| std::str::from_utf8(text).ok());
        let Some(Ok(address)) = address.flatten().map(str::parse::<IpAddr>) else { return false };
        let (is_v4, bits) = bits(address);
        is_v4 == self.is_v4 && bits & self.mask == self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_and_out() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0", "9.255.255.255"),
            ("192.168.1.128/25", "192.168.1.200", "192.168.1.127"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("2001:db8::/32", "2001:DB8:ffff::1", "2001:db9::"),
            ("::ffff:10.0.0.0/104", "10.2.3.4", "11.2.3.4"),
            ("10.0.0.0/8", "::ffff:10.2.3.4", "::10.2.3.4"),
            ("10.0.0.0/8", "10.0.0.1", "10.0.0.1:80"),
            ("10.0.0.0/8", "10.0.0.1", "10.0.0"),
        ] {
            let parsed = Network::parse(network).expect(network);
            assert!(parsed.contains(inside.as_bytes()), "{inside} in {network}");
            assert!(!parsed.contains(outside.as_bytes()), "{outside} in {network}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0/8", "/8", "10.0.0.0/", "a/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert_eq!(Network::parse("10.0.0.0/+8"), None);
        assert_eq!(Network::parse("::ffff:10.0.0.0/90"), None);
    }
}
