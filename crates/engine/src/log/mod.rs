//! Logs: one line for each exchange, and what the program says about itself. In Rust because exchanges are logged for
//! every request, and because it must go on while Python is stopped.
//!
//! A serving thread appends to a buffer of its own; the thread named `log` alone writes. Between them is a bounded
//! channel: what does not fit is dropped and counted, so a full disk or a blocked pipe disturbs nothing.
//!
//! May use: tidegate-core, and the counts of `metrics`. Must not know: sockets of exchanges, the snapshot.

pub mod fields; // the fields of the access log; the docs are built from it
pub mod append; // numbers, times and strings as text, quickly
pub mod access; // the access log, a thread's side
pub mod program; // the program's own log
pub mod writer; // the thread that writes both
mod sink; // a file, pipe or terminal that is never waited for

pub use access::{AccessLog, Record};
pub use program::{Format, Level, ProgramLog};
pub use writer::{LogWriter, Target};
