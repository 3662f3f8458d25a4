//! Where a message begins and ends (RFC 9112), or why nobody can know.
//!
//! One decision for each message: whatever two implementations could read differently is refused, never repaired.
//! May use: head, failure. Must not know: routes, buffers, sockets.

mod bytes; // classes of bytes
mod head_reader; // a head, line by line as it comes
mod host; // Host and authority
mod list; // comma-separated fields, and what Connection drops
mod request; // what must hold of a request's head
mod response; // what must hold of a response's head
mod chunks; // chunked bodies and trailers

pub use chunks::{ChunkLimits, ChunkReader, Piece};
pub use head_reader::{HeadLimits, HeadReader, Progress};
pub use host::HostSpan;
pub use list::Dropped;
pub use request::{RequestFacts, judge_request};
pub use response::{ResponseFacts, judge_response};

use crate::failure::{Failure, Kind, Stage};

/// How a body's end is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Responses only: the connection's end.
    UntilClose,
}

fn refuse(kind: Kind, reason: impl Into<String>) -> Failure {
    Failure::new(kind, Stage::Codec, reason)
}

fn malformed(reason: impl Into<String>) -> Failure {
    refuse(Kind::MalformedRequest, reason)
}

/// The same failure as told of an endpoint's answer.
fn of_response(failure: Failure) -> Failure {
    let kind = match failure.kind {
        Kind::HeadTooLarge | Kind::TooManyHeaders | Kind::RequestLineTooLong => Kind::ResponseHeadTooLarge,
        _ => Kind::ResponseMalformed,
    };
    Failure::new(kind, Stage::Exchange, failure.reason)
}

/// At most 40 bytes of a stranger's, escaped, for a reason.
fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..40).unwrap_or(bytes);
    format!("`{}{}`", cut.escape_ascii(), if cut.len() < bytes.len() { "…" } else { "" })
}
