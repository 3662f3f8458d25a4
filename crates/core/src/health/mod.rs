//! Whether an endpoint is well: what a check asks, what its answer means, when the next one is due; and what follows from
//! requests that failed.
//!
//! Sockets and clocks are the prober's (`crates/engine/src/prober/`). May use: balance (standing), dice, framing, head,
//! moment, rule, snapshot (the document). Must not know: routes, lanes, sockets. In Rust because checks go on
//! while Python is stopped.

mod answer; // what the bytes that came back mean
mod check; // what is asked, made ready once
mod tls; // the beginning of a handshake
mod grpc; // a call of grpc.health.v1, and its answer
mod pulse; // rise and fall
mod schedule; // when the next check is due
mod outlier; // requests that failed: strikes, ejections, returns
mod suspects; // requests that fail wherever they go
mod adaptive; // how many requests an upstream bears, found by the latency of its answers
mod circuit; // how many requests an upstream may have under way
mod compare; // endpoints that are far from the others

pub use adaptive::{Adaptive, Priority};
pub use answer::{Judgement, MOST_READ};
pub use check::Check;
pub use circuit::{Circuit, Full, UnderWay};
pub use compare::{Sample, far_from_others};
pub use outlier::{Ejector, Member, Outcome, Strikes};
pub use pulse::Pulse;
pub use schedule::Schedule;
pub(crate) use tls::hello as client_hello;
