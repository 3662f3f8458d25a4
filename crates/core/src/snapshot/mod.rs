//! The compiled configuration: immutable, typed, versioned. Python builds the document, the core decodes it once.
//!
//! May use: geo, route, rule, balance, health, filter, framing, for what is made ready once. Must not know: the lane, sockets. In Rust
//! because it is read for every request.

pub mod document; // what Python writes, field by field
pub mod compiled; // what the road reads
