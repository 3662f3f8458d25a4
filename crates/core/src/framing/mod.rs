//! Framing: where a message begins and ends (RFC 9112), or why two readers could disagree about it.
//!
//! One decision per message, made here and nowhere else: a reader cuts the bytes into a head, a judge says what follows
//! from it, a chunk reader walks a chunked body. What is not exactly the grammar is refused with the byte and its place;
//! nothing is repaired. May use: head, failure, memchr. Must not know: routes, the lane, the engine. In Rust because it
//! runs for every request.

mod chunk; // a chunked body, piece by piece
mod connection; // which fields end here: hop-by-hop ones, and those that `Connection` names
mod host; // the authority of a request: name and port
mod read; // bytes to heads, line by line
mod request; // what follows from a request's head
mod response; // what follows from an answer's head

pub use chunk::{ChunkLimits, ChunkReader, Piece};
pub use connection::Dropped;
pub use host::HostSpan;
pub use read::{HeadLimits, HeadReader, Progress};
pub use request::{RequestFacts, judge_request};
pub use response::{ResponseFacts, judge_response};

/// How a body's end is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// So many bytes, as `Content-Length` says.
    Length(u64),
    /// Chunks tell (RFC 9112, section 7.1).
    Chunked,
    /// The end of the connection tells; answers only.
    UntilClose,
}
