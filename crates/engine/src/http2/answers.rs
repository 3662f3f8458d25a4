//! Heads of answers, from HTTP/1 to HTTP/2 and back (RFC 9113, section 8.3.2).

use std::io::Write as _;

use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{Response, StatusCode};
use tidegate_core::head::ResponseHead;

use super::fields::{take_fields, write_lines};
use super::incoming::Framing;
use super::nonce::accept;
use super::requests::Wanted;

/// Reads the head of an answer that a lane wrote for a client; `wants_tunnel`: it asked for a WebSocket.
pub(super) fn read_answer(bytes: &[u8], head: &ResponseHead, wants_tunnel: bool) -> Option<Response<()>> {
    let is_switch = head.status == 101;
    // The nonce was ours, and so is the answer to it.
    let is_ours = |name: &[u8]| is_switch && name.eq_ignore_ascii_case(b"sec-websocket-accept");
    let mut response = Response::new(());
    *response.headers_mut() = take_fields(bytes, &head.fields, |field| is_ours(field.name.of(bytes)))?;
    *response.status_mut() = match head.status {
        101 => StatusCode::OK,
        // A success would be taken for the tunnel that was asked for.
        200..300 if wants_tunnel => StatusCode::BAD_GATEWAY,
        code => StatusCode::from_u16(code).ok()?,
    };
    Some(response)
}

/// Appends the head of an answer as HTTP/1 has it; `has_ended`: nothing follows on the stream. Says how the body is framed,
/// where one follows.
pub(super) fn write_answer(parts: &Parts, wanted: &Wanted, has_ended: bool, out: &mut Vec<u8>) -> Option<Framing> {
    let status = parts.status.as_u16();
    let switches = wanted.key.as_deref().filter(|_| parts.status.is_success());
    // A vector takes all.
    let _ = write!(out, "HTTP/1.1 {} \r\n", if switches.is_some() { 101 } else { status });
    write_lines(&parts.headers, out);
    if let Some(key) = switches {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ");
        out.extend_from_slice(accept(key).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        return Some(Framing::AsItIs);
    }
    let has_none = wanted.is_head || status < 200 || matches!(status, 204 | 304);
    let has_length = parts.headers.contains_key(CONTENT_LENGTH);
    let framing = match (has_none, has_ended, has_length) {
        (true, ..) => None,
        (false, true, has_length) => {
            if !has_length {
                out.extend_from_slice(b"content-length: 0\r\n");
            }
            None
        }
        (false, false, true) => Some(Framing::AsItIs),
        (false, false, false) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Some(Framing::Chunked)
        }
    };
    out.extend_from_slice(b"\r\n");
    framing
}
