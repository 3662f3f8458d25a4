//! What connections and sessions tell of their endpoints.

use std::time::Duration;

use serde_json::{Value, json};

use super::session_tests;
use super::tests::{Life, document};
use super::{Act, Event, Relay};
use crate::balance::standing::Outlier;
use crate::failure::Kind;
use crate::filter::forwarded::Peer;
use crate::lane::Side::{Downstream, Upstream};

const SECOND: Duration = Duration::from_secs(1);

/// An upstream that ejects after three in a row.
fn strict(mut document: Value) -> Value {
    document["upstreams"][0]["outlier"] = json!({
        "server_errors": 0, "gateway_errors": 0, "broken": 3, "interval_ms": 10_000, "ejection_time_ms": 30_000,
        "most_ejection_time_ms": 90_000, "most_ejected": 50,
        "success_rate": {"deviations": 0.0, "endpoints": 5, "requests": 100},
        "latency": {"factor": 0.0, "least_ms": 20, "endpoints": 3, "requests": 20},
    });
    document
}

impl Life {
    /// A connection of another client with this address; whether the endpoint that it led to was well.
    fn another(&mut self, client: &str, moved: (u64, u64), events: &[Event]) -> Option<bool> {
        let peer = Peer::new(client.parse().ok(), "192.0.2.1:5432".parse().ok());
        self.relay = Relay::new(peer, false, self.now);
        assert!(matches!(self.next(Event::Accepted), Act::Lease(_)));
        self.next(Event::Leased);
        self.relay.has_moved(moved);
        for event in events {
            self.next(*event);
        }
        self.relay.known().is_served
    }

    fn why_not(&self, at: usize) -> String {
        self.serving.compiled.upstreams[0].endpoints[at].standing.why_not(self.now).unwrap_or_default()
    }
}

#[test]
fn a_byte_of_an_endpoint_speaks_for_it_and_an_end_before_that_against_it() {
    use Event::{Broke, Done, Ended, Late};
    let mut life = Life::of(document(1, false));
    for (sent, came, events, is_served) in [
        (0, 0, &[Broke(Upstream)][..], Some(false)),
        (5, 0, &[Broke(Upstream)], Some(false)),
        (5, 0, &[Ended(Upstream)], Some(false)),
        (0, 0, &[Ended(Upstream)], None), // nobody has asked it anything
        (5, 0, &[Ended(Downstream), Ended(Upstream)], Some(true)),
        (5, 0, &[Ended(Downstream), Broke(Upstream)], Some(false)),
        (5, 3, &[Done], Some(true)),
        (5, 3, &[Broke(Upstream)], Some(true)),
        (5, 0, &[Broke(Downstream)], None),
        (5, 0, &[Late], None),
    ] {
        assert_eq!(life.another("192.0.2.9:1", (sent, came), events), is_served, "{sent} {came} {events:?}");
    }
}

#[test]
fn endpoints_that_reset_in_a_row_are_ejected_and_a_byte_between_speaks_for_them() {
    let mut life = Life::of(strict(document(1, false)));
    let reset = [Event::Broke(Upstream)];
    for client in ["192.0.2.1:1", "192.0.2.2:1"] {
        life.another(client, (0, 0), &reset);
    }
    life.another("192.0.2.3:1", (0, 9), &[Event::Done]);
    for client in ["192.0.2.4:1", "192.0.2.5:1"] {
        life.another(client, (0, 0), &reset);
    }
    assert_eq!(life.why_not(0), "");
    life.another("192.0.2.6:1", (0, 0), &reset);
    let says =
        "3 requests in a row got no whole answer: the endpoint reset the connection before it answered; for 30 s";
    assert_eq!(life.why_not(0), format!("is ejected for 0 ms: {says}"));
}

#[test]
fn one_client_that_makes_every_endpoint_hang_up_takes_none_out() {
    let mut life = Life::of(strict(document(2, false)));
    for _ in 0..20 {
        life.another("192.0.2.9:1", (5, 0), &[Event::Ended(Upstream)]);
    }
    assert_eq!((life.why_not(0), life.why_not(1)), (String::new(), String::new()));
}

#[test]
fn a_first_byte_is_told_only_where_somebody_judges_by_it() {
    for (document, listens) in [(document(1, false), false), (strict(document(1, false)), true)] {
        let mut life = Life::of(document);
        life.another("192.0.2.9:1", (0, 0), &[]);
        assert_eq!(life.relay.listens(), listens);
        life.relay.has_moved((0, 1));
        life.next(Event::Done);
        assert!(!life.relay.listens());
    }
}

#[test]
fn an_endpoint_on_trial_that_cannot_be_reached_is_out_for_longer() {
    let mut life = Life::of(strict(document(1, false)));
    let standing = std::sync::Arc::clone(&life.serving.compiled.upstreams[0].endpoints[0].standing);
    standing.eject(life.now, life.now.after(SECOND), &"a test");
    life.now = life.now.after(SECOND);
    assert_eq!(standing.at(life.now).outlier, Outlier::Trial);
    life.next(Event::Accepted);
    life.next(Event::LeaseFailed(Kind::ConnectRefused));
    assert!(life.why_not(0).contains("a request on trial went wrong: the endpoint refused the connection; for 30 s"));
}

#[test]
fn a_session_without_the_answer_that_is_expected_is_held_against_its_endpoint() {
    let silent = |responses: u64| {
        let udp = json!({"responses": responses, "requests": 0});
        let mut life = session_tests::Life::of(strict(session_tests::document(&["10.0.0.1:53"], udp)));
        life.passes();
        let now = life.now;
        life.session().expire(now);
        life.session().known().is_served
    };
    assert_eq!((silent(1), silent(0)), (Some(false), None));
    let mut life = session_tests::Life::of(strict(session_tests::document(&["10.0.0.1:53"], json!(null))));
    life.passes();
    life.answered();
    assert_eq!(life.session().known().is_served, Some(true));
}
