//! Control: the worker's side of the socket to its supervisor. Frames in, calls of [`Machine`] out, one at a time.
//!
//! Blocking std I/O on threads of its own: nothing here runs on a thread that serves. May use: rustix, serde, the
//! snapshot document. Must not know: tokio, sockets of clients, any other room of the engine. In Rust because it must
//! go on while Python is stopped.

mod machine; // what is asked of the engine

pub use machine::{Beat, Machine};
