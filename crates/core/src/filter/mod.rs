//! What a route changes on the way, and who may pass. The order is [`ORDER`], whatever the order in the file; several
//! filters of one kind run as written.
//!
//! May use: head, dice, framing, rule, how paths are read, the snapshot document. Must not know: which route is taken, endpoints,
//! sockets. In Rust because it runs for every request.

/// The filters, in the order in which they run. Matching is done before the first: what a filter changes chooses no other
/// route, and what filters write is made of the request as it came.
pub const ORDER: &[&str] = &[
    // The request. Its name comes first, so that whatever happens next is told under it.
    "request_id",
    // Who may not pass costs nothing further; `deny` before `allow`, since it wins.
    "deny",
    "allow",
    // What its head says of the body.
    "body_limit",
    // What stands in for an endpoint that is slow or broken: who may not pass is not told of it.
    "fault",
    // The body itself, as it comes.
    "buffer_request",
    // The head for the endpoint: its target and Host, then its fields. The edits come last, behind what the proxy drops
    // (hop-by-hop fields, names with `_`) and writes itself (`X-Forwarded-*`, `Forwarded`, the id, `Via`), so that they
    // have the last word on all but the framing.
    "rewrite",
    "request_headers",
    // The answer, the endpoint's or one of ours. A page changes what it says, then its head is edited, whoever made it.
    "error_pages",
    "response_headers",
];

pub mod filters; // the filters of one route, compiled
pub mod forwarded; // who the client is, and what the endpoint is told about it
pub mod trust; // whose word is believed
pub mod networks; // networks, compiled to sorted ranges
pub mod peer; // the two addresses of a connection, and their texts
pub mod chain; // the believed field, walked from the right
pub mod request_id; // a request's name, and the field that carries it
pub mod access; // `deny` and `allow`: clients by address
pub mod fault; // delays and refusals on purpose
pub mod rewrite; // another path, query or host
pub mod replacement; // what a regex finds in a path, and what stands there then
pub mod headers; // fields set, added, appended to and removed
pub mod error_pages; // what stands in answers that tell of a failure
mod lines; // the lines of a head that is being written

#[cfg(test)]
mod tests; // a request for the tests of filters

pub use filters::Filters;
pub use rewrite::Rewritten;
