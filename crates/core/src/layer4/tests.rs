//! Lives of relays: what happened, and what was then to be done.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Act, Event, Relay};
use crate::balance::standing::Outlier;
use crate::dice::Dice;
use crate::failure::{Kind, Stage};
use crate::filter::forwarded::Peer;
use crate::lane::buffer::Shelf;
use crate::lane::{Close, Serving, Side, Turn};
use crate::moment::Moment;
use crate::snapshot::compiled::Compiled;

/// One relay on the first listener of a snapshot.
pub(super) struct Life {
    pub(super) serving: Rc<Serving>,
    pub(super) relay: Relay,
    dice: Dice,
    shelf: Shelf,
    pub(super) now: Moment,
    crowded: bool,
}

impl Life {
    fn new(endpoints: usize, proxied: bool) -> Self {
        Self::of(document(endpoints, proxied))
    }

    pub(super) fn of(document: Value) -> Self {
        let proxied = document["listeners"][0]["proxy_protocol"] == json!(true);
        let compiled = Compiled::build(serde_json::from_value(document).unwrap(), None).unwrap();
        let mut dice = Dice::seeded(1);
        let serving = Rc::new(Serving::new(Arc::new(compiled), None, &mut dice));
        let now = Moment::from_nanos(1_000_000_000);
        let peer = Peer::new("192.0.2.9:4711".parse().ok(), "192.0.2.1:5432".parse().ok());
        Self { serving, relay: Relay::new(peer, proxied, now), dice, shelf: Shelf::new(), now, crowded: false }
    }

    pub(super) fn next(&mut self, event: Event) -> Act {
        let turn = &mut Turn {
            now: self.now,
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            dice: &mut self.dice,
            shelf: &mut self.shelf,
            serving: &self.serving,
            listener: 0,
            leave_at: Moment::NEVER,
            leaving: false,
            ready: true,
            crowded: self.crowded,
        };
        self.relay.next(event, turn)
    }

    fn sends(&mut self, bytes: &[u8]) -> Act {
        self.relay.room(&mut self.shelf)[..bytes.len()].copy_from_slice(bytes);
        self.next(Event::Read(bytes.len()))
    }

    /// The endpoint that a connection is asked for to.
    fn leased(&self, act: Act) -> u32 {
        let Act::Lease(chosen) = act else { panic!("{act:?}, {:?}", self.relay.known().failure) };
        chosen.endpoint
    }

    fn failure(&self) -> Option<Kind> {
        self.relay.known().failure.as_ref().map(|failure| failure.kind)
    }
}

