//! What must hold of a request's head before anything looks at it.

use super::bytes::decimal;
use super::host::{HostSpan, read_host};
use super::list::{Options, members, read_options};
use super::{BodyLength, malformed, refuse, shown};
use crate::failure::{Failure, Kind};
use crate::head::{Known, Method, RequestHead, TargetForm, Version};

/// What follows from a request's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFacts {
    /// How its body's end is known.
    pub body: BodyLength,
    /// Whether another request may follow.
    pub keep_alive: bool,
    /// The host; `None` for HTTP/1.0 without one.
    pub host: Option<HostSpan>,
    /// Whether the client waits for a 100 before it sends the body.
    pub expects_continue: bool,
    /// Whether it asks for a WebSocket (RFC 6455, section 4.1).
    pub upgrade_websocket: bool,
    /// `Max-Forwards` of OPTIONS or TRACE.
    pub max_forwards: Option<u32>,
}

/// Decides about framing, Host, `Connection`, `Expect`, method and target, or says why nobody can.
pub fn judge_request(bytes: &[u8], head: &RequestHead) -> Result<RequestFacts, Failure> {
    let body = body_length(bytes, head)?;
    let options = read_options(bytes, &head.fields)?;
    let host = host(bytes, head)?;
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(refuse(Kind::MethodRefused, shown(head.method_span.of(bytes))));
    }
    let keep_alive = !options.close && (head.version == Version::Http11 || options.keep_alive);
    Ok(RequestFacts {
        body,
        keep_alive,
        host,
        expects_continue: expects_continue(bytes, head)?,
        upgrade_websocket: upgrade_websocket(bytes, head, options, body),
        max_forwards: max_forwards(bytes, head)?,
    })
}

/// RFC 9112, section 6: one Content-Length of digits, or `Transfer-Encoding: chunked` in HTTP/1.1, never both.
fn body_length(bytes: &[u8], head: &RequestHead) -> Result<BodyLength, Failure> {
    let ambiguous = |says: &str| Err(refuse(Kind::AmbiguousFraming, says));
    let mut length = None;
    let mut chunked = false;
    for field in &head.fields {
        let value = field.value.of(bytes);
        match field.known {
            Known::ContentLength if length.is_some() => return ambiguous("more than one Content-Length"),
            Known::ContentLength => {
                let Some(n) = decimal(value) else {
                    return Err(refuse(Kind::AmbiguousFraming, format!("Content-Length is {}", shown(value))));
                };
                length = Some(n);
            }
            Known::TransferEncoding if chunked => return ambiguous("more than one Transfer-Encoding"),
            Known::TransferEncoding if !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(refuse(Kind::AmbiguousFraming, format!("Transfer-Encoding is {}", shown(value))));
            }
            Known::TransferEncoding => chunked = true,
            _ if is_disguised(field.name.of(bytes)) => {
                let reason = format!("{} could be read as a framing field", shown(field.name.of(bytes)));
                return Err(refuse(Kind::AmbiguousFraming, reason));
            }
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(_), true) => ambiguous("Content-Length beside Transfer-Encoding"),
        (None, true) if head.version == Version::Http10 => ambiguous("Transfer-Encoding in HTTP/1.0"),
        (None, true) => Ok(BodyLength::Chunked),
        (Some(n), false) => Ok(BodyLength::Length(n)),
        (None, false) => Ok(BodyLength::None),
    }
}

/// `content_length`, `transfer_encoding`: a backend that maps `_` to `-` would take them for framing.
fn is_disguised(name: &[u8]) -> bool {
    let same = |known: &[u8]| {
        name.len() == known.len()
            && name.iter().zip(known).all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-'))
    };
    name.contains(&b'_') && (same(b"content-length") || same(b"transfer-encoding"))
}

/// RFC 9112, section 3.2: exactly one valid Host in HTTP/1.1, and the same as in an absolute target.
fn host(bytes: &[u8], head: &RequestHead) -> Result<Option<HostSpan>, Failure> {
    let wrong = |says: String| Err(refuse(Kind::InvalidHost, says));
    let mut fields = head.fields.iter().filter(|field| field.known == Known::Host);
    let field = fields.next();
    if fields.next().is_some() {
        return wrong("more than one Host".into());
    }
    let given = match field {
        None if head.version == Version::Http11 => return wrong("no Host in HTTP/1.1".into()),
        None => None,
        Some(field) => match read_host(bytes, field.value) {
            Some(host) => Some(host),
            None => return wrong(format!("Host is {}", shown(field.value.of(bytes)))),
        },
    };
    if !matches!(head.form, TargetForm::Absolute) {
        return Ok(given);
    }
    let Some(target) = read_host(bytes, head.authority) else {
        return wrong(format!("the target's authority is {}", shown(head.authority.of(bytes))));
    };
    let default = if head.target.of(bytes).get(4) == Some(&b':') { 80 } else { 443 };
    match given {
        Some(host)
            if !host.name.of(bytes).eq_ignore_ascii_case(target.name.of(bytes))
                || host.port.unwrap_or(default) != target.port.unwrap_or(default) =>
        {
            wrong("Host differs from the target's authority".into())
        }
        Some(_) => Ok(given),
        None => Ok(Some(target)),
    }
}

fn expects_continue(bytes: &[u8], head: &RequestHead) -> Result<bool, Failure> {
    let mut expects = false;
    for field in head.fields.iter().filter(|field| field.known == Known::Expect) {
        let value = field.value.of(bytes);
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(refuse(Kind::ExpectationFailed, format!("Expect is {}", shown(value))));
        }
        // A 100 is no answer that HTTP/1.0 knows (RFC 9110, section 10.1.1).
        expects = head.version == Version::Http11;
    }
    Ok(expects)
}

fn upgrade_websocket(bytes: &[u8], head: &RequestHead, options: Options, body: BodyLength) -> bool {
    let mut upgrades = head.fields.iter().filter(|field| field.known == Known::Upgrade);
    let is_websocket = upgrades.next().is_some_and(|field| {
        let mut protocols = members(field.value.of(bytes));
        protocols.next().is_some_and(|name| name.eq_ignore_ascii_case(b"websocket")) && protocols.next().is_none()
    });
    is_websocket
        && upgrades.next().is_none()
        && options.upgrade
        && head.method == Method::Get
        && head.version == Version::Http11
        && body == BodyLength::None
}

fn max_forwards(bytes: &[u8], head: &RequestHead) -> Result<Option<u32>, Failure> {
    if head.method != Method::Options {
        return Ok(None);
    }
    let mut fields = head.fields.iter().filter(|field| field.known == Known::MaxForwards);
    let Some(field) = fields.next() else { return Ok(None) };
    match (decimal(field.value.of(bytes)), fields.next()) {
        (Some(n), None) => Ok(Some(u32::try_from(n).unwrap_or(u32::MAX))),
        _ => Err(malformed(format!("Max-Forwards is {}", shown(field.value.of(bytes))))),
    }
}
