//! What is changed on the way, in this order, whatever the order in the file:
//!
//! 1. hop-by-hop fields and those that `Connection` names are dropped (`framing::Dropped`)
//! 2. names with `_`, and spellings of forwarded fields, are dropped (`forwarded::passes`)
//! 3. `X-Forwarded-*`, `Forwarded`, `X-Request-Id` and `Via` are written (`forwarded::write_fields`)
//! 4. `buffer_request` waits for the whole body (the lane)
//!
//! May use: head, dice, the snapshot document. Must not know: routes, endpoints, sockets. In Rust because it runs for
//! every request.

pub mod forwarded; // who the client is, and what the endpoint is told about it
pub mod trust; // whose word is believed: networks
pub mod peer; // the two addresses of a connection, and their texts
pub mod chain; // the believed field, walked from the right
pub mod request_id; // a request's name