/// A listener of layer 4 that leads to `endpoints` endpoints.
pub(super) fn document(endpoints: usize, proxied: bool) -> Value {
    let mut document = crate::lane::tests::document();
    document["routes"] = json!([]);
    document["listeners"][0]["kind"] = json!("tcp");
    document["listeners"][0]["proxy_protocol"] = json!(proxied);
    document["listeners"][0]["layer4"] = json!({"idle_ms": 1000, "to": {"upstream": 0}, "routes": []});
    let endpoint =
        |at| json!({"address": format!("10.0.0.{at}:5432"), "entry": format!("10.0.0.{at}:5432"), "weight": 1});
    document["upstreams"] = json!([{
        "name": "db", "balance": "round_robin", "unresolved": [], "proxy_protocol": "v1",
        "endpoints": (0..endpoints).map(endpoint).collect::<Vec<_>>(),
        "pool": {"idle_ms": 0, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
    }]);
    document
}

#[test]
fn bytes_are_carried_until_both_sides_have_ended_and_each_is_told_of_the_other() {
    let mut life = Life::new(1, false);
    let act = life.next(Event::Accepted);
    assert_eq!(life.leased(act), 0);
    assert_eq!(life.next(Event::Leased), Act::Carry);
    let (header, rest) = life.relay.opening();
    assert_eq!(header, b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 5432\r\n");
    assert_eq!(rest.capacity(), 0);
    assert_eq!(life.next(Event::Ended(Side::Downstream)), Act::Shut(Side::Upstream));
    assert_eq!(life.next(Event::Done), Act::Carry);
    assert_eq!(life.next(Event::Ended(Side::Upstream)), Act::Shut(Side::Downstream));
    assert_eq!(life.next(Event::Done), Act::Close(Close::Now));
    assert_eq!(life.failure(), None);
}

#[test]
fn no_more_than_three_endpoints_are_tried_none_twice_and_each_is_passed_over() {
    let mut life = Life::new(4, false);
    let mut act = life.next(Event::Accepted);
    let mut tried = Vec::new();
    while let Act::Lease(chosen) = act {
        tried.push(chosen.endpoint);
        act = life.next(Event::LeaseFailed(Kind::ConnectRefused));
    }
    assert_eq!(act, Act::Close(Close::Reset));
    assert_eq!(life.failure(), Some(Kind::ConnectRefused));
    assert_eq!(life.relay.known().attempts, 3);
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(tried.len(), 3, "{tried:?}");
    let endpoints = &life.serving.compiled.upstreams[0].endpoints;
    let out = endpoints.iter().filter(|endpoint| endpoint.standing.at(life.now).outlier == Outlier::Out).count();
    assert_eq!(out, 3);
}

#[test]
fn a_lack_of_our_own_blames_no_endpoint() {
    let mut life = Life::new(2, false);
    life.next(Event::Accepted);
    assert_eq!(life.next(Event::LeaseFailed(Kind::QueueFull)), Act::Close(Close::Reset));
    let endpoints = &life.serving.compiled.upstreams[0].endpoints;
    assert!(endpoints.iter().all(|endpoint| endpoint.standing.at(life.now).outlier == Outlier::In));
}

#[test]
fn a_client_that_leaves_while_it_waits_for_an_endpoint_blames_none() {
    let mut life = Life::new(2, false);
    life.next(Event::Accepted);
    assert_eq!(life.next(Event::Left), Act::Close(Close::Reset));
    let failure = life.relay.known().failure.as_ref().map(|failure| (failure.kind, failure.stage));
    assert_eq!(failure, Some((Kind::ClientGone, Stage::Connect)));
    let endpoints = &life.serving.compiled.upstreams[0].endpoints;
    assert!(endpoints.iter().all(|endpoint| endpoint.standing.at(life.now).outlier == Outlier::In));
}

#[test]
fn an_endpoint_that_has_room_sooner_takes_the_place_of_the_chosen_one() {
    let mut life = Life::new(2, false);
    let act = life.next(Event::Accepted);
    let first = life.leased(act);
    let ids = life.relay.acceptable(life.now);
    let act = life.next(Event::Moved(ids[1]));
    assert_ne!(life.leased(act), first);
    let endpoint = life.relay.known().endpoint.as_ref().map(|endpoint| endpoint.id);
    assert_eq!((endpoint, life.relay.known().attempts), (Some(ids[1]), 1));
}

#[test]
fn a_header_tells_the_client_and_what_follows_it_is_the_endpoints() {
    let mut life = Life::new(1, true);
    assert!(matches!(life.next(Event::Accepted), Act::Read(_)));
    assert!(matches!(life.sends(b"PROXY TCP4 198.51.100.7 "), Act::Read(_)));
    assert_eq!(life.sends(b"192.0.2.1 4711 5432\r\nhello"), Act::Meet);
    assert!(matches!(life.next(Event::Done), Act::Lease(_)));
    life.next(Event::Leased);
    let (header, rest) = life.relay.opening();
    assert_eq!(header, b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 5432\r\n");
    assert_eq!(rest.filled(), b"hello");
}

#[test]
fn a_header_that_is_none_or_does_not_come_closes_the_connection() {
    let late: fn(&mut Life) -> Act = |life| life.next(Event::Late);
    let ended: fn(&mut Life) -> Act = |life| life.next(Event::Read(0));
    let wrong: fn(&mut Life) -> Act = |life| life.sends(b"GET / HTTP/1.1");
    for happens in [late, ended, wrong] {
        let mut life = Life::new(1, true);
        life.next(Event::Accepted);
        assert_eq!(happens(&mut life), Act::Close(Close::Now));
        assert_eq!(life.failure(), Some(Kind::InvalidProxyProtocol));
    }
}

#[test]
fn what_breaks_is_told_as_broken_and_idleness_as_an_end() {
    for (event, how, kind) in [
        (Event::Broke(Side::Downstream), Close::Reset, Kind::ClientGone),
        (Event::Broke(Side::Upstream), Close::Reset, Kind::UpstreamReset),
        (Event::Late, Close::Now, Kind::ConnectionIdle),
    ] {
        let mut life = Life::new(1, false);
        life.next(Event::Accepted);
        life.next(Event::Leased);
        assert_eq!(life.next(event), Act::Close(how));
        assert_eq!(life.failure(), Some(kind));
    }
}

#[test]
fn a_client_with_too_many_connections_and_an_upstream_without_endpoints_lead_nowhere() {
    let mut crowded = Life::new(1, false);
    crowded.crowded = true;
    assert_eq!(crowded.next(Event::Accepted), Act::Close(Close::Reset));
    assert_eq!(crowded.failure(), Some(Kind::TooManyConnections));
    let mut empty = Life::new(0, false);
    assert_eq!(empty.next(Event::Accepted), Act::Close(Close::Reset));
    assert_eq!(empty.failure(), Some(Kind::NothingEligible));
}

/// A listener that sends names below `db.test` to the second upstream, and all else to the first, where that is allowed.
fn by_name(with_default: bool) -> Life {
    let mut document = document(1, false);
    let other = document["upstreams"][0].clone();
    document["upstreams"].as_array_mut().unwrap().push(other);
    document["upstreams"][1]["name"] = json!("other");
    let route = json!({"name": "named", "sni": ["*.db.test"], "alpn": [], "to": {"upstream": 1}});
    let to = if with_default { json!({"upstream": 0}) } else { json!(null) };
    document["listeners"][0]["layer4"] = json!({"idle_ms": 1000, "to": to, "routes": [route]});
    Life::of(document)
}

/// The ClientHello of a client that asks for a.db.test, in a record of its own.
fn client_hello() -> Vec<u8> {
    let name = b"\0\0\0\x0e\0\x0c\0\0\x09a.db.test";
    let body = [&[3, 3][..], &[0; 32], b"\0\0\x02\x13\x01\x01\0\0\x12", name].concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    [&[0x16, 3, 1, 0, message.len() as u8][..], &message].concat()
}

#[test]
fn a_client_hello_chooses_the_route_and_goes_on_as_it_came() {
    let (mut life, hello) = (by_name(true), client_hello());
    assert!(matches!(life.next(Event::Accepted), Act::Read(_)));
    assert!(matches!(life.sends(&hello[..20]), Act::Read(_)));
    let act = life.sends(&hello[20..]);
    life.leased(act);
    assert_eq!(life.relay.known().upstream.as_ref().map(|upstream| upstream.name.as_str()), Some("other"));
    assert_eq!(
        (&*life.relay.known().server_name, life.relay.known().route.as_deref()),
        (&b"a.db.test"[..], Some("named"))
    );
    life.next(Event::Leased);
    assert_eq!(life.relay.opening().1.filled(), hello);
}

#[test]
fn what_is_no_tls_takes_no_route() {
    let ends: fn(&mut Life) -> Act = |life| life.next(Event::Read(0));
    let speaks: fn(&mut Life) -> Act = |life| life.sends(b"SSH-2.0");
    for happens in [ends, speaks] {
        let mut life = by_name(true);
        life.next(Event::Accepted);
        let act = happens(&mut life);
        life.leased(act);
        assert_eq!(life.relay.known().route, None);
        let mut life = by_name(false);
        life.next(Event::Accepted);
        assert_eq!(happens(&mut life), Act::Close(Close::Reset));
        assert_eq!(life.failure(), Some(Kind::NoRoute));
    }
}

#[test]
fn a_client_hello_that_is_wrong_or_late_is_refused_whatever_else_there_is() {
    let late: fn(&mut Life) -> Act = |life| life.next(Event::Late);
    let wrong: fn(&mut Life) -> Act = |life| life.sends(b"\x16\x03\x01\0\0");
    for (happens, kind) in [(late, Kind::HeadTimeout), (wrong, Kind::InvalidHello)] {
        let mut life = by_name(true);
        life.next(Event::Accepted);
        assert_eq!(happens(&mut life), Act::Close(Close::Reset));
        assert_eq!(life.failure(), Some(kind));
    }
}
