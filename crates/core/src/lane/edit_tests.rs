//! Whatever filters make of heads, each message that leaves is one message to whoever reads it next.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::exchange::Link;
use super::*;
use crate::failure::Failure;
use crate::framing::{HeadLimits, HeadReader, Progress, RequestFacts, judge_request, judge_response};
use crate::head::{Known, Method, RequestHead, ResponseHead};
use crate::snapshot::compiled::Compiled;

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 1_000, line: 16_384 };
const NAMES: &[&str] =
    &["A", "b", "Via", "x-forwarded-for", "X-Request-Id", "date", "Content-Type", "expires", "Cookie"];
/// What a client sends, and what a hole may hold.
const LINES: &[&str] = &[
    "a: 1",
    "A: 2",
    "b: ",
    "cookie: c=d",
    "via: 1.0 x",
    "x-forwarded-for: 10.0.0.1",
    "connection: a, b",
    "x.b: 3",
    "content-length: 5",
    "transfer-encoding: chunked",
    "expect: 100-continue",
    "connection: upgrade",
    "upgrade: websocket",
];

fn any_value() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        "[ -~\u{e0}-\u{ff}]{0,12}".prop_map(|text| json!({ "literal": text })),
        prop::sample::select(vec!["request.path", "request.uri", "request.query", "request.host", "client.ip"])
            .prop_map(|word| json!({ "word": word })),
        Just(json!({"joined": {"query": "x"}})),
        Just(json!({"joined": {"header": "a"}})),
    ];
    prop::collection::vec(part, 0..3).prop_map(Value::Array)
}

fn any_edits() -> impl Strategy<Value = Value> {
    let lines = || prop::collection::vec((prop::sample::select(NAMES), any_value()), 0..3);
    let remove = prop::collection::vec(prop::sample::select(NAMES), 0..3);
    (lines(), lines(), lines(), remove)
        .prop_map(|(set, add, append, remove)| json!({"set": set, "add": add, "append": append, "remove": remove}))
}

fn any_rewrite() -> impl Strategy<Value = Value> {
    let host = prop::sample::select(vec![
        json!([{"literal": "api.internal:80"}]),
        json!([{"word": "request.host"}, {"literal": ".b"}]),
        json!([{"joined": {"query": "x"}}]),
    ]);
    (any_value(), prop::option::of(any_value()), prop::option::of(host)).prop_map(|(path, query, host)| {
        let mut rewrite = json!({ "path": path });
        for (key, value) in [("query", query), ("host", host)] {
            if let Some(value) = value {
                rewrite[key] = value;
            }
        }
        rewrite
    })
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let target = "/[a-c/]{0,4}(%0d%0a|%20|%2F|%25|;){0,3}(\\?x=(%0d%0ahost:y|%2e%2e|a%2Fb|[a-c]){0,3})?";
    let lines = prop::collection::vec(prop::sample::select(LINES), 0..5);
    (prop::sample::select(vec!["GET", "POST", "HEAD"]), target, lines).prop_map(|(method, target, lines)| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\nhost: A.example:80\r\n{lines}\r\n").into_bytes()
    })
}

/// An exchange whose request has been read and filtered, if it may be served at all.
fn exchange(request: &[u8], filters: &Value) -> Option<Result<Exchange, Failure>> {
    let compiled = compiled(filters);
    let serving = Rc::new(Serving::new(Arc::new(compiled), None, &mut Dice::seeded(1)));
    let mut exchange = Exchange::default();
    exchange.bytes.extend_from_slice(request);
    HeadReader::default().read_request(request, &LIMITS, &mut exchange.head).ok()?;
    exchange.serving = Some(Rc::clone(&serving));
    let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
    let turn = &mut super::tests::turn(&mut dice, &mut shelf, &serving);
    let Ok(request::Led::To(route)) = request::admit(&mut exchange, &peer(), turn) else { return None };
    exchange.route = Some(route);
    let compiled = &serving.compiled;
    let (listener, filters) = (compiled.listeners.first()?, compiled.route(route)?.filters.as_deref()?);
    let turn = &mut super::tests::turn(&mut dice, &mut shelf, &serving);
    Some(request::filter(&mut exchange, filters, listener, &peer(), turn).map(|()| exchange))
}

