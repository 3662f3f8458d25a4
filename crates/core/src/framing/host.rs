//! Host and authority (RFC 9110, section 7.2; RFC 3986, section 3.2).

use super::bytes::decimal;
use crate::head::Span;

/// A host and its port, as spans over the head's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostSpan {
    /// All of it.
    pub whole: Span,
    /// The host, with the brackets of an IPv6 address.
    pub name: Span,
    /// The port, if one was given.
    pub port: Option<u16>,
}

/// Reads `host[:port]`; `None` if it is not one. No user, no escape, nothing empty: what a lookup could read two ways.
pub(super) fn read_host(bytes: &[u8], whole: Span) -> Option<HostSpan> {
    let text = whole.of(bytes);
    let name_len = match text.first()? {
        b'[' => {
            let close = text.iter().position(|byte| *byte == b']')?;
            let inside = std::str::from_utf8(text.get(1..close)?).ok()?;
            inside.parse::<std::net::Ipv6Addr>().ok()?;
            close + 1
        }
        _ => {
            let len = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let name = text.get(..len)?;
            let fine = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            if name.is_empty() || !name.iter().all(fine) || name.first() == Some(&b'.') || has_empty_label(name) {
                return None;
            }
            len
        }
    };
    let port = match text.get(name_len..)? {
        [] => None,
        [b':', digits @ ..] if digits.len() <= 5 => Some(u16::try_from(decimal(digits)?).ok()?),
        _ => return None,
    };
    let end = whole.start + u32::try_from(name_len).ok()?;
    Some(HostSpan { whole, name: Span { start: whole.start, end }, port })
}

fn has_empty_label(name: &[u8]) -> bool {
    name.windows(2).any(|pair| pair == b"..")
}
