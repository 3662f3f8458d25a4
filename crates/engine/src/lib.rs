//! Bytes: sockets, pools, timers, logs. It asks the core and does what it is told.
//!
//! May use: the core, tokio, rustix, socket2. Must not know: Python. In Rust because it runs for every request, and must go
//! on while Python is stopped.

pub mod control; // the worker's side of the socket to its supervisor
pub mod log; // the access log and the program's own, written by a thread that nobody waits for
pub mod metrics; // what the threads count, and the text that Prometheus reads
