//! Precedence: the table against a naive scan that sorts by the contract's order.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;
use crate::route::{Considered, DotSegments, Outcome, Unmet, read_path};
use crate::rule::asked::ask;
use crate::snapshot::document::{Conditions as Only, RouteTimeouts, Target};

fn route(host: Option<&str>, path: Option<PathMatch>, priority: i64) -> Route {
    Route {
        name: "r".into(),
        place: "t.yaml:1:1".into(),
        listeners: vec![0],
        host: host.map(Into::into),
        path,
        only: None,
        priority,
        timeouts: RouteTimeouts { response_ms: 0, idle_ms: 0 },
        filters: Vec::new(),
        retry: None,
        mirror: None,
        to: Target::Upstream(0),
    }
}

fn only(json: &str) -> Option<Box<Only>> {
    Some(Box::new(serde_json::from_str(json).unwrap()))
}

fn build(routes: &[Route], listeners: usize) -> Table {
    Table::build(routes, listeners, &Sets::default()).unwrap()
}

fn choose(routes: &[Route], host: Option<&str>, path: &str) -> Choice {
    choose_for(routes, host, path, "GET / HTTP/1.1\nHost: h\n\n")
}

/// Chooses for a request with this head, from 10.0.0.1; host and path are given apart.
fn choose_for(routes: &[Route], host: Option<&str>, path: &str, head: &str) -> Choice {
    let forms = read_path(path.as_bytes(), DotSegments::Refuse).unwrap();
    let asked = ask(head, "10.0.0.1:5000", &[]);
    build(routes, 1).choose(0, host.map(str::as_bytes), &forms, &asked.subject())
}

fn prefix(path: &str) -> Option<PathMatch> {
    Some(PathMatch::Prefix(path.into()))
}

#[test]
fn a_route_without_host_holds_for_every_host() {
    let routes = [route(Some("api.example.com"), prefix("/v1/"), 0), route(None, prefix("/healthz"), 0)];
    assert_eq!(choose(&routes, Some("api.example.com"), "/healthz"), Choice::Route(RouteId(1)));
    assert_eq!(choose(&routes, Some("API.example.com.:8080"), "/v1"), Choice::Route(RouteId(0)));
    assert_eq!(choose(&routes, Some("api.example.com"), "/v1x"), Choice::Nothing);
    assert_eq!(choose(&routes, None, "/healthz"), Choice::Route(RouteId(1)));
}

#[test]
fn the_longest_wildcard_wins_and_the_name_itself_is_none() {
    let routes = [route(Some("*.example.com"), None, 0), route(Some("*.eu.example.com"), None, 0)];
    assert_eq!(choose(&routes, Some("a.b.eu.example.com"), "/"), Choice::Route(RouteId(1)));
    assert_eq!(choose(&routes, Some("eu.example.com"), "/"), Choice::Route(RouteId(0)));
    assert_eq!(choose(&routes, Some("example.com"), "/"), Choice::Nothing);
}

#[test]
fn where_another_reader_would_take_another_route_the_path_is_refused() {
    let routes = [route(None, prefix("/"), 0), route(None, prefix("/admin"), 0)];
    for path in ["/admin%2Fx", "/%2Fadmin", "/%2561dmin", "/admin%252Fx", "/%25%361dmin"] {
        assert!(matches!(choose(&routes, None, path), Choice::Ambiguous(_)), "{path}");
    }
    assert_eq!(choose(&routes, None, "/x%2Fadmin"), Choice::Route(RouteId(0)));
    assert_eq!(choose(&routes, None, "/admin/100%25%2Fx"), Choice::Route(RouteId(1)));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let mut far = route(None, None, 0);
    far.listeners = vec![3];
    let says =
        Table::build(&[route(None, Some(PathMatch::Regex("(".into())), 0), far], 1, &Sets::default()).unwrap_err();
    assert_eq!(says.len(), 2);
    assert!(says[0].starts_with("t.yaml:1:1: route r: the regex `(` is wrong"));
    assert_eq!(says[1], "t.yaml:1:1: route r: there is no listener number 3");
}

