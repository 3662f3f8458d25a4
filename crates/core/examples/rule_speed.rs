//! What expressions and templates cost for one request, in nanoseconds, and named sets of a million entries:
//! `cargo run --release -p tidegate-core --example rule_speed`

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::{Peer, Trust, listen_to};
use tidegate_core::framing::{HeadLimits, HeadReader, judge_request};
use tidegate_core::geo::NOWHERE;
use tidegate_core::head::RequestHead;
use tidegate_core::route::DotSegments;
use tidegate_core::rule::{Rule, Set, Sets, Stand, Subject, Template, read_entries};
use tidegate_core::snapshot::document::{Forwarded, ForwardedField};

/// As a browser sends it: 14 fields, those that the expressions ask for among them.
const HEAD: &str = "POST /v1/items/42/details?page=2&sort=name HTTP/1.1\r\nHost: api.example.com\r\n\
    Connection: keep-alive\r\nCache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: de,en;q=0.9\r\nCookie: theme=dark; session=0123456789abcdef\r\nX-Beta: 1\r\nX-Team: red\r\n\r\n";

/// `request.method == "POST" and request.path.startswith("/v1/") and request.headers["x-beta"] == "1"
/// and client.ip in ["10.0.0.0/8", "192.0.2.0/24"] and request.cookies["session"] != ""`
const FIVE: &str = r#"{"all": [
    {"texts": {"left": {"word": "request.method"}, "is": "==", "right": {"literal": "POST"}}},
    {"starts_with": {"text": {"word": "request.path"}, "with": [{"literal": "/v1/"}]}},
    {"texts": {"left": {"joined": {"header": "x-beta"}}, "is": "==", "right": {"literal": "1"}}},
    {"client_within": ["10.0.0.0/8", "192.0.2.0/24"]},
    {"texts": {"left": {"joined": {"cookie": "session"}}, "is": "!=", "right": {"literal": ""}}}]}"#;

/// `https://{request.host}/new{request.uri}?from={client.ip}`
const URI: &str = r#"[{"literal": "https://"}, {"word": "request.host"}, {"literal": "/new"}, {"word": "request.uri"},
    {"literal": "?from="}, {"word": "client.ip"}]"#;

const ONE_EACH: &[(&str, &str)] = &[
    (
        "method == literal",
        r#"{"texts": {"left": {"word": "request.method"}, "is": "==", "right": {"literal": "POST"}}}"#,
    ),
    (
        "host in 3 texts",
        r#"{"one_of": {"text": {"word": "request.host"}, "of": ["a.example", "api.example.com", "b"]}}"#,
    ),
    ("path.startswith", r#"{"starts_with": {"text": {"word": "request.path"}, "with": [{"literal": "/v1/"}]}}"#),
    (
        "known header == literal",
        r#"{"texts": {"left": {"joined": {"header": "cookie"}}, "is": "==", "right": {"literal": ""}}}"#,
    ),
    (
        "other header == literal",
        r#"{"texts": {"left": {"joined": {"header": "x-beta"}}, "is": "==", "right": {"literal": "1"}}}"#,
    ),
    (
        "cookie == literal",
        r#"{"texts": {"left": {"joined": {"cookie": "session"}}, "is": "==", "right": {"literal": "1"}}}"#,
    ),
    (
        "query term == literal",
        r#"{"texts": {"left": {"joined": {"query": "sort"}}, "is": "==", "right": {"literal": "1"}}}"#,
    ),
    ("client in 2 networks", r#"{"client_within": ["10.0.0.0/8", "192.0.2.0/24"]}"#),
    ("client in a set of 1,000,000", r#"{"client_in_set": "networks"}"#),
    ("text in a set of 1,000,000", r#"{"text_in_set": {"text": {"joined": {"cookie": "session"}}, "set": "texts"}}"#),
    (
        "text in text",
        r#"{"contains": {"whole": {"joined": {"header": "user-agent"}}, "part": {"literal": "Chrome/"}}}"#,
    ),
    ("path.matches, anchored", r#"{"matches": {"text": {"word": "request.path"}, "pattern": "^/v[0-9]+/items/"}}"#),
    (
        "header.lower() == literal",
        r#"{"texts": {"left": {"lower": {"joined": {"header": "user-agent"}}}, "is": "==", "right": {"literal": ""}}}"#,
    ),
];

fn main() {
    let mut sets = Sets::default();
    let mut lines = String::new();
    for n in 0..1_000_000u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let _ = writeln!(lines, "{}.{a}.{b}.{c}", 20 + n % 150);
    }
    sets.insert("networks".into(), load("1,000,000 addresses", &lines));
    lines.clear();
    for n in 0..1_000_000u64 {
        let _ = writeln!(lines, "{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
    sets.insert("texts".into(), load("1,000,000 texts of 16 letters", &lines));

    let mut head = RequestHead::default();
    let limits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };
    let read = HeadReader::default().read_request(HEAD.as_bytes(), &limits, &mut head);
    assert!(read.is_ok(), "this head is right");
    let facts = judge_request(HEAD.as_bytes(), &head).expect("this head is right");
    let nobody = Forwarded { from: Vec::new(), field: ForwardedField::XForwardedFor };
    let trust = Trust::build(&nobody).expect("nobody is believed");
    let peer = Peer::new("192.0.2.7:5000".parse().ok(), None);
    let told = listen_to(&trust, &peer, HEAD.as_bytes(), &head, &mut Dice::seeded(1));
    let bytes = HEAD.as_bytes();
    let (facts, dots, answer) = (&facts, DotSegments::Refuse, None);
    let (trust, peer, told, head) = (&trust, &peer, &told, &head);
    let whole =
        Subject { listener: "web", trust, dots, geo: &NOWHERE, peer, told, bytes, head, facts, path: None, answer };
    let matched = whole.path().into_owned();
    let subject = Subject { path: Some(&matched), ..whole };

    let rule = |json: &str| {
        let written = serde_json::from_str(json).expect("this rule is right");
        Rule::compile(&written, &sets).expect("this rule is right")
    };
    let five = rule(FIVE);
    assert!(five.holds(&subject), "every term is looked at");
    measure("five terms, all of which hold", || five.holds(black_box(&subject)));
    measure("the same, where the path is read anew", || five.holds(black_box(&whole)));
    for (what, json) in ONE_EACH {
        let rule = rule(json);
        measure(what, || rule.holds(black_box(&subject)));
    }
    let written = serde_json::from_str(URI).expect("this template is right");
    let template = Template::compile(&written, Stand::Uri).expect("this template is right");
    let mut out = Vec::with_capacity(4096);
    measure("a template with three holes, as a URI", || {
        out.clear();
        template.write(black_box(&subject), &mut out);
        out.len()
    });
}

fn load(what: &str, text: &str) -> Arc<Set> {
    let began = Instant::now();
    let lines = read_entries(text, true).lines;
    let read = began.elapsed();
    let set = Set::compile(&lines).expect("this set is right");
    let took = began.elapsed();
    println!(
        "{what}: {} bytes, read in {read:.0?}, compiled in {:.0?}, {} bytes compiled",
        text.len(),
        took - read,
        set.bytes()
    );
    Arc::new(set)
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    const TIMES: usize = 200_000;
    let mut best = Duration::MAX;
    for _ in 0..9 {
        let began = Instant::now();
        for _ in 0..TIMES {
            black_box(work());
        }
        best = best.min(began.elapsed());
    }
    println!("{:8.1} ns  {what}", best.as_nanos() as f64 / TIMES as f64);
}
