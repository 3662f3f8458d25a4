//! Whether a request is tried again: what a route allows, and what its upstream can bear.
//!
//! May use: dice, head, the snapshot document. Must not know: lanes, pools, sockets. In Rust because it decides for every
//! request that failed.

pub mod policy; // what a route allows, and how long is waited before
pub mod latencies; // how soon a route is answered
pub mod hedge; // when a second endpoint is asked beside the first
pub mod budget; // how many repeats an upstream can bear at once
pub mod attempts; // the tries of one exchange, for the log

pub use attempts::{Attempts, Outcome};
pub use budget::{Allowance, Budget, Live, Repeating};
pub use hedge::Hedge;
pub use latencies::Latencies;
pub use policy::{Policy, may_repeat};

/// Why a request is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The endpoint could not be connected to.
    Connect,
    /// A kept connection had been closed by the endpoint.
    Kept,
    /// The connection ended before a byte of an answer came.
    Reset,
    /// The endpoint refused the stream, or was going, and says that it has not looked at the request.
    Refused,
    /// No answer came within `per_try`.
    Timeout,
    /// The answer has a status that `on` names.
    Status,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 6] = [Self::Connect, Self::Kept, Self::Reset, Self::Refused, Self::Timeout, Self::Status];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Kept => "kept",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Status => "status",
        }
    }
}
