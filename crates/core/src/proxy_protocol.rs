//! The PROXY protocol, both ways: who the client of a connection is, told in front of its first byte.
//!
//! Source: W. Tarreau, "The PROXY protocol, versions 1 & 2" (HAProxy, doc/proxy-protocol.txt, 2020). In Rust because it
//! runs for every connection.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::snapshot::document::ProxyProtocolOut;

/// How a version 2 header begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest version 1 header with its line end, in bytes (section 2.1).
const LONGEST_LINE: usize = 107;

/// Longest version 2 header that is taken, in bytes. The format allows 65,551; certificates of clients, the largest
/// thing that is known to travel in it, have a few thousand.
const LONGEST: usize = 16 * 1024;

/// The type of the checksum's entry (section 2.2.3).
const CHECKSUM: u8 = 0x03;

/// What the bytes at the front of a connection are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The beginning of a header, as far as can be told.
    Partial,
    /// A header of `len` bytes.
    Whole {
        /// Its length.
        len: usize,
        /// The client and the address it came to; `None`: the connection speaks for itself (a health check of the
        /// balancer before us, or a family without addresses).
        told: Option<(SocketAddr, SocketAddr)>,
    },
}

/// Reads a header of either version. The error is what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Header, &'static str> {
    let shared = bytes.len().min(SIGNATURE.len());
    if bytes.get(..shared) == SIGNATURE.get(..shared) {
        return if bytes.len() < 16 { Ok(Header::Partial) } else { read_binary(bytes) };
    }
    let shared = bytes.len().min(b"PROXY ".len());
    if bytes.get(..shared) == b"PROXY ".get(..shared) {
        return read_line(bytes);
    }
    Err("it begins with neither `PROXY ` nor the signature of version 2")
}

fn read_line(bytes: &[u8]) -> Result<Header, &'static str> {
    let seen = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', seen) else {
        return if seen.len() < LONGEST_LINE {
            Ok(Header::Partial)
        } else {
            Err("the line has no end within 107 bytes")
        };
    };
    let line = seen.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or("the line does not end in CR LF")?;
    let line = std::str::from_utf8(line).map_err(|_| "the line is not ASCII")?;
    let len = end + 1;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Header::Whole { len, told: None });
    }
    let (Some(from), Some(to), Some(from_port), Some(to_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err("the line does not have the six words of version 1");
    };
    let address = |word: &str| match family {
        "TCP4" => word.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| "an address is not IPv4"),
        "TCP6" => word.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| "an address is not IPv6"),
        _ => Err("the family is none of TCP4, TCP6 and UNKNOWN"),
    };
    let from = SocketAddr::new(address(from)?, port(from_port)?);
    let to = SocketAddr::new(address(to)?, port(to_port)?);
    Ok(Header::Whole { len, told: Some((from, to)) })
}

/// Decimal digits without a sign or a leading zero.
fn port(word: &str) -> Result<u16, &'static str> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or("a port is no number from 0 to 65535")
}

fn read_binary(bytes: &[u8]) -> Result<Header, &'static str> {
    let [command, family, high, low] = *bytes.get(12..16).and_then(|four| four.first_chunk()).unwrap_or(&[0; 4]);
    let len = 16 + usize::from(u16::from_be_bytes([high, low]));
    if command != 0x20 && command != 0x21 {
        return Err("version or command are neither PROXY nor LOCAL of version 2");
    }
    if len > LONGEST {
        return Err("the header is longer than 16 KiB");
    }
    let Some(rest) = bytes.get(16..len) else { return Ok(Header::Partial) };
    if command == 0x20 {
        return Ok(Header::Whole { len, told: None }); // LOCAL: the rest, the family included, is not to be looked at
    }
    let (told, entries) = match family {
        0x11 | 0x12 => {
            let (block, entries) = rest.split_first_chunk::<12>().ok_or("the addresses are cut off")?;
            let [a, b, c, d, e, f, g, h, ports @ ..] = *block;
            (Some((IpAddr::from([a, b, c, d]), IpAddr::from([e, f, g, h]), ports)), entries)
        }
        0x21 | 0x22 => {
            let (from, rest) = rest.split_first_chunk::<16>().ok_or("the addresses are cut off")?;
            let (to, rest) = rest.split_first_chunk::<16>().ok_or("the addresses are cut off")?;
            let (ports, entries) = rest.split_first_chunk::<4>().ok_or("the addresses are cut off")?;
            (Some((IpAddr::from(*from), IpAddr::from(*to), *ports)), entries)
        }
        0x31 | 0x32 => (None, rest.get(216..).ok_or("the addresses are cut off")?),
        0x00 => (None, &[][..]),
        _ => return Err("the family is unknown"),
    };
    check_entries(bytes.get(..len).unwrap_or_default(), entries)?;
    let told = told.filter(|_| family & 0x0f == 1).map(|(from, to, [a, b, c, d])| {
        (SocketAddr::new(from, u16::from_be_bytes([a, b])), SocketAddr::new(to, u16::from_be_bytes([c, d])))
    });
    Ok(Header::Whole { len, told })
}

