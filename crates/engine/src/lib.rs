//! Bytes: sockets, pools, timers, logs. It asks the core and does what it is told.
//!
//! May use: tokio, rustix, socket2, core. Must not know: pyo3. In Rust because it runs for every request, and must go
//! on while Python is stopped, upgraded or crashed. The modules stand in the order in which a request meets them.

pub mod accept; // taking connections off listening sockets
pub mod exchange; // one downstream connection: the loop that obeys the core
pub mod http2; // connections that carry many requests at once
pub mod layer4; // connections whose bytes are carried on as they are
pub mod pool; // upstream connections without work
pub mod log; // the access log and the program's own, written by a thread that nobody waits for
pub mod metrics; // what the threads count, and the text that Prometheus reads
pub mod prober; // the thread that checks endpoints, and tells every change of their standing
pub mod threads; // the serving threads, and all of them as one engine
pub mod succession; // what a worker tells the one that takes its place
pub mod control; // the worker's side of the socket to its supervisor
mod sys; // what has no safe binding, behind safe functions
