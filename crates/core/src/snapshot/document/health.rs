//! How endpoints are checked, as Python writes it (`python/tidegate/compile/health.py`).

use serde::Deserialize;

/// How the endpoints of an upstream are checked.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is asked, and what a good answer is.
    pub probe: Probe,
    /// The port that is asked in place of the endpoint's own.
    pub port: Option<u16>,
    /// From one check to the next, in milliseconds.
    pub interval_ms: u64,
    /// The same while the endpoint is down, or its last check was not what is known of it.
    pub fast_interval_ms: u64,
    /// Longest check, in milliseconds.
    pub timeout_ms: u64,
    /// Checks in a row that must pass before it is up.
    pub rise: u32,
    /// Checks in a row that must fail before it is down.
    pub fall: u32,
}

/// What is asked.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A request, on a connection of its own.
    Http(HttpProbe),
    /// A connection.
    Tcp(TcpProbe),
    /// The beginning of a TLS handshake.
    Tls(TlsProbe),
    /// A datagram.
    Udp(UdpProbe),
    /// A call of `grpc.health.v1`, over HTTP/2.
    Grpc(GrpcProbe),
}

/// A request, and what its answer must be.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct HttpProbe {
    /// The method.
    pub method: String,
    /// The path, with a query where there is one.
    pub path: String,
    /// The `Host`; none is the endpoint's address.
    pub host: Option<String>,
    /// Further fields.
    pub headers: Vec<(String, String)>,
    /// Ranges of good statuses, both ends included.
    pub statuses: Vec<(u16, u16)>,
    /// What the body must hold.
    pub body: Option<Expected>,
}

/// A connection, and what is said on it.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {
    /// What is sent first; empty sends nothing.
    pub send: String,
    /// What must come then; none: that it accepts is enough.
    pub expect: Option<Expected>,
}

/// A datagram, and what comes back.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct UdpProbe {
    /// What is sent.
    pub send: String,
    /// What the answer must hold; none: any answer will do.
    pub expect: Option<Expected>,
    /// Whether there must be one; if not, it is enough that no word comes that nobody listens.
    pub answers: bool,
}

/// What a ClientHello asks for.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct TlsProbe {
    /// The name of the server; none names nobody.
    pub sni: Option<String>,
    /// Protocols, the favourite first.
    pub alpn: Vec<String>,
}

/// Whom a call of `grpc.health.v1` asks about.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
pub struct GrpcProbe {
    /// The service; empty is all of the server.
    pub service: String,
}

/// What must be found.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// This text.
    Contains(String),
    /// This pattern.
    Regex(String),
}
