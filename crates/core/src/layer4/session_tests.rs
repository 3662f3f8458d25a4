//! Lives of sessions: a datagram comes, and where it then goes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answered, Dropped, Session, Verdict};
use crate::balance::standing::{CheckedEvent, Outlier};
use crate::dice::Dice;
use crate::failure::Kind;
use crate::filter::forwarded::Peer;
use crate::lane::buffer::Shelf;
use crate::lane::{Serving, Turn};
use crate::moment::Moment;
use crate::snapshot::compiled::Compiled;

/// One session on the first listener of a snapshot.
pub(super) struct Life {
    pub(super) serving: Rc<Serving>,
    session: Option<Session>,
    dice: Dice,
    shelf: Shelf,
    pub(super) now: Moment,
}

impl Life {
    fn new(endpoints: &[&str], udp: Value) -> Self {
        Self::of(document(endpoints, udp))
    }

    pub(super) fn of(document: Value) -> Self {
        let mut dice = Dice::seeded(1);
        let compiled = Compiled::build(serde_json::from_value(document).unwrap(), None).unwrap();
        let serving = Rc::new(Serving::new(Arc::new(compiled), None, &mut dice));
        let now = Moment::from_nanos(1_000_000_000);
        let mut life = Self { serving, session: None, dice, shelf: Shelf::new(), now };
        let peer = Peer::new("192.0.2.9:4711".parse().ok(), "192.0.2.1:53".parse().ok());
        life.session = Some(life.turn(|_, turn| Session::new(peer, turn)));
        life
    }

    fn turn<T>(&mut self, look: impl FnOnce(&mut Option<Session>, &mut Turn<'_>) -> T) -> T {
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
            crowded: false,
        };
        look(&mut self.session, turn)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        self.session.as_mut().unwrap()
    }

    fn datagram(&mut self) -> Verdict {
        self.turn(|session, turn| session.as_mut().unwrap().datagram(turn))
    }

    /// A datagram that is passed on, over a new socket if that is asked for. The endpoint's address.
    pub(super) fn passes(&mut self) -> String {
        if let Verdict::Connect(_) = self.datagram() {
            self.session().connected();
        }
        let now = self.now;
        self.session().sent(5, now);
        self.endpoint()
    }

    fn connect_failed(&mut self, kind: Kind) -> Verdict {
        self.turn(|session, turn| session.as_mut().unwrap().connect_failed(kind, turn))
    }

    pub(super) fn answered(&mut self) -> Answered {
        let now = self.now;
        self.session().answered(7, true, now)
    }

    fn endpoint(&mut self) -> String {
        self.session().known().endpoint.as_ref().unwrap().address.clone()
    }

    fn failure(&mut self) -> Option<Kind> {
        self.session().known().failure.as_ref().map(|failure| failure.kind)
    }

    /// A reload.
    fn follows(&mut self, endpoints: &[&str]) {
        let document = serde_json::from_value(document(endpoints, json!(null))).unwrap();
        let compiled = Arc::new(Compiled::build(document, Some(&self.serving.compiled)).unwrap());
        self.serving = Rc::new(Serving::new(compiled, Some(&self.serving), &mut self.dice));
    }

    fn later(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
    }
}

