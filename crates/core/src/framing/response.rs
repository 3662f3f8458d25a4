//! What follows from an answer's head.

use std::time::Duration;

use super::BodyLength;
use crate::failure::Failure;
use crate::head::{Method, ResponseHead};

/// What follows from an answer's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResponseFacts {
    /// How the body's end is known.
    pub body: BodyLength,
    /// Whether the connection may be used again after this answer.
    pub keep_alive: bool,
    /// How long the endpoint keeps the connection idle, as `Keep-Alive: timeout` says.
    pub idle_timeout: Option<Duration>,
    /// Whether it is a 1xx other than 101: another head follows.
    pub is_informational: bool,
    /// Whether there is a `Date`.
    pub has_date: bool,
    /// Whether it is a 101 that switches to WebSocket.
    pub is_websocket_switch: bool,
}

/// Says what follows from the head of an answer to `method`, or why nothing may.
pub fn judge_response(bytes: &[u8], head: &ResponseHead, method: Method) -> Result<ResponseFacts, Failure> {
    let _ = (bytes, head, method);
    Ok(ResponseFacts::default())
}
