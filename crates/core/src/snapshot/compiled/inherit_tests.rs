//! What one worker tells is what the next one knows.

use serde_json::{from_str, json, to_string};

use super::*;
use crate::balance::standing::{CheckedEvent, Outlier};
use crate::snapshot::document::{self, Document};

const EJECTED_FOR: Duration = Duration::from_secs(30);

fn compiled() -> Compiled {
    let address = |at: u32| {
        let address = format!("127.0.0.1:{at}");
        json!({"address": address, "entry": address, "weight": 1})
    };
    let document = json!({
        "format": document::FORMAT, "number": 1, "source": "x.yaml", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"}, "listeners": [], "routes": [],
        "upstreams": [{
            "name": "api", "balance": "peak_ewma", "unresolved": [], "proxy_protocol": "off",
            "endpoints": (1..=3).map(address).collect::<Vec<_>>(),
            "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
        }],
    });
    let document: Document = serde_json::from_value(document).unwrap();
    Compiled::build(document, None).unwrap()
}

fn endpoint(compiled: &Compiled, at: usize) -> &Endpoint {
    &compiled.upstreams[0].endpoints[at]
}

fn at(seconds: u64) -> Moment {
    Moment::from_nanos((1_000_000 + seconds) * 1_000_000_000)
}

/// What was told, through the text in which it is told.
fn through_text(told: &Inheritance) -> Inheritance {
    let rows: Vec<_> = told.endpoints.iter().collect();
    let rows: Vec<((String, String), ToldEndpoint)> = from_str(&to_string(&rows).unwrap()).unwrap();
    Inheritance { endpoints: rows.into_iter().collect(), ..told.clone() }
}

#[test]
fn an_endpoint_goes_on_as_it_was_on_another_clock() {
    let (old, new) = (compiled(), compiled());
    let (down, ejected, slow) = (endpoint(&old, 0), endpoint(&old, 1), endpoint(&old, 2));
    down.standing.check(CheckedEvent::Fell, at(10), &"3 checks in a row failed");
    ejected.standing.eject(at(20), at(20).after(EJECTED_FOR), &"5 requests in a row went wrong");
    ejected.strikes.inherit(4, true);
    slow.load.inherit(5e6, at(20));
    slow.load.ramp_since(at(15));

    let there = Moment::from_nanos(at(30).as_nanos() + 77_000_000_000_000);
    new.inherit(&through_text(&old.tell(at(30))), there);
    let in_s = |seconds: u64| there.after(Duration::from_secs(seconds));

    assert_eq!(endpoint(&new, 0).standing.at(there).checked, Checked::Down);
    assert_eq!(endpoint(&new, 0).standing.why_not(there).unwrap(), "is down for 20 s: 3 checks in a row failed");
    let ejected = endpoint(&new, 1);
    assert_eq!(ejected.standing.at(in_s(19)).outlier, Outlier::Out);
    assert_eq!(ejected.standing.at(in_s(21)).outlier, Outlier::Trial);
    assert_eq!(ejected.strikes.ejections(), 4);
    assert_eq!(ejected.standing.history(|history| (history.count(), history.told_before())), (1, 1));
    let slow = endpoint(&new, 2);
    assert_eq!(slow.load.average(), Some((5e6, Moment::from_nanos(there.as_nanos() - 10_000_000_000))));
    assert_eq!(slow.load.ramps_since(), Some(Moment::from_nanos(there.as_nanos() - 15_000_000_000)));
    assert_eq!(endpoint(&new, 1).load.ramps_since(), None);
}

#[test]
fn what_makes_no_sense_is_bounded() {
    let (new, now) = (compiled(), at(0));
    let strange = json!({
        "out_ns": u64::MAX, "ejections": u32::MAX, "latency": [-1.0, u64::MAX], "ramps_ns": u64::MAX, "later": true,
        "history": (0..500).map(|_| json!({"ago_ns": u64::MAX, "to": "down", "because": "x".repeat(9_999)}))
            .chain([json!({"ago_ns": 0, "to": "dancing", "because": ""})]).collect::<Vec<_>>(),
    });
    let told: ToldEndpoint = serde_json::from_value(strange).unwrap();
    let endpoints = HashMap::from([(("api".to_owned(), "127.0.0.1:1".to_owned()), told)]);
    new.inherit(&Inheritance { endpoints, ..Inheritance::default() }, now);
    let endpoint = endpoint(&new, 0);
    assert_eq!(endpoint.standing.at(now.after(LONGEST)).outlier, Outlier::In);
    assert_eq!(endpoint.load.average(), None);
    assert_eq!(endpoint.standing.history(|history| history.events().count()), MOST_KEPT - 1);
    assert!(endpoint.standing.history(|history| history.events().all(|event| event.because.len() < 210)));
}
