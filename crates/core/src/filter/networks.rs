//! Networks, compiled to sorted ranges: whether an address is in one of them costs the same with one and with thousands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands among networks for every peer of a Unix socket, which has no address.
const UNIX: &str = "unix:";

/// Networks in CIDR form. IPv4-mapped IPv6 is IPv4.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    unix: bool,
}

impl Networks {
    /// Compiles. Fails with the first text that is no network.
    pub fn build<T: AsRef<str>>(texts: &[T]) -> Result<Self, &str> {
        let mut networks = Self::default();
        for text in texts {
            networks.add(text.as_ref()).ok_or(text.as_ref())?;
        }
        networks.v4 = joined(networks.v4, |end| end.checked_add(1));
        networks.v6 = joined(networks.v6, |end| end.checked_add(1));
        networks.v4.shrink_to_fit();
        networks.v6.shrink_to_fit();
        Ok(networks)
    }

    fn add(&mut self, text: &str) -> Option<()> {
        if text == UNIX {
            self.unix = true;
            return Some(());
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), read_bits).filter(|bits| *bits <= width)?;
        match address {
            IpAddr::V4(address) => self.v4.push(range4(address, bits)),
            IpAddr::V6(address) => self.add6(address, bits),
        }
        Some(())
    }

    fn add6(&mut self, address: Ipv6Addr, bits: u32) {
        match address.to_ipv4_mapped() {
            Some(mapped) if bits >= 96 => self.v4.push(range4(mapped, bits - 96)),
            _ => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                let start = u128::from(address) & mask;
                self.v6.push((start, start | !mask));
            }
        }
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.v4.capacity() * size_of::<(u32, u32)>() + self.v6.capacity() * size_of::<(u128, u128)>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && !self.unix
    }

    /// Whether `address` is in one of them; `None` is a peer of a Unix socket.
    pub fn hold(&self, address: Option<IpAddr>) -> bool {
        match address.map(|address| address.to_canonical()) {
            None => self.unix,
            Some(IpAddr::V4(address)) => holds(&self.v4, u32::from(address)),
            Some(IpAddr::V6(address)) => holds(&self.v6, u128::from(address)),
        }
    }
}

/// Whether `text` is an address, or a network in CIDR form without bits behind its mask.
pub fn is_network(text: &str) -> bool {
    let starts = |text: &str| {
        let mut networks = Networks::default();
        networks.add(text)?;
        Some((networks.v4.first().map(|range| range.0), networks.v6.first().map(|range| range.0)))
    };
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    text != UNIX && starts(text).is_some_and(|network| starts(address) == Some(network))
}

fn read_bits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn range4(address: Ipv4Addr, bits: u32) -> (u32, u32) {
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let start = u32::from(address) & mask;
    (start, start | !mask)
}

/// Sorted, and those that touch made one.
fn joined<N: Copy + Ord>(mut ranges: Vec<(N, N)>, after: fn(N) -> Option<N>) -> Vec<(N, N)> {
    ranges.sort_unstable();
    let mut all: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match all.last_mut() {
            Some(last) if after(last.1).is_none_or(|next| start <= next) => last.1 = last.1.max(end),
            _ => all.push((start, end)),
        }
    }
    all
}

fn holds<N: Copy + Ord>(ranges: &[(N, N)], number: N) -> bool {
    let behind = ranges.partition_point(|(start, _)| *start <= number);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, end)| number <= *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_compare_as_networks() {
        let networks =
            Networks::build(&["10.0.0.0/8", "192.0.2.7", "::ffff:203.0.113.0/120", "2001:db8::/32"]).unwrap();
        for (address, held) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("203.0.113.9", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::1", false),
        ] {
            assert_eq!(networks.hold(address.parse().ok()), held, "{address}");
        }
        assert!(!networks.hold(None));
    }

    #[test]
    fn everything_and_nothing_are_networks_too() {
        assert!(Networks::build(&["0.0.0.0/0"]).unwrap().hold("255.255.255.255".parse().ok()));
        assert!(!Networks::build(&["0.0.0.0/0"]).unwrap().hold("::1".parse().ok()));
        assert!(Networks::build(&["::/0"]).unwrap().hold("ffff::".parse().ok()));
        assert!(!Networks::build::<&str>(&[]).unwrap().hold("10.0.0.1".parse().ok()));
        assert!(Networks::build(&["unix:"]).unwrap().hold(None));
        assert_eq!(Networks::build(&["10.0.0.0/8", "10.0.0.0/33"]).err(), Some("10.0.0.0/33"));
        assert_eq!(Networks::build(&["ten"]).err(), Some("ten"));
    }

    #[test]
    fn bits_behind_the_mask_make_no_network() {
        for (text, is_one) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1/8", false),
            ("10.0.0.1", true),
            ("2001:db8::/32", true),
            ("2001:db8::1/32", false),
            ("::ffff:10.0.0.0/104", true),
            ("::ffff:10.0.0.1/104", false),
            ("unix:", false),
            ("10.0.0.0/+8", false),
            ("10.0.0.0/", false),
            ("ten", false),
            ("", false),
        ] {
            assert_eq!(is_network(text), is_one, "{text}");
        }
    }
}
