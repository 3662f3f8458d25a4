//! Every metric in one table: `/metrics` and `docs/metrics.md` are both built from it.

use std::fmt::Write;

use tidegate_core::http2::Farewell;
use tidegate_core::layer4::Dropped;

use super::histogram::BOUNDS;

/// What kind of number a metric is, in the words of Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// Only rises; begins at 0 with the first worker.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

impl Type {
    /// The word in a TYPE line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Makes the enum of metrics and what is said of each from one list.
macro_rules! metrics {
    ($($id:ident $name:literal $kind:ident [$($label:literal),*] $help:literal;)+) => {
        /// A metric.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Metric {
            $(#[doc = $help] $id),+
        }

        impl Metric {
            /// Every metric, in the order of the text.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// The name in the text.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name),+ }
            }

            /// The type.
            pub const fn kind(self) -> Type {
                match self { $(Self::$id => Type::$kind),+ }
            }

            /// The labels, in the order in which they are written.
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$id => &[$($label),*]),+ }
            }

            /// One sentence.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$id => $help),+ }
            }
        }
    };
}

metrics! {
    // What was answered.
    Requests "tidegate_requests_total" Counter ["route", "status"] "Requests that have ended, by route and class of the status that the client got; `none` where the client got none.";
    RequestSeconds "tidegate_request_duration_seconds" Histogram ["route"] "Time from the first byte of a request to the last byte of its answer; for a tunnel, to its end.";
    TargetRequests "tidegate_route_upstream_requests_total" Counter ["route", "upstream", "outcome"] "Requests of a route that several upstreams share, by the one that took them: `good` with an answer below 500, `bad` with 500 and more or a cut answer.";
    BytesIn "tidegate_received_bytes_total" Counter ["route"] "Bytes of requests received from clients, heads included.";
    BytesOut "tidegate_sent_bytes_total" Counter ["route"] "Bytes of answers sent to clients, heads included.";
    Failures "tidegate_failures_total" Counter ["kind", "stage"] "Exchanges that failed, by what went wrong and where on the road; pairs that never happened are left out.";
    // Where it came in.
    Accepted "tidegate_connections_accepted_total" Counter ["listener"] "Client connections accepted.";
    Closed "tidegate_connections_closed_total" Counter ["listener"] "Client connections closed.";
    Refused "tidegate_connections_refused_total" Counter ["listener"] "Client connections closed at once because a limit was reached.";
    Open "tidegate_connections_open" Gauge ["listener"] "Client connections open now.";
    SentAway "tidegate_http2_goaway_total" Counter ["listener", "reason"] "Clients of HTTP/2 that were sent away with a GOAWAY, by reason; those that never happened are left out.";
    CarriedIn "tidegate_connections_received_bytes_total" Counter ["listener"] "Bytes of clients that were carried to endpoints on a listener of layer 4; counted at the end of a connection, and for UDP with each datagram.";
    CarriedOut "tidegate_connections_sent_bytes_total" Counter ["listener"] "Bytes of endpoints that were carried to clients on a listener of layer 4; counted at the end of a connection, and for UDP with each datagram.";
    DatagramsIn "tidegate_datagrams_received_total" Counter ["listener"] "Datagrams of clients that were passed on to endpoints on a UDP listener; its sessions count as connections.";
    DatagramsOut "tidegate_datagrams_sent_total" Counter ["listener"] "Datagrams of endpoints that were passed on to clients on a UDP listener.";
    DatagramsDropped "tidegate_datagrams_dropped_total" Counter ["listener", "reason"] "Datagrams that a UDP listener dropped, by reason; those that never happened are left out.";
    // Where it went.
    EndpointRequests "tidegate_endpoint_requests_total" Counter ["upstream", "endpoint"] "Times that the endpoint was chosen for a request, repeats included.";
    EndpointFailures "tidegate_endpoint_failures_total" Counter ["upstream", "endpoint"] "Requests to the endpoint that failed after a connection was there.";
    EndpointServerErrors "tidegate_endpoint_server_errors_total" Counter ["upstream", "endpoint"] "Answers of the endpoint with a status of 500 or more.";
    EndpointConnectFailures "tidegate_endpoint_connect_failures_total" Counter ["upstream", "endpoint"] "Connections to the endpoint that were refused, timed out or failed otherwise.";
    EndpointConnects "tidegate_endpoint_connections_total" Counter ["upstream", "endpoint"] "Connections to the endpoint that were made.";
    EndpointReused "tidegate_endpoint_connections_reused_total" Counter ["upstream", "endpoint"] "Requests that took an idle connection from the pool.";
    EndpointPassedOver "tidegate_endpoint_passed_over_total" Counter ["upstream", "endpoint"] "Times that the endpoint was passed over from then on because it could not be reached.";
    EndpointExchanges "tidegate_endpoint_exchanges" Gauge ["upstream", "endpoint"] "Exchanges with the endpoint now.";
    EndpointIdle "tidegate_endpoint_connections_idle" Gauge ["upstream", "endpoint"] "Connections to the endpoint that wait in the pools now.";
    FirstByteSeconds "tidegate_endpoint_first_byte_seconds" Histogram ["upstream", "endpoint"] "Time from the last byte of a request sent to the endpoint to the first byte of its answer.";
    // Whether it is well there.
    EndpointEligible "tidegate_endpoint_eligible" Gauge ["upstream", "endpoint"] "1 while new work may go to the endpoint, else 0.";
    EndpointChecks "tidegate_endpoint_checks_total" Counter ["upstream", "endpoint", "result"] "Health checks of the endpoint that `passed` or `failed`; an upstream without `health` is not checked.";
    EndpointChanges "tidegate_endpoint_changes_total" Counter ["upstream", "endpoint", "to"] "Changes of the endpoint's standing, by what it became; those that never happened are left out.";
    Panic "tidegate_upstream_panic" Gauge ["upstream"] "1 while so few endpoints of the upstream are healthy that all are used, else 0.";
    Retries "tidegate_retries_total" Counter ["upstream", "reason"] "Times that a request was tried again: after a `connect` that failed, on a new connection since a `kept` one had been closed, after a `reset`, a `timeout` of one try, or an answer with a retried `status`.";
    RetriesRefused "tidegate_retries_refused_total" Counter ["upstream"] "Times that a request was not tried again, nor a second endpoint asked beside the first, because `retry_budget` was spent.";
    Hedges "tidegate_hedges_total" Counter ["upstream"] "Times that a second endpoint was asked beside the first, since that had not answered in the time of `hedge`.";
    HedgesWon "tidegate_hedges_won_total" Counter ["upstream"] "Times that such a second endpoint answered first.";
    Mirrored "tidegate_mirrored_total" Counter ["upstream", "outcome"] "Copies of requests for this upstream (`mirror`), by what became of them: `answered`, `failed`, `late`; or not sent, since too many were under way (`full`), the body is too long (`too_large`), or the request was answered before it was whole (`incomplete`). What never happened is left out.";
    Sessions "tidegate_sessions_total" Counter ["upstream", "outcome"] "Requests of upstreams with `persist` that an endpoint answered, by what became of their session: `kept` with its endpoint, `made` since there was none, `moved` since its endpoint could not serve it, `gone` where the token names no endpoint (removed, of another secret, or made up); and `refused`, where `strict` holds. What never happened is left out.";
    CircuitLimit "tidegate_circuit_limit" Gauge ["upstream"] "The bound on requests under way that an upstream with `circuit.adaptive` has found.";
    CircuitRequests "tidegate_circuit_requests" Gauge ["upstream"] "Requests under way to an upstream with `circuit`, where that bounds them.";
    CircuitRefused "tidegate_circuit_refused_total" Counter ["upstream", "priority"] "Requests that were refused since as many were under way as `circuit` allows, by their priority where `circuit.priority` tells one, else `none`. What never happened is left out.";
    // What it runs on.
    ProviderGood "tidegate_provider_good_timestamp_seconds" Gauge ["provider"] "When the list of a provider of endpoints was last known to hold, in seconds since 1970, told at most 5 s late; a provider that never had one is left out.";
    Snapshot "tidegate_snapshot_number" Gauge [] "The number of the snapshot that is served.";
    SnapshotTime "tidegate_snapshot_applied_timestamp_seconds" Gauge [] "When the snapshot began to be served, in seconds since 1970.";
    Reloads "tidegate_reloads_total" Counter ["outcome"] "Snapshots that came from the supervisor: `applied`, or `refused` (then nothing changed).";
    LogDropped "tidegate_log_lines_dropped_total" Counter ["log", "reason"] "Lines of the `access` or `program` log that were dropped: `full` where too many waited, `refused` where the destination never took them, `torn` where a file was opened anew in the midst of a line.";
    LogWritten "tidegate_log_lines_written_total" Counter ["log"] "Log lines that were written: `access`, or `program`.";
    ThreadBeats "tidegate_thread_beats_total" Counter ["thread"] "Beats of a serving thread, at least one a second while it is well.";
    Threads "tidegate_threads" Gauge [] "Threads that serve.";
    Build "tidegate_build_info" Gauge ["version"] "Always 1; the label tells the engine's version.";
    // What the kernel says of the process; these names are the ones that every Prometheus client library uses.
    ProcessStart "process_start_time_seconds" Gauge [] "When the worker started, in seconds since 1970.";
    ProcessCpu "process_cpu_seconds_total" Counter [] "CPU time of the worker, user and system.";
    ProcessMemory "process_resident_memory_bytes" Gauge [] "Resident memory of the worker.";
    ProcessOpenFds "process_open_fds" Gauge [] "Descriptors that the worker has open.";
    ProcessMaxFds "process_max_fds" Gauge [] "Descriptors that the worker may open.";
}

