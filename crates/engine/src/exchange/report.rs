//! What is logged and counted of an exchange, once it is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_core::failure::{Kind, Stage};
use tidegate_core::filter::forwarded::Peer;
use tidegate_core::head::Known;
use tidegate_core::health::Outcome;
use tidegate_core::lane::{Exchange, Lane, Serving};
use tidegate_core::rule::{Answer, Subject};

use crate::log::Record;
use crate::log::program::Level;
use crate::metrics::counted::Answered;
use crate::threads::listener::ListenerState;
use crate::threads::thread::Thread;

/// Logs and counts a connection that did not begin as its listener wants.
pub fn refused(says: &str, peer: &Peer, listener: &ListenerState, thread: &Thread) {
    thread.metrics.failed(Kind::InvalidProxyProtocol, Stage::ProxyProtocol);
    listener.metrics.refused.one();
    let from = std::str::from_utf8(peer.ip_text()).unwrap_or_default();
    let says = format_args!("listener {}: no PROXY protocol header from {from}: {says}", listener.name);
    thread.shared.program.say(Level::Warning, "proxy_protocol", says);
}

/// Logs and counts the exchange that `lane` reports.
pub fn report(lane: &Lane, listener: &ListenerState, thread: &Thread) {
    let Some(exchange) = lane.exchange() else { return };
    thread.look_at_clock();
    let now = thread.now();
    let duration_ns = u64::try_from(now.since(exchange.began).as_nanos()).unwrap_or(u64::MAX);
    let first_byte_ns = exchange.waited().map(|wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    if let Some(failure) = &exchange.failure {
        thread.metrics.failed(failure.kind, failure.stage);
    }
    let answered =
        Answered { status: exchange.status, duration_ns, bytes_in: exchange.bytes_in(), bytes_out: exchange.bytes_out };
    match (exchange.route, &exchange.serving) {
        (Some(id), Some(serving)) => {
            thread.counters.of_route(&serving.compiled, id, |metrics| metrics.answered(&answered))
        }
        (Some(_) | None, _) => {
            if !exchange.route_name().is_empty() {
                thread.counters.of_name(exchange.route_name()).answered(&answered);
            }
        }
    }
    if let Some(upstream) = exchange.target() {
        count_target(exchange, &upstream.name, first_byte_ns, thread);
    }
    count_endpoint(exchange, first_byte_ns, thread);
    exchange.settle(now);
    let went_well = exchange.failure.is_none() && exchange.status < 500;
    if listener.is_admin() || !thread.log.wants(went_well) {
        return;
    }
    let serving = thread.log.reads_words().then(|| exchange.serving.clone().unwrap_or_else(|| listener.serving()));
    let subject = serving.as_deref().and_then(|serving| subject(lane, exchange, serving, duration_ns));
    let bytes = &exchange.bytes;
    let field = |known: Known| {
        exchange.head.fields.iter().find(|field| field.known == known).map_or(&[][..], |field| field.value.of(bytes))
    };
    let client = exchange.told.client.map(|ip| ip.to_string());
    let tries = exchange.tries(now);
    thread.log.write(&Record {
        time_unix_ns: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
        client: client.as_deref().unwrap_or_else(|| std::str::from_utf8(lane.peer().ip_text()).unwrap_or_default()),
        peer: std::str::from_utf8(lane.peer().ip_text()).unwrap_or_default(),
        listener: &listener.name,
        route: exchange.route_name(),
        upstream: exchange.upstream().map_or("", |upstream| &upstream.name),
        endpoint: exchange.endpoint().map_or("", |endpoint| &endpoint.address),
        layer4: None,
        method: exchange.head.method_span.of(bytes),
        host: exchange.facts.host.as_ref().map_or(&[][..], |host| host.whole.of(bytes)),
        path: exchange.head.target.of(bytes),
        version: exchange.head.version,
        status: exchange.status,
        bytes_in: exchange.bytes_in(),
        bytes_out: exchange.bytes_out,
        duration_ns,
        upstream_ns: first_byte_ns,
        attempts: exchange.attempts,
        tries: tries.as_deref().unwrap_or_default(),
        reused: exchange.reused,
        request_id: exchange.told.request_id.as_bytes(),
        user_agent: field(Known::UserAgent),
        referer: field(Known::Referer),
        failure: exchange.failure.as_ref(),
        subject,
    });
}

/// The exchange as expressions see it. A tunnel has let its snapshot go: the listener of now stands for the one that it
/// began with, if it is still there.
fn subject<'a>(lane: &'a Lane, exchange: &'a Exchange, serving: &'a Serving, duration_ns: u64) -> Option<Subject<'a>> {
    let listener = serving.compiled.listeners.get(exchange.listener)?;
    let failure = exchange.failure.as_ref().map(|failure| failure.kind);
    let answer = Answer { status: exchange.status, duration: Duration::from_nanos(duration_ns), failure };
    let Exchange { told, bytes, head, facts, .. } = exchange;
    Some(Subject { answer: Some(answer), ..Subject::of(listener, lane.peer(), told, bytes, head, facts) })
}

/// A client that left before its answer tells nothing of who would have given it.
fn count_target(exchange: &Exchange, upstream: &str, first_byte_ns: Option<u64>, thread: &Thread) {
    let is_broken = matches!(exchange.outcome(), Some(Outcome::Broken(_)));
    if is_broken || exchange.status >= 100 {
        let is_good = !is_broken && exchange.status < 500;
        thread.counters.of_target(exchange.route_name(), upstream, |target| target.count(is_good, first_byte_ns));
    }
}

fn count_endpoint(exchange: &Exchange, first_byte_ns: Option<u64>, thread: &Thread) {
    let (Some(upstream), Some(endpoint)) = (exchange.upstream(), exchange.endpoint()) else { return };
    let metrics = thread.counters.of_endpoint(endpoint.id, &upstream.name, &endpoint.address);
    if let Some(nanos) = first_byte_ns {
        metrics.first_byte.observe(nanos);
    }
    match exchange.outcome() {
        Some(Outcome::Broken(_)) => metrics.failures.one(),
        Some(Outcome::Answered(500..)) => metrics.server_errors.one(),
        Some(Outcome::Answered(_) | Outcome::Spoke) => metrics.good.one(),
        None => {}
    }
}
