//! Whether an endpoint is well: what a check asks, what its answer means, when the next one is due.
//!
//! Sockets and clocks are the prober's (`crates/engine/src/prober/`). May use: balance (standing), dice, framing, head,
//! moment, rule (patterns), snapshot (the document). Must not know: routes, lanes, sockets. In Rust because checks go on
//! while Python is stopped.

mod answer; // what the bytes that came back mean
mod check; // what is asked, made ready once
mod pulse; // rise and fall
mod schedule; // when the next check is due

pub use answer::{Judgement, MOST_READ};
pub use check::Check;
pub use pulse::Pulse;
pub use schedule::Schedule;
