//! Metrics: what the threads count, and the text that Prometheus reads. In Rust because it runs for every request.
//!
//! Each thread counts on counters of its own, so that an update is a plain load and store on a line of memory that no
//! other thread writes; only a scrape adds the threads up. Identity is the name in the configuration: the same counters
//! go on from one snapshot to the next. Labels come from the configuration alone, never from clients.
//!
//! May use: tidegate-core (kinds and stages of failures). Must not know: sockets, the exchange, the log.

pub mod counter; // one number with one writer
pub mod histogram; // how often something took how long
mod upstreams; // what is counted of each upstream as a whole
pub mod table; // every metric: name, type, labels, help; the docs are built from it
pub mod counted; // what one thread counts for one route, endpoint, listener, and for itself
pub mod targets; // what one thread counts of a route for each of several upstreams
pub mod family; // what is counted for each name, by each thread
pub mod registry; // all of them, by identity
pub mod tally; // counters that can be told one by one, each by its name
pub mod handover; // what was counted, for the worker that succeeds this one
mod render; // all of them, as text
mod text; // the text format of Prometheus
mod process; // what the kernel says of the process

pub use counted::{EndpointMetrics, ListenerMetrics, RouteMetrics, ThreadMetrics};
pub use registry::{Named, Registry};
