//! What is known of a connection at its end, for its line in the log.

use std::sync::Arc;

use crate::failure::Failure;
use crate::snapshot::compiled::{Endpoint, Upstream};

/// What is known of a connection. The snapshot is let go as soon as there is an endpoint: a connection may live for days.
#[derive(Debug, Default)]
pub struct Known {
    /// The name of the server that a TLS client told, in lower case; empty where none was looked for or told.
    pub server_name: Box<[u8]>,
    /// The route that it took, where there are routes.
    pub route: Option<Arc<str>>,
    /// The upstream that it leads to.
    pub upstream: Option<Arc<Upstream>>,
    /// The endpoint that was asked last.
    pub endpoint: Option<Arc<Endpoint>>,
    /// How many endpoints were asked.
    pub attempts: u8,
    /// Whether the endpoint has spoken; false where it has ended instead, none where that is not known.
    pub is_served: Option<bool>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}
