//! What is logged and counted of a connection or a session, once it is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_core::failure::{Failure, Kind};
use tidegate_core::filter::forwarded::{Peer, Told};
use tidegate_core::framing::RequestFacts;
use tidegate_core::head::{RequestHead, Version};
use tidegate_core::layer4::{Known, Relay, Session};
use tidegate_core::rule::{Answer, Subject};

use crate::exchange::report::refused;
use crate::log::Record;
use crate::log::record::Layer4;
use crate::threads::listener::ListenerState;
use crate::threads::thread::Thread;

/// What is told of both.
struct Ended<'a> {
    peer: &'a Peer,
    known: &'a Known,
    protocol: &'static str,
    datagrams: Option<(u64, u64)>,
    bytes: (u64, u64),
    took: Duration,
}

/// Logs and counts a connection.
pub(super) fn connection(relay: &Relay, listener: &ListenerState, thread: &Thread) {
    thread.look_at_clock();
    let (known, moved, took) = (relay.known(), relay.moved(), thread.now().since(relay.began()));
    listener.metrics.bytes_in.add(moved.0);
    listener.metrics.bytes_out.add(moved.1);
    count(known, relay.peer(), listener, thread);
    let ended = Ended { peer: relay.peer(), known, protocol: "tcp", datagrams: None, bytes: moved, took };
    write(&ended, listener, thread);
}

/// Logs and counts a session of UDP; what it passed on was counted as it passed.
pub(super) fn session(session: &Session, listener: &ListenerState, thread: &Thread) {
    let (known, passed) = (session.known(), session.passed());
    count(known, session.peer(), listener, thread);
    let ended = Ended {
        peer: session.peer(),
        known,
        protocol: "udp",
        datagrams: Some((passed.datagrams_in, passed.datagrams_out)),
        bytes: (passed.bytes_in, passed.bytes_out),
        took: thread.now().since(session.began()),
    };
    write(&ended, listener, thread);
}

fn count(known: &Known, peer: &Peer, listener: &ListenerState, thread: &Thread) {
    match &known.failure {
        Some(failure) if failure.kind == Kind::InvalidProxyProtocol => {
            refused(&failure.reason, peer, listener, thread);
        }
        Some(failure) => thread.metrics.failed(failure.kind, failure.stage),
        None => {}
    }
    let is_broken = known.failure.as_ref().is_some_and(Failure::is_of_endpoint);
    let is_served = if is_broken { Some(false) } else { known.is_served };
    if let (Some(upstream), Some(endpoint), Some(is_served)) = (&known.upstream, &known.endpoint, is_served) {
        let metrics = thread.counters.of_endpoint(endpoint.id, &upstream.name, &endpoint.address);
        if is_served { &metrics.good } else { &metrics.failures }.one();
    }
}

fn write(ended: &Ended<'_>, listener: &ListenerState, thread: &Thread) {
    let Ended { peer, known, took, .. } = *ended;
    if !thread.log.wants(known.failure.is_none()) {
        return;
    }
    let (head, facts, told) = (RequestHead::default(), RequestFacts::default(), Told::by(peer));
    let answer = Answer { status: 0, duration: took, failure: known.failure.as_ref().map(|failure| failure.kind) };
    let listening = listener.look(std::sync::Arc::clone);
    let subject = listening
        .as_deref()
        .filter(|_| thread.log.reads_words())
        .map(|listening| Subject { answer: Some(answer), ..Subject::of(listening, peer, &told, &[], &head, &facts) });
    let client = std::str::from_utf8(peer.ip_text()).unwrap_or_default();
    thread.log.write(&Record {
        time_unix_ns: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
        client,
        peer: client,
        listener: &listener.name,
        route: known.route.as_deref().unwrap_or_default(),
        upstream: known.upstream.as_ref().map_or("", |upstream| &upstream.name),
        endpoint: known.endpoint.as_ref().map_or("", |endpoint| &endpoint.address),
        layer4: Some(Layer4 { protocol: ended.protocol, datagrams: ended.datagrams, server_name: &known.server_name }),
        method: b"",
        host: b"",
        path: b"",
        version: Version::Http11,
        status: 0,
        bytes_in: ended.bytes.0,
        bytes_out: ended.bytes.1,
        duration_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        upstream_ns: None,
        attempts: known.attempts,
        tries: "",
        reused: false,
        request_id: b"",
        user_agent: b"",
        referer: b"",
        failure: known.failure.as_ref(),
        subject,
    });
}
