//! Answers that we make ourselves: refusals, failures, and what a route says without an endpoint.

use std::mem;

use super::Turn;
use super::exchange::{Answering, Exchange, Link};
use super::serving::Serving;
use crate::failure::{Failure, Kind, Stage};
use crate::filter::error_pages::{ErrorPage, ErrorPages};
use crate::filter::forwarded::Peer;
use crate::grpc;
use crate::head::{Field, Method, Span, Version};
use crate::route::encode::push_escaped;
use crate::rule::{Answer, Subject, Template};
use crate::snapshot::compiled::{Redirect, Respond};

/// Writes the answer of a failure: the client learns the kind and what it may know about it, never names or addresses.
pub(super) fn answer_failure(exchange: &mut Exchange, failure: Failure, peer: &Peer, turn: &Turn<'_>) {
    let kind = failure.kind;
    let status = if exchange.abort_with > 0 { exchange.abort_with } else { kind.status() };
    let body = format!("{}: {}\n", kind.name(), kind.says());
    let proxy_status = format!("tidegate; error={}; details=\"{}\"", kind.proxy_status(), kind.name());
    let mut fields = vec![("proxy-status", proxy_status.as_str())];
    if kind == Kind::MethodRefused {
        fields.push(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if matches!(status, 429 | 503) {
        fields.push(("retry-after", "1"));
    }
    exchange.failure = Some(failure);
    if exchange.facts.is_grpc {
        let code = grpc::status_of(kind, status).to_string();
        let says = format!("{}: {}", kind.name(), kind.says());
        fields.extend([("grpc-status", code.as_str()), ("grpc-message", says.as_str())]);
        return answer(exchange, 200, &fields, "application/grpc", b"", peer, turn);
    }
    let serving = exchange.serving.clone();
    match page(serving.as_deref(), exchange, |pages| pages.for_failure(kind, status)) {
        Some(page) => {
            let status = page.send.unwrap_or(status);
            answer(
                exchange,
                status,
                &fields,
                &page.content_type,
                &written(page, exchange, status, peer, turn),
                peer,
                turn,
            );
        }
        None => answer(exchange, status, &fields, "text/plain; charset=utf-8", body.as_bytes(), peer, turn),
    }
}

/// The page of the route, else of the listener, that `find` finds.
fn page<'a>(
    serving: Option<&'a Serving>,
    exchange: &Exchange,
    find: impl Fn(&'a ErrorPages) -> Option<&'a ErrorPage>,
) -> Option<&'a ErrorPage> {
    let compiled = &serving?.compiled;
    let of_route = exchange.route.and_then(|id| compiled.route(id)?.filters.as_deref());
    let of_listener = compiled.listeners.get(exchange.listener);
    let of_route = of_route.and_then(|filters| find(&filters.error_pages));
    of_route.or_else(|| find(&of_listener?.error_pages))
}

/// The text of a page for this request.
fn written(page: &ErrorPage, exchange: &Exchange, status: u16, peer: &Peer, turn: &Turn<'_>) -> Vec<u8> {
    let failure = exchange.failure.as_ref().map(|failure| failure.kind);
    let answer = Answer { status, duration: turn.now.since(exchange.began), failure };
    let mut text = Vec::new();
    if let Some(subject) = exchange.subject(peer) {
        page.body.write(&Subject { answer: Some(answer), ..subject }, &mut text);
    }
    text
}

/// Fields of an endpoint's answer that a client must know whatever is shown in place of its body: without them it could
/// neither log in nor try again in time.
const KEPT: &[&str] = &["www-authenticate", "retry-after", "allow"];

/// Answers in the endpoint's place, where a page is for the status that it answers with; says whether one is. What is left
/// of its answer is for nobody, so its connection goes.
pub(super) fn stand_in(exchange: &mut Exchange, closing: bool, peer: &Peer, turn: &Turn<'_>) -> bool {
    let serving = exchange.serving.clone();
    let status = exchange.answer.status;
    let Some(page) = page(serving.as_deref(), exchange, |pages| pages.for_endpoint(status)) else { return false };
    let bytes = exchange.source.filled();
    let kept = |field: &&Field| KEPT.iter().any(|kept| field.name.of(bytes).eq_ignore_ascii_case(kept.as_bytes()));
    let text = |span: Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
    let fields: Vec<(String, String)> =
        exchange.answer.fields.iter().filter(kept).map(|field| (text(field.name), text(field.value))).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    exchange.status = status;
    exchange.answer_began(turn.now);
    exchange.answer_facts.keep_alive = false;
    exchange.last |= closing;
    exchange.up.let_go();
    let sent = page.send.unwrap_or(status);
    answer(exchange, sent, &fields, &page.content_type, &written(page, exchange, sent, peer, turn), peer, turn);
    true
}

/// What a route says without an endpoint.
pub(super) fn respond(exchange: &mut Exchange, respond: &Respond, peer: &Peer, turn: &Turn<'_>) {
    let Respond { status, content_type, headers, body } = respond;
    if headers.is_empty() {
        return answer(exchange, *status, &[], content_type, body.as_bytes(), peer, turn);
    }
    let written: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (name.as_str(), filled(value, exchange, peer))).collect();
    let fields: Vec<(&str, &str)> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
    answer(exchange, *status, &fields, content_type, body.as_bytes(), peer, turn);
}

