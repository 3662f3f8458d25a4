//! The snapshot document as Python writes it (`python/tidegate/compile/`): plain data, unknown fields refused.
//! Durations are whole milliseconds, sizes bytes, rates per second. 0 is "no limit" wherever the contract says so.

mod access_log; // the access log and the program's own
mod filters; // the filters of a route
mod health; // how endpoints are checked
mod layer4; // where bytes are carried to as they are
mod listener; // where connections are accepted, and what they may do
mod outlier; // how endpoints that fail requests are ejected
mod persist; // how sessions stay with their endpoint
mod route; // what a request must look like, and where it goes
mod rule; // expressions
mod upstream; // endpoints that do the same work

use serde::Deserialize;

pub use access_log::*;
pub use filters::*;
pub use health::*;
pub use layer4::*;
pub use listener::*;
pub use outlier::*;
pub use persist::*;
pub use route::*;
pub use rule::*;
pub use upstream::*;

/// The format that this core reads. A document of another format is refused.
pub const FORMAT: u32 = 1;

/// The whole document.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// [`FORMAT`].
    pub format: u32,
    /// Rises with each snapshot of an instance.
    pub number: u64,
    /// Where the configuration came from: a path, or `proxy`.
    pub source: String,
    /// Seconds since 1970 when it was made.
    pub since: f64,
    /// How many threads serve, at least 1.
    pub threads: usize,
    /// Most client connections in total; 0 is no limit (`auto` is resolved by Python).
    pub connections: u64,
    /// Where exchanges are logged; none is off.
    pub access_log: Option<AccessLog>,
    /// The program's own log.
    pub log: ProgramLog,
    /// Listeners; a route names them by index.
    pub listeners: Vec<Listener>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Upstreams; a route names one by index.
    pub upstreams: Vec<Upstream>,
    /// Named sets; what they hold was sent before, apart from the document.
    #[serde(default)]
    pub sets: Vec<NamedSet>,
    /// Databases that tell where clients are; they were sent before, apart from the document.
    #[serde(default)]
    pub geo: Geo,
}

/// Databases that tell where clients are, each as a digest: equal ones hold the same.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// Of countries.
    pub country: Option<String>,
    /// Of autonomous systems.
    pub asn: Option<String>,
    /// Of places.
    pub city: Option<String>,
}

/// A set that expressions look into.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NamedSet {
    /// Its name.
    pub name: String,
    /// What it holds, as a digest: equal ones hold the same.
    pub digest: String,
}
