//! The fields of the access log in one table: the order of a line, what a configuration may name, and `docs/log.md`.

use std::fmt::Write;

use tidegate_core::failure::{Kind, Stage};

/// A field of the access log, as the docs tell of it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The key in the JSON object, and the name in a format string.
    pub name: &'static str,
    /// `string`, `number` or `bool`.
    pub kind: &'static str,
    /// The unit of a number, or the form of a string; empty where it has none.
    pub unit: &'static str,
    /// When a line has it.
    pub when: When,
    /// One sentence.
    pub says: &'static str,
}

/// When a line of JSON has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where there is something to say.
    Known,
    /// Where the configuration names it, and there is something to say.
    Named,
}

/// Makes the enum of fields and what is said of each from one list.
macro_rules! fields {
    ($($id:ident $name:literal $kind:literal $unit:literal $when:ident $says:literal;)+) => {
        /// A field of the access log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $(#[doc = $says] $id),+
        }

        impl Field {
            /// Every field, in the order of a line.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// What the docs tell of it.
            pub const fn about(self) -> About {
                match self {
                    $(Self::$id => About { name: $name, kind: $kind, unit: $unit, when: When::$when, says: $says }),+
                }
            }
        }
    };
}

fields! {
    Time "time" "string" "RFC 3339, UTC" Always "when the exchange ended";
    TimeUnix "time_unix" "number" "seconds since 1970" Named "when the exchange ended";
    TimeCommon "time_common" "string" "`24/Nov/2026:06:00:00 +0000`" Named "when the exchange ended, as the common log format has it; UTC";
    RequestId "request_id" "string" "" Known "the `X-Request-Id` that the endpoint was sent";
    Client "client" "string" "address" Always "who asked, as `client.ip`: forwarded fields count where they are believed";
    Peer "peer" "string" "address" Named "who connected, whatever forwarded fields say; empty for a Unix socket";
    Listener "listener" "string" "" Always "the listener that took the connection";
    Route "route" "string" "" Known "the route that the request took";
    Upstream "upstream" "string" "" Known "the upstream that the route leads to";
    Endpoint "endpoint" "string" "address" Known "the endpoint that was asked last";
    Protocol "protocol" "string" "" Known "`tcp` for a connection of layer 4, `udp` for a session, which has no request: its line has neither method, path, version nor status";
    Sni "sni" "string" "" Known "the name of the server that a TLS client told, where connections of layer 4 are routed by it";
    DatagramsIn "datagrams_in" "number" "" Known "datagrams of a session of UDP that were passed on to the endpoint";
    DatagramsOut "datagrams_out" "number" "" Known "datagrams of a session of UDP that were passed on to the client";
    Method "method" "string" "" Always "the method as it was sent; empty where no head could be read";
    Host "host" "string" "" Known "the host as it was sent";
    Path "path" "string" "" Always "the whole request target as it was sent, with the query";
    Version "version" "string" "" Always "`1.0` or `1.1`";
    Status "status" "number" "" Always "the status that the client got; 0 where it got none";
    BytesIn "bytes_in" "number" "bytes" Always "received from the client, head included";
    BytesOut "bytes_out" "number" "bytes" Always "sent to the client, head included";
    Duration "duration" "number" "seconds" Always "from the first byte of the request to the last of the answer";
    FirstByte "first_byte" "number" "seconds" Known "from the last byte sent to the endpoint to the first of its answer";
    Attempts "attempts" "number" "" Known "endpoints and connections tried; left out where none was";
    Tries "tries" "string" "`10.0.0.1:80 upstream_reset 0.001203, 10.0.0.2:80 200 0.010233`" Known "each try, where one was not enough: the endpoint, its status, how it failed, or `cancelled` where another one answered first, and the seconds until then; last, where `retry_budget` allowed no more, that";
    Reused "reused" "bool" "" Known "whether the endpoint's connection came from the pool; left out where none was tried";
    UserAgent "user_agent" "string" "" Known "the field `User-Agent`";
    Referer "referer" "string" "" Known "the field `Referer`";
    Failure "failure" "string" "" Known "what went wrong, one of the kinds below";
    Stage "stage" "string" "" Known "where on the road it went wrong, one of the stages below";
    Reason "reason" "string" "" Known "why, as a sentence with names and addresses; clients never see it";
}

impl Field {
    /// The field of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.about().name == name)
    }

    /// The fields of a line where the configuration chooses none, in their order.
    pub fn usual() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|field| field.is_usual())
    }

    /// Whether a line has it where the configuration chooses no fields.
    pub fn is_usual(self) -> bool {
        self.about().when != When::Named
    }
}

