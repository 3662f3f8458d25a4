//! What a connection costs while nobody asks anything of it: thousands of them wait at any moment. What a lane does is
//! told by `tests/transcripts`.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::failure::Failure;
use crate::snapshot::compiled::Compiled;

/// Most bytes of a lane that waits; 160 of them are the two addresses and their texts.
const MOST: usize = 256;

/// Most bytes of an exchange, which only a lane under way has.
const MOST_OF_AN_EXCHANGE: usize = 2048;

#[test]
fn a_lane_that_waits_is_small() {
    assert!(size_of::<Lane>() <= MOST, "a lane has {} bytes", size_of::<Lane>());
}

/// Shelves keep a few dozen per thread; what only a few exchanges need is in boxes of their own.
#[test]
fn an_exchange_has_a_bound() {
    assert!(size_of::<Exchange>() <= MOST_OF_AN_EXCHANGE, "an exchange has {} bytes", size_of::<Exchange>());
}

#[test]
fn a_lane_that_waits_owns_neither_a_buffer_nor_an_exchange() {
    let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
    let serving = Rc::new(Serving::new(Arc::new(compiled()), None, &mut dice));
    let mut lane = Lane::new(Peer::new(None, None), false, Moment::default());
    let mut next = |lane: &mut Lane, shelf: &mut Shelf, event| lane.next(event, &mut turn(&mut dice, shelf, &serving));

    assert!(matches!(next(&mut lane, &mut shelf, Event::Accepted), Act::Wait(_)));
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    lane.room(Side::Downstream, &mut shelf)[..request.len()].copy_from_slice(request);
    assert!(matches!(next(&mut lane, &mut shelf, Event::Read(Side::Downstream, request.len())), Act::Wait(_)));
    let answer = lane.waiting(Side::Downstream).concat().len();
    assert!(matches!(next(&mut lane, &mut shelf, Event::Wrote(Side::Downstream, answer)), Act::Report));
    assert!(matches!(next(&mut lane, &mut shelf, Event::Done), Act::Wait(_)));
    // The engine looks whether more has come, and nothing has.
    assert!(!lane.room(Side::Downstream, &mut shelf).is_empty());
    lane.rest(Side::Downstream, &mut shelf);

    assert_eq!(lane.phase, Phase::Idle);
    assert!(lane.exchange.is_none());
    assert_eq!(lane.input.capacity(), 0);
}

#[test]
fn every_failure_that_is_answered_has_its_kind_and_no_reason() {
    let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
    let serving = Rc::new(Serving::new(Arc::new(compiled()), None, &mut dice));
    let turn = turn(&mut dice, &mut shelf, &serving);
    let peer = Peer::new(None, None);
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.status() != 0) {
        let mut exchange = Exchange::default();
        let failure = Failure::new(kind, Stage::Exchange, "10.1.2.3:80 of upstream secret-name");
        own::answer_failure(&mut exchange, failure, &peer, &turn);
        let answer = String::from_utf8(exchange.down.bytes.clone()).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with(&format!("HTTP/1.1 {} ", kind.status())), "{head}");
        assert!(!head.starts_with(&format!("HTTP/1.1 {} \r\n", kind.status())), "{} has a phrase", kind.status());
        let (error, name) = (kind.proxy_status(), kind.name());
        let field = format!("\r\nproxy-status: tidegate; error={error}; details=\"{name}\"\r\n");
        assert!(head.contains(&field), "{head}");
        assert!(body.starts_with(&format!("{name}: ")), "{body}");
        assert!(!answer.contains("10.1.2.3") && !answer.contains("secret-name"), "{answer}");
        assert_eq!(exchange.failure.map(|failure| failure.kind), Some(kind));
    }
}

pub(super) fn turn<'a>(dice: &'a mut Dice, shelf: &'a mut Shelf, serving: &'a Rc<Serving>) -> Turn<'a> {
    Turn {
        now: Moment::default(),
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        dice,
        shelf,
        serving,
        listener: 0,
        leave_at: Moment::NEVER,
        leaving: false,
        ready: true,
        crowded: false,
    }
}

fn compiled() -> Compiled {
    Compiled::build(serde_json::from_value(document()).unwrap(), None).unwrap()
}

/// One listener, and one route that answers without an endpoint.
pub(crate) fn document() -> serde_json::Value {
    json!({
        "format": 1, "number": 1, "source": "test", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"},
        "listeners": [{
            "name": "web", "kind": "http", "binds": [], "forwarded": {"from": [], "field": "x-forwarded-for"},
            "proxy_protocol": false, "keep_underscores": false, "resolve_dot_segments": false,
            "timeouts": {"header_ms": 1, "idle_ms": 1, "tunnel_ms": 1, "max_age_ms": 0},
            "limits": {
                "header_bytes": 0, "headers": 0, "request_line": 0, "trailer_bytes": 0, "chunk_extension_bytes": 0,
                "body_bytes": 0, "body_rate": 0, "connections": 0, "connections_per_client": 0,
            },
            "error_pages": [],
        }],
        "routes": [{
            "name": "all", "place": "", "listeners": [0], "host": null, "path": null, "priority": 0,
            "timeouts": {"response_ms": 0, "idle_ms": 0}, "filters": [],
            "to": {"respond": {"status": 200, "body": ""}},
        }],
        "upstreams": [],
    })
}
