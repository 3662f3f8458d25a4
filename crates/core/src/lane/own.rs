//! Answers that we make ourselves: refusals, failures, and what a route says without an endpoint.

use super::Turn;
use super::exchange::{Answering, Exchange, Link};
use super::request::filters_of;
use crate::failure::{Failure, Kind};
use crate::head::{Method, Version};

/// Writes the answer of a failure: the client learns the kind and what it may know about it, never names or addresses.
pub(super) fn answer_failure(exchange: &mut Exchange, failure: Failure, turn: &Turn<'_>) {
    let kind = failure.kind;
    let body = format!("{}: {}\n", kind.name(), kind.says());
    let proxy_status = format!("tidegate; error={}; details=\"{}\"", kind.proxy_status(), kind.name());
    let mut fields = vec![("proxy-status", proxy_status.as_str())];
    if kind == Kind::MethodRefused {
        fields.push(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if matches!(kind.status(), 429 | 503) {
        fields.push(("retry-after", "1"));
    }
    exchange.failure = Some(failure);
    answer(exchange, kind.status(), &fields, "text/plain; charset=utf-8", body.as_bytes(), turn);
}

/// Writes a whole answer of ours. The connection ends with it if the request's body has not come whole.
pub(super) fn answer(
    exchange: &mut Exchange,
    status: u16,
    fields: &[(&str, &str)],
    content_type: &str,
    body: &[u8],
    turn: &Turn<'_>,
) {
    exchange.last |= !exchange.upload.is_done() || turn.leaving;
    exchange.status = status;
    exchange.answering = Answering::Whole;
    if !matches!(exchange.link, Link::Open | Link::Leasing) {
        exchange.link = Link::Ended;
    }
    let Exchange { down, serving, route, .. } = exchange;
    let edits = filters_of(serving.as_ref(), *route).and_then(|filters| filters.response_headers.as_ref());
    let out = &mut down.bytes;
    write_status(out, status, reason_phrase(status));
    let from = out.len();
    for (name, value) in fields {
        write_field(out, name.as_bytes(), value.as_bytes());
    }
    write_field(out, b"date", turn.date);
    // These have no body, and a length would be of one (RFC 9110, section 8.6).
    let has_length = !matches!(status, 204 | 304);
    if has_length {
        write_field(out, b"content-type", content_type.as_bytes());
    }
    if let Some(edits) = edits {
        edits.finish(out, from, from);
    }
    if has_length {
        write_field(out, b"content-length", body.len().to_string().as_bytes());
    }
    write_connection(out, exchange.last, exchange.head.version);
    out.extend_from_slice(b"\r\n");
    if exchange.head.method != Method::Head {
        out.extend_from_slice(body);
    }
}

/// Appends the status line.
pub(super) fn write_status(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    let digit = |n: u16| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line.
pub(super) fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends `Connection` where the version's default is not what comes (RFC 9112, section 9.3).
pub(super) fn write_connection(out: &mut Vec<u8>, last: bool, version: Version) {
    match (last, version) {
        (true, _) => out.extend_from_slice(b"connection: close\r\n"),
        (false, Version::Http10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, Version::Http11) => {}
    }
}

/// The usual phrase for a status (RFC 9110, section 15); empty for those that this program never sends itself.
pub(super) fn reason_phrase(status: u16) -> &'static [u8] {
    match status {
        200 => b"OK",
        204 => b"No Content",
        205 => b"Reset Content",
        301 => b"Moved Permanently",
        302 => b"Found",
        304 => b"Not Modified",
        307 => b"Temporary Redirect",
        308 => b"Permanent Redirect",
        400 => b"Bad Request",
        403 => b"Forbidden",
        404 => b"Not Found",
        405 => b"Method Not Allowed",
        408 => b"Request Timeout",
        413 => b"Content Too Large",
        414 => b"URI Too Long",
        417 => b"Expectation Failed",
        421 => b"Misdirected Request",
        429 => b"Too Many Requests",
        431 => b"Request Header Fields Too Large",
        500 => b"Internal Server Error",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        505 => b"HTTP Version Not Supported",
        _ => b"",
    }
}
