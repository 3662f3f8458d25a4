//! From a request's head to what the endpoint is sent.

use std::rc::Rc;
use std::sync::Arc;

use super::Turn;
use super::body::{Body, Coming, Framing};
use super::exchange::Exchange;
use super::own::write_field;
use super::serving::Serving;
use crate::failure::{Failure, Kind, Stage};
use crate::filter::fault;
use crate::filter::forwarded::{self, Peer};
use crate::filter::{Filters, Rewritten};
use crate::framing::{BodyLength, ChunkReader, Dropped, judge_request};
use crate::head::{Field, Known, Method, RequestHead, TargetForm};
use crate::route::{Choice, RouteId, read_path};
use crate::rule::Subject;
use crate::snapshot::compiled::Listener;
use crate::snapshot::document::ListenerKind;

/// Where a request leads.
pub(super) enum Led {
    /// To a route.
    To(RouteId),
    /// To what shows an issuer that the name is ours.
    Proof(Arc<str>),
}

/// Decides everything about a request that its head alone decides: its framing, its client, its route.
pub(super) fn admit(exchange: &mut Exchange, peer: &Peer, turn: &mut Turn<'_>) -> Result<Led, Failure> {
    let serving = turn.serving;
    let Some(listener) = serving.compiled.listeners.get(turn.listener) else {
        return Err(Failure::new(Kind::Internal, Stage::Route, "the listener is not in the snapshot"));
    };
    // Until its end is known nothing may follow this request, whatever becomes of it.
    exchange.upload = Body::new(Coming::UntilClose, Framing::AsItIs);
    exchange.facts = judge_request(&exchange.bytes, &exchange.head)?;
    exchange.last |= !exchange.facts.keep_alive;
    exchange.upload = upload(&exchange.facts.body);
    if turn.crowded {
        exchange.last = true;
        return Err(Failure::new(Kind::TooManyConnections, Stage::Accept, "limits.connections_per_client is reached"));
    }
    exchange.told = forwarded::listen_to(&listener.trust, peer, &exchange.bytes, &exchange.head, turn.dice);
    refuse_scheme(exchange, peer)?;
    refuse_large(exchange, listener)?;
    if let Some(proof) = prove(exchange, listener, turn) {
        return Ok(Led::Proof(proof));
    }
    choose_route(exchange, listener, peer, turn).map(Led::To)
}

/// What shows an issuer of certificates that a name is ours, where this request asks for it.
fn prove(exchange: &Exchange, listener: &Listener, turn: &Turn<'_>) -> Option<Arc<str>> {
    let head = &exchange.head;
    let asks = listener.kind == ListenerKind::Http && matches!(head.method, Method::Get | Method::Head);
    if asks { turn.serving.compiled.challenges.answer(head.path.of(&exchange.bytes)) } else { None }
}

fn upload(body: &BodyLength) -> Body {
    match body {
        BodyLength::None => Body::new(Coming::Nothing, Framing::AsItIs),
        BodyLength::Length(n) => Body::new(Coming::Length(*n), Framing::AsItIs),
        BodyLength::Chunked => Body::new(Coming::Chunked(ChunkReader::default()), Framing::Chunked),
        BodyLength::UntilClose => Body::new(Coming::UntilClose, Framing::AsItIs),
    }
}

/// An https target must have come over a secured connection (RFC 9110, section 7.4), unless a believed peer has secured it.
fn refuse_scheme(exchange: &Exchange, peer: &Peer) -> Result<(), Failure> {
    let Exchange { head, bytes, told, .. } = exchange;
    let is_https = || head.target.of(bytes).get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"https"));
    if head.form == TargetForm::Absolute && !told.trusted && peer.scheme() != "https" && is_https() {
        let reason = "the scheme of the target is https, that of the connection is not";
        return Err(Failure::new(Kind::SchemeNotSecured, Stage::Codec, reason));
    }
    Ok(())
}

fn refuse_large(exchange: &Exchange, listener: &Listener) -> Result<(), Failure> {
    match exchange.facts.body {
        BodyLength::Length(n) if listener.body_bytes > 0 && n > listener.body_bytes => Err(Failure::new(
            Kind::BodyTooLarge,
            Stage::Codec,
            format!("Content-Length is {n}, limits.body_bytes {}", listener.body_bytes),
        )),
        BodyLength::None | BodyLength::Length(_) | BodyLength::Chunked | BodyLength::UntilClose => Ok(()),
    }
}

