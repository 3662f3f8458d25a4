//! Why an exchange failed: one shape, made where it happens. One table gives status and RFC 9209 error type.

use std::fmt;

/// Why an exchange failed. Log, metrics, `Proxy-Status` and retry read it; the client is told by `kind` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: Kind,
    /// Where on the road.
    pub stage: Stage,
    /// Whether the exchange may be tried again.
    pub retryable: Retryable,
    /// A plain sentence, with names and addresses: for log and admin, never for the client.
    pub reason: String,
}

impl Failure {
    /// The proxy ends, and what is under way with it.
    pub fn cut(stage: Stage) -> Self {
        Self::new(Kind::ShuttingDown, stage, "the time to drain is over, and the connection was cut")
    }

    /// A failure that no repeat mends.
    pub fn new(kind: Kind, stage: Stage, reason: impl Into<String>) -> Self {
        Self { kind, stage, retryable: Retryable::Never, reason: reason.into() }
    }
}

impl Failure {
    /// Whether the endpoint is to blame, and had a connection.
    pub fn is_of_endpoint(&self) -> bool {
        let is_its_fault = matches!(
            self.kind,
            Kind::UpstreamClosed
                | Kind::UpstreamReset
                | Kind::StreamRefused
                | Kind::ResponseTimeout
                | Kind::ResponseStalled
                | Kind::ResponseMalformed
                | Kind::ResponseHeadTooLarge
                | Kind::UnexpectedUpgrade
                | Kind::ResponseIncomplete
        );
        is_its_fault && self.stage == Stage::Exchange
    }
}

impl Kind {
    /// Whether the endpoint could not be connected to, and another may be tried in its place.
    pub const fn is_unreachable(self) -> bool {
        matches!(self, Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectFailed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind.name(), self.stage.name(), self.reason)
    }
}

/// Whether an exchange that failed may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryable {
    /// No byte left us.
    Always,
    /// Only a request whose repeat has no second effect (RFC 9110, section 9.2.2).
    IfIdempotent,
    /// Never.
    Never,
}

/// Where on the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Taking a connection.
    Accept,
    /// Reading a PROXY protocol header.
    ProxyProtocol,
    /// Reading a request.
    Codec,
    /// Choosing a route.
    Route,
    /// Running filters.
    Filter,
    /// Choosing an endpoint.
    Balance,
    /// Getting a connection to it.
    Connect,
    /// The exchange with it.
    Exchange,
    /// Writing the answer.
    Write,
    /// Between two requests.
    Idle,
}

impl Stage {
    /// The word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Codec => "codec",
            Self::Route => "route",
            Self::Filter => "filter",
            Self::Balance => "balance",
            Self::Connect => "connect",
            Self::Exchange => "exchange",
            Self::Write => "write",
            Self::Idle => "idle",
        }
    }

    /// Every stage, in the order of the road.
    pub const ALL: &[Self] = &[
        Self::Accept,
        Self::ProxyProtocol,
        Self::Codec,
        Self::Route,
        Self::Filter,
        Self::Balance,
        Self::Connect,
        Self::Exchange,
        Self::Write,
        Self::Idle,
    ];
}

/// Makes the enum of kinds, its names, statuses, RFC 9209 error types and words from one table.
macro_rules! kinds {
    ($($id:ident $name:literal $status:literal $error:literal $says:literal;)+) => {
        /// What went wrong, in one word that log, metrics and client share.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $says] $id),+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// The word in logs, metrics and answers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name),+ }
            }

            /// The status of the answer; 0 where there is none (the connection is closed, or the answer has begun).
            pub const fn status(self) -> u16 {
                match self { $(Self::$id => $status),+ }
            }

            /// The error type for `Proxy-Status` (RFC 9209, section 2.3).
            pub const fn proxy_status(self) -> &'static str {
                match self { $(Self::$id => $error),+ }
            }

            /// What the client is told: the setting where one is to blame, never names or addresses of upstreams.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$id => $says),+ }
            }
        }
    };
}

