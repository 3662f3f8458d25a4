//! HTTP/2: what a peer may send besides requests, and why one is sent away.
//!
//! May use: nothing. Must not know: sockets, frames' contents. In Rust because it sees every frame.

mod watch; // frames as they come by, and how many of them are a flood
mod farewell; // why a peer is sent away

pub use farewell::Farewell;
pub use watch::Watch;
