//! What a new snapshot takes over from the one before.

use serde_json::json;

use super::*;
use crate::balance::Method;
use crate::geo::Place;

fn document(sets: &[(&str, &str)]) -> Document {
    let sets: Vec<_> = sets.iter().map(|(name, digest)| json!({"name": name, "digest": digest})).collect();
    let document = json!({
        "format": document::FORMAT, "number": 1, "source": "x.yaml", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"},
        "listeners": [], "routes": [], "upstreams": [], "sets": sets,
    });
    serde_json::from_value(document).unwrap()
}

fn fresh(digest: &str, lines: &str) -> Fresh {
    let sets = HashMap::from([(digest.to_owned(), Arc::new(Set::compile(lines).unwrap()))]);
    Fresh { sets, ..Fresh::default() }
}

#[test]
fn a_set_that_has_not_changed_is_shared_with_the_snapshot_before() {
    let first = Compiled::build_with(document(&[("office", "d1")]), None, &fresh("d1", "10.0.0.0/8")).unwrap();
    let renamed = Compiled::build(document(&[("home", "d1"), ("same", "d1")]), Some(&first)).unwrap();
    let (before, after) = (first.sets.get("office").unwrap(), renamed.sets.get("home").unwrap());
    assert!(Arc::ptr_eq(&before, &after) && Arc::ptr_eq(&after, &renamed.sets.get("same").unwrap()));
    let changed = Compiled::build_with(document(&[("home", "d2")]), Some(&renamed), &fresh("d2", "::1")).unwrap();
    assert!(!Arc::ptr_eq(&after, &changed.sets.get("home").unwrap()));
}

#[test]
fn a_set_whose_entries_were_not_sent_is_told() {
    let problems = Compiled::build(document(&[("office", "d1")]), None).unwrap_err();
    assert_eq!(problems, ["set office: what it holds was not sent"]);
}

#[test]
fn what_an_endpoint_is_loaded_with_outlives_a_change_of_weight_and_balancer() {
    let upstream = |balance: &str, weight: u32| {
        let mut written = document(&[]);
        let upstream = json!([{
            "name": "api", "balance": balance, "unresolved": [], "proxy_protocol": "off",
            "endpoints": [{"address": "127.0.0.1:1", "entry": "127.0.0.1:1", "weight": weight}],
            "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
        }]);
        written.upstreams = serde_json::from_value(upstream).unwrap();
        written
    };
    let first = Compiled::build(upstream("round_robin", 1), None).unwrap();
    let second = Compiled::build(upstream("least_requests", 2), Some(&first)).unwrap();
    let (before, after) = (&first.upstreams[0], &second.upstreams[0]);
    assert!(Arc::ptr_eq(&before.endpoints[0].load, &after.endpoints[0].load));
    assert!(Arc::ptr_eq(&before.ranking, &after.ranking));
}

#[test]
fn a_route_that_is_led_elsewhere_leaves_all_else_as_it_is() {
    let mut written = document(&[]);
    let upstream = |name: &str| {
        json!({
            "name": name, "balance": "round_robin", "unresolved": [], "proxy_protocol": "off",
            "endpoints": [{"address": "127.0.0.1:1", "entry": "127.0.0.1:1", "weight": 1}],
            "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
        })
    };
    written.upstreams = serde_json::from_value(json!([upstream("api"), upstream("canary")])).unwrap();
    let route = json!([{
        "name": "all", "place": "", "listeners": [], "host": null, "path": null, "priority": 0,
        "timeouts": {"response_ms": 0, "idle_ms": 0}, "filters": [], "to": {"upstream": 0},
    }]);
    written.routes = serde_json::from_value(route).unwrap();
    let first = Compiled::build(written, None).unwrap();
    let shares =
        json!({"split": {"shares": [{"upstream": 0, "weight": 99}, {"upstream": 1, "weight": 1}], "key": null}});
    let to: crate::snapshot::document::Target = serde_json::from_value(shares).unwrap();
    let second = first.with_target("all", to.clone()).unwrap();
    assert_eq!(second.document.routes[0].to, to);
    assert!(first.upstreams.iter().zip(&second.upstreams).all(|(before, after)| Arc::ptr_eq(before, after)));
    assert_eq!(first.with_target("none", to.clone()).unwrap_err(), "there is no route `none`");
    let nowhere = serde_json::from_value(json!({"upstream": 7})).unwrap();
    assert!(first.with_target("all", nowhere).unwrap_err().contains("no upstream number 7"));
}

/// A document whose upstream asks for the nearest of two endpoints, of which the second says where it is.
fn near(digest: &str) -> Document {
    let mut written = document(&[]);
    let upstream = json!([{
        "name": "api", "balance": {"nearest": {"otherwise": "random_two"}}, "unresolved": [], "proxy_protocol": "off",
        "endpoints": [
            {"address": "198.51.100.7:80", "entry": "198.51.100.7:80", "weight": 1},
            {"address": "10.0.0.1:80", "entry": "10.0.0.1:80", "weight": 1, "location": [-33_900_000, 151_200_000]},
        ],
        "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
    }]);
    written.upstreams = serde_json::from_value(upstream).unwrap();
    written.geo.city = Some(digest.to_owned());
    written
}

fn city(digest: &str, latitude: f64) -> Fresh {
    let record = json!({"location": {"latitude": latitude, "longitude": 8.5}});
    let database = Arc::new(crate::geo::written::made(24, &[("198.51.100.0/24", record)]));
    Fresh { databases: HashMap::from([(digest.to_owned(), database)]), ..Fresh::default() }
}

fn places(compiled: &Compiled) -> Vec<Option<Place>> {
    let Method::Nearest(places, _) = &compiled.upstreams[0].method else { panic!("not the nearest") };
    places.to_vec()
}

#[test]
fn an_endpoint_is_where_it_says_or_where_the_database_says_that_its_address_is() {
    let first = Compiled::build_with(near("d1"), None, &city("d1", 50.5)).unwrap();
    assert_eq!(places(&first), [Place::of(50.5, 8.5), Place::of(-33.9, 151.2)]);
    let same = Compiled::build(near("d1"), Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first.upstreams[0], &same.upstreams[0]));
    let moved = Compiled::build_with(near("d2"), Some(&same), &city("d2", 40.5)).unwrap();
    assert_eq!(places(&moved)[0], Place::of(40.5, 8.5));
    assert!(Arc::ptr_eq(&first.upstreams[0].endpoints[0].load, &moved.upstreams[0].endpoints[0].load));
}

#[test]
fn a_database_that_was_not_sent_is_told() {
    let problems = Compiled::build(near("d1"), None).unwrap_err();
    assert_eq!(problems, ["geo.city: the database was not sent"]);
}
