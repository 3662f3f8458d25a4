//! Who the client is, and what the endpoint is told about it.
//!
//! From `forwarded.from` the one believed field is appended to; its other `X-Forwarded-*` go on as they are if that field
//! is `X-Forwarded-For`, and are made from the client's element if it is `Forwarded`. From anyone else all are replaced.
//! The field that is not believed never goes on, in no spelling.

use std::net::IpAddr;

use super::chain::{self, known_of, parameter};
pub use super::peer::Peer;
pub use super::request_id::RequestId;
use super::request_id::is_token;
pub use super::trust::Trust;
use crate::dice::Dice;
use crate::head::{Field, Known, RequestHead, Version};
use crate::snapshot::document::ForwardedField;

/// What was found out about who sent a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// The client: the rightmost address that is not in `forwarded.from`; `None` where only a Unix socket is known.
    pub client: Option<IpAddr>,
    /// Whether the peer is in `forwarded.from`.
    pub trusted: bool,
    /// The request's id, sent or made.
    pub request_id: RequestId,
    /// Fields of a believed peer that go on as they are.
    sent: Sent,
}

impl Told {
    /// Nobody speaks for the client but its connection.
    pub fn by(peer: &Peer) -> Self {
        Self { client: peer.ip(), ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    chain: bool,
    proto: bool,
    host: bool,
    port: bool,
}

/// Finds out who sent a request.
#[expect(clippy::wildcard_enum_match_arm, reason = "most fields say nothing about who sent it")]
pub fn listen_to(trust: &Trust, peer: &Peer, bytes: &[u8], head: &RequestHead, dice: &mut Dice) -> Told {
    if !trust.believes_peer(peer) {
        let request_id = RequestId::made(dice);
        return Told { client: peer.ip(), trusted: false, request_id, sent: Sent::default() };
    }
    let believed = known_of(trust.field());
    let family = trust.field() == ForwardedField::XForwardedFor;
    let (mut sent, mut id, mut ids) = (Sent::default(), None, 0);
    for field in &head.fields {
        match field.known {
            known if known == believed => sent.chain = true,
            Known::XForwardedProto => sent.proto = family,
            Known::XForwardedHost => sent.host = family,
            Known::XForwardedPort => sent.port = family,
            Known::XRequestId => {
                id = RequestId::sent(field.value.of(bytes));
                ids += 1;
            }
            _ => {}
        }
    }
    let origin = if sent.chain {
        chain::origin(bytes, &head.fields, trust.field(), |address| trust.believes(address))
    } else {
        None
    };
    Told {
        client: origin.map(|origin| origin.address).or(peer.ip()),
        trusted: true,
        request_id: id.filter(|_| ids == 1).unwrap_or_else(|| RequestId::made(dice)),
        sent,
    }
}

/// Whether an incoming field goes on as it is. Hop-by-hop fields are not this function's business.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not about forwarding goes on")]
pub fn passes(told: &Told, bytes: &[u8], field: &Field, keep_underscores: bool) -> bool {
    match field.known {
        Known::Other => {
            let name = field.name.of(bytes);
            if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
                return told.trusted || !is_of_family(name);
            }
            (keep_underscores || !name.contains(&b'_')) && !is_disguised(name)
        }
        Known::XForwardedFor | Known::Forwarded | Known::XRequestId => false,
        Known::XForwardedProto => told.sent.proto,
        Known::XForwardedHost => told.sent.host,
        Known::XForwardedPort => told.sent.port,
        Known::XForwardedPrefix | Known::XForwardedServer | Known::XRealIp => told.trusted,
        _ => true,
    }
}

/// Whether it is one of the `X-Forwarded-*` that we know nothing of but that some backends believe: `X-Forwarded-Ssl`,
/// `X-Forwarded-User`. Any sign counts as a dash.
fn is_of_family(name: &[u8]) -> bool {
    const FAMILY: &[u8] = b"x-forwarded-";
    let is_same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*b == b'-' && !a.is_ascii_alphanumeric());
    matches!(name.first(), Some(b'x' | b'X')) && name.len() >= FAMILY.len() && name.iter().zip(FAMILY).all(is_same)
}

/// Whether a reader that takes every sign for a dash, as CGI does, reads a field that the road itself reads.
fn is_disguised(name: &[u8]) -> bool {
    if is_of_family(name) {
        return true;
    }
    let mut plain = [0u8; 32];
    let Some(plain) = plain.get_mut(..name.len()) else { return false };
    for (to, from) in plain.iter_mut().zip(name) {
        *to = if from.is_ascii_alphanumeric() { *from } else { b'-' };
    }
    Known::of(plain) != Known::Other
}

/// The scheme that the client used: that of the connection, or what a believed peer says of it where that is one of both.
pub fn scheme(trust: &Trust, peer: &Peer, told: &Told, bytes: &[u8], head: &RequestHead) -> &'static str {
    let sent = if told.sent.proto {
        head.fields.iter().rev().find(|field| field.known == Known::XForwardedProto).map(|field| field.value.of(bytes))
    } else if told.sent.chain && trust.field() == ForwardedField::Forwarded {
        chain::origin(bytes, &head.fields, trust.field(), |address| trust.believes(address))
            .and_then(|origin| parameter(origin.element, b"proto"))
    } else {
        None
    };
    match sent {
        Some(proto) if proto.eq_ignore_ascii_case(b"https") => "https",
        Some(proto) if proto.eq_ignore_ascii_case(b"http") => "http",
        Some(_) | None => peer.scheme(),
    }
}