/// Walks the entries behind the addresses; a checksum among them must be right.
fn check_entries(header: &[u8], mut entries: &[u8]) -> Result<(), &'static str> {
    while let Some((&[kind, high, low], rest)) = entries.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(len).ok_or("an entry reaches beyond the header")?;
        if kind == CHECKSUM {
            let value: [u8; 4] = value.try_into().map_err(|_| "the checksum does not have four bytes")?;
            let at = header.len() - rest.len() - 4;
            if crc32c(header, at) != u32::from_be_bytes(value) {
                return Err("the checksum is wrong");
            }
        }
        entries = rest;
    }
    if entries.is_empty() { Ok(()) } else { Err("an entry is cut off") }
}

/// CRC-32C (RFC 4960, appendix B) of `bytes`, with zeros for the four bytes at `at`. Bit by bit: few send a checksum.
fn crc32c(bytes: &[u8], at: usize) -> u32 {
    let step = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    };
    !bytes
        .iter()
        .enumerate()
        .fold(!0, |crc, (place, byte)| step(crc, if (at..at + 4).contains(&place) { 0 } else { *byte }))
}

/// Appends the header for a connection of `from` to `to`; without both it says that nothing is known.
pub fn write(out: &mut Vec<u8>, version: ProxyProtocolOut, from: Option<SocketAddr>, to: Option<SocketAddr>) {
    let pair = from.zip(to).map(|(from, to)| of_one_family(from, to));
    match version {
        ProxyProtocolOut::Off => {}
        ProxyProtocolOut::V1 => write_line(out, pair),
        ProxyProtocolOut::V2 => write_binary(out, pair),
    }
}

/// Appends the header for a connection of our own, as a health check: nobody is behind us (LOCAL, section 2.2; version 1
/// has no word for it but UNKNOWN).
pub fn write_local(out: &mut Vec<u8>, version: ProxyProtocolOut) {
    match version {
        ProxyProtocolOut::Off => {}
        ProxyProtocolOut::V1 => write_line(out, None),
        ProxyProtocolOut::V2 => {
            out.extend_from_slice(SIGNATURE);
            out.extend_from_slice(&[0x20, 0x00, 0, 0]);
        }
    }
}

fn of_one_family(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    if from.is_ipv4() == to.is_ipv4() { (from, to) } else { (mapped(from), mapped(to)) }
}

fn write_line(out: &mut Vec<u8>, pair: Option<(SocketAddr, SocketAddr)>) {
    let Some((from, to)) = pair else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    // A vector takes everything.
    let _ = write!(out, "PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
}

fn write_binary(out: &mut Vec<u8>, pair: Option<(SocketAddr, SocketAddr)>) {
    out.extend_from_slice(SIGNATURE);
    let Some((from, to)) = pair else {
        // LOCAL would say that nobody is behind us; the family is what is not known.
        out.extend_from_slice(&[0x21, 0x00, 0, 0]);
        return;
    };
    out.extend_from_slice(if from.is_ipv4() { &[0x21, 0x11, 0, 12] } else { &[0x21, 0x21, 0, 36] });
    for address in [from, to] {
        match address.ip() {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