fn choose_route(
    exchange: &mut Exchange,
    listener: &Listener,
    peer: &Peer,
    turn: &Turn<'_>,
) -> Result<RouteId, Failure> {
    let head = &exchange.head;
    let raw: &[u8] = match head.form {
        _ if head.asks_about_the_server() => b"*",
        _ if head.path.is_empty() => b"/",
        TargetForm::Origin | TargetForm::Absolute | TargetForm::Authority | TargetForm::Asterisk => {
            head.path.of(&exchange.bytes)
        }
    };
    let path = read_path(raw, listener.dots)?;
    if listener.kind == ListenerKind::Admin {
        refuse_pages_of_strangers(exchange)?;
    }
    let host = exchange.facts.host.as_ref().map(|host| host.name.of(&exchange.bytes));
    let subject = Subject::of(listener, peer, &exchange.told, &exchange.bytes, head, &exchange.facts);
    let compiled = &turn.serving.compiled;
    let choice = compiled.table.choose(turn.listener, host, &path, &subject);
    match choice {
        Choice::Route(id) => {
            exchange.resolved_path = path.forwarded;
            Ok(id)
        }
        Choice::Ambiguous(failure) => Err(failure),
        Choice::Nothing => {
            let host = String::from_utf8_lossy(host.unwrap_or_default());
            let others = compiled.table.of_other_methods(
                turn.listener,
                subject.facts.host.map(|host| host.name.of(subject.bytes)),
                &path,
                &subject,
            );
            let names: Vec<&str> = others.iter().filter_map(|id| Some(compiled.route(*id)?.name.as_str())).collect();
            let path = String::from_utf8_lossy(raw);
            let mut reason = format!("no route of listener {} matches host `{host}` and path `{path}`", listener.name);
            if !names.is_empty() {
                let method = String::from_utf8_lossy(head.method_span.of(&exchange.bytes));
                reason = format!("{reason} with method `{method}`; with another, {} would", names.join(", "));
            }
            Err(Failure::new(Kind::NoRoute, Stage::Route, reason))
        }
    }
}

/// A stranger's page in an operator's browser may reach the admin listener: it names its own site as Host where that name
/// was rebound to us, and as Origin where it asks across sites (RFC 6454, section 7).
fn refuse_pages_of_strangers(exchange: &Exchange) -> Result<(), Failure> {
    let bytes = &exchange.bytes;
    let host = exchange.facts.host.as_ref();
    if !host.is_none_or(|host| is_own_name(host.name.of(bytes))) {
        return Err(Failure::new(Kind::UnknownHost, Stage::Route, "Host is neither an address nor `localhost`"));
    }
    let whole = host.map_or(&[][..], |host| host.whole.of(bytes));
    let mut origins = exchange.head.fields.iter().filter(|field| field.known == Known::Origin);
    if origins.any(|origin| !is_origin_of(origin.value.of(bytes), whole)) {
        return Err(Failure::new(Kind::ForeignOrigin, Stage::Route, "Origin is another site than Host"));
    }
    Ok(())
}

