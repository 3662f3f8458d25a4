//! The authority of a request: name and port (RFC 9110, section 7.2; RFC 3986, section 3.2).

use std::net::Ipv6Addr;

use super::bytes::is_host_name;
use super::flaw::Flaw;
use crate::failure::Kind;
use crate::head::Span;

/// Longest name; DNS allows 253 bytes, RFC 3986 speaks of 255.
const LONGEST_NAME: usize = 255;

/// An authority, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostSpan {
    /// All of it, as it was sent.
    pub whole: Span,
    /// The name without port and without a closing dot, as it was sent: `Example.com`, `10.0.0.1`, `[::1]`.
    pub name: Span,
    /// The port, if there is one.
    pub port: Option<u16>,
}

impl HostSpan {
    /// Checks the authority at `whole`. Stricter than the grammar where readers differ: no escapes and no sub-delims
    /// (`a,b` is one name to some and two to others), no empty label, no empty port, no user.
    pub(super) fn read(bytes: &[u8], whole: Span) -> Result<Self, Flaw> {
        let authority = whole.of(bytes);
        let wrong = |what| Err(Flaw::bytes(Kind::InvalidHost, whole.start as usize, whole.len(), what));
        let name_len = match authority {
            [] => return wrong("an empty host"),
            [b'[', rest @ ..] => match rest.iter().position(|&byte| byte == b']') {
                Some(len) if is_ipv6(rest.get(..len).unwrap_or_default()) => len + 2,
                _ => return wrong("a host in brackets that is no IPv6 address"),
            },
            _ => authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len()),
        };
        let (name, rest) = authority.split_at_checked(name_len).unwrap_or((authority, b""));
        let port = match rest {
            [] => None,
            [b':', digits @ ..] => match read_port(digits) {
                Some(port) => Some(port),
                None => return wrong("a host whose port is no port"),
            },
            _ => return wrong("something between host and port"),
        };
        let undotted = name.strip_suffix(b".").unwrap_or(name);
        if !name.starts_with(b"[") && !is_name(undotted) {
            return wrong("what should be a host is none");
        }
        let end = whole.start + super::bytes::position(undotted.len());
        Ok(Self { whole, name: Span { start: whole.start, end }, port })
    }

    /// Whether both name the same place, where `default_port` is meant if there is none.
    pub(super) fn is_same(&self, other: &Self, bytes: &[u8], default_port: u16) -> bool {
        let port = |host: &Self| host.port.unwrap_or(default_port);
        let name = |host: &Self| host.name.of(bytes);
        let dotted = |host: &Self| host.whole.of(bytes).get(host.name.len()) == Some(&b'.');
        name(self).eq_ignore_ascii_case(name(other)) && port(self) == port(other) && dotted(self) == dotted(other)
    }
}

/// Whether `bytes` may be sent as a Host.
pub fn is_authority(bytes: &[u8]) -> bool {
    HostSpan::read(bytes, super::bytes::span(0, bytes.len())).is_ok()
}

fn is_name(name: &[u8]) -> bool {
    let mut before = b'.';
    for &byte in name {
        if byte == b'.' && before == b'.' {
            return false;
        }
        before = byte;
    }
    before != b'.' && name.len() <= LONGEST_NAME && is_host_name(name)
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn read_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    digits.iter().try_fold(0u16, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        let whole = super::super::bytes::span(0, text.len());
        let host = HostSpan::read(text.as_bytes(), whole).ok()?;
        Some((String::from_utf8(host.name.of(text.as_bytes()).to_vec()).unwrap(), host.port))
    }

    #[test]
    fn an_authority_is_a_name_and_perhaps_a_port() {
        for (text, name, port) in [
            ("example.com", "example.com", None),
            ("Example.COM:8080", "Example.COM", Some(8080)),
            ("example.com.", "example.com", None),
            ("example.com.:80", "example.com", Some(80)),
            ("a_b-c~d.e", "a_b-c~d.e", None),
            ("localhost:0", "localhost", Some(0)),
            ("x:65535", "x", Some(65535)),
            ("x:00080", "x", Some(80)),
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.1:443", "10.0.0.1", Some(443)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::7]:8443", "[2001:DB8::7]", Some(8443)),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", None),
        ] {
            assert_eq!(read(text), Some((name.into(), port)), "{text}");
        }
    }

    #[test]
    #[rustfmt::skip] // one a line would be a page
    fn what_readers_take_differently_is_no_authority() {
        for text in [
            "", ":80", ".", "..", "a..b", ".a", "a..", "x:", "x:65536", "x:080800", "x:+80", "x:-1", "x: 80", "x:8a",
            "x:80:80", "x:80,y", "a,b", "a b", "a\tb", "user@x", "user:pw@x", "x@", "a%2eb", "%61", "a/b", "a?b", "a#b",
            "a\\b", "a!b", "a$b", "a&b", "a'b", "a(b)", "a*b", "a+b", "a;b", "a=b", "<a>", "\"a\"", "a|b", "a^b",
            "a{b}", "b\u{fc}cher.de", "[::1", "::1", "[::1]x", "[::1]80", "[::1]:", "[::1]:x", "[]", "[x]", "[1.2.3.4]",
            "[::1%25eth0]", "[::1%eth0]", "[v1.x]", "[::1].", "[[::1]]", "]", "a]", "a[",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read(&"a".repeat(256)), None);
        assert!(read(&"a".repeat(255)).is_some());
    }
}
