//! Layer 4: connections and datagrams that are carried on as they are. Does what the core's `layer4` says.
//!
//! May use: tokio, core, exchange, pool, log, metrics, threads. Must not know: control, Python.

pub mod serve; // one connection: the loop that obeys
mod lease; // how it comes by a connection to an endpoint
mod way; // bytes one way, through a box or a pipe
mod carry; // both ways at once, until a side ends
mod report; // what is logged and counted of a connection
pub mod udp; // datagrams, and the sessions that they belong to
