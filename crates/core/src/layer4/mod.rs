//! Layer 4: connections whose bytes are carried on as they are, as a state machine: events in, acts out.
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
mod known; // what is known of a connection for its line in the log
mod relay; // one TCP connection, and the one that it is carried on by

pub use known::Known;
pub use relay::{Act, Event, Relay};

#[cfg(test)]
mod tests; // lives of relays, as events and acts