#[test]
fn explain_says_why_the_others_lost() {
    let mut elsewhere = route(None, None, 0);
    elsewhere.listeners = vec![1];
    let routes = [
        route(None, prefix("/"), 0),
        route(Some("a"), prefix("/x"), 0),
        route(Some("b"), None, 0),
        route(Some("a"), prefix("/y"), 0),
        elsewhere,
    ];
    let asked = ask("GET / HTTP/1.1\nHost: h\n\n", "10.0.0.1:5000", &[]);
    let forms = read_path(b"/x/1", DotSegments::Refuse).unwrap();
    let told: Vec<_> = build(&routes, 2)
        .explain(0, Some(b"a"), &forms, &asked.subject())
        .iter()
        .map(|c| (c.route.0, c.outcome))
        .collect();
    let expected = [
        (1, Outcome::Chosen),
        (0, Outcome::LessSpecific),
        (2, Outcome::OtherHost),
        (3, Outcome::OtherPath),
        (4, Outcome::OtherListener),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_less_specific_route_is_found_where_a_more_specific_one_asks_for_more() {
    let (get, post) = ("GET / HTTP/1.1\nHost: h\n\n", "POST / HTTP/1.1\nHost: h\n\n");
    let mut routes = vec![
        route(Some("a.b"), Some(PathMatch::Exact("/v1/x".into())), 0),
        route(Some("a.b"), Some(PathMatch::Regex("^/v1/[x]".into())), 0),
        route(Some("a.b"), Some(PathMatch::Regex("^/v1".into())), 0),
        route(Some("a.b"), prefix("/v1/x"), 0),
        route(Some("a.b"), prefix("/"), 0),
        route(Some("a.b"), None, 0),
        route(Some("*.b"), None, 0),
        route(None, None, 0),
    ];
    for last in 0..routes.len() {
        assert_eq!(choose_for(&routes, Some("a.b"), "/v1/x", get), Choice::Route(RouteId(last as u32)));
        routes[last].only = only(r#"{"methods": ["POST"]}"#);
        assert_eq!(choose_for(&routes, Some("a.b"), "/v1/x", post), Choice::Route(RouteId(0)));
    }
    assert_eq!(choose_for(&routes, Some("a.b"), "/v1/x", get), Choice::Nothing);
}

#[test]
fn what_a_route_asks_is_read_as_expressions_read_it() {
    let head = "GET /?page=%32&page=3&e HTTP/1.1\nHost: h\nX-Beta: 1\nx-beta: 2\nX-One: 1\n\n";
    for (asks, is_met) in [
        (r#"{"methods": ["HEAD", "GET"]}"#, true),
        (r#"{"methods": ["get"]}"#, false),
        (r#"{"headers": [["x-beta", "1, 2"]]}"#, true),
        (r#"{"headers": [["X-BETA", "1, 2"]]}"#, true),
        (r#"{"headers": [["x-beta", "1"]]}"#, false),
        (r#"{"headers": [["x-one", "1"], ["x-none", "1"]]}"#, false),
        (r#"{"query": [["page", "2, 3"]]}"#, true),
        (r#"{"query": [["page", "2"]]}"#, false),
        (r#"{"from": ["192.0.2.0/24", "10.0.0.0/8"]}"#, true),
        (r#"{"from": ["192.0.2.0/24", "unix:"]}"#, false),
        (r#"{"when": {"always": false}}"#, false),
    ] {
        let routes = [Route { only: only(asks), ..route(None, None, 0) }];
        assert_eq!(choose_for(&routes, None, "/", head) == Choice::Route(RouteId(0)), is_met, "{asks}");
    }
}

#[test]
fn what_is_not_met_is_told_and_who_asks_for_another_method() {
    let asks =
        [r#"{"methods": ["PUT"]}"#, r#"{"methods": ["PUT"], "headers": [["x", "1"]]}"#, r#"{"headers": [["x", "1"]]}"#];
    let routes: Vec<Route> = asks.iter().map(|asks| Route { only: only(asks), ..route(None, None, 0) }).collect();
    let asked = ask("GET / HTTP/1.1\nHost: h\n\n", "10.0.0.1:5000", &[]);
    let (table, forms) = (build(&routes, 1), read_path(b"/", DotSegments::Refuse).unwrap());
    let told: Vec<_> =
        table.explain(0, None, &forms, &asked.subject()).iter().map(|c| (c.route.0, c.outcome)).collect();
    let expected =
        [(1, Outcome::Unmet(Unmet::Method)), (0, Outcome::Unmet(Unmet::Method)), (2, Outcome::Unmet(Unmet::Header(0)))];
    assert_eq!(told, expected);
    assert_eq!(table.of_other_methods(0, None, &forms, &asked.subject()), [RouteId(0)]);
}

#[test]
fn where_an_expression_says_something_else_of_another_reading_the_path_is_refused() {
    let asks = r#"{"when": {"contains": {"whole": {"word": "request.path"}, "part": {"literal": "/admin/"}}}}"#;
    let routes = [route(None, prefix("/"), 0), Route { only: only(asks), ..route(None, prefix("/"), 0) }];
    assert!(matches!(choose(&routes, None, "/x%2Fadmin%2Fy"), Choice::Ambiguous(_)));
    assert_eq!(choose(&routes, None, "/x%2Fy"), Choice::Route(RouteId(0)));
    assert_eq!(choose(&routes, None, "/x/admin/y"), Choice::Route(RouteId(1)));
}

/// Host, form of path, length of path, then all that is compared the other way round.
type Rank = (Reverse<usize>, u8, Reverse<usize>, Reverse<(bool, usize, usize, bool, bool, i64)>);

/// Whether the conditions hold, written as plainly as they are meant.
fn holds(only: &Only, request: &Asking) -> bool {
    let same = |pairs: &[(String, String)], has: &[(&str, &str)]| {
        pairs.iter().all(|(name, text)| has.iter().any(|(one, value)| one == name && value == text))
    };
    (only.methods.is_empty() || only.methods.iter().any(|method| method == request.method))
        && same(&only.headers, &request.headers)
        && same(&only.query, &request.query)
        && (only.from.is_empty() || only.from.iter().any(|network| network.starts_with(request.network)))
        && (only.when.is_none() || request.method == "PUT")
}

/// What is asked, besides host and path.
#[derive(Clone, Debug)]
struct Asking {
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
    /// The beginning of the only network that holds the client.
    network: &'static str,
}

impl Asking {
    fn head(&self) -> String {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let lines: String =
            self.headers.iter().map(|(name, value)| format!("{}: {value}\n", name.to_uppercase())).collect();
        format!("{} /?{} HTTP/1.1\nHost: h\n{lines}\n", self.method, query.join("&"))
    }
}

/// The contract's order, as a key: the smallest wins.
fn rank(route: &Route, host: &str, path: &str, request: &Asking) -> Option<Rank> {
    let nothing = Only::default();
    let only = route.only.as_deref().unwrap_or(&nothing);
    if !holds(only, request) {
        return None;
    }
    let conditions = (
        !only.methods.is_empty(),
        only.headers.len(),
        only.query.len(),
        !only.from.is_empty(),
        only.when.is_some(),
        route.priority,
    );
    let by_host = match route.host.as_deref() {
        None => 0,
        Some(pattern) => match pattern.strip_prefix('*') {
            Some(end) if host.ends_with(end) && host.len() > end.len() => end.len(),
            Some(_) => return None,
            None if pattern == host => usize::MAX,
            None => return None,
        },
    };
    let (kind, length) = match &route.path {
        Some(PathMatch::Exact(exact)) if exact == path => (0, 0),
        Some(PathMatch::Exact(_)) => return None,
        Some(PathMatch::Regex(pattern)) => {
            let found = regex_automata::meta::Regex::new(pattern).unwrap().is_match(path);
            (1, if found { pattern.len() } else { return None })
        }
        Some(PathMatch::Prefix(prefix)) => {
            let bare = prefix.trim_end_matches('/');
            let below = path.strip_prefix(bare)?;
            (2, if below.is_empty() || below.starts_with('/') { bare.len() } else { return None })
        }
        None => (3, 0),
    };
    Some((Reverse(by_host), kind, Reverse(length), Reverse(conditions)))
}

fn any_path() -> impl Strategy<Value = Option<PathMatch>> {
    let path = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/a/b/c"]);
    prop_oneof![
        Just(None),
        path.clone().prop_map(|path| Some(PathMatch::Exact(path.into()))),
        path.prop_map(|path| Some(PathMatch::Prefix(path.into()))),
        prop::sample::select(vec!["a", "b$", "^/a", "^/a/[bc]", "^/.*c", "/ab?/?"])
            .prop_map(|pattern| Some(PathMatch::Regex(pattern.into()))),
    ]
}

const PUTS: &str = r#"{"texts": {"left": {"word": "request.method"}, "is": "==", "right": {"literal": "PUT"}}}"#;

fn any_conditions() -> impl Strategy<Value = Option<Box<Only>>> {
    let pair = |name: &'static str| {
        prop::option::of(prop::sample::select(vec!["1", "2"]))
            .prop_map(move |value| value.map(|value| (name.to_owned(), value.to_owned())))
    };
    let methods = prop::sample::select(vec![vec![], vec!["GET"], vec!["GET", "PUT"], vec!["PUT"]]);
    let from = prop::sample::select(vec![vec![], vec![], vec!["10.0.0.0/8"], vec!["11.0.0.0/8", "10.0.0.1/32"]]);
    let some = (methods, pair("x-a"), pair("x-b"), pair("q"), from, any::<bool>()).prop_map(
        |(methods, a, b, q, from, when)| {
            Some(Box::new(Only {
                methods: methods.into_iter().map(Into::into).collect(),
                headers: a.into_iter().chain(b).collect(),
                query: q.into_iter().collect(),
                from: from.into_iter().map(Into::into).collect(),
                when: when.then(|| serde_json::from_str(PUTS).unwrap()),
            }))
        },
    );
    prop_oneof![Just(None), some]
}

fn any_asking() -> impl Strategy<Value = Asking> {
    let value = || prop::option::of(prop::sample::select(vec!["1", "2", "3"]));
    (prop::sample::select(vec!["GET", "PUT", "POST"]), value(), value(), value()).prop_map(|(method, a, b, q)| Asking {
        method,
        headers: a.map(|a| ("x-a", a)).into_iter().chain(b.map(|b| ("x-b", b))).collect(),
        query: q.map(|q| ("q", q)).into_iter().collect(),
        network: "10.0.0.",
    })
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_scan_whatever_the_order_in_the_file(
        parts in prop::collection::vec(
            (
                prop::sample::select(vec![None, Some("x.y"), Some("*.y"), Some("*.x.y"), Some("z")]),
                any_path(),
                any_conditions(),
                0i64..3,
            ),
            1..16,
        ).prop_shuffle(),
        host in prop::sample::select(vec!["x.y", "a.x.y", "y", "z", "q", "a.b.y"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/b/x", "/c"]),
        asking in any_asking(),
    ) {
        let route = |(host, path, only, priority)| Route { only, ..route(host, path, priority) };
        let routes: Vec<Route> = parts.into_iter().map(route).collect();
        let best = (0u32..)
            .zip(&routes)
            .filter_map(|(at, route)| Some((rank(route, host, path, &asking)?, at)))
            .min();
        let expected = best.map_or(Choice::Nothing, |(_, at)| Choice::Route(RouteId(at)));
        let asked = ask(&asking.head(), "10.0.0.1:5000", &[]);
        let table = build(&routes, 1);
        let forms = read_path(path.as_bytes(), DotSegments::Refuse).unwrap();
        prop_assert_eq!(table.choose(0, Some(host.as_bytes()), &forms, &asked.subject()), expected);
        let told = table.explain(0, Some(host.as_bytes()), &forms, &asked.subject());
        prop_assert_eq!(told.len(), routes.len());
        for Considered { route, outcome } in told {
            let matches = rank(&routes[route.0 as usize], host, path, &asking).is_some();
            prop_assert_eq!(matches, matches!(outcome, Outcome::Chosen | Outcome::LessSpecific));
        }
    }

    #[test]
    fn a_lenient_reader_lands_under_the_route_we_chose(
        raw in prop::collection::vec(
            prop::sample::select(vec!["/", "a", "b", "%61", "%62", "%2F", "%2f", "%25", "2F", "61", ".", "..", "%2e"]), 0..8,
        ).prop_map(|parts| format!("/{}", parts.concat())),
        parts in prop::collection::vec((any_path(), any_conditions(), any::<bool>()), 1..8),
        asking in any_asking(),
    ) {
        let of_path = r#"{"when": {"starts_with": {"text": {"word": "request.path"}, "with": [{"literal": "/a"}]}}}"#;
        let routes: Vec<Route> = parts
            .into_iter()
            .map(|(path, conditions, asks_path)| {
                Route { only: if asks_path { only(of_path) } else { conditions }, ..route(None, path, 0) }
            })
            .collect();
        let asked = ask(&asking.head(), "10.0.0.1:5000", &[]);
        if let Ok(forms) = read_path(raw.as_bytes(), DotSegments::Refuse) {
            let table = build(&routes, 1);
            let chosen = table.choose(0, None, &forms, &asked.subject());
            if !matches!(chosen, Choice::Ambiguous(_)) {
                // Decodes everything as often as it can, and merges.
                let mut read = raw.clone();
                for _ in 0..20 {
                    for (from, to) in [("%61", "a"), ("%62", "b"), ("%2F", "/"), ("%2f", "/"), ("%2e", "."), ("%25", "%")] {
                        read = read.replace(from, to);
                    }
                }
                while read.contains("//") {
                    read = read.replace("//", "/");
                }
                let plain = PathForms { matched: read.into_bytes().into(), separated: None, deep: Vec::new(), forwarded: None };
                prop_assert_eq!(table.choose(0, None, &plain, &asked.subject()), chosen);
            }
        }
    }
}