/// Sends the client elsewhere. What is no visible ASCII is escaped, whoever wrote it, since readers take it for this and
/// that (RFC 9110, section 10.2.2; RFC 3986, section 2). Fails where the host would be that of a request without one.
pub(super) fn redirect(
    exchange: &mut Exchange,
    redirect: &Redirect,
    peer: &Peer,
    turn: &Turn<'_>,
) -> Result<(), Failure> {
    let mut written = Vec::new();
    if let Some(subject) = exchange.subject(peer) {
        redirect.to.write(&subject, &mut written);
    }
    let mut location = Vec::with_capacity(written.len());
    for byte in written {
        if byte.is_ascii_graphic() && byte != b'\\' { location.push(byte) } else { push_escaped(&mut location, byte) }
    }
    let location = String::from_utf8_lossy(&location);
    if lacks_host(&location) {
        let reason = "the redirect leads to the host of the request, and it has none";
        return Err(Failure::new(Kind::InvalidHost, Stage::Route, reason));
    }
    let body = format!("{location}\n");
    let fields = [("location", &*location)];
    answer(exchange, redirect.status, &fields, "text/plain; charset=utf-8", body.as_bytes(), peer, turn);
    Ok(())
}

/// Whether a URL has an authority with no host in it: browsers then take the first segment of the path for one.
fn lacks_host(location: &str) -> bool {
    let bare = location.strip_prefix("https:").or_else(|| location.strip_prefix("http:")).unwrap_or(location);
    bare.strip_prefix("//").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#', ':']))
}

fn filled(template: &Template, exchange: &Exchange, peer: &Peer) -> String {
    let mut text = Vec::new();
    if let Some(subject) = exchange.subject(peer) {
        template.write(&subject, &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes a whole answer of ours. The connection ends with it if the request's body has not come whole.
pub(super) fn answer(
    exchange: &mut Exchange,
    status: u16,
    fields: &[(&str, &str)],
    content_type: &str,
    body: &[u8],
    peer: &Peer,
    turn: &Turn<'_>,
) {
    exchange.last |= !exchange.upload.is_done() || turn.leaving;
    exchange.status = status;
    exchange.answering = Answering::Whole;
    if !matches!(exchange.link, Link::Open | Link::Leasing) {
        exchange.link = Link::Ended;
    }
    let mut down = mem::take(&mut exchange.down);
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
    if let Some((edits, subject)) = exchange.response_edits(peer) {
        edits.finish(out, from, from, &subject);
    }
    if has_length {
        write_field(out, b"content-length", body.len().to_string().as_bytes());
    }
    write_connection(out, exchange.last, exchange.head.version);
    out.extend_from_slice(b"\r\n");
    if exchange.head.method != Method::Head {
        out.extend_from_slice(body);
    }
    exchange.down = down;
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
        (false, Version::Http11 | Version::Http2) => {}
    }
}

/// The usual phrase for a status (RFC 9110, section 15; RFC 6585; RFC 7725); empty for those that have none there.
pub(super) fn reason_phrase(status: u16) -> &'static [u8] {
    match status {
        200 => b"OK",
        201 => b"Created",
        202 => b"Accepted",
        203 => b"Non-Authoritative Information",
        204 => b"No Content",
        205 => b"Reset Content",
        300 => b"Multiple Choices",
        301 => b"Moved Permanently",
        302 => b"Found",
        303 => b"See Other",
        304 => b"Not Modified",
        307 => b"Temporary Redirect",
        308 => b"Permanent Redirect",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        402 => b"Payment Required",
        403 => b"Forbidden",
        404 => b"Not Found",
        405 => b"Method Not Allowed",
        406 => b"Not Acceptable",
        408 => b"Request Timeout",
        409 => b"Conflict",
        410 => b"Gone",
        411 => b"Length Required",
        412 => b"Precondition Failed",
        413 => b"Content Too Large",
        414 => b"URI Too Long",
        415 => b"Unsupported Media Type",
        416 => b"Range Not Satisfiable",
        417 => b"Expectation Failed",
        421 => b"Misdirected Request",
        422 => b"Unprocessable Content",
        426 => b"Upgrade Required",
        429 => b"Too Many Requests",
        431 => b"Request Header Fields Too Large",
        451 => b"Unavailable For Legal Reasons",
        500 => b"Internal Server Error",
        501 => b"Not Implemented",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        505 => b"HTTP Version Not Supported",
        _ => b"",
    }
}
