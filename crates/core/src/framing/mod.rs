//! Framing: where a message begins and ends (RFC 9112), or why two readers could disagree about it.
//!
//! One decision per message, made here and nowhere else: a reader cuts the bytes into a head, a judge says what follows
//! from it, a chunk reader walks a chunked body. What is not exactly the grammar is refused with the byte and its place;
//! nothing is repaired. May use: head, failure, memchr. Must not know: routes, the lane, the engine. In Rust because it
//! runs for every request.

mod bytes; // classes of bytes
mod flaw; // what is wrong, where, and how that is told
mod line; // one line of a head
mod read; // bytes to heads, line by line
mod body; // what a head declares about its body
mod host; // the authority of a request: name and port
mod connection; // which fields end here: hop-by-hop ones, and those that `Connection` names
mod request; // what follows from a request's head
mod response; // what follows from an answer's head
mod chunk; // a chunked body, piece by piece
mod trailer; // fields after a chunked body

#[cfg(test)]
mod tests; // tables of messages, and laws

pub use body::BodyLength;
pub(crate) use bytes::is_token;
pub use chunk::{ChunkLimits, ChunkReader, Piece};
pub use connection::Dropped;
pub use host::{HostSpan, is_authority};
pub use read::{HeadLimits, HeadReader, Progress};
pub use request::{RequestFacts, judge_request};
pub use response::{ResponseFacts, judge_response};
