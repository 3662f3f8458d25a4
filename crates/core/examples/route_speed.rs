//! What the choice of a route costs, in nanoseconds, with each kind of match:
//! `cargo run --release -p tidegate-core --example route_speed`. docs/routes.md keeps the figures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::{Peer, Trust, listen_to};
use tidegate_core::framing::{HeadLimits, HeadReader, judge_request};
use tidegate_core::geo::NOWHERE;
use tidegate_core::head::RequestHead;
use tidegate_core::route::{DotSegments, Table, read_path};
use tidegate_core::rule::{Sets, Subject};
use tidegate_core::snapshot::document::{
    Conditions, Forwarded, ForwardedField, PathMatch, Route, RouteTimeouts, Target,
};

const REQUEST: &[u8] = b"GET /v1/items/42?page=2&q=x HTTP/1.1\r\nHost: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nX-Beta: 1\r\nAccept-Language: de\r\n\r\n";

const HOST: Option<&str> = Some("host0.example.com");

fn main() {
    let (mut head, limits) = (RequestHead::default(), HeadLimits { bytes: 65_536, fields: 128, line: 16_384 });
    HeadReader::default().read_request(REQUEST, &limits, &mut head).expect("a head");
    let facts = judge_request(REQUEST, &head).expect("a request");
    let nobody = Forwarded { from: Vec::new(), field: ForwardedField::XForwardedFor };
    let trust = Trust::build(&nobody).expect("no network");
    let peer = Peer::new("203.0.113.9:5000".parse().ok(), "192.0.2.1:8080".parse().ok());
    let told = listen_to(&trust, &peer, REQUEST, &head, &mut Dice::seeded(1));
    let subject = Subject {
        listener: "web",
        trust: &trust,
        dots: DotSegments::Refuse,
        geo: &NOWHERE,
        peer: &peer,
        told: &told,
        bytes: REQUEST,
        head: &head,
        facts: &facts,
        path: None,
        answer: None,
    };

    for hosts in [1, 10_000, 100_000] {
        let routes: Vec<Route> =
            (0..hosts).map(|n| route(Some(&format!("host{n}.example.com")), prefix("/v1/"))).collect();
        table(&format!("{hosts} hosts"), &routes, hosts, b"/v1/items/42", &subject);
    }
    let paths: Vec<Route> = (0..1000).map(|n| route(None, prefix(&format!("/service{n}/v1")))).collect();
    table("1000 prefixes, one host", &paths, 1, b"/service500/v1/x", &subject);
    for count in [1, 10, 1000] {
        table(&format!("{count} regexes, one host"), &regexes(count), 1, b"/service0/ab/v3", &subject);
    }

    let holds = [
        ("methods", r#"{"methods": ["POST", "GET"]}"#),
        ("one header", r#"{"headers": [["x-beta", "1"]]}"#),
        ("one query term", r#"{"query": [["page", "2"]]}"#),
        ("from, 3 networks", r#"{"from": ["10.0.0.0/8", "192.0.2.0/24", "203.0.113.0/24"]}"#),
        (
            "when, one comparison",
            r#"{"when": {"texts": {"left": {"word": "request.method"}, "is": "==", "right": {"literal": "GET"}}}}"#,
        ),
    ];
    for (what, asks) in holds {
        table(&format!("{what}: holds"), &[with(route(HOST, prefix("/v1/")), asks)], 1, b"/v1/items/42", &subject);
    }
    let other = r#"{"methods": ["PUT"]}"#;
    let both = [with(route(HOST, prefix("/v1/")), other), route(HOST, prefix("/v1/"))];
    table("methods: does not hold, the same path's next one does", &both, 1, b"/v1/items/42", &subject);
    let both = [with(route(HOST, prefix("/v1/")), other), route(None, None)];
    table("methods: does not hold, another host's does", &both, 1, b"/v1/items/42", &subject);
    let mut asking = regexes(1000);
    asking[0] = with(asking[0].clone(), other);
    asking.push(route(None, Some(PathMatch::Regex("^/service".to_owned()))));
    table("1000 regexes, the strongest found asks for another method", &asking, 1, b"/service0/ab/v3", &subject);
    let asking: Vec<Route> = regexes(1000).into_iter().map(|route| with(route, other)).collect();
    table("1000 regexes that ask for another method: none matches", &asking, 1, b"/service0/ab/v3", &subject);
}

fn regexes(count: usize) -> Vec<Route> {
    (0..count).map(|n| route(None, Some(PathMatch::Regex(format!("^/service{n}/[a-z]+/v[0-9]+$"))))).collect()
}

fn prefix(path: &str) -> Option<PathMatch> {
    Some(PathMatch::Prefix(path.to_owned()))
}

fn with(route: Route, asks: &str) -> Route {
    let only: Conditions = serde_json::from_str(asks).expect("conditions");
    Route { only: Some(Box::new(only)), ..route }
}

fn route(host: Option<&str>, path: Option<PathMatch>) -> Route {
    Route {
        name: "r".into(),
        place: "x.yaml:1:1".into(),
        listeners: vec![0, 1],
        host: host.map(str::to_owned),
        path,
        only: None,
        priority: 0,
        timeouts: RouteTimeouts { response_ms: 0, idle_ms: 0 },
        filters: Vec::new(),
        retry: None,
        mirror: None,
        to: Target::Upstream(0),
    }
}

fn table(what: &str, routes: &[Route], hosts: usize, path: &[u8], subject: &Subject<'_>) {
    let began = Instant::now();
    let table = Table::build(routes, 2, &Sets::default()).expect("these routes are right");
    let built = began.elapsed();
    // The hosts that are asked for are few: 64 of all, so that it is the table that is measured.
    let names: Vec<String> = (0..64).map(|n| format!("host{}.example.com", n * 7919 % hosts)).collect();
    let forms = read_path(path, DotSegments::Refuse).expect("this path is right");
    measure(&format!("{what} (built in {built:?})"), |n| {
        let host = names.get(n % names.len()).map(|name| name.as_bytes());
        table.choose(0, black_box(host), &forms, black_box(subject))
    });
}

/// The quickest of several rounds: what others do on the machine only makes it slower.
fn measure<T>(what: &str, mut work: impl FnMut(usize) -> T) {
    const TIMES: usize = 100_000;
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        for n in 0..TIMES {
            black_box(work(n));
        }
        best = best.min(began.elapsed());
    }
    println!("{:8.1} ns  {what}", best.as_nanos() as f64 / TIMES as f64);
}
