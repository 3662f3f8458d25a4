//! The filters of a route as Python writes them (`python/tidegate/compile/filters.py`).

use serde::Deserialize;

use super::rule::{Rule, Template, Text};

/// A step before or after the exchange. What each does is told in its file of `filter/`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Which field carries the request's id, and where it comes from.
    RequestId(RequestIdSource),
    /// Networks whose clients are refused.
    Deny(Vec<String>),
    /// Networks whose clients alone are served.
    Allow(Vec<String>),
    /// A bound on the request's body.
    BodyLimit {
        /// Most bytes; more is 413.
        size: u64,
    },
    /// Wait for the whole request body, at most `size` bytes, before an endpoint is asked.
    BufferRequest {
        /// Most bytes; more is 413.
        size: u64,
    },
    /// A delay or a refusal on purpose.
    Fault(Fault),
    /// Another path, query or host for the endpoint.
    Rewrite(Rewrite),
    /// Edits of the head that the endpoint gets.
    RequestHeaders(HeaderEdits),
    /// What stands in answers that tell of a failure.
    ErrorPages(Vec<ErrorPage>),
    /// Edits of the head that the client gets.
    ResponseHeaders(HeaderEdits),
}

/// A delay or a refusal on purpose; exactly one of the two.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How long a request is held, in milliseconds.
    pub delay_ms: Option<u64>,
    /// The status that it is answered with.
    pub abort: Option<u16>,
    /// Of a hundred requests, so many.
    pub share: u32,
    /// Of those requests alone for which this holds; none: of all.
    #[serde(default)]
    pub when: Option<Rule>,
}

/// Edits of a head.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// Names and the one line that each then has.
    pub set: Vec<(String, Template)>,
    /// Names and lines that come behind those that are there.
    pub add: Vec<(String, Template)>,
    /// Names and what the last line of each is lengthened by.
    pub append: Vec<(String, Template)>,
    /// Names whose lines leave.
    pub remove: Vec<String>,
}

/// Another path, query or host for the endpoint; what is not there stays as it came.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// Taken off the front of the path on a segment border, in the matched form.
    pub strip_prefix: Option<String>,
    /// What is found in the path, and what stands there then.
    pub regex: Option<Replacement>,
    /// Put before the path, in the matched form.
    pub add_prefix: Option<String>,
    /// A whole path in place of the one that came.
    pub path: Option<Template>,
    /// In place of the query; empty is none.
    pub query: Option<Template>,
    /// In place of Host.
    pub host: Option<Template>,
}

/// What is found in a path, and what stands there then.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The engine's dialect, searched in the matched form.
    pub pattern: String,
    /// Text with captures: `$1`, `${name}`, `$$` for a dollar.
    pub with: String,
}

/// Which field carries the request's id, and where it comes from.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RequestIdSource {
    /// The field that tells it to the endpoint, and that is believed of `forwarded.from`.
    pub field: String,
    /// What is the id instead, whoever sends it.
    #[serde(default)]
    pub from: Option<Text>,
}

/// What stands in an answer that tells of a failure.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ErrorPage {
    /// The statuses that it is for, from one to another, both included; empty: all.
    pub statuses: Vec<(u16, u16)>,
    /// The kinds of failure that it is for; empty: all.
    pub kinds: Vec<String>,
    /// Whether it also stands in place of what endpoints answer with one of the statuses.
    pub endpoints: bool,
    /// What `Content-Type` says.
    pub content_type: String,
    /// The text, escaped for its content type where it has holes.
    pub body: Template,
    /// The status that is sent instead.
    pub send: Option<u16>,
}
