//! What has no safe binding, behind functions that are safe to call: the one room of the engine with `unsafe` in it.
//!
//! May use: tokio, rustix, libc. Must not know: any other room. In Rust because it runs for every connection.

pub(crate) mod prefetch; // bytes that will be needed soon
pub(crate) mod readiness; // waiting for a descriptor of ours
pub(crate) mod datagrams; // as many as wait in one call, with the addresses that they were sent to