pub(super) fn document(endpoints: &[&str], udp: Value) -> Value {
    let mut document = crate::lane::tests::document();
    document["routes"] = json!([]);
    document["listeners"][0]["kind"] = json!("udp");
    document["listeners"][0]["layer4"] = json!({"idle_ms": 1000, "to": {"upstream": 0}, "routes": [], "udp": udp});
    let endpoint = |address: &&str| json!({"address": address, "entry": address, "weight": 1});
    document["upstreams"] = json!([{
        "name": "dns", "balance": "round_robin", "unresolved": [], "proxy_protocol": "off",
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "pool": {"idle_ms": 0, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
    }]);
    document
}

const A: &str = "10.0.0.1:53";
const B: &str = "10.0.0.2:53";
const C: &str = "10.0.0.3:53";

#[test]
fn a_session_stays_with_its_endpoint_and_loads_it_once() {
    let mut life = Life::new(&[A, B], json!(null));
    assert_eq!((life.passes(), life.passes(), life.passes()), (A.into(), A.into(), A.into()));
    let load = Arc::clone(&life.session().known().endpoint.as_ref().unwrap().load);
    assert_eq!(load.outstanding(), 1);
    assert_eq!(life.session().known().attempts, 1);
    life.session = None;
    assert_eq!(load.outstanding(), 0);
}

#[test]
fn word_that_nobody_listens_moves_the_next_datagram_and_passes_the_endpoint_over() {
    let mut life = Life::new(&[A, B], json!(null));
    assert_eq!(life.passes(), A);
    let now = life.now;
    life.session().refused(Kind::ConnectRefused, now);
    assert_eq!(life.failure(), Some(Kind::ConnectRefused));
    let standing = Arc::clone(&life.session().known().endpoint.as_ref().unwrap().standing);
    assert_eq!(standing.at(now).outlier, Outlier::Out);
    assert_eq!(life.passes(), B);
    assert_eq!((life.failure(), life.session().known().attempts), (None, 2));
    life.later(11_000);
    assert_eq!(life.passes(), B, "it does not go back");
}

#[test]
fn no_more_than_three_endpoints_are_tried_for_a_datagram() {
    let mut life = Life::new(&[A, B, C, "10.0.0.4:53"], json!(null));
    let mut asked = Vec::new();
    let mut verdict = life.datagram();
    while let Verdict::Connect(_) = verdict {
        asked.push(life.endpoint());
        verdict = life.connect_failed(Kind::ConnectFailed);
    }
    assert_eq!((asked.len(), verdict), (3, Verdict::End(Dropped::NoEndpoint)));
    asked.dedup();
    assert_eq!((asked.len(), life.failure()), (3, Some(Kind::ConnectFailed)));
}

#[test]
fn a_lack_of_our_own_is_no_reason_to_ask_another() {
    let mut life = Life::new(&[A, B], json!(null));
    assert!(matches!(life.datagram(), Verdict::Connect(_)));
    assert_eq!(life.connect_failed(Kind::OutOfSockets), Verdict::End(Dropped::NoEndpoint));
    assert_eq!(life.failure(), Some(Kind::OutOfSockets));
}

#[test]
fn an_endpoint_that_checks_find_down_is_left_where_there_is_another() {
    for (endpoints, expected) in [(&[A, B][..], B), (&[A][..], A)] {
        let mut life = Life::new(endpoints, json!(null));
        assert_eq!(life.passes(), A);
        let standing = Arc::clone(&life.session().known().endpoint.as_ref().unwrap().standing);
        standing.check(CheckedEvent::Fell, life.now, &"3 checks failed");
        assert_eq!(life.passes(), expected);
        assert_eq!(life.failure(), None);
    }
}

#[test]
fn sessions_follow_a_reload_only_where_it_takes_their_endpoint_away() {
    let mut life = Life::new(&[A, B], json!(null));
    assert_eq!(life.passes(), A);
    life.follows(&[C, B, A]);
    assert_eq!((life.passes(), life.passes()), (A.into(), A.into()));
    life.follows(&[C]);
    assert_eq!(life.passes(), C);
}

#[test]
fn a_session_is_over_once_each_datagram_has_the_answers_that_are_expected() {
    let mut life = Life::new(&[A], json!({"responses": 2, "requests": 0}));
    life.passes();
    life.later(30);
    assert_eq!(life.answered(), Answered { took: Some(Duration::from_millis(30)), is_last: false });
    life.passes();
    let last = [life.answered(), life.answered(), life.answered()].map(|answered| answered.is_last);
    assert_eq!(last, [false, false, true]);
    let passed = life.session().passed();
    assert_eq!((passed.datagrams_in, passed.bytes_in, passed.datagrams_out, passed.bytes_out), (2, 10, 4, 28));
}

#[test]
fn without_a_number_of_answers_no_answer_is_the_last_and_one_that_was_lost_does_not_count() {
    let mut life = Life::new(&[A], json!(null));
    life.passes();
    assert!((0..100).all(|_| !life.answered().is_last));
    let mut life = Life::new(&[A], json!({"responses": 1, "requests": 0}));
    life.passes();
    let now = life.now;
    assert!(!life.session().answered(7, false, now).is_last);
    assert!(life.answered().is_last);
}

#[test]
fn a_session_takes_as_many_datagrams_as_it_may() {
    let mut life = Life::new(&[A], json!({"responses": 0, "requests": 2}));
    life.passes();
    assert!(!life.session().is_full());
    life.passes();
    assert!(life.session().is_full());
}

#[test]
fn without_an_endpoint_it_says_why() {
    let mut life = Life::new(&[], json!(null));
    assert_eq!(life.datagram(), Verdict::End(Dropped::NoEndpoint));
    assert_eq!(life.failure(), Some(Kind::NothingEligible));
}
