//! The snapshot document as Python writes it (`python/tidegate/compile/`): plain data, unknown fields refused.
//! Durations are whole milliseconds, sizes bytes, rates per second. 0 is "no limit" wherever the contract says so.

use serde::Deserialize;

pub use super::filters::{ErrorPage, Filter, HeaderEdits, Replacement, RequestIdSource, Rewrite};
pub use super::route::{Conditions, Redirect, Respond, Share, Split};
pub use super::rule::{Comparison, Number, Repeated, Rule, Template, Text, Word};

/// The format that this core reads. A document of another format is refused.
pub const FORMAT: u32 = 1;

/// The whole document.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// [`FORMAT`].
    pub format: u32,
    /// Rises with each snapshot of an instance.
    pub number: u64,
    /// Where the configuration came from: a path, or `proxy`.
    pub source: String,
    /// Seconds since 1970 when it was made.
    pub since: f64,
    /// How many threads serve, at least 1.
    pub threads: usize,
    /// Most client connections in total; 0 is no limit (`auto` is resolved by Python).
    pub connections: u64,
    /// Where exchanges are logged; none is off.
    pub access_log: Option<AccessLog>,
    /// The program's own log.
    pub log: ProgramLog,
    /// Listeners; a route names them by index.
    pub listeners: Vec<Listener>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Upstreams; a route names one by index.
    pub upstreams: Vec<Upstream>,
    /// Named sets; what they hold was sent before, apart from the document.
    #[serde(default)]
    pub sets: Vec<NamedSet>,
}

/// A set that expressions look into.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NamedSet {
    /// Its name.
    pub name: String,
    /// What it holds, as a digest: equal ones hold the same.
    pub digest: String,
}

/// The access log.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTarget,
    /// How they look.
    pub line: LogLine,
    /// Each is a message of syslog (RFC 5424) with this header; none: a line alone.
    pub syslog: Option<LogSyslog>,
    /// Which exchanges are told; none: all.
    pub when: Option<Rule>,
    /// The share of exchanges that are told of those that went well, 0 to 1.
    pub sample: f64,
}

/// Where lines of the access log go.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogTarget {
    /// The worker's stdout.
    Stdout,
    /// The path of a file, a FIFO or a device.
    File(String),
    /// The path of a Unix socket, of datagrams or of a stream.
    Unix(String),
    /// A datagram for each line.
    Udp(LogPeer),
    /// A stream of lines.
    Tcp(LogPeer),
}

/// Who takes lines of the access log over the network.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LogPeer {
    /// `host:port`, as configured.
    pub name: String,
    /// The address that it stands for; none where the name does not resolve.
    pub address: Option<String>,
}

/// How a line of the access log looks.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogLine {
    /// One JSON object with these fields, in this order.
    Json(Vec<LogMember>),
    /// These pieces, one after another.
    Words(Vec<LogPiece>),
}

/// A member of a line of JSON.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum LogMember {
    /// A field of the access log, under its name.
    Field(String),
    /// A text of the request or its answer, under this key.
    Text {
        /// The key.
        key: String,
        /// What it says.
        text: Text,
    },
}

/// A piece of a line of words.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogPiece {
    /// As it stands.
    Literal(String),
    /// The value of a field of the access log.
    Field(String),
    /// A text of the request or its answer.
    Text(Text),
}

/// The header of a syslog message.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LogSyslog {
    /// Facility times 8 and severity.
    pub priority: u8,
    /// APP-NAME.
    pub app: String,
}

/// The program's own log, on stderr.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ProgramLog {
    /// The least that is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much a line of the program's log matters.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever looks for a mistake.
    Debug,
    /// What happens in a good life.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something could not be done.
    Error,
}

/// How a line of the program's log looks.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a listener's connections may do.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ListenerKind {
    /// Serves routes.
    Http,
    /// Serves routes like any other, but only to a Host that is an address or `localhost` (no DNS rebinding).
    Admin,
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
}

/// What a request must look like, and where it then goes.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, or `routes[3]` where it has none.
    pub name: String,
    /// `file:line:column` of its definition.
    pub place: String,
    /// Listeners, by index.
    pub listeners: Vec<usize>,
    /// Host in lower case: `api.example.com`, or `*.example.com`; none is every host.
    pub host: Option<String>,
    /// The path; none is every path.
    pub path: Option<PathMatch>,
    /// What else must hold; none is nothing.
    #[serde(default)]
    pub only: Option<Box<Conditions>>,
    /// Breaks ties between equal routes; higher first.
    pub priority: i64,
    /// Deadlines.
    pub timeouts: RouteTimeouts,
    /// Filters, in the order of the file.
    pub filters: Vec<Filter>,
    /// Where a request goes.
    pub to: Target,
}

/// One of the three forms of a path match, over the matched form of the path.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// On segment borders: `/v1/` matches `/v1` and `/v1/x`.
    Prefix(String),
    /// The whole path.
    Exact(String),
    /// The engine's dialect (`regex` crate), searched, not anchored.
    Regex(String),
}

/// A route's deadlines, in milliseconds; 0 is none.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RouteTimeouts {
    /// From the last request byte to the first byte of the answer.
    pub response_ms: u64,
    /// Between bytes either way.
    pub idle_ms: u64,
}

/// Where a request goes.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An upstream, by index.
    Upstream(usize),
    /// Several upstreams.
    Split(Split),
    /// An answer of ours.
    Respond(Respond),
    /// An answer that sends the client elsewhere.
    Redirect(Redirect),
    /// An answer that the engine itself makes.
    Builtin(Builtin),
}

/// Answers that the engine itself makes.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Builtin {
    /// 200 while the worker lives.
    Livez,
    /// 200 while new work is welcome, 503 in a drain.
    Readyz,
    /// Prometheus text.
    Metrics,
}

/// A named group of endpoints that do the same work.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// The endpoints; a DNS name has one for each address.
    pub endpoints: Vec<Endpoint>,
    /// Names of `endpoints` that have no address now, with the resolver's words.
    pub unresolved: Vec<Unresolved>,
    /// Connections kept and bounded.
    pub pool: Pool,
    /// The PROXY protocol header that is sent to endpoints.
    pub proxy_protocol: ProxyProtocolOut,
}

/// How an endpoint is chosen.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
}

/// One address of an upstream.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `10.0.0.1:80`, `[::1]:80` or `unix:/path`.
    pub address: String,
    /// The entry it stands for: the address itself, or `name:port`.
    pub entry: String,
    /// Share of the work; 0 takes no new work.
    pub weight: u32,
}

/// A name without an address.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Unresolved {
    /// `name:port` of the entry.
    pub entry: String,
    /// The weight that its endpoints will have.
    pub weight: u32,
    /// Why, in the resolver's words.
    pub says: String,
}

/// Connections kept and bounded.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How long a connection is kept without work, in milliseconds; 0 keeps none.
    pub idle_ms: u64,
    /// Most connections to one endpoint over all threads; 0 is no limit.
    pub connections: u64,
    /// Most requests that wait for a connection; 0: nobody waits.
    pub queue: u64,
    /// Longest wait, in milliseconds.
    pub wait_ms: u64,
    /// Longest connect, in milliseconds.
    pub connect_ms: u64,
}

/// The PROXY protocol header that is sent to endpoints.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocolOut {
    /// None.
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// A change of the addresses that one entry of an upstream stands for.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EndpointDelta {
    /// The upstream's name.
    pub upstream: String,
    /// The entry, `name:port`.
    pub entry: String,
    /// Every address that it stands for now; never empty (the last good answer is kept).
    pub addresses: Vec<String>,
}
