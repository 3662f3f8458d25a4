//! What each filter costs a request, in nanoseconds: `cargo run --release -p tidegate-core --example filter_speed`

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_core::dice::Dice;
use tidegate_core::failure::Kind;
use tidegate_core::filter::forwarded::{Peer, listen_to};
use tidegate_core::filter::{Filters, Rewritten};
use tidegate_core::framing::{BodyLength, HeadLimits, HeadReader, judge_request};
use tidegate_core::head::RequestHead;
use tidegate_core::rule::{Sets, Subject};
use tidegate_core::snapshot::compiled::Compiled;
use tidegate_core::snapshot::document::Filter;

const REQUEST: &[u8] = b"GET /v1/items/42/details?page=2 HTTP/1.1\r\nHost: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nAccept-Language: de\r\n\
    Cookie: session=0123456789abcdef\r\n\r\n";
const ANSWER: &[&str] = &["server", "content-type", "etag", "last-modified", "cache-control", "vary"];

fn main() {
    let (mut head, limits) = (RequestHead::default(), HeadLimits { bytes: 65_536, fields: 128, line: 16_384 });
    HeadReader::default().read_request(REQUEST, &limits, &mut head).expect("a head");
    let facts = judge_request(REQUEST, &head).expect("a request");
    let compiled = Compiled::build(serde_json::from_value(document()).expect("a document"), None).expect("a snapshot");
    let listener = compiled.listeners.first().expect("a listener");
    let peer = Peer::new("203.0.113.9:5000".parse().ok(), "192.0.2.1:8080".parse().ok());
    let told = listen_to(&listener.trust, &peer, REQUEST, &head, &mut Dice::seeded(1));
    let subject = Subject::of(listener, &peer, &told, REQUEST, &head, &facts);

    for (what, edits) in [
        ("set 1", json!({"set": [["X-Api", text("1")]]})),
        ("set 1 of ours", json!({"set": [["X-Forwarded-Proto", text("https")]]})),
        ("set 1 by template", json!({"set": [["X-Path", [{"word": "request.path"}]]]})),
        ("append 1", json!({"append": [["Accept", text("text/html")]]})),
        ("remove 1", json!({"remove": ["Cookie"]})),
        (
            "set 4, remove 4",
            json!({
                "set": [["X-A", text("1")], ["X-B", text("2")], ["X-C", text("3")], ["X-D", text("4")]],
                "remove": ["Cookie", "User-Agent", "Referer", "X-Debug"],
            }),
        ),
    ] {
        let filters = compile(&[json!({"request_headers": edits}), json!({"response_headers": edits})]);
        for (way, edits) in [("request", &filters.request_headers), ("response", &filters.response_headers)] {
            let edits = edits.as_ref().expect("edits");
            let request = head.fields.iter().map(|field| field.name.of(REQUEST));
            let names: Vec<&[u8]> =
                if way == "request" { request.collect() } else { ANSWER.iter().map(|name| name.as_bytes()).collect() };
            // The lines that are there already are written again and again: what is measured is the edits.
            let lines: Vec<u8> =
                names.iter().flat_map(|name| [name, b": some value\r\n".as_slice()].concat()).collect();
            let mut out = Vec::with_capacity(4096);
            let plain = quickest(|_| rewind(&mut out, &lines));
            let edited = quickest(|_| {
                rewind(&mut out, &lines);
                let left = names.iter().filter(|name| !edits.replaces(black_box(name))).count();
                edits.finish(&mut out, 0, lines.len(), &subject);
                left + out.len()
            });
            show(&format!("{way}_headers: {what}, {} lines", names.len()), edited - plain);
        }
    }
    for (what, rewrite) in [
        ("strip_prefix", json!({"strip_prefix": "/v1"})),
        ("strip_prefix that is not there", json!({"strip_prefix": "/v2"})),
        ("strip_prefix, add_prefix", json!({"strip_prefix": "/v1", "add_prefix": "/v2"})),
        ("regex with a capture", json!({"regex": {"pattern": "^/v1/items/([0-9]+)(/.*)?$", "with": "/item/$1$2"}})),
        ("path by template", json!({"path": [{"literal": "/x"}, {"word": "request.path"}]})),
        ("host", json!({"host": text("api.internal:8080")})),
    ] {
        let filters = compile(&[json!({ "rewrite": rewrite })]);
        let mut to = Rewritten::default();
        show(
            &format!("rewrite: {what}"),
            quickest(|_| {
                to.clear();
                filters.rewrite(black_box(b"/v1/items/42/details"), &mut to, &subject).is_ok()
            }),
        );
    }
    let clients: Vec<Option<IpAddr>> = (0..64).map(|n| format!("203.0.113.{n}").parse().ok()).collect();
    for count in [1, 1000] {
        let networks: Vec<String> = (0..count).map(|n| format!("10.{}.{}.0/25", n / 256, n % 256)).collect();
        let filters = compile(&[json!({ "deny": networks })]);
        let access = filters.access.as_ref().expect("networks");
        show(
            &format!("deny: {count} networks"),
            quickest(|n| access.check(clients.get(n % clients.len()).copied().flatten()).is_ok()),
        );
    }
    let filters = compile(&[json!({"body_limit": {"size": 1_000_000}})]);
    show("body_limit: a length", quickest(|n| filters.check_length(BodyLength::Length(n as u64)).is_ok()));
    let filters =
        compile(&[json!({"request_id": {"field": "X-Id", "from": {"joined": {"header": "Accept-Language"}}}})]);
    let id = filters.request_id.as_ref().expect("an id");
    show("request_id: from a header", quickest(|_| id.find(&subject).is_some()));
    let page = json!({"statuses": [[500, 599]], "kinds": [], "endpoints": false, "content_type": "text/html",
                      "body": text("page"), "send": null});
    let filters = compile(&[json!({"error_pages": [page, page, page, page]})]);
    show(
        "error_pages: the fourth is for it",
        quickest(|_| filters.error_pages.for_failure(black_box(Kind::NoRoute), 404)),
    );
}

