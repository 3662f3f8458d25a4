//! HTTP/2: connections whose streams are transports for lanes, which speak HTTP/1 over each of them.
//!
//! A request comes as HEADERS and DATA; its lane reads it as head and body of HTTP/1, and what the lane writes goes out as
//! HEADERS and DATA again. So there is one road for all versions, and no field that HTTP/1 reads as framing can cross: what
//! a stranger put into a field meets the same strict reader. Frames, HPACK and flow control are those of the crate `h2`.
//!
//! May use: tokio, h2, http, core, exchange, pool, threads. Must not know: control, Python.

mod wire; // the socket as the codec sees it: many frames a read, many frames a write
mod fields; // fields, from HTTP/2 to HTTP/1 and back
mod requests; // heads of requests, likewise
mod answers; // heads of answers, likewise
mod nonce; // what WebSockets have over HTTP/1 alone
mod incoming; // what comes on a stream, as bytes of HTTP/1
mod outgoing; // bytes of HTTP/1, as what leaves on a stream
mod asked; // a stream that a client opened
pub mod serve; // a client's connection
mod asking; // a stream that we open
mod line; // a connection to an endpoint
pub mod lines; // a thread's connections to endpoints

/// Most bytes that the codec holds of one stream until the socket takes them.
const HELD: usize = 64 * 1024;
