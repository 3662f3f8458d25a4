//! What a connection or a session tells of its endpoint.
//!
//! Bytes that are carried on as they are have no status. An endpoint of which a byte has come is well; one that resets or
//! closes before that, though it was spoken to, is not. What happens later is between it and its client.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Known;
use crate::filter::forwarded::Peer;
use crate::health::Outcome;
use crate::moment::Moment;

impl Known {
    /// Tells the endpoint's standing, and keeps for the metrics, what is now known of the endpoint. Clients are told apart
    /// by address and by the name that they ask for: one that makes every endpoint hang up takes none out.
    pub(super) fn judge(&mut self, outcome: Outcome<'_>, peer: &Peer, now: Moment) {
        self.is_served = Some(outcome == Outcome::Spoke);
        if let (Some(upstream), Some(endpoint)) = (&self.upstream, &self.endpoint) {
            upstream.observe(endpoint, outcome, || print(peer, &self.server_name), now);
        }
    }
}

fn print(peer: &Peer, server_name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (peer.ip(), server_name).hash(&mut hasher);
    hasher.finish()
}
