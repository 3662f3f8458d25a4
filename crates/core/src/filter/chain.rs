//! The believed field, element by element from the right: `X-Forwarded-For` or `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::head::{Field, Known};
use crate::snapshot::document::ForwardedField;

/// The client as the chain has it, and the element that named it (its `host` and `proto` are the client's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub(super) address: IpAddr,
    pub(super) element: &'a [u8],
}

/// Which known field carries the chain.
pub(super) fn known_of(field: ForwardedField) -> Known {
    match field {
        ForwardedField::XForwardedFor => Known::XForwardedFor,
        ForwardedField::Forwarded => Known::Forwarded,
    }
}

/// The rightmost address that `believes` does not hold for, or the leftmost of all where it holds for each. An element
/// that names no address ends the walk: then it is the last address before it, whose word was that element.
pub(super) fn origin<'a>(
    bytes: &'a [u8],
    fields: &[Field],
    field: ForwardedField,
    believes: impl Fn(IpAddr) -> bool,
) -> Option<Origin<'a>> {
    let mut furthest = None;
    for line in fields.iter().rev().filter(|line| line.known == known_of(field)) {
        for element in Elements::of(line.value.of(bytes)) {
            if element.is_empty() {
                continue;
            }
            let node = match field {
                ForwardedField::XForwardedFor => Some(element),
                ForwardedField::Forwarded => parameter(element, b"for"),
            };
            let Some(address) = node.and_then(read_node) else { return furthest };
            furthest = Some(Origin { address, element });
            if !believes(address) {
                return furthest;
            }
        }
    }
    furthest
}

/// The elements of a list from the right, without the white space around them. Quoted commas separate nothing; where
/// quotes do not pair, everything left of the odd one is one element, and names nobody.
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    fn of(value: &'a [u8]) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut quoted = false;
        let comma = rest.iter().rposition(|byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        });
        let Some(comma) = comma else { return Some(rest.trim_ascii()) };
        self.rest = rest.get(..comma);
        Some(rest.get(comma + 1..).unwrap_or_default().trim_ascii())
    }
}

/// The value of a parameter of a `Forwarded` element, without quotes. `None` where it is absent, holds an escape, or is
/// there twice.
pub(super) fn parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for pair in element.split(|byte| *byte == b';') {
        let at = pair.iter().position(|byte| *byte == b'=');
        let Some((key, value)) = at.and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?))) else { continue };
        if key.trim_ascii().eq_ignore_ascii_case(name) {
            if found.is_some() {
                return None;
            }
            found = Some(value.trim_ascii());
        }
    }
    let value = found?;
    let bare = match value.strip_prefix(b"\"") {
        Some(open) => open.strip_suffix(b"\"")?,
        None => value,
    };
    (!bare.iter().any(|byte| matches!(byte, b'"' | b'\\'))).then_some(bare)
}

/// An address, with or without port, IPv6 with or without brackets.
fn read_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::from).ok(),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_from_the_right() {
        let all: Vec<_> = Elements::of(b"a, \"b,c\" ,,d").collect();
        assert_eq!(all, [b"d".as_slice(), b"", b"\"b,c\"", b"a"]);
    }

    #[test]
    fn nodes_are_addresses_with_or_without_port() {
        for (node, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[192.0.2.1]", None),
            ("unknown", None),
            ("_hidden", None),
            ("1.2.3", None),
            ("", None),
        ] {
            assert_eq!(read_node(node.as_bytes()), address.map(|text| text.parse().unwrap()), "{node}");
        }
    }

    #[test]
    fn parameters_are_read_with_and_without_quotes() {
        let element = br#"For="[2001:db8::1]:5";Proto=https; host=a.b"#;
        assert_eq!(parameter(element, b"for"), Some(b"[2001:db8::1]:5".as_slice()));
        assert_eq!(parameter(element, b"proto"), Some(b"https".as_slice()));
        assert_eq!(parameter(element, b"by"), None);
        assert_eq!(parameter(b"for=a;for=b", b"for"), None);
        assert_eq!(parameter(br#"for="a\b""#, b"for"), None);
    }
}
