//! Copies of requests that go to another upstream as well, and whose answers nobody waits for.
//!
//! May use: balance, framing, head, the snapshot, the lane's buffers. Must not know: sockets. In Rust because a share of
//! all requests of a route may be copied.

pub mod counts; // copies under way, and what became of them
pub mod policy; // which requests are copied, and where to
pub mod discard; // an answer that nobody reads

pub use counts::{Fate, Mirrored, UnderWay};
pub use discard::{Came, Discard};
pub use policy::Mirror;
