//! From an answer's head to what the client is sent.

use std::mem;

use super::body::{Body, Coming, Framing};
use super::exchange::{Answering, Exchange};
use super::own::{self, reason_phrase, write_connection, write_field, write_status};
use super::request::write_decimal;
use super::{Moment, Turn, retry};
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::filter::forwarded::{Peer, write_via};
use crate::framing::{BodyLength, ChunkReader, Dropped, HeadLimits, Progress, judge_response};
use crate::head::{Known, Version};

/// Bounds on the head of an answer: four times what a client may send, since backends are chattier than clients.
const LIMITS: HeadLimits = HeadLimits { bytes: 96 * 1024, fields: 512, line: 16 * 1024 };

/// Most interim answers (1xx) that are passed on for one request.
const MOST_INFORMATIONAL: u8 = 32;

/// Reads heads from the endpoint's bytes until the final one is whole, and writes them for the client.
/// Says whether the final one is.
pub(super) fn read_head(
    exchange: &mut Exchange,
    closing: bool,
    peer: &Peer,
    turn: &mut Turn<'_>,
) -> Result<bool, Failure> {
    loop {
        let bytes = exchange.source.filled();
        match exchange.answer_reader.read_response(bytes, &LIMITS, &mut exchange.answer)? {
            Progress::Partial => return Ok(false),
            Progress::Complete => {}
        }
        exchange.answer_facts = judge_response(bytes, &exchange.answer, exchange.head.method)?;
        let status = exchange.answer.status;
        if status == 101 {
            switch_protocols(exchange, peer, turn.now)?;
            return Ok(true);
        }
        if !exchange.answer_facts.is_informational {
            if status >= 400 && retry::for_status(exchange, turn) {
                return Ok(false);
            }
            if status < 400 || !own::stand_in(exchange, closing, peer, turn) {
                write_final(exchange, closing, peer, turn);
            }
            return Ok(true);
        }
        pass_informational(exchange)?;
    }
}

fn take_head(exchange: &mut Exchange) {
    exchange.source.consume(exchange.answer.len as usize);
    exchange.answer_reader.reset();
}

fn pass_informational(exchange: &mut Exchange) -> Result<(), Failure> {
    exchange.informational += 1;
    if exchange.informational > MOST_INFORMATIONAL {
        let reason = format!("more than {MOST_INFORMATIONAL} interim answers");
        return Err(Failure::new(Kind::ResponseMalformed, Stage::Exchange, reason));
    }
    if exchange.head.version != Version::Http10 {
        let Exchange { source, answer, down, .. } = exchange;
        let bytes = source.filled();
        write_status(&mut down.bytes, answer.status, answer.reason.of(bytes));
        let dropped = Dropped::of_response(bytes, answer);
        for field in answer.fields.iter().filter(|field| !dropped.drops(bytes, field)) {
            if !matches!(field.known, Known::ContentLength | Known::TransferEncoding) {
                write_field(&mut down.bytes, field.name.of(bytes), field.value.of(bytes));
            }
        }
        down.bytes.extend_from_slice(b"\r\n");
    }
    take_head(exchange);
    Ok(())
}

fn switch_protocols(exchange: &mut Exchange, peer: &Peer, now: Moment) -> Result<(), Failure> {
    if !(exchange.facts.upgrade_websocket && exchange.answer_facts.is_websocket_switch) {
        let reason = "the endpoint answered 101, which nobody asked for";
        return Err(Failure::new(Kind::UnexpectedUpgrade, Stage::Exchange, reason));
    }
    let mut down = mem::take(&mut exchange.down);
    let edits = exchange.response_edits(peer);
    let (answer, bytes, out) = (&exchange.answer, exchange.source.filled(), &mut down.bytes);
    write_status(out, 101, b"Switching Protocols");
    let from = out.len();
    let dropped = Dropped::of_response(bytes, answer);
    for field in answer.fields.iter().filter(|field| !dropped.drops(bytes, field)) {
        if field.known != Known::Upgrade && !edits.is_some_and(|(edits, _)| edits.replaces(field.name.of(bytes))) {
            write_field(out, field.name.of(bytes), field.value.of(bytes));
        }
    }
    let ours = out.len();
    out.extend_from_slice(b"via: 1.1 tidegate\r\n");
    if let Some((edits, subject)) = edits {
        edits.finish(out, from, ours, &subject);
    }
    exchange.tell_session(peer, out);
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n\r\n");
    exchange.down = down;
    take_head(exchange);
    exchange.status = 101;
    exchange.answer_began(now);
    exchange.last = true;
    exchange.up.let_go();
    exchange.become_tunnel();
    Ok(())
}

