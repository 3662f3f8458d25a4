//! Succession: what a worker tells the one that takes its place, while it finishes what it began.
//!
//! The supervisor makes a pair of sockets and gives each of the two one of them; it never sees what passes. First all is
//! told at once, before the heir serves anything; then what changes, until the elder has ended. An heir that is itself
//! succeeded hands on what it was told, and stays until its elder has ended.
//!
//! Blocking std I/O on threads of its own. May use: core, control (frames), metrics, threads (what they share).
//! Must not know: lanes, Python. In Rust because it goes on while the supervisor is replaced.

mod word; // what is said, a frame for each
pub mod held; // what a worker holds of things that are bounded on the machine
pub mod line; // datagrams that two workers pass each other
pub mod heir; // the elder's side: telling the heir
pub mod elder; // the heir's side: listening to the elder

/// What is spoken here. Another one is not understood; what it adds to this one is passed over.
const FORMAT: u32 = 1;
