//! Upstreams and their endpoints, as Python writes them (`python/tidegate/compile/upstream.py`).

use serde::Deserialize;

use super::rule::Text;
use super::{Health, Outlier, Persist};

/// A named group of endpoints that do the same work.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// The endpoints; a DNS name has one for each address.
    pub endpoints: Vec<Endpoint>,
    /// How sessions stay with their endpoint; none: requests know none.
    #[serde(default)]
    pub persist: Option<Persist>,
    /// In what time an endpoint that is new or back gets its whole share, in milliseconds; 0 is at once.
    #[serde(default)]
    pub slow_start_ms: u64,
    /// Names of `endpoints` that have no address now, with the resolver's words.
    pub unresolved: Vec<Unresolved>,
    /// Connections kept and bounded.
    pub pool: Pool,
    /// The PROXY protocol header that is sent to endpoints.
    pub proxy_protocol: ProxyProtocolOut,
    /// How HTTP/2 is spoken to the endpoints; none: HTTP/1 is.
    #[serde(default)]
    pub http2: Option<UpstreamHttp2>,
    /// How endpoints are checked; none: they are not.
    pub health: Option<Health>,
    /// How endpoints that fail requests are ejected; none: they are not.
    pub outlier: Option<Outlier>,
    /// Below this share of healthy endpoints, in percent, all are used; 0 is never.
    #[serde(default)]
    pub panic_threshold: u32,
    /// Bounds on what is under way; none: there are none.
    pub circuit: Option<Circuit>,
    /// How many requests may be repeated at once.
    #[serde(default)]
    pub retry_budget: RetryBudget,
    /// The share of all requests that come in at the zone of this instance, in percent; 0: it is not known.
    #[serde(default)]
    pub traffic: u32,
    /// Some of the endpoints, which routes ask for; they name one by its place, from 1.
    #[serde(default)]
    pub subsets: Vec<Subset>,
}

/// How HTTP/2 is spoken to endpoints.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct UpstreamHttp2 {
    /// Streams of a connection at once.
    pub streams: u32,
    /// Bytes of an answer's body that may come before any is taken.
    pub window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// Age at which nothing more begins on a connection, in milliseconds; 0 is none.
    pub max_age_ms: u64,
    /// How often a connection is asked whether it lives, in milliseconds; 0 is never.
    pub ping_ms: u64,
}

/// Endpoints that have certain labels.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Names and values; an endpoint has them all.
    pub labels: Vec<(String, String)>,
    /// Who takes what none of them can: 0 for all endpoints, else a subset that has no fallback; none: nobody.
    pub fallback: Option<u32>,
}

/// Bounds on what is under way.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Circuit {
    /// Most requests at once, those that wait for a connection among them; 0 is no limit.
    pub requests: u64,
    /// A bound that follows the latency of answers; none: there is none.
    pub adaptive: Option<Adaptive>,
    /// What tells the priority of a request; none: all have the same.
    pub priority: Option<Text>,
}

/// A bound that follows the latency of answers.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// How often it is reckoned, in milliseconds.
    pub interval_ms: u64,
    /// How much more latency than without a queue is no sign of one, in percent.
    pub tolerance: u32,
    /// It is never lower.
    pub least: u64,
    /// It is never higher.
    pub most: u64,
    /// How often the latency without a queue is measured anew, in milliseconds.
    pub measure_ms: u64,
}

/// How an endpoint is chosen.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// The fewest outstanding requests for its weight.
    LeastRequests,
    /// The less loaded of two random ones.
    RandomTwo,
    /// The least latency times outstanding requests.
    PeakEwma,
    /// The first that is not full.
    First(First),
    /// The one of the request's key.
    Hash(Hash),
    /// The one nearest to the client.
    Nearest(Nearest),
}

impl Balance {
    /// The word in the configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastRequests => "least_requests",
            Self::RandomTwo => "random_two",
            Self::PeakEwma => "peak_ewma",
            Self::First(_) => "first",
            Self::Hash(_) => "hash",
            Self::Nearest(_) => "nearest",
        }
    }
}

/// The endpoint nearest to the client.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    /// How an endpoint is chosen for a client whose place is not known; none of `nearest`.
    pub otherwise: Box<Balance>,
}

/// Endpoints that are filled in order.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct First {
    /// Outstanding requests that fill one; 0: it is never full.
    pub limit: u64,
}

/// Requests of one key to one endpoint.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    /// The key.
    pub key: Text,
    /// Which table.
    pub method: HashMethod,
    /// Most outstanding requests of an endpoint, as a multiple of its share; none is no limit.
    pub bound: Option<f64>,
}

/// Which table keys are looked up in.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HashMethod {
    /// Maglev's.
    Maglev,
    /// A ring of points.
    Ring,
}

/// One address of an upstream.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `10.0.0.1:80`, `[::1]:80` or `unix:/path`.
    pub address: String,
    /// The entry it stands for: the address itself, or `name:port`.
    pub entry: String,
    /// Share of the work; 0 takes no new work.
    pub weight: u32,
    /// The lowest number comes first.
    #[serde(default)]
    pub tier: u32,
    /// Used only where no other endpoint can be.
    #[serde(default)]
    pub backup: bool,
    /// Where it is; none where nobody says.
    #[serde(default)]
    pub zone: Option<String>,
    /// How far that is from here; the lowest number of a tier comes first.
    #[serde(default)]
    pub distance: u32,
    /// What it is told by: names and values.
    #[serde(default)]
    pub labels: Vec<(String, String)>,
    /// Latitude and longitude, in millionths of a degree; none: as the database says of its address.
    #[serde(default)]
    pub location: Option<(i32, i32)>,
    /// Whether it was asked to take no new work and finish what it has.
    #[serde(default)]
    pub draining: bool,
}

/// A name without an address.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Unresolved {
    /// `name:port` of the entry.
    pub entry: String,
    /// Why, in the words of whoever looked.
    pub says: String,
    /// It is a provider that lists no endpoint, and not a name.
    #[serde(default)]
    pub is_list: bool,
}

/// Connections kept and bounded.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How long a connection is kept without work, in milliseconds; 0 keeps none.
    pub idle_ms: u64,
    /// Most connections to one endpoint over all threads; 0 is no limit.
    pub connections: u64,
    /// Most requests that wait for a connection; 0: nobody waits.
    pub queue: u64,
    /// Longest wait, in milliseconds.
    pub wait_ms: u64,
    /// Longest connect, in milliseconds.
    pub connect_ms: u64,
}

/// The PROXY protocol header that is sent to endpoints.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocolOut {
    /// None.
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// How many requests may be repeated at once.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RetryBudget {
    /// Of a hundred requests under way, so many.
    pub share: u32,
    /// So many in any case.
    pub least: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { share: 20, least: 3 }
    }
}