/// Whether an Origin is the site that `host` names.
fn is_origin_of(origin: &[u8], host: &[u8]) -> bool {
    let named = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

/// Whether a Host is an address or `localhost`.
fn is_own_name(host: &[u8]) -> bool {
    let text = std::str::from_utf8(host).unwrap_or_default();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

/// Runs the filters that look at a request before an endpoint is asked, in their order.
pub(super) fn filter(
    exchange: &mut Exchange,
    filters: &Filters,
    listener: &Listener,
    peer: &Peer,
    turn: &mut Turn<'_>,
) -> Result<(), Failure> {
    let Exchange { bytes, head, facts, told, resolved_path, rewritten, .. } = exchange;
    if let Some(id) = &filters.request_id {
        let found = id.find(&Subject::of(listener, peer, told, bytes, head, facts));
        told.request_id = found.unwrap_or(told.request_id);
    }
    if let Some(access) = &filters.access {
        access.check(told.client)?;
    }
    filters.check_length(facts.body)?;
    exchange.body_limit = filters.body_limit;
    if !filters.faults.is_empty() {
        let subject = Subject::of(listener, peer, told, bytes, head, facts);
        let held = fault::suffer(&filters.faults, &subject, turn.dice).map_err(|(failure, status)| {
            exchange.abort_with = status;
            failure
        })?;
        exchange.resume_at = turn.now.after(held);
    }
    if filters.rewrites.is_empty() || head.asks_about_the_server() {
        return Ok(());
    }
    let sent = if head.path.is_empty() { b"/" } else { head.path.of(bytes) };
    let subject = Subject::of(listener, peer, told, bytes, head, facts);
    filters.rewrite(resolved_path.as_deref().unwrap_or(sent), rewritten, &subject)
}

fn filters_of(serving: Option<&Rc<Serving>>, route: Option<RouteId>) -> Option<&Filters> {
    serving?.compiled.route(route?)?.filters.as_deref()
}

/// Appends the head for the endpoint to `exchange.up`. `address` stands in for a Host that HTTP/1.0 did not send.
pub(super) fn write_head(exchange: &mut Exchange, peer: &Peer, listener: &Listener, address: &str, buffered: bool) {
    let Exchange { bytes, head, facts, told, up, resolved_path, rewritten, serving, route, .. } = exchange;
    let filters = filters_of(serving.as_ref(), *route);
    let (edits, id_field) = filters.map_or((None, None), Filters::of_request_head);
    let out = &mut up.bytes;
    out.extend_from_slice(head.method_span.of(bytes));
    out.push(b' ');
    write_target(out, bytes, head, resolved_path.as_deref(), rewritten);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = facts.host.as_ref().map(|host| host.whole.of(bytes));
    let other = Some(rewritten.host.as_slice()).filter(|host| !host.is_empty());
    write_field(out, b"host", other.or(host).unwrap_or(address.as_bytes()));
    let from = out.len();
    let dropped = Dropped::of_request(bytes, head);
    for field in &head.fields {
        if goes_on(field, buffered, facts.max_forwards.is_some())
            && !dropped.drops(bytes, field)
            && forwarded::passes(told, bytes, field, listener.keep_underscores)
            && !filters.is_some_and(|filters| filters.replace(field.name.of(bytes)))
        {
            write_field(out, field.name.of(bytes), field.value.of(bytes));
        }
    }
    let ours = out.len();
    match id_field {
        None => forwarded::write_fields(out, &listener.trust, peer, told, bytes, head, host),
        Some(name) => {
            forwarded::write_client(out, &listener.trust, peer, told, bytes, head, host);
            write_field(out, name, told.request_id.as_bytes());
            forwarded::write_via(out, head.version);
        }
    }
    if let Some(edits) = edits {
        edits.finish(out, from, ours, &Subject::of(listener, peer, told, bytes, head, facts));
    }
    if let Some(n) = facts.max_forwards {
        write_field(out, b"max-forwards", n.saturating_sub(1).to_string().as_bytes());
    }
    match facts.body {
        BodyLength::Length(n) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(out, n);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    if facts.upgrade_websocket {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a field goes on as far as the lane has a say: what it writes itself does not.
fn goes_on(field: &Field, buffered: bool, counted: bool) -> bool {
    let known = field.known;
    let ours = matches!(known, Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Upgrade);
    // Where we buffer the body we have answered 100 ourselves.
    !(ours || (buffered && known == Known::Expect) || (counted && known == Known::MaxForwards))
}

fn write_target(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, resolved: Option<&[u8]>, rewritten: &Rewritten) {
    match resolved {
        _ if head.asks_about_the_server() => out.push(b'*'),
        _ if !rewritten.path.is_empty() => out.extend_from_slice(&rewritten.path),
        Some(path) => out.extend_from_slice(path),
        None if head.path.is_empty() => out.push(b'/'),
        None => out.extend_from_slice(head.path.of(bytes)),
    }
    match &rewritten.query {
        Some(query) if query.is_empty() => {}
        Some(query) => {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        None if head.has_query => {
            out.push(b'?');
            out.extend_from_slice(head.query.of(bytes));
        }
        None => {}
    }
}

/// Appends `n` in decimal.
pub(super) fn write_decimal(out: &mut Vec<u8>, n: u64) {
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), n);
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}
