//! Routes: what a request must look like, and where it then goes, as Python writes them
//! (`python/tidegate/compile/route.py`).

use serde::Deserialize;

use super::filters::Filter;
use super::rule::{Rule, Template, Text};

/// What a request must look like, and where it then goes.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, or `routes[3]` where it has none.
    pub name: String,
    /// `file:line:column` of its definition.
    pub place: String,
    /// Listeners, by index.
    pub listeners: Vec<usize>,
    /// Host in lower case: `api.example.com`, or `*.example.com`; none is every host.
    pub host: Option<String>,
    /// The path; none is every path.
    pub path: Option<PathMatch>,
    /// What else must hold; none is nothing.
    #[serde(default)]
    pub only: Option<Box<Conditions>>,
    /// Breaks ties between equal routes; higher first.
    pub priority: i64,
    /// Deadlines.
    pub timeouts: RouteTimeouts,
    /// Filters, in the order of the file.
    pub filters: Vec<Filter>,
    /// When a request is tried again; none: when an endpoint cannot be connected to.
    #[serde(default)]
    pub retry: Option<Box<Retry>>,
    /// Where copies of requests go; none: nowhere.
    #[serde(default)]
    pub mirror: Option<Box<Mirror>>,
    /// Where a request goes.
    pub to: Target,
}

/// One of the three forms of a path match, over the matched form of the path.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// On segment borders: `/v1/` matches `/v1` and `/v1/x`.
    Prefix(String),
    /// The whole path.
    Exact(String),
    /// The engine's dialect (`regex` crate), searched, not anchored.
    Regex(String),
}

/// What else must hold. What is left out holds for every request.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Methods, as they are sent; one of them.
    pub methods: Vec<String>,
    /// Names and texts of fields; all of them.
    pub headers: Vec<(String, String)>,
    /// Names and texts of query terms; all of them.
    pub query: Vec<(String, String)>,
    /// Networks of the client in CIDR form, or `unix:`; one of them.
    pub from: Vec<String>,
    /// A condition.
    pub when: Option<Rule>,
}

/// A route's deadlines, in milliseconds; 0 is none.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RouteTimeouts {
    /// From the last request byte to the first byte of the answer.
    pub response_ms: u64,
    /// Between bytes either way.
    pub idle_ms: u64,
}

/// When a request is tried again, besides when an endpoint cannot be connected to.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Most tries, the first included; 1 to 10.
    pub attempts: u8,
    /// When the connection ends before a byte of an answer.
    pub reset: bool,
    /// Likewise where the endpoint has refused the stream; so it is upon `reset`.
    #[serde(default)]
    pub refused: bool,
    /// When the answer has one of these statuses, from one to another, both included.
    pub statuses: Vec<(u16, u16)>,
    /// When no answer came within so many milliseconds; 0: never for that.
    pub per_try_ms: u64,
    /// Most bytes of a request's body that are kept to be sent again.
    pub body: u64,
    /// The first pause before another try is below this, in milliseconds.
    pub base_ms: u64,
    /// No pause is longer, in milliseconds.
    pub most_ms: u64,
    /// When a second endpoint is asked beside the first; none: never.
    #[serde(default)]
    pub hedge: Option<Hedge>,
}

/// Where copies of requests go.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The upstream, by index.
    pub to: usize,
    /// Of a hundred requests, so many are copied.
    pub share: u32,
    /// Most bytes of a body that are copied.
    pub body: u64,
    /// Most copies that are under way at once to that upstream.
    pub most: u32,
    /// How long a copy may take, in milliseconds.
    pub timeout_ms: u64,
}

/// When a second endpoint is asked beside the first.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// From the last byte of the request on.
    pub after: HedgeAfter,
    /// But no sooner than after so many milliseconds.
    pub least_ms: u64,
}

/// How long is waited for the first endpoint alone.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HedgeAfter {
    /// So many milliseconds.
    Ms(u64),
    /// As long as so many of a thousand answers of the route take at most; below 1000.
    Permille(u16),
}

/// Where a request goes.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An upstream, by index.
    Upstream(usize),
    /// Some of the endpoints of an upstream.
    Part(Part),
    /// Several upstreams.
    Split(Split),
    /// An answer of ours.
    Respond(Respond),
    /// An answer that sends the client elsewhere.
    Redirect(Redirect),
    /// An answer that the engine itself makes.
    Builtin(Builtin),
}

/// Some of the endpoints of an upstream.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The upstream, by index.
    pub upstream: usize,
    /// One of its subsets, from 1.
    pub subset: u32,
}

/// One of the upstreams that share a route.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The upstream, by index.
    pub upstream: usize,
    /// Its share of the requests; 0 gets none.
    pub weight: u32,
    /// One of its subsets, from 1; 0 for all its endpoints.
    #[serde(default)]
    pub subset: u32,
}

/// Upstreams that share a route.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The upstreams; one weight at least is not 0.
    pub shares: Vec<Share>,
    /// Requests with the same text go to the same upstream; none: each request by chance.
    pub key: Option<Text>,
}

/// An answer of ours.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// Status, 200 to 599.
    pub status: u16,
    /// The body.
    pub body: String,
    /// What the body is; none is `text/plain; charset=utf-8`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Further fields.
    #[serde(default)]
    pub headers: Vec<(String, Template)>,
}

/// An answer that sends the client elsewhere.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// `Location`.
    pub to: Template,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Answers that the engine itself makes.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Builtin {
    /// 200 while the worker lives.
    Livez,
    /// 200 while new work is welcome, 503 in a drain.
    Readyz,
    /// Prometheus text.
    Metrics,
}
