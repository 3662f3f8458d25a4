//! Subsets of an upstream: a route that asks for labels gets endpoints that have them, whatever the balancer.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Serving;
use super::exchange::Tried;
use crate::balance::standing::{AskedEvent, CheckedEvent};
use crate::balance::{HashTable, Held, Lead};
use crate::dice::Dice;
use crate::moment::Moment;
use crate::rule::asked::ask;
use crate::snapshot::compiled::Compiled;

const NOW: Moment = Moment::from_nanos(1);

fn lead(part: u32) -> Lead {
    Lead { upstream: 0, part }
}

/// An upstream whose endpoints have these versions, with subsets for `v1` and `v2`, each with such a fallback.
fn serving(balance: &Value, versions: &[&str], fallback: Option<u32>) -> Rc<Serving> {
    let endpoint = |(at, version): (usize, &&str)| {
        let address = format!("10.0.0.{at}:80");
        json!({"address": address, "entry": address, "weight": 1, "labels": [["version", version], ["at", at.to_string()]]})
    };
    let subset = |version: &str| json!({"labels": [["version", version]], "fallback": fallback});
    let document = json!({
        "format": 1, "number": 1, "source": "x.yaml", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"}, "listeners": [], "routes": [],
        "upstreams": [{
            "name": "api", "balance": balance, "unresolved": [], "proxy_protocol": "off",
            "endpoints": versions.iter().enumerate().map(endpoint).collect::<Vec<_>>(),
            "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
            "persist": {
                "from": {"cookie": "at"}, "field": "set-cookie", "before": "", "behind": "", "behind_https": "", "strict": true,
                "tokens": (0..versions.len()).map(|at| [at.to_string()]).collect::<Vec<_>>(),
            },
            "subsets": [subset("v1"), subset("v2"), {"labels": [["version", "v1"]], "fallback": null}],
        }],
    });
    let compiled = Compiled::build(serde_json::from_value(document).unwrap(), None).unwrap();
    Rc::new(Serving::new(Arc::new(compiled), None, &mut Dice::seeded(1)))
}

/// Where a request goes that has this number for a key.
fn choose(serving: &Serving, part: u32, number: u64, dice: &mut Dice) -> Result<(usize, Held), String> {
    let key = HashTable::key(&number.to_le_bytes());
    let (chosen, held) = serving.choose(lead(part), &Tried::default(), key, NOW, dice).map_err(|says| says.reason)?;
    Ok((chosen.endpoint as usize, held.unwrap()))
}

fn drain(serving: &Serving, at: usize) {
    serving.compiled.upstreams[0].endpoints[at].standing.ask(AskedEvent::Drain);
}

fn balances() -> impl Strategy<Value = Value> {
    let hash =
        |method: &str, bound: Value| json!({"hash": {"key": {"word": "client.ip"}, "method": method, "bound": bound}});
    prop::sample::select(vec![
        json!("round_robin"),
        json!("least_requests"),
        json!("random_two"),
        json!("peak_ewma"),
        json!({"first": {"limit": 2}}),
        hash("maglev", Value::Null),
        hash("ring", json!(1.25)),
    ])
}