/// The page `docs/metrics.md`.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for metric in Metric::ALL {
        let labels: Vec<String> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.name(), metric.kind().name(), metric.help());
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).expect("a string takes all");
    }
    let bounds: Vec<&str> = BOUNDS.iter().map(|(seconds, _)| *seconds).collect();
    writeln!(
        page,
        "\n## Buckets\n\nUpper bounds of both histograms, in seconds: {}, +Inf. OpenMetrics writes \
                    whole ones with a point, as `1.0`.",
        bounds.join(", ")
    )
    .expect("a string takes all");
    page.push_str("\n## Why datagrams are dropped\n\n| reason | meaning |\n|---|---|\n");
    for why in Dropped::ALL {
        writeln!(page, "| `{}` | {} |", why.name(), why.says()).expect("a string takes all");
    }
    page.push_str("\n## Why clients of HTTP/2 are sent away\n\n| reason | meaning |\n|---|---|\n");
    for why in Farewell::ALL {
        writeln!(page, "| `{}` | {} |", why.name(), why.says()).expect("a string takes all");
    }
    page
}

const HEAD: &str = "\
# Metrics

This page is built from the table in `crates/engine/src/metrics/table.rs` (`make docs`).

`/metrics` on the admin listener answers in the text format of Prometheus, version 0.0.4, or as OpenMetrics 1.0.0 where
`Accept` weighs `application/openmetrics-text` no less than `text/plain`; whoever asks for neither gets the text.

Each number is the sum over all serving threads; they are read one after another, so a scrape under load may see a
request in one metric and not yet in another. Counters go on through reloads and [upgrades](upgrade.md), keyed by the names
in the configuration; they begin at 0 with a worker that is started after a restart or after one that died. What a new snapshot no longer names is shown for five more minutes, so that a
last scrape sees all of it, and then forgotten; if the name comes back after that, its counters begin at 0.

Labels hold names from the configuration and words of ours, never anything that a client sent. Kinds and stages of
failures are listed in [log.md](log.md).

| name | type | labels | meaning |
|---|---|---|---|
";
