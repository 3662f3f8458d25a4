//! Conditions of routes, and a request: what can be decoded is compiled or refused; of all routes whose conditions hold
//! the most specific is chosen, whatever their order; `explain` tells the same, and has a sentence for each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::route::reason::why;
use tidegate_core::route::{Choice, Considered, DotSegments, Outcome, RouteId, Table, read_path};
use tidegate_core::snapshot::document::{Conditions, Route, RouteTimeouts, Target};
use tidegate_fuzz::{ask, sets, split};

// The first line is a list of conditions, each of one route; what follows is the request.
fuzz_target!(|input: &[u8]| {
    let (written, request) = split(input);
    let Some(asked) = ask(request) else { return };
    let subject = asked.subject(None);
    let Ok(conditions) = serde_json::from_slice::<Vec<Conditions>>(written) else { return };
    let mut routes: Vec<Route> = conditions.into_iter().map(route).collect();
    let Ok(table) = Table::build(&routes, 1, &sets()) else { return };
    let Ok(path) = read_path(asked.head.path.of(asked.bytes), DotSegments::Resolve) else { return };
    let choice = table.choose(0, None, &path, &subject);
    let told = table.explain(0, None, &path, &subject);
    assert_eq!(told.len(), routes.len());
    let best = told.iter().filter(|each| matches!(each.outcome, Outcome::Chosen | Outcome::LessSpecific));
    let best = best.map(|each| strength(&routes[index(each.route)])).max();
    let chosen = told.iter().find(|each| each.outcome == Outcome::Chosen).map(|each| each.route);
    for Considered { route, outcome } in &told {
        let chosen = chosen.map(|chosen| &routes[index(chosen)]);
        assert!(!why(*outcome, &routes[index(*route)], chosen, &path.matched, &subject).is_empty());
    }
    let of = |choice: Choice, routes: &[Route]| match choice {
        Choice::Route(id) => Some(strength(&routes[index(id)])),
        Choice::Nothing => None,
        Choice::Ambiguous(_) => best, // another reader of the path would choose another
    };
    assert!(
        matches!(choice, Choice::Ambiguous(_))
            || matches!(choice, Choice::Route(id) if Some(id) == chosen)
            || (choice == Choice::Nothing && chosen.is_none())
    );
    assert_eq!(of(choice, &routes), best);
    routes.reverse();
    let table = Table::build(&routes, 1, &sets()).expect("it was built before");
    assert_eq!(of(table.choose(0, None, &path, &subject), &routes), best);
});

fn index(id: RouteId) -> usize {
    id.0 as usize
}

/// How specific it is, as the contract has it.
fn strength(route: &Route) -> (bool, usize, usize, bool, bool) {
    let only = route.only.as_deref().expect("each has some");
    (!only.methods.is_empty(), only.headers.len(), only.query.len(), !only.from.is_empty(), only.when.is_some())
}

fn route(only: Conditions) -> Route {
    Route {
        name: "r".into(),
        place: "c.yaml:1:1".into(),
        listeners: vec![0],
        host: None,
        path: None,
        only: Some(Box::new(only)),
        priority: 0,
        timeouts: RouteTimeouts { response_ms: 0, idle_ms: 0 },
        filters: Vec::new(),
        retry: None,
        mirror: None,
        to: Target::Upstream(0),
    }
}