fn versions() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["v1", "v2", "v3"]), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn those_with_the_labels_are_chosen_each_of_them_and_nobody_else(
        balance in balances(), versions in versions(), drained in prop::collection::vec(any::<bool>(), 12),
    ) {
        let serving = serving(&balance, &versions, None);
        let mut dice = Dice::seeded(7);
        for at in (0..versions.len()).filter(|at| drained[*at]) {
            drain(&serving, at);
        }
        for (part, version) in [(1, "v1"), (2, "v2")] {
            let able: Vec<usize> = (0..versions.len()).filter(|at| versions[*at] == version && !drained[*at]).collect();
            let mut taken: BTreeMap<usize, Vec<Held>> = BTreeMap::new();
            for number in 0..60 * versions.len() as u64 {
                match choose(&serving, part, number, &mut dice) {
                    Ok((at, held)) => taken.entry(at).or_default().push(held),
                    Err(says) => prop_assert!(able.is_empty() && says.contains("version="), "{}", says),
                }
            }
            prop_assert_eq!(taken.keys().copied().collect::<Vec<_>>(), able);
        }
    }

    #[test]
    fn a_subset_with_a_fallback_leaves_nobody_without_an_answer(
        balance in balances(), versions in versions(), drained in prop::collection::vec(any::<bool>(), 12),
        fallback in 0u32..2,
    ) {
        let serving = serving(&balance, &versions, Some(fallback * 3));
        let mut dice = Dice::seeded(7);
        for at in (0..versions.len()).filter(|at| drained[*at]) {
            drain(&serving, at);
        }
        let able = |version: &str| (0..versions.len()).filter(|at| versions[*at].contains(version) && !drained[*at]).collect::<Vec<_>>();
        let others = able(if fallback == 0 { "v" } else { "v1" });
        let expected = if able("v2").is_empty() { others } else { able("v2") };
        for number in 0..40 {
            match choose(&serving, 2, number, &mut dice) {
                Ok((at, _)) => prop_assert!(expected.contains(&at)),
                Err(_) => prop_assert!(expected.is_empty()),
            }
        }
    }

    #[test]
    fn when_one_of_another_subset_goes_no_key_moves(
        versions in versions(), method in prop::sample::select(vec!["maglev", "ring"]), gone in 0usize..12,
    ) {
        let balance = json!({"hash": {"key": {"word": "client.ip"}, "method": method, "bound": null}});
        let serving = serving(&balance, &versions, None);
        let mut dice = Dice::seeded(7);
        let homes = |dice: &mut Dice| -> HashMap<u64, usize> {
            (0..200).filter_map(|key| Some((key, choose(&serving, 1, key, dice).ok()?.0))).collect()
        };
        let before = homes(&mut dice);
        let gone = gone % versions.len();
        drain(&serving, gone);
        let after = homes(&mut dice);
        prop_assert!(before.iter().all(|(key, home)| *home == gone || after.get(key) == Some(home)));
    }
}

#[test]
fn what_a_subset_took_counts_for_all() {
    let serving = serving(&json!("least_requests"), &["v1", "v2", "v2"], None);
    let mut dice = Dice::seeded(7);
    let all: Vec<Held> = (0..3).map(|number| choose(&serving, 0, number, &mut dice).unwrap().1).collect();
    let of_v1: Vec<Held> = (0..2).map(|number| choose(&serving, 1, number, &mut dice).unwrap().1).collect();
    let rest: Vec<usize> = (0..4)
        .map(|number| choose(&serving, 0, number, &mut dice).unwrap())
        .map(|(at, held)| {
            std::mem::forget(held);
            at
        })
        .collect();
    assert!(rest.iter().all(|at| *at > 0), "{rest:?}: the first has three");
    drop((all, of_v1));
    let next: Vec<usize> = (0..2).map(|number| choose(&serving, 0, number, &mut dice).unwrap().0).collect();
    assert_eq!(next, [0, 0], "and now it has none");
}

#[test]
fn a_failure_names_the_labels_and_only_who_has_them() {
    let serving = serving(&json!("round_robin"), &["v1", "v2"], None);
    drain(&serving, 1);
    let says = choose(&serving, 2, 0, &mut Dice::seeded(1)).unwrap_err();
    assert_eq!(says, "no endpoint of upstream api with version=v2 is eligible: 10.0.0.1:80 is draining");
}

#[test]
fn a_session_stays_where_its_route_may_lead_it() {
    let named = |serving: &Serving, part, at: usize| {
        let asked = ask(&format!("GET / HTTP/1.1\nhost: a\ncookie: at={at}\n\n"), "10.0.0.9:1", &[]);
        let session = serving.session(lead(part), &Tried::default(), || Some(asked.subject()), NOW);
        session.map(|chosen| chosen.is_some()).map_err(|says| says.reason)
    };
    let round_robin = json!("round_robin");
    for fallback in [None, Some(0)] {
        let serving = serving(&round_robin, &["v1", "v2"], fallback);
        let all = |part| [named(&serving, part, 0), named(&serving, part, 1)];
        assert_eq!(all(0), [Ok(true), Ok(true)]);
        assert_eq!(all(1), [Ok(true), Ok(false)], "what is no endpoint of the subset names none");
        serving.compiled.upstreams[0].endpoints[0].standing.check(CheckedEvent::Fell, NOW, &"it answered 503");
        let falls_back = fallback.is_some();
        assert_eq!(all(1)[1], Ok(falls_back), "nor of the fallback, unless that takes over");
        assert!(all(1)[0].as_ref().is_err_and(|says| says.contains("the session is with 10.0.0.0:80")));
    }
}
