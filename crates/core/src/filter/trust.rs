//! Whose word about the client is believed, and in which field.

use std::net::IpAddr;

use super::networks::Networks;
use super::peer::Peer;
use crate::snapshot::document::{Forwarded, ForwardedField};

/// Compiled `forwarded`.
#[derive(Clone, Debug)]
pub struct Trust {
    from: Networks,
    field: ForwardedField,
}

impl Trust {
    /// Compiles. Fails on what is no network.
    pub fn build(forwarded: &Forwarded) -> Result<Self, String> {
        let from = Networks::build(&forwarded.from);
        let from = from.map_err(|text| format!("forwarded.from: `{text}` is no network"))?;
        Ok(Self { from, field: forwarded.field })
    }

    /// Whether the word of `address` is believed. IPv4-mapped IPv6 is IPv4.
    pub fn believes(&self, address: IpAddr) -> bool {
        self.from.hold(Some(address))
    }

    /// Whether the word of a connection's peer is believed.
    pub fn believes_peer(&self, peer: &Peer) -> bool {
        self.from.hold(peer.ip())
    }

    /// The one field that is believed.
    pub fn field(&self) -> ForwardedField {
        self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_network_is_told() {
        let forwarded = Forwarded { from: vec!["ten".into()], field: ForwardedField::Forwarded };
        assert_eq!(Trust::build(&forwarded).unwrap_err(), "forwarded.from: `ten` is no network");
    }

    #[test]
    fn a_peer_without_an_address_is_one_of_a_unix_socket() {
        let trust = |from: &str| {
            Trust::build(&Forwarded { from: vec![from.into()], field: ForwardedField::XForwardedFor }).unwrap()
        };
        assert!(trust("unix:").believes_peer(&Peer::new(None, None)));
        assert!(!trust("0.0.0.0/0").believes_peer(&Peer::new(None, None)));
        assert!(trust("10.0.0.0/8").believes_peer(&Peer::new("10.0.0.1:5".parse().ok(), None)));
    }
}