fn compiled(filters: &Value) -> Compiled {
    let mut document = super::tests::document();
    document["routes"][0]["filters"] = filters.clone();
    Compiled::build(serde_json::from_value(document).expect("a document"), None).expect("right filters")
}

fn peer() -> Peer {
    Peer::new("203.0.113.9:5".parse().ok(), "192.0.2.80:80".parse().ok())
}

/// The facts of a request, read as the next reader does; all of it must be one head.
fn read_request(bytes: &[u8]) -> (RequestHead, RequestFacts) {
    let mut head = RequestHead::default();
    let read = HeadReader::default().read_request(bytes, &LIMITS, &mut head);
    assert_eq!((read, head.len as usize), (Ok(Progress::Complete), bytes.len()), "{}", bytes.escape_ascii());
    let facts = judge_request(bytes, &head).unwrap_or_else(|says| panic!("{says}: {}", bytes.escape_ascii()));
    (head, facts)
}

proptest! {
    #[test]
    fn a_request_that_leaves_is_one_request_with_the_body_that_came(
        request in any_request(), edits in prop::collection::vec(any_edits(), 0..3), rewrite in prop::option::of(any_rewrite()),
    ) {
        let mut filters: Vec<Value> = edits.into_iter().map(|edits| json!({ "request_headers": edits })).collect();
        filters.extend(rewrite.map(|rewrite| json!({ "rewrite": rewrite })));
        filters.push(json!({"request_id": {"field": "X-Id"}}));
        if let Some(Ok(mut exchange)) = exchange(&request, &json!(filters)) {
            let serving = exchange.serving.clone().expect("it is there");
            let listener = serving.compiled.listeners.first().expect("one listener");
            request::write_head(&mut exchange, &peer(), listener, "", false);
            let (head, facts) = read_request(&exchange.up.bytes);
            prop_assert_eq!(facts.body, exchange.facts.body);
            prop_assert_eq!(facts.upgrade_websocket, exchange.facts.upgrade_websocket);
            prop_assert_eq!(head.fields.iter().filter(|field| field.known == Known::Host).count(), 1);
        }
    }

    #[test]
    fn an_answer_that_leaves_is_one_answer_with_the_body_that_came(
        request in any_request(), edits in prop::collection::vec(any_edits(), 0..3), pages: bool,
        lines in prop::collection::vec(prop::sample::select(LINES), 0..4), status in 200u16..599,
    ) {
        let mut filters: Vec<Value> = edits.into_iter().map(|edits| json!({ "response_headers": edits })).collect();
        let body = json!([{"word": "request.uri"}]);
        let page = json!({"statuses": [[400, 599]], "kinds": [], "endpoints": true, "content_type": "text/html", "body": body, "send": null});
        filters.extend(pages.then(|| json!({ "error_pages": [page] })));
        filters.push(json!({"body_limit": {"size": 100}}));
        let Some(Ok(mut exchange)) = exchange(&request, &json!(filters)) else { return Ok(()) };
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let answer = format!("HTTP/1.1 {status} X\r\n{text}\r\n");
        let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
        exchange.link = Link::Open;
        exchange.source = shelf.take(answer.len());
        exchange.source.room()[..answer.len()].copy_from_slice(answer.as_bytes());
        exchange.source.fill(answer.len());
        let serving = exchange.serving.clone().expect("it is there");
        let mut turn = super::tests::turn(&mut dice, &mut shelf, &serving);
        if answer::read_head(&mut exchange, false, &peer(), &mut turn).is_ok() {
            let bytes = &exchange.down.bytes;
            let mut head = ResponseHead::default();
            let read = HeadReader::default().read_response(bytes, &LIMITS, &mut head);
            prop_assert_eq!(read, Ok(Progress::Complete));
            let asked = exchange.head.method;
            let facts = judge_response(bytes, &head, asked).unwrap_or_else(|says| panic!("{says}: {}", bytes.escape_ascii()));
            let is_page = pages && status >= 400;
            if is_page && asked != Method::Head {
                prop_assert!(matches!(facts.body, crate::framing::BodyLength::Length(n) if n == (bytes.len() - head.len as usize) as u64));
            } else {
                prop_assert_eq!(bytes.len(), head.len as usize);
            }
        }
        prop_assert!(exchange.down.bytes.windows(4).filter(|end| end == b"\r\n\r\n").count() <= 1);
    }
}
