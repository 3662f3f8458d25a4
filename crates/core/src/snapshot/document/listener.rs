//! Listeners, as Python writes them (`python/tidegate/compile/listener.py`).

use serde::Deserialize;

use super::filters::ErrorPage;
use super::layer4::Layer4;

/// What a listener's connections may do.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ListenerKind {
    /// Serves routes.
    Http,
    /// Serves routes like any other, but only to a Host that is an address or `localhost` (no DNS rebinding).
    Admin,
    /// Carries the bytes of connections on as they are.
    Tcp,
    /// Carries datagrams on as they are.
    Udp,
}

/// An address, or several, where connections are accepted.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name in the configuration.
    pub name: String,
    /// What its connections may do.
    pub kind: ListenerKind,
    /// The bound addresses.
    pub binds: Vec<Bind>,
    /// Whose forwarded fields are believed.
    pub forwarded: Forwarded,
    /// `true`: each connection must begin with a PROXY protocol header, v1 or v2.
    pub proxy_protocol: bool,
    /// `true`: fields whose names hold `_` are passed on; else they are dropped.
    pub keep_underscores: bool,
    /// `true`: dot segments are resolved instead of refused.
    pub resolve_dot_segments: bool,
    /// Deadlines.
    pub timeouts: ListenerTimeouts,
    /// Bounds.
    pub limits: ListenerLimits,
    /// What stands in answers that tell of a failure, where no page of a route does.
    pub error_pages: Vec<ErrorPage>,
    /// Where bytes are carried to, where no routes are served.
    pub layer4: Option<Layer4>,
    /// What clients of HTTP/2 may do; none: nobody speaks it.
    #[serde(default)]
    pub http2: Option<Http2>,
}

/// What clients of HTTP/2 may do.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Http2 {
    /// Whether nothing else is spoken.
    pub only: bool,
    /// Streams of a connection at once.
    pub streams: u32,
    /// Bytes of a request's body that may come before any is taken.
    pub window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// Streams that a client may reset in 10 s, where they are most of its streams; 0 is no limit.
    pub resets: u64,
}

/// One bound address.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// As shown to people: `127.0.0.1:8080`, `[::]:80`, `unix:/run/x.sock`.
    pub address: String,
    /// Descriptors, by the ids that the supervisor gave them. Several: socket j is served by thread j mod n. One: the
    /// first thread accepts and hands connections out.
    pub sockets: Vec<u32>,
}

/// Whose word about the client is believed.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// Networks in CIDR form; IPv4-mapped IPv6 is IPv4. `unix:` stands for every peer of a Unix socket.
    pub from: Vec<String>,
    /// The one field that is believed: `x-forwarded-for` or `forwarded`.
    pub field: ForwardedField,
}

/// The field that carries the chain of clients.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedField {
    /// X-Forwarded-For
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}

/// A listener's deadlines, in milliseconds; 0 is none.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ListenerTimeouts {
    /// From the first byte of a head to its end.
    pub header_ms: u64,
    /// Between two requests.
    pub idle_ms: u64,
    /// Without a byte either way in a tunnel.
    pub tunnel_ms: u64,
    /// Age at which a connection is asked to go.
    pub max_age_ms: u64,
}

/// A listener's bounds; 0 is none.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ListenerLimits {
    /// A request's head, in bytes.
    pub header_bytes: u64,
    /// Field lines of a request.
    pub headers: u64,
    /// The request line, in bytes.
    pub request_line: u64,
    /// A request's trailers, in bytes.
    pub trailer_bytes: u64,
    /// The extensions of one chunk, in bytes.
    pub chunk_extension_bytes: u64,
    /// A request's body, in bytes.
    pub body_bytes: u64,
    /// Least rate of a request's body, in bytes per second over 5 s.
    pub body_rate: u64,
    /// Connections of this listener.
    pub connections: u64,
    /// Connections of one client address on this listener.
    pub connections_per_client: u64,
    /// New connections of one client address on this listener; none is no limit.
    pub connection_rate: Option<Rate>,
}

/// So many in so long; so many may also come at once.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u64,
    /// In how many milliseconds.
    pub per_ms: u64,
}
