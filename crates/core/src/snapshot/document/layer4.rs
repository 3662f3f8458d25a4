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
