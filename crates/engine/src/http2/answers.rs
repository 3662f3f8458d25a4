//! Heads of answers, from HTTP/1 to HTTP/2 and back (RFC 9113, section 8.3.2).

use http::{Response, StatusCode};
use tidegate_core::head::ResponseHead;

use super::fields::take_fields;

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
