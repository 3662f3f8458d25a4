//! A request for the tests of filters.

use super::forwarded::{Peer, listen_to};
use crate::dice::Dice;
use crate::framing::{HeadLimits, HeadReader, judge_request};
use crate::head::RequestHead;
use crate::rule::Subject;
use crate::snapshot::compiled::Compiled;

/// What `read` makes of a request for `/a%20b` of 203.0.113.9, to a listener that believes nobody. A NUL in a value, which
/// no client gets past the codec, stands for whatever could.
pub(super) fn with_subject<T>(lines: &[(&str, &str)], read: impl FnOnce(&Subject<'_>) -> T) -> T {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("GET /a%20b?slash=..%2Fetc&dots=.. HTTP/1.1\r\nhost: A.example:80\r\n{lines}\r\n");
    let (sent, mut head) = (text.replace('\0', "\t"), RequestHead::default());
    let limits = HeadLimits { bytes: 10_000, fields: 100, line: 1_000 };
    HeadReader::default().read_request(sent.as_bytes(), &limits, &mut head).expect("a head");
    let facts = judge_request(sent.as_bytes(), &head).expect("a request");
    let compiled = Compiled::build(serde_json::from_str(DOCUMENT).expect("a document"), None).expect("a snapshot");
    let listener = compiled.listeners.first().expect("a listener");
    let peer = Peer::new("203.0.113.9:5".parse().ok(), "192.0.2.80:80".parse().ok());
    let told = listen_to(&listener.trust, &peer, text.as_bytes(), &head, &mut Dice::seeded(1));
    read(&Subject::of(listener, &peer, &told, text.as_bytes(), &head, &facts))
}

const DOCUMENT: &str = r#"{
    "format": 1, "number": 1, "source": "test", "since": 0.0, "threads": 1, "connections": 0,
    "access_log": null, "log": {"level": "info", "format": "text"},
    "listeners": [{
        "name": "web", "kind": "http", "binds": [], "forwarded": {"from": [], "field": "x-forwarded-for"},
        "proxy_protocol": false, "keep_underscores": false, "resolve_dot_segments": false,
        "timeouts": {"header_ms": 0, "idle_ms": 0, "tunnel_ms": 0, "max_age_ms": 0},
        "limits": {"header_bytes": 0, "headers": 0, "request_line": 0, "trailer_bytes": 0, "chunk_extension_bytes": 0,
                   "body_bytes": 0, "body_rate": 0, "connections": 0, "connections_per_client": 0},
        "error_pages": []
    }],
    "routes": [], "upstreams": []
}"#;
