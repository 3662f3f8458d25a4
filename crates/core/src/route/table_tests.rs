//! Precedence: the table against a naive scan that sorts by the contract's order.

use std::cmp::Reverse;

use proptest::prelude::*;

use super::*;
use crate::route::{DotSegments, read_path};
use crate::snapshot::document::{RouteTimeouts, Target};

fn route(host: Option<&str>, path: Option<PathMatch>, priority: i64) -> Route {
    Route {
        name: "r".into(),
        place: "t.yaml:1:1".into(),
        listeners: vec![0],
        host: host.map(Into::into),
        path,
        priority,
        timeouts: RouteTimeouts { response_ms: 0, idle_ms: 0 },
        filters: Vec::new(),
        to: Target::Upstream(0),
    }
}

fn choose(routes: &[Route], host: Option<&str>, path: &str) -> Choice {
    let table = Table::build(routes, 1).unwrap();
    let forms = read_path(path.as_bytes(), DotSegments::Refuse).unwrap();
    table.choose(0, host.map(str::as_bytes), &forms)
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
    let says = Table::build(&[route(None, Some(PathMatch::Regex("(".into())), 0), far], 1).unwrap_err();
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
    let table = Table::build(&routes, 2).unwrap();
    let forms = read_path(b"/x/1", DotSegments::Refuse).unwrap();
    let told: Vec<_> = table.explain(0, Some(b"a"), &forms).iter().map(|c| (c.route.0, c.outcome)).collect();
    let expected = [
        (1, Outcome::Chosen),
        (0, Outcome::LessSpecific),
        (2, Outcome::OtherHost),
        (3, Outcome::OtherPath),
        (4, Outcome::OtherListener),
    ];
    assert_eq!(told, expected);
}

/// Host, form of path, length of path, priority.
type Rank = (Reverse<usize>, u8, Reverse<usize>, Reverse<i64>);

/// The contract's order, as a key: the smallest wins.
fn rank(route: &Route, host: &str, path: &str) -> Option<Rank> {
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
    Some((Reverse(by_host), kind, Reverse(length), Reverse(route.priority)))
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

proptest! {
    #[test]
    fn the_table_agrees_with_a_scan_whatever_the_order_in_the_file(
        parts in prop::collection::vec(
            (prop::sample::select(vec![None, Some("x.y"), Some("*.y"), Some("*.x.y"), Some("z")]), any_path(), 0i64..3),
            1..16,
        ).prop_shuffle(),
        host in prop::sample::select(vec!["x.y", "a.x.y", "y", "z", "q", "a.b.y"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc", "/b/x", "/c"]),
    ) {
        let routes: Vec<Route> = parts.into_iter().map(|(host, path, priority)| route(host, path, priority)).collect();
        let best = (0u32..)
            .zip(&routes)
            .filter_map(|(at, route)| Some((rank(route, host, path)?, at)))
            .min();
        let expected = best.map_or(Choice::Nothing, |(_, at)| Choice::Route(RouteId(at)));
        prop_assert_eq!(choose(&routes, Some(host), path), expected);
        let table = Table::build(&routes, 1).unwrap();
        let forms = read_path(path.as_bytes(), DotSegments::Refuse).unwrap();
        let told = table.explain(0, Some(host.as_bytes()), &forms);
        prop_assert_eq!(told.len(), routes.len());
        for Considered { route, outcome } in told {
            let matches = rank(&routes[route.0 as usize], host, path).is_some();
            prop_assert_eq!(matches, matches!(outcome, Outcome::Chosen | Outcome::LessSpecific));
        }
    }

    #[test]
    fn a_lenient_reader_lands_under_the_route_we_chose(
        raw in prop::collection::vec(
            prop::sample::select(vec!["/", "a", "b", "%61", "%62", "%2F", "%2f", "%25", "2F", "61", ".", "..", "%2e"]), 0..8,
        ).prop_map(|parts| format!("/{}", parts.concat())),
        parts in prop::collection::vec(any_path(), 1..8),
    ) {
        let routes: Vec<Route> = parts.into_iter().map(|path| route(None, path, 0)).collect();
        if let Ok(forms) = read_path(raw.as_bytes(), DotSegments::Refuse) {
            let table = Table::build(&routes, 1).unwrap();
            let chosen = table.choose(0, None, &forms);
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
                let plain = PathForms { matched: read.into_bytes().into(), separated: None, deep: None, forwarded: None };
                prop_assert_eq!(table.choose(0, None, &plain), chosen);
            }
        }
    }
}
