//! What is logged of one exchange.

use tidegate_core::failure::Failure;
use tidegate_core::head::Version;
use tidegate_core::rule::Subject;

use super::fields::Field;

/// What is known of a connection of layer 4.
#[derive(Clone, Copy, Debug)]
pub struct Layer4<'a> {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Datagrams to the endpoint and to the client, where these are what is carried.
    pub datagrams: Option<(u64, u64)>,
    /// The name of the server that a TLS client told.
    pub server_name: &'a [u8],
}

/// What is logged of one exchange; `Field` says what each means. An empty string is nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Wall clock at the end of the exchange, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Who asked.
    pub client: &'a str,
    /// Who connected; empty for a Unix socket.
    pub peer: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The endpoint's address.
    pub endpoint: &'a str,
    /// What is known of a connection of layer 4, which has no request: no method, path, version or status.
    pub layer4: Option<Layer4<'a>>,
    /// The method as it was sent.
    pub method: &'a [u8],
    /// The host as it was sent.
    pub host: &'a [u8],
    /// The whole request target as it was sent.
    pub path: &'a [u8],
    /// The request's version.
    pub version: Version,
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// The whole exchange, in nanoseconds.
    pub duration_ns: u64,
    /// Until the endpoint's first byte, in nanoseconds.
    pub upstream_ns: Option<u64>,
    /// Endpoints and connections tried.
    pub attempts: u8,
    /// Each try, where there was more than one.
    pub tries: &'a str,
    /// Whether the endpoint's connection came from the pool.
    pub reused: bool,
    /// The request's id.
    pub request_id: &'a [u8],
    /// The field `User-Agent`.
    pub user_agent: &'a [u8],
    /// The field `Referer`.
    pub referer: &'a [u8],
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure>,
    /// All of it, for the words of expressions; none where the plan looks at none (see `AccessLog::reads_words`).
    pub subject: Option<Subject<'a>>,
}

/// What a record says of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// There is nothing to say.
    Nothing,
    /// What came, or a word of ours.
    Text(&'a [u8]),
    /// A whole number.
    Number(u64),
    /// Nanoseconds, read in seconds.
    Seconds(u64),
    /// Nanoseconds since 1970, as RFC 3339 has them.
    Time(u64),
    /// Nanoseconds since 1970, as the common log format has them.
    TimeCommon(u64),
    /// Yes or no.
    Flag(bool),
}

impl<'a> Record<'a> {
    /// What it says of `field`.
    pub(super) fn value(&self, field: Field) -> Value<'a> {
        match field {
            Field::Time => Value::Time(self.time_unix_ns),
            Field::TimeUnix => Value::Seconds(self.time_unix_ns),
            Field::TimeCommon => Value::TimeCommon(self.time_unix_ns),
            Field::RequestId => known(self.request_id),
            Field::Client => Value::Text(self.client.as_bytes()),
            Field::Peer => known(self.peer.as_bytes()),
            Field::Listener => Value::Text(self.listener.as_bytes()),
            Field::Route => known(self.route.as_bytes()),
            Field::Upstream => known(self.upstream.as_bytes()),
            Field::Endpoint => known(self.endpoint.as_bytes()),
            Field::Protocol => self.layer4.map_or(Value::Nothing, |layer4| known(layer4.protocol.as_bytes())),
            Field::Sni => self.layer4.map_or(Value::Nothing, |layer4| known(layer4.server_name)),
            Field::DatagramsIn => self.datagrams().map_or(Value::Nothing, |(count, _)| Value::Number(count)),
            Field::DatagramsOut => self.datagrams().map_or(Value::Nothing, |(_, count)| Value::Number(count)),
            Field::Method | Field::Path | Field::Version | Field::Status if self.layer4.is_some() => Value::Nothing,
            Field::Method => Value::Text(self.method),
            Field::Host => known(self.host),
            Field::Path => Value::Text(self.path),
            Field::Version => Value::Text(self.version.name().as_bytes()),
            Field::Status => Value::Number(self.status.into()),
            Field::BytesIn => Value::Number(self.bytes_in),
            Field::BytesOut => Value::Number(self.bytes_out),
            Field::Duration => Value::Seconds(self.duration_ns),
            Field::FirstByte => self.upstream_ns.map_or(Value::Nothing, Value::Seconds),
            Field::Attempts if self.attempts > 0 => Value::Number(self.attempts.into()),
            Field::Reused if self.attempts > 0 && self.layer4.is_none() => Value::Flag(self.reused),
            Field::Tries => known(self.tries.as_bytes()),
            Field::Attempts | Field::Reused => Value::Nothing,
            Field::UserAgent => known(self.user_agent),
            Field::Referer => known(self.referer),
            Field::Failure => self.failed(|failure| failure.kind.name()),
            Field::Stage => self.failed(|failure| failure.stage.name()),
            Field::Reason => self.failed(|failure| &failure.reason),
        }
    }

    fn datagrams(&self) -> Option<(u64, u64)> {
        self.layer4.and_then(|layer4| layer4.datagrams)
    }

    fn failed(&self, says: impl FnOnce(&'a Failure) -> &'a str) -> Value<'a> {
        self.failure.map_or(Value::Nothing, |failure| Value::Text(says(failure).as_bytes()))
    }
}

fn known(text: &[u8]) -> Value<'_> {
    if text.is_empty() { Value::Nothing } else { Value::Text(text) }
}
