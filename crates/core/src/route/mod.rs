//! Which route a request takes: its path read in one way only, then host hash, path tree, and the few regexes.
//!
//! May use: head, failure, rule, networks of filter, the snapshot document. Must not know: endpoints, sockets. In Rust because it runs for
//! every request.

pub mod path; // "paths mean one thing": the forms of a path, or why it is refused
pub mod encode; // paths made anew, escaped as they must be
pub mod tree; // the paths of one host: exact and prefix in one walk
pub mod patterns; // the regexes of one host, matched as a set
pub mod host; // a Host as a key: no port, no last dot, lower case; and the hash
pub mod conditions; // what a route asks besides host and path
mod paths; // the routes of one host, by path
mod hosts; // the routes of one listener, by host
pub mod table; // the table: precedence as the contract has it
pub mod explain; // what became of every route in one choice
pub mod reason; // why a route lost, as a sentence

pub use conditions::Unmet;
pub use explain::{Considered, Outcome};
pub use path::{DotSegments, PathForms, read_path};
pub use table::{Choice, RouteId, Table};