kinds! {
    // What the client sent.
    MalformedRequest "malformed_request" 400 "http_request_error" "the request is not HTTP as RFC 9112 has it";
    AmbiguousFraming "ambiguous_framing" 400 "http_request_error" "two readers could disagree where the request ends";
    AmbiguousPath "ambiguous_path" 400 "http_request_error" "two readers could take the path for two paths";
    InvalidHost "invalid_host" 400 "http_request_error" "Host is missing, repeated, malformed, or differs from the target";
    ForbiddenConnectionOption "forbidden_connection_option" 400 "http_request_error" "Connection names a field that may not be dropped";
    InvalidTrailer "invalid_trailer" 400 "http_request_error" "a trailer may not hold framing or routing fields";
    InvalidProxyProtocol "invalid_proxy_protocol" 0 "http_request_error" "the connection did not begin with a PROXY protocol header";
    InvalidHello "invalid_hello" 0 "tls_protocol_error" "the connection did not begin with a ClientHello as TLS has it";
    SchemeNotSecured "scheme_not_secured" 421 "http_request_denied" "an https target came over a connection that is not secured";
    UnknownHost "unknown_host" 421 "http_request_denied" "this listener serves addresses and localhost only";
    ForeignOrigin "foreign_origin" 403 "http_request_denied" "this listener answers no page of another site";
    MethodRefused "method_refused" 405 "http_request_denied" "CONNECT and TRACE are not served";
    MaxForwardsReached "max_forwards_reached" 200 "http_request_denied" "Max-Forwards reached 0 here";
    ExpectationFailed "expectation_failed" 417 "http_request_error" "only `Expect: 100-continue` is known";
    UnsupportedVersion "unsupported_version" 505 "http_request_error" "only HTTP/1.0 and HTTP/1.1 are served here";
    RequestLineTooLong "request_line_too_long" 414 "http_request_error" "the request line is longer than limits.request_line";
    HeadTooLarge "head_too_large" 431 "http_request_error" "the head is larger than limits.header_bytes";
    TooManyHeaders "too_many_headers" 431 "http_request_error" "there are more fields than limits.headers";
    TrailersTooLarge "trailers_too_large" 431 "http_request_error" "the trailers are larger than limits.trailer_bytes";
    ChunkExtensionTooLong "chunk_extension_too_long" 400 "http_request_error" "a chunk extension is longer than limits.chunk_extension_bytes";
    BodyTooLarge "body_too_large" 413 "http_request_error" "the body is larger than limits.body_bytes or a filter allows";
    HeadTimeout "head_timeout" 408 "http_request_error" "the head took longer than timeouts.header";
    BodyTooSlow "body_too_slow" 408 "http_request_error" "the body came slower than limits.body_rate or paused longer than timeouts.idle";
    TooManyConnections "too_many_connections" 429 "http_request_denied" "limits.connections_per_client or limits.connection_rate is reached";
    ClientGone "client_gone" 0 "connection_terminated" "the client went away before the answer was whole";
    ClientStalled "client_stalled" 0 "connection_write_timeout" "the client took no byte of the answer for timeouts.idle";
    // What we decided.
    Forbidden "forbidden" 403 "http_request_denied" "this route does not serve the client's address";
    FaultInjected "fault_injected" 503 "proxy_internal_response" "the filter `fault` refused the request on purpose";
    RewriteRefused "rewrite_refused" 400 "http_request_error" "the rewritten path or host is none that may be sent";
    NoRoute "no_route" 404 "destination_not_found" "no route matches";
    NothingEligible "nothing_eligible" 503 "destination_unavailable" "no endpoint can take the request";
    NothingListed "nothing_listed" 503 "destination_unavailable" "there is no endpoint in the lists that the upstream takes its own from";
    NameUnresolved "name_unresolved" 503 "dns_error" "the name of the endpoint does not resolve";
    Overloaded "overloaded" 503 "connection_limit_reached" "as many requests are under way as circuit allows";
    QueueFull "queue_full" 503 "connection_limit_reached" "as many requests wait for a connection as pool.queue allows";
    QueueTimeout "queue_timeout" 503 "connection_limit_reached" "no connection became free within pool.wait";
    OutOfSockets "out_of_sockets" 503 "connection_limit_reached" "the proxy has no descriptor or port left for a connection to the endpoint";
    ShuttingDown "shutting_down" 503 "destination_unavailable" "the proxy is shutting down";
    Internal "internal" 500 "proxy_internal_error" "the proxy made a mistake";
    // What became of the endpoint.
    ConnectRefused "connect_refused" 502 "connection_refused" "the endpoint refused the connection";
    ConnectTimeout "connect_timeout" 504 "connection_timeout" "the endpoint did not accept within pool.connect";
    ConnectFailed "connect_failed" 502 "destination_ip_unroutable" "the endpoint cannot be reached";
    UpstreamClosed "upstream_closed" 502 "connection_terminated" "the endpoint closed the connection before it answered";
    ConnectionIdle "connection_idle" 0 "connection_timeout" "no byte came either way for the idle time of the listener";
    UpstreamReset "upstream_reset" 502 "connection_terminated" "the endpoint reset the connection before it answered";
    StreamRefused "stream_refused" 503 "connection_limit_reached" "the endpoint refused the stream, and has not looked at the request";
    ResponseTimeout "response_timeout" 504 "http_response_timeout" "the endpoint did not answer within timeouts.response";
    ResponseStalled "response_stalled" 504 "connection_read_timeout" "the endpoint paused its answer longer than timeouts.idle";
    ResponseMalformed "response_malformed" 502 "http_protocol_error" "the endpoint's answer is not HTTP as RFC 9112 has it";
    ResponseHeadTooLarge "response_head_too_large" 502 "http_response_header_section_size" "the head of the endpoint's answer is too large";
    UnexpectedUpgrade "unexpected_upgrade" 502 "http_upgrade_failed" "the endpoint switched protocols without being asked";
    ResponseIncomplete "response_incomplete" 502 "http_response_incomplete" "the endpoint's answer ended before its announced end";
}
