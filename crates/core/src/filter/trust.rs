//! Whose word about the client is believed: networks, compiled to sorted ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::peer::Peer;
use crate::snapshot::document::{Forwarded, ForwardedField};

/// Compiled `forwarded`.
#[derive(Clone, Debug)]
pub struct Trust {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    unix: bool,
    field: ForwardedField,
}

impl Trust {
    /// Compiles. Fails on what is no network.
    pub fn build(forwarded: &Forwarded) -> Result<Self, String> {
        let mut trust = Self { v4: Vec::new(), v6: Vec::new(), unix: false, field: forwarded.field };
        for text in &forwarded.from {
            if text == "unix:" {
                trust.unix = true;
                continue;
            }
            let says = || format!("forwarded.from: `{text}` is no network");
            let (address, bits) = text.split_once('/').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
            let address: IpAddr = address.parse().map_err(|_| says())?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(width), |bits| bits.parse::<u32>()).map_err(|_| says())?;
            if bits > width {
                return Err(says());
            }
            match address {
                IpAddr::V4(address) => trust.v4.push(range4(address, bits)),
                IpAddr::V6(address) => trust.add6(address, bits),
            }
        }
        trust.v4 = joined(trust.v4, |end| end.checked_add(1));
        trust.v6 = joined(trust.v6, |end| end.checked_add(1));
        Ok(trust)
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

    /// Whether the word of `address` is believed. IPv4-mapped IPv6 is IPv4.
    pub fn believes(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, u32::from(address)),
            IpAddr::V6(address) => holds(&self.v6, u128::from(address)),
        }
    }

    /// Whether the word of a connection's peer is believed.
    pub fn believes_peer(&self, peer: &Peer) -> bool {
        match peer.address {
            Some(address) => self.believes(address.ip()),
            None => self.unix,
        }
    }

    /// The one field that is believed.
    pub fn field(&self) -> ForwardedField {
        self.field
    }
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

    fn trust(from: &[&str]) -> Result<Trust, String> {
        let from = from.iter().map(|text| (*text).to_owned()).collect();
        Trust::build(&Forwarded { from, field: ForwardedField::XForwardedFor })
    }

    #[test]
    fn addresses_compare_as_networks() {
        let trust = trust(&["10.0.0.0/8", "192.0.2.7", "::ffff:203.0.113.0/120", "2001:db8::/32"]).unwrap();
        for (address, believed) in [
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
            assert_eq!(trust.believes(address.parse().unwrap()), believed, "{address}");
        }
    }

    #[test]
    fn everything_and_nothing_are_networks_too() {
        assert!(trust(&["0.0.0.0/0"]).unwrap().believes("255.255.255.255".parse().unwrap()));
        assert!(!trust(&["0.0.0.0/0"]).unwrap().believes("::1".parse().unwrap()));
        assert!(trust(&["::/0"]).unwrap().believes("ffff::".parse().unwrap()));
        assert!(!trust(&[]).unwrap().believes("10.0.0.1".parse().unwrap()));
        assert!(trust(&["10.0.0.0/33"]).is_err());
        assert!(trust(&["ten"]).is_err());
    }
}
