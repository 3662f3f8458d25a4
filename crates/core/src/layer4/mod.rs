//! Layer 4: connections and datagrams that are carried on as they are, as state machines: events in, acts out.
//!
//! What a connection leads to is decided here, and what becomes of it at its end; the bytes go from side to side in the
//! engine, which tells of their ends alone. May use: everything of core. Must not know: sockets, runtimes, clocks. In
//! Rust because it runs for every connection.
//!
//! ```text
//! ProxyHeader → Hello → Wanted ⇄ Leasing → Open → Closing
//! ```

pub mod hello; // what a TLS client says first: a name, and protocols
pub mod names; // which route it takes
mod lead; // the upstream that a target leads a client to
mod known; // what is known of a connection for its line in the log
mod outcome; // what it tells of its endpoint
mod relay; // one TCP connection, and the one that it is carried on by
mod dropped; // why a datagram was dropped
mod sessions; // the sessions of UDP: whose a datagram is, and which have been quiet for too long
mod session; // one of them: the endpoint that it is with, and what is passed on

pub use dropped::Dropped;
pub use known::Known;
pub use relay::{Act, Event, Relay};
pub use session::{Answered, Passed, Session, Verdict};
pub use sessions::{Flow, Key, Sessions};

use lead::lead;

#[cfg(test)]
mod tests; // lives of relays, as events and acts
#[cfg(test)]
mod outcome_tests; // what both tell of their endpoints
#[cfg(test)]
mod session_tests; // lives of sessions
