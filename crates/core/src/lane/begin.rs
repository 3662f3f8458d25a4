//! The head of a connection and of each request: read until it is whole, then decided what it leads to.

use std::rc::Rc;

use super::deadline::GATHER;
use super::exchange::Link;
use super::request::Led;
use super::{Act, Close, Exposition, Interest, Lane, Phase, Turn};
use super::{buffer, own, request};
use crate::failure::{Failure, Kind, Stage};
use crate::filter::forwarded::Peer;
use crate::framing::{BodyLength, HeadReader, Progress};
use crate::moment::Moment;
use crate::proxy_protocol::{self, Header};
use crate::route::RouteId;
use crate::snapshot::compiled::Target;
use crate::snapshot::document::Builtin;

impl Lane {
    /// Reads on in the PROXY protocol header, without which a connection has no client and gets no answer.
    pub(super) fn read_proxy_header(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        match proxy_protocol::read(self.input.filled()) {
            Ok(Header::Partial) if self.ended || turn.now >= self.due(turn).0 => {
                self.refuse_connection("the connection ended, or timeouts.header passed, inside the header")
            }
            Ok(Header::Partial) => return Some(self.wait_for_more(turn)),
            Ok(Header::Whole { len, told }) => {
                self.input.consume(len);
                if let Some((client, local)) = told {
                    self.peer = Peer::new(Some(client), Some(local));
                }
                self.phase = Phase::Idle;
                self.touched = turn.now;
                return Some(Act::Meet);
            }
            Err(says) => self.refuse_connection(says),
        }
        None
    }

    fn refuse_connection(&mut self, says: &'static str) {
        self.refused = Some(says);
        self.phase = Phase::Closing(Close::Now);
    }

    /// Reads on in a request's head. Idle and incomplete heads wait here.
    pub(super) fn read_request(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        // The empty line that old clients send after a body begins nothing that could be late.
        if HeadReader::default().is_before_request(self.input.filled()) {
            if self.ended || turn.now >= self.due(turn).0 {
                return Some(Act::Close(Close::Now));
            }
            return Some(self.wait_for_more(turn));
        }
        let Some(listener) = turn.serving.compiled.listeners.get(turn.listener) else {
            return Some(Act::Close(Close::Now));
        };
        if self.phase != Phase::Head {
            self.phase = Phase::Head;
            let mut exchange = turn.shelf.take_exchange();
            exchange.began = turn.now;
            exchange.listener = turn.listener;
            self.exchange = Some(exchange);
        }
        let exchange = self.exchange.as_deref_mut()?;
        let bytes = self.input.filled();
        if self.carried.is_none() && listener.http2.is_some_and(|http2| http2.only) {
            return Some(match http2_begins(bytes) {
                Some(true) => Act::SpeakHttp2,
                Some(false) if !self.ended => self.wait_for_more(turn),
                Some(false) | None => Act::Close(Close::Now),
            });
        }
        match exchange.reader.read_request(bytes, &listener.head, &mut exchange.head) {
            Err(failure) => match http2_begins(bytes) {
                Some(is_whole) if self.served == 0 && self.carried.is_none() && listener.http2.is_some() => {
                    return Some(if is_whole { Act::SpeakHttp2 } else { self.wait_for_more(turn) });
                }
                Some(_) | None => self.refuse(failure, turn),
            },
            Ok(Progress::Partial) if self.ended => return Some(Act::Close(Close::Now)),
            Ok(Progress::Partial) => return Some(self.wait_for_more(turn)),
            Ok(Progress::Complete) => self.begin(turn),
        }
        None
    }

    /// Waits for more of a head; one that dribbles in does not hold a whole box meanwhile.
    fn wait_for_more(&mut self, turn: &mut Turn<'_>) -> Act {
        if !self.input.is_empty() && self.input.len() < buffer::NOOK / 2 && self.input.capacity() > buffer::NOOK {
            turn.shelf.resize(&mut self.input, buffer::NOOK);
        }
        self.wait(turn, Interest { read_downstream: true, ..Interest::default() })
    }

