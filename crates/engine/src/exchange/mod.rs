//! One downstream connection: does what the core says and reports what came of it.
//!
//! May use: tokio, core, pool, log, metrics. Must not know: control, Python.

pub mod sides; // the two connections and the timer, waited for at once
pub mod lease; // how it comes by a connection to an endpoint
pub mod serve; // the loop that obeys
pub mod mirror; // copies for another upstream
pub mod report; // what is logged and counted of an exchange
pub mod date; // the time as HTTP writes it
