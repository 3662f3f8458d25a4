//! What a route asks of a request besides host and path, and the targets that are more than an upstream, as Python
//! writes them (`python/tidegate/compile/route.py`).

use serde::Deserialize;

use super::rule::{Rule, Template, Text};

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

/// One of the upstreams that share a route.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The upstream, by index.
    pub upstream: usize,
    /// Its share of the requests; 0 gets none.
    pub weight: u32,
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