    /// The head is whole: decides what it leads to.
    fn begin(&mut self, turn: &mut Turn<'_>) {
        let is_old = self.is_old(turn);
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let len = exchange.head.len as usize;
        exchange.bytes.extend_from_slice(self.input.filled().get(..len).unwrap_or_default());
        self.input.consume(len);
        self.phase = Phase::Exchange;
        exchange.head.version = self.carried.unwrap_or(exchange.head.version);
        exchange.serving = Some(Rc::clone(turn.serving));
        exchange.rate_from = turn.now;
        exchange.rate_bytes = self.input.len() as u64;
        exchange.last = is_old;
        match request::admit(exchange, &self.peer, turn) {
            Ok(Led::To(route)) => self.direct(route, turn),
            Ok(Led::Proof(proof)) => {
                let kind = "application/octet-stream";
                own::answer(exchange, 200, &[], kind, proof.as_bytes(), &self.peer, turn);
            }
            Err(failure) => self.refuse(failure, turn),
        }
    }

    fn direct(&mut self, id: RouteId, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.route = Some(id);
        let Some(route) = turn.serving.compiled.route(id) else { return };
        if let Some(filters) = route.filters.as_deref()
            && let Some(listener) = turn.serving.compiled.listeners.get(turn.listener)
            && let Err(failure) = request::filter(exchange, filters, listener, &self.peer, turn)
        {
            self.refuse(failure, turn);
            return;
        }
        if exchange.facts.max_forwards == Some(0) {
            let fields = [("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")];
            own::answer(exchange, 200, &fields, "text/plain; charset=utf-8", b"", &self.peer, turn);
            return;
        }
        let text = "text/plain; charset=utf-8";
        let peer = &self.peer;
        match &route.to {
            Target::Respond(respond) => own::respond(exchange, respond, peer, turn),
            Target::Redirect(redirect) => {
                if let Err(failure) = own::redirect(exchange, redirect, peer, turn) {
                    self.refuse(failure, turn);
                }
            }
            Target::Builtin(Builtin::Livez) => own::answer(exchange, 200, &[], text, b"ok\n", peer, turn),
            Target::Builtin(Builtin::Readyz) if turn.ready => {
                own::answer(exchange, 200, &[], text, b"ok\n", peer, turn)
            }
            Target::Builtin(Builtin::Readyz) => own::answer(exchange, 503, &[], text, b"draining\n", peer, turn),
            Target::Builtin(Builtin::Metrics) => {
                exchange.wants_metrics = Some(Exposition::wanted(&exchange.head, &exchange.bytes));
            }
            Target::Upstream(_) | Target::Split(_) => {
                let Some(leads_to) = route.to.lead(exchange.subject(peer).as_ref(), turn.dice) else { return };
                exchange.leads_to = leads_to;
                if let Some(mirror) = route.filters.as_deref().and_then(|filters| filters.mirror.as_deref()) {
                    exchange.decide_copy(mirror, turn);
                }
                let buffered = route.filters.as_deref().and_then(|filters| filters.buffer_request);
                self.gather_or_ask(buffered, turn);
            }
        }
    }

    /// Metrics were asked for (see [`Act::Metrics`]): this is their text.
    pub fn supply(&mut self, text: &[u8], turn: &Turn<'_>) {
        if let Some(exchange) = self.exchange.as_deref_mut() {
            let kind = exchange.wants_metrics.unwrap_or_default().content_type();
            own::answer(exchange, 200, &[("vary", "accept")], kind, text, &self.peer, turn);
        }
    }

    fn gather_or_ask(&mut self, buffered: Option<u64>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.buffered = buffered;
        if let (Some(most), BodyLength::Length(n)) = (buffered, exchange.facts.body)
            && n > most
        {
            let reason = format!("Content-Length is {n}, buffer_request takes {most}");
            self.refuse(Failure::new(Kind::BodyTooLarge, Stage::Filter, reason), turn);
            return;
        }
        if buffered.is_some() && exchange.facts.expects_continue && self.input.is_empty() {
            exchange.down.bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        exchange.gather_until = if buffered.is_some() { Moment::NEVER } else { turn.now.after(GATHER) };
        let at_once = exchange.facts.expects_continue && buffered.is_none();
        exchange.link = if at_once { Link::Wanted } else { Link::Gathering };
        // Without a Host the endpoint's address stands in for it, so the endpoint must be known first.
        let is_known = !at_once && exchange.facts.host.is_some();
        if is_known && let Some(listener) = turn.serving.compiled.listeners.get(turn.listener) {
            request::write_head(exchange, &self.peer, listener, "", buffered.is_some());
            exchange.up.keep = true;
        }
    }
}

/// Whether these are the bytes that a client of HTTP/2 begins with (RFC 9113, section 3.4), and whether all of them have
/// come.
#[cold]
fn http2_begins(bytes: &[u8]) -> Option<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if bytes.starts_with(PREFACE) {
        return Some(true);
    }
    PREFACE.starts_with(bytes).then_some(false)
}
