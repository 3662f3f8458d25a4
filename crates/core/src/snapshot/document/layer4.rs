//! Where a listener of layer 4 carries bytes to, as Python writes it (`python/tidegate/compile/listener.py`).

use serde::Deserialize;

use super::route::Target;

/// Where bytes are carried to.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Layer4 {
    /// Without a byte either way, in milliseconds; then both sides are closed. 0 is no limit.
    pub idle_ms: u64,
    /// One upstream, or several by weight; none closes what takes no route.
    pub to: Option<Target>,
    /// Where TLS goes by its ClientHello; the order says nothing.
    pub routes: Vec<Layer4Route>,
    /// What holds for sessions of UDP; none for TCP.
    pub udp: Option<Udp>,
}

/// What holds for sessions of UDP; 0 is any number.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// Answers to expect for each datagram of the client; once they have come, the session is over.
    pub responses: u64,
    /// Datagrams of the client that a session takes; the next one begins another.
    pub requests: u64,
}

/// Where TLS goes by its ClientHello.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Layer4Route {
    /// Its name, or its place among the listener's.
    pub name: String,
    /// Names of servers in lower case, `*.` for any depth below; empty is any name, and none.
    pub sni: Vec<String>,
    /// Protocols of which the client must offer one; empty is any.
    pub alpn: Vec<String>,
    /// One upstream, or several by weight.
    pub to: Target,
}
