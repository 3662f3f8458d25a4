//! The serving threads, and the engine that the control thread speaks to.
//!
//! May use: tokio, core, everything of the engine. Must not know: Python.

pub mod shared; // what the threads share
pub mod listener; // a listener as one thread serves it
pub mod counters; // where a thread counts what its exchanges did
pub mod thread; // one serving thread
pub mod open; // a connection that is open, counted
pub mod timer; // the one timer of a connection
mod drain; // the end: what is under way may end, until its time is over
mod told; // how things stand, as status and API show it
pub mod machine; // all of them, as the control thread sees them