/// Appends the lines that tell the endpoint about the client, the request's id, and `Via`.
pub fn write_fields(
    out: &mut Vec<u8>,
    trust: &Trust,
    peer: &Peer,
    told: &Told,
    bytes: &[u8],
    head: &RequestHead,
    host: Option<&[u8]>,
) {
    write_client(out, trust, peer, told, bytes, head, host);
    line(out, b"x-request-id: ", told.request_id.as_bytes());
    write_via(out, head.version);
}

/// Appends the lines that tell the endpoint about the client. `host` is the request's host with its port.
pub fn write_client(
    out: &mut Vec<u8>,
    trust: &Trust,
    peer: &Peer,
    told: &Told,
    bytes: &[u8],
    head: &RequestHead,
    host: Option<&[u8]>,
) {
    let by_forwarded = trust.field() == ForwardedField::Forwarded;
    let element = if by_forwarded && told.sent.chain {
        chain::origin(bytes, &head.fields, trust.field(), |address| trust.believes(address)).map(|o| o.element)
    } else {
        None
    };
    write_for(out, peer, told, bytes, head, by_forwarded);
    let named = |name| element.and_then(|element| parameter(element, name)).filter(|value| is_plain(value));
    let (proto, told_host) = (named(b"proto"), named(b"host"));
    if !told.sent.proto {
        line(out, b"x-forwarded-proto: ", proto.unwrap_or(peer.scheme().as_bytes()));
    }
    let host = host.filter(|host| !host.is_empty());
    if !told.sent.host {
        match told_host.or(host) {
            Some(host) => line(out, b"x-forwarded-host: ", host),
            None => line(out, b"x-forwarded-host: ", local_text(peer).as_bytes()),
        }
    }
    if !told.sent.port {
        let port = match (told_host, proto) {
            (None, None) => Some(peer.port_text()).filter(|port| !port.is_empty()),
            (host, _) => host.and_then(port_of),
        };
        let usual: &[u8] = if proto.unwrap_or(peer.scheme().as_bytes()) == b"https" { b"443" } else { b"80" };
        line(out, b"x-forwarded-port: ", port.unwrap_or(usual));
    }
    if by_forwarded {
        write_forwarded(out, peer, told, bytes, head, host);
    }
}

/// Appends `Via`. A second line means the same as a longer first one (RFC 9110, section 5.3), so those that were sent go
/// on as they are.
pub fn write_via(out: &mut Vec<u8>, received: Version) {
    out.extend_from_slice(match received {
        Version::Http2 => b"via: 2.0 tidegate\r\n",
        Version::Http11 => b"via: 1.1 tidegate\r\n",
        Version::Http10 => b"via: 1.0 tidegate\r\n",
    });
}

/// `X-Forwarded-For`: the believed chain and the peer; in terms of `Forwarded`, the client and the peer.
fn write_for(out: &mut Vec<u8>, peer: &Peer, told: &Told, bytes: &[u8], head: &RequestHead, by_forwarded: bool) {
    out.extend_from_slice(b"x-forwarded-for: ");
    let start = out.len();
    if told.sent.chain && !by_forwarded {
        write_chain(out, bytes, head, Known::XForwardedFor);
    } else if let Some(client) = told.client.filter(|client| peer.ip() != Some(*client)) {
        out.extend_from_slice(client.to_string().as_bytes());
    }
    let is_first = out.len() == start;
    match (peer.ip_text(), is_first) {
        (b"", true) => out.extend_from_slice(b"unknown"),
        (b"", false) => {} // a Unix socket has no address to add
        (ip, _) => {
            if !is_first {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(ip);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// `Forwarded`: the believed chain, and an element for the peer (RFC 7239, section 4).
fn write_forwarded(out: &mut Vec<u8>, peer: &Peer, told: &Told, bytes: &[u8], head: &RequestHead, host: Option<&[u8]>) {
    out.extend_from_slice(b"forwarded: ");
    let start = out.len();
    if told.sent.chain {
        write_chain(out, bytes, head, Known::Forwarded);
    }
    if out.len() > start {
        out.extend_from_slice(b", ");
    }
    match peer.ip() {
        None => out.extend_from_slice(b"for=unknown"),
        Some(IpAddr::V4(_)) => {
            out.extend_from_slice(b"for=");
            out.extend_from_slice(peer.ip_text());
        }
        Some(IpAddr::V6(_)) => {
            out.extend_from_slice(b"for=\"[");
            out.extend_from_slice(peer.ip_text());
            out.extend_from_slice(b"]\"");
        }
    }
    if let Some(host) = host.filter(|host| is_plain(host)) {
        let quote: &[u8] = if host.iter().all(|byte| is_token(*byte)) { b"" } else { b"\"" };
        for part in [b";host=", quote, host, quote] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(peer.scheme().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The lines of one field as one list.
fn write_chain(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, known: Known) {
    let start = out.len();
    for field in head.fields.iter().filter(|field| field.known == known && !field.value.is_empty()) {
        if out.len() > start {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(field.value.of(bytes));
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What may stand in a field of ours, and between quotes.
fn is_plain(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','))
}

/// The port of a host; `None` where it has none.
fn port_of(host: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b':', host)?;
    let port = host.get(at + 1..)?;
    (!port.is_empty() && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

/// The address that a client without Host came to.
fn local_text(peer: &Peer) -> String {
    peer.local.map_or_else(|| "localhost".to_owned(), |local| local.to_string())
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
