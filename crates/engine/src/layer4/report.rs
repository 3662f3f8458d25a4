//! What is logged and counted of a connection, once it is over.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_core::failure::Kind;
use tidegate_core::filter::forwarded::Told;
use tidegate_core::framing::RequestFacts;
use tidegate_core::head::{RequestHead, Version};
use tidegate_core::layer4::Relay;
use tidegate_core::rule::{Answer, Subject};

use crate::exchange::report::refused;
use crate::log::Record;
use crate::log::record::Layer4;
use crate::threads::thread::{ListenerState, Thread};

/// Logs and counts a connection: `moved` are the bytes that the endpoint and the client took.
pub(super) fn report(relay: &Relay, moved: (u64, u64), listener: &ListenerState, thread: &Thread) {
    thread.look_at_clock();
    let (known, (bytes_in, bytes_out)) = (relay.known(), moved);
    let took = thread.now().since(relay.began());
    listener.metrics.bytes_in.add(bytes_in);
    listener.metrics.bytes_out.add(bytes_out);
    if let Some(failure) = &known.failure {
        if failure.kind == Kind::InvalidProxyProtocol {
            refused(&failure.reason, relay.peer(), listener, thread);
        } else {
            thread.metrics.failed(failure.kind, failure.stage);
        }
        if let (Some(upstream), Some(endpoint)) = (&known.upstream, &known.endpoint)
            && failure.is_of_endpoint()
        {
            thread.endpoint_metrics(endpoint.id, &upstream.name, &endpoint.address).failures.one();
        }
    }
    if !thread.log.wants(known.failure.is_none()) {
        return;
    }
    let (head, facts, told) = (RequestHead::default(), RequestFacts::default(), Told::by(relay.peer()));
    let answer = Answer { status: 0, duration: took, failure: known.failure.as_ref().map(|failure| failure.kind) };
    let listening = listener.look(std::sync::Arc::clone);
    let subject = listening.as_deref().filter(|_| thread.log.reads_words()).map(|listening| Subject {
        answer: Some(answer),
        ..Subject::of(listening, relay.peer(), &told, &[], &head, &facts)
    });
    let client = std::str::from_utf8(relay.peer().ip_text()).unwrap_or_default();
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
        layer4: Some(Layer4 { protocol: "tcp", server_name: &known.server_name }),
        method: b"",
        host: b"",
        path: b"",
        version: Version::Http11,
        status: 0,
        bytes_in,
        bytes_out,
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