fn rewind(out: &mut Vec<u8>, lines: &[u8]) -> usize {
    out.clear();
    out.extend_from_slice(black_box(lines));
    out.len()
}

fn text(literal: &str) -> Value {
    json!([{ "literal": literal }])
}

fn compile(filters: &[Value]) -> Filters {
    let filters: Vec<Filter> =
        filters.iter().map(|filter| serde_json::from_value(filter.clone()).expect("a filter")).collect();
    *Filters::build(&filters, &Sets::default()).expect("these are right").expect("there are some")
}

fn document() -> Value {
    json!({
        "format": 1, "number": 1, "source": "bench", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"},
        "listeners": [{
            "name": "web", "kind": "http", "binds": [], "forwarded": {"from": [], "field": "x-forwarded-for"},
            "proxy_protocol": false, "keep_underscores": false, "resolve_dot_segments": false,
            "timeouts": {"header_ms": 0, "idle_ms": 0, "tunnel_ms": 0, "max_age_ms": 0},
            "limits": {
                "header_bytes": 0, "headers": 0, "request_line": 0, "trailer_bytes": 0, "chunk_extension_bytes": 0,
                "body_bytes": 0, "body_rate": 0, "connections": 0, "connections_per_client": 0,
            },
            "error_pages": [],
        }],
        "routes": [], "upstreams": [],
    })
}

fn show(what: &str, ns: f64) {
    println!("{ns:8.1} ns  {what}");
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn quickest<T>(mut work: impl FnMut(usize) -> T) -> f64 {
    const TIMES: usize = 100_000;
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        for n in 0..TIMES {
            black_box(work(n));
        }
        best = best.min(began.elapsed());
    }
    best.as_nanos() as f64 / TIMES as f64
}
