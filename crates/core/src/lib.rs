//! Decisions only: each is a value that says what was chosen, what else was looked at, and why.
//!
//! No socket, no clock, no dice: time comes in as a [`moment::Moment`], chance as a [`dice::Dice`], so that `explain`,
//! replay and tests run the very code that serves. May use: serde, memchr, regex-automata. Must not know: tokio, the
//! engine, Python. In Rust because it runs for every request.
//!
//! The modules stand in the order in which a request meets them.
#![forbid(unsafe_code)]

pub mod moment; // time as a number that someone else reads off a clock
pub mod rate; // how often something may happen
pub mod dice; // chance as a stream that someone else seeds
pub mod snapshot; // the compiled configuration: the document from Python, and what the road reads
pub mod head; // the head of a message: spans over the bytes it came in
pub mod proxy_protocol; // who the client is, told in front of the first byte
pub mod framing; // RFC 9112: where a message begins and ends, or why nobody can know
pub mod challenge; // what shows an issuer of certificates that a name is ours
pub mod route; // which route a request takes, by host and path
pub mod filter; // what is changed on the way: forwarded fields, hop-by-hop fields
pub mod geo; // where clients are, by databases in MaxMind's format
pub mod rule; // expressions: conditions and texts over one request
pub mod balance; // which endpoint takes it
pub mod health; // whether an endpoint is well
pub mod retry; // whether it is tried again, and what its upstream can bear of that
pub mod mirror; // a copy for another upstream, and an answer that nobody reads
pub mod grpc; // what of gRPC a proxy has to know
pub mod failure; // why an exchange failed, and what the client is told
pub mod http2; // what peers of HTTP/2 may send besides requests
pub mod lane; // one HTTP/1 connection as a state machine: events in, acts out
pub mod layer4; // connections whose bytes are carried on as they are
pub mod simulate; // what clients of an upstream would wait, on a clock of its own
pub mod explain; // what becomes of one request, and why, told by the road itself
