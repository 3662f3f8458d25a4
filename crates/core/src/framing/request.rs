//! What follows from a request's head: everything that must hold before anything looks at it.

use super::{BodyLength, HostSpan};
use crate::failure::Failure;
use crate::head::RequestHead;

/// What follows from a request's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestFacts {
    /// How the body's end is known; never `UntilClose`.
    pub body: BodyLength,
    /// Whether the client wants to go on after this request.
    pub keep_alive: bool,
    /// The authority, of the target or of Host; none only in HTTP/1.0.
    pub host: Option<HostSpan>,
    /// Whether the client waits for a 100 before it sends the body.
    pub expects_continue: bool,
    /// Whether a change to WebSocket is asked for.
    pub upgrade_websocket: bool,
    /// How often an OPTIONS request may still be passed on.
    pub max_forwards: Option<u32>,
    /// Whether the client takes trailers.
    pub te_trailers: bool,
}

/// Says what follows from a request's head, or why nothing may.
pub fn judge_request(bytes: &[u8], head: &RequestHead) -> Result<RequestFacts, Failure> {
    let _ = (bytes, head);
    Ok(RequestFacts::default())
}