/// The page `docs/log.md`.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for field in Field::ALL {
        let About { name, kind, unit, when, says } = field.about();
        let when = match when {
            When::Always => "always",
            When::Known => "where known",
            When::Named => "where named",
        };
        writeln!(page, "| `{name}` | {kind} | {unit} | {when} | {says} |").expect("a string takes all");
    }
    page.push_str(KINDS);
    for kind in Kind::ALL {
        let status = if kind.status() == 0 { "none".to_owned() } else { kind.status().to_string() };
        writeln!(page, "| `{}` | {status} | `{}` | {} |", kind.name(), kind.proxy_status(), kind.says())
            .expect("a string takes all");
    }
    let stages: Vec<String> = Stage::ALL.iter().map(|stage| format!("`{}`", stage.name())).collect();
    writeln!(page, "\n## Stages\n\nIn the order of the road: {}.", stages.join(", ")).expect("a string takes all");
    page
}

const HEAD: &str = "\
# Logs

This page is built from the tables in `crates/engine/src/log/fields.rs` and `crates/core/src/failure.rs` (`make docs`).

## How they are written

A serving thread appends a line to a buffer of its own, and hands the buffer over when it holds 32 KiB or is 200 ms old.
One thread writes. It never waits for a destination longer than the kernel takes for a write to a file: while a disk is
full, a server is away or nobody reads, up to 8 MiB of whole lines are kept in memory and tried again every second; what
comes beyond that is dropped and counted by reason (`tidegate_log_lines_dropped_total`). That is told on the program
log, at most once a minute. Lines are never torn, but where the process ends, or the file is opened anew, in the midst
of an error.

A reload may change everything about the access log, and loses no line: what was logged before it goes where it was
meant to. A destination that was left has 10 s for that; what a file that is full could not take goes to the new one.

## Where the access log goes

| `to` | what it gets |
|---|---|
| `stdout` | lines on the worker's stdout |
| a path | lines at the end of that file, which is made with mode 0640; or of a FIFO, or a device |
| `syslog:HOST:PORT` | messages of syslog (RFC 5424): a datagram for each line, or with `syslog: {transport: tcp}` one stream, each message ended by a line feed. `facility` (`local7`), `severity` (`info`) and `app` (`tidegate`) may be set there too |
| `unix:PATH` | lines, as a file would get them: a datagram for each where the socket there takes datagrams, else a stream. With `syslog: {}` messages of syslog |

SIGUSR1 to the supervisor opens a file anew by its path (rename it first), and connects to sockets anew. The worker opens
and connects with the rights of `user`. A host name is looked up at each start and reload. A server or socket need not be
there: lines wait for it as above. Of a UDP server that is away the kernel tells only after a datagram is lost, so one
line a second is. A line longer than 65,000 bytes is cut where it goes as a datagram.

`when: 'response.status >= 400 or response.duration > 1'` logs those for which the expression holds
([expressions.md](expressions.md)). Of these, `sample: 0.1` logs a tenth, by chance; failures and statuses of 500 and
more are all logged.

## What a line looks like

`format: json`, the default: one JSON object a line. Strings hold what came, with controls escaped; a byte that is no
UTF-8 is written as `\\u00XX` of its value. `fields: [time, status, {beta: 'request.headers[\"x-beta\"]'}]` chooses fields and
their order, and puts texts of the request under keys of their own. What there is nothing to say of is left out.

Any other `format` is a line of words with values in braces, those of fields and of expressions:
`'{client} \"{method} {path}\" {status} \"{request.headers[\"x-beta\"]}\"'`.
`{{` and `}}` are braces, `-` stands where there is nothing to say, and `common` and `combined` are the formats of that
name that other servers write (their last number there is the length of the body; here the head counts too). In values,
controls, `\"`, `\\` and bytes that are no UTF-8 are written as `\\xXX`, so no client ends a line or a quote: put what may
hold spaces, such as `user_agent`, in quotes.

| field | type | unit or form | in a usual line | meaning |
|---|---|---|---|---|
";

const KINDS: &str = "
## What a line costs

A serving thread's time for a line about a request with a path of 22 bytes and a `User-Agent` of 70, written to
`/dev/null` (`cargo run --release -p tidegate-engine --example tell_speed`; the best of ten runs on a machine of two
cores that did other work too):

| line | nanoseconds |
|---|---|
| JSON with the usual fields, which is written out by hand | 172 |
| JSON with the usual fields but one, by the list | 401 |
| JSON with seven fields | 109 |
| `combined` | 202 |

## Program log

On stderr. As text: time, level and words; as JSON: an object with `time`, `level`, `room` (`supervisor` or `engine`),
`message`, and from the engine `topic`. Of one topic the engine writes at most ten lines in ten seconds; the next line
then says how many were left out. The line `ready` comes whatever the level. A worker that a new supervisor adopted
writes to that supervisor's stdout and stderr, what could not be written meanwhile included.

## Kinds of failures

The status is what the client gets; `none` where the connection is closed without an answer, or the answer has begun.

| kind | status | Proxy-Status | meaning |
|---|---|---|---|
";
