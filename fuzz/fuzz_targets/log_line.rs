//! The format of the access log, and a request: whatever can be decoded is compiled or refused, and whatever a client
//! sends, an exchange is one line; of `json`, one object.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tidegate_core::failure::{Failure, Kind, Stage};
use tidegate_core::rule::Answer;
use tidegate_core::snapshot::document::{AccessLog, LogLine, LogPiece, LogTarget};
use tidegate_engine::log::record::Layer4;
use tidegate_engine::log::{Layout, Record};
use tidegate_fuzz::{ask, split};

// The first line is the format; what follows is the request.
fuzz_target!(|input: &[u8]| {
    let (written, request) = split(input);
    let Some(asked) = ask(request) else { return };
    let Ok(line) = serde_json::from_slice::<LogLine>(written) else { return };
    if let LogLine::Words(pieces) = &line
        && pieces.iter().any(|piece| matches!(piece, LogPiece::Literal(text) if text.contains(char::is_control)))
    {
        return; // `check` refuses it
    }
    let is_json = matches!(line, LogLine::Json(_));
    let document = AccessLog { to: LogTarget::Stdout, line, syslog: None, when: None, sample: 1.0 };
    let Ok(layout) = Layout::compile(&document) else { return };
    let failure = Failure::new(Kind::ResponseTimeout, Stage::Exchange, String::from_utf8_lossy(request));
    let answer = Answer { status: 504, duration: Duration::from_millis(1_500), failure: Some(failure.kind) };
    let field = |name: &[u8]| {
        let found = asked.head.fields.iter().find(|field| field.name.of(asked.bytes).eq_ignore_ascii_case(name));
        found.map(|field| field.value.of(asked.bytes)).unwrap_or_default()
    };
    let datagrams = request.first().filter(|_| request.len() % 2 == 1).map(|count| (u64::from(*count), 3));
    let layer4 = Layer4 { protocol: "tcp", server_name: field(b"host"), datagrams };
    for (failure, layer4) in [(Some(&failure), None), (None, None), (None, Some(layer4))] {
        let record = Record {
            time_unix_ns: request.len() as u64 * 1_000_000_007,
            client: "192.0.2.1",
            peer: "",
            listener: "web",
            route: "",
            upstream: "api",
            endpoint: "127.0.0.1:9001",
            method: asked.head.method_span.of(asked.bytes),
            host: field(b"host"),
            path: asked.head.target.of(asked.bytes),
            version: asked.head.version,
            status: 504,
            bytes_in: u64::MAX,
            bytes_out: 0,
            duration_ns: u64::MAX,
            upstream_ns: None,
            attempts: u8::MAX,
            tries: "127.0.0.1:9001 connect_refused 0.001",
            reused: false,
            request_id: field(b"x-request-id"),
            user_agent: field(b"user-agent"),
            referer: field(b"referer"),
            failure,
            layer4,
            subject: Some(asked.subject(Some(answer))),
        };
        let line = layout.line(&record);
        let text = std::str::from_utf8(&line).expect("UTF-8").strip_suffix('\n').expect("a line");
        assert!(!text.contains(char::is_control), "{text:?}");
        if is_json {
            serde_json::from_str::<Map<String, Value>>(text).expect("an object");
        }
    }
});
