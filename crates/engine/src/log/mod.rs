//! Logs: one line for each exchange, and what the program says about itself. In Rust because exchanges are logged for
//! every request, and because it must go on while Python is stopped.
//!
//! A serving thread appends to a buffer of its own; the thread named `log` alone writes. Between them is a bounded
//! channel: what does not fit is dropped and counted, so a full disk or a blocked pipe disturbs nothing.
//!
//! May use: tidegate-core, and the counts of `metrics`. Must not know: sockets of exchanges, the snapshot but for its
//! part about the access log.

pub mod fields; // the fields of the access log; the docs are built from it
pub mod append; // numbers and strings as text, quickly
mod clock; // moments as text
pub mod record; // what is logged of one exchange
pub mod layout; // which fields a line has, and how it looks
mod usual; // the line that most logs have, by hand
pub mod access; // the access log, a thread's side
pub mod program; // the program's own log
pub mod target; // where the access log may go, and how it is opened
mod sink; // lines on their way to a destination that is never waited for
mod outlet; // the destinations of before and after a reload
mod desk; // the thread that writes both
pub mod writer; // a handle on that thread

pub use access::{AccessLog, Plan};
pub use layout::Layout;
pub use program::{Format, Level, ProgramLog};
pub use record::Record;
pub use target::Target;
pub use writer::LogWriter;