fn write_final(exchange: &mut Exchange, closing: bool, peer: &Peer, turn: &Turn<'_>) {
    exchange.status = exchange.answer.status;
    exchange.answer_began(turn.now);
    exchange.answering = Answering::Body;
    exchange.last |= closing || !exchange.upload.is_done();
    // Nothing is sent twice once an answer has begun.
    exchange.up.let_go();
    let old_client = exchange.head.version == Version::Http10;
    exchange.download = download(&exchange.answer_facts.body, old_client);
    exchange.last |= exchange.download.hides_a_cut();
    let mut down = mem::take(&mut exchange.down);
    let edits = exchange.response_edits(peer);
    let Exchange { source, answer, answer_facts, download, .. } = &*exchange;
    let (bytes, out) = (source.filled(), &mut down.bytes);
    let reason = answer.reason.of(bytes);
    write_status(out, answer.status, if reason.is_empty() { reason_phrase(answer.status) } else { reason });
    let from = out.len();
    let dropped = Dropped::of_response(bytes, answer);
    // The length of a body that does not come (HEAD, 304) is passed on as it is; a body's own length is written by us.
    let bodiless = answer_facts.body == BodyLength::None && answer.status != 204;
    for field in &answer.fields {
        let passes = if field.known == Known::ContentLength {
            bodiless
        } else {
            !matches!(field.known, Known::TransferEncoding | Known::Upgrade)
                && !dropped.drops(bytes, field)
                && !edits.is_some_and(|(edits, _)| edits.replaces(field.name.of(bytes)))
        };
        if passes {
            write_field(out, field.name.of(bytes), field.value.of(bytes));
        }
    }
    let ours = out.len();
    let is_http2 = exchange.upstream().is_some_and(|upstream| upstream.http2.is_some());
    write_via(out, if is_http2 { Version::Http2 } else { answer.version });
    if !answer_facts.has_date {
        write_field(out, b"date", turn.date);
    }
    if let Some((edits, subject)) = edits {
        edits.finish(out, from, ours, &subject);
    }
    exchange.tell_session(peer, out);
    match answer_facts.body {
        BodyLength::Length(n) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(out, n);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked | BodyLength::UntilClose if !download.hides_a_cut() => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        BodyLength::Chunked | BodyLength::UntilClose | BodyLength::None => {}
    }
    write_connection(out, exchange.last, exchange.head.version);
    out.extend_from_slice(b"\r\n");
    exchange.down = down;
    take_head(exchange);
}

/// An answer's body, framed for the client: HTTP/1.0 knows no chunks, so there the connection's end tells.
pub(crate) fn download(body: &BodyLength, old_client: bool) -> Body {
    let framing = if old_client { Framing::AsItIs } else { Framing::Chunked };
    match body {
        BodyLength::None => Body::new(Coming::Nothing, Framing::AsItIs),
        BodyLength::Length(n) => Body::new(Coming::Length(*n), Framing::AsItIs),
        BodyLength::Chunked => Body::new(Coming::Chunked(ChunkReader::of_response()), framing),
        BodyLength::UntilClose => Body::new(Coming::UntilClose, framing),
    }
}

/// The endpoint's connection ended or broke before its answer was whole.
pub(super) fn ended_early(exchange: &Exchange, broke: bool, address: &str) -> Failure {
    let begun = exchange.answering != Answering::Waiting;
    let partial = !exchange.source.is_empty();
    let (kind, says) = match (begun, broke) {
        (false, _) if exchange.is_refused => (Kind::StreamRefused, "refused the stream before it looked at it"),
        (true, _) => (Kind::ResponseIncomplete, "ended its answer before the announced end"),
        (false, _) if partial => (Kind::ResponseMalformed, "closed the connection inside the head of its answer"),
        (false, true) => (Kind::UpstreamReset, "reset the connection before it answered"),
        (false, false) => (Kind::UpstreamClosed, "closed the connection before it answered"),
    };
    let retryable = if begun || partial || exchange.informational > 0 {
        Retryable::Never
    } else if exchange.up.sent == 0 || exchange.is_refused {
        Retryable::Always
    } else {
        Retryable::IfIdempotent
    };
    Failure { kind, stage: Stage::Exchange, retryable, reason: format!("{address} {says}") }
}
