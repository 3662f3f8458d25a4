//! The serving threads, and the engine that the control thread speaks to.
//!
//! May use: tokio, core, everything of the engine. Must not know: Python.

pub mod places; // how many connections there are, on a listener and in all
pub mod shared; // what the threads share
pub mod thread; // one serving thread
pub mod machine; // all of them, as the control thread sees them
