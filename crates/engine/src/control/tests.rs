//! The protocol over real socket pairs. What a peer does wrong is answered or ends its connection, and disturbs nothing.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_core::snapshot::document;

use super::desk::Desk;
use super::machine::{Beat, Machine};
use super::{frame, serve};

/// Keeps what it is told; serves nobody.
#[derive(Default)]
struct Tiny {
    sockets: Mutex<Vec<(u32, String, OwnedFd)>>,
    told: Mutex<Vec<String>>,
    number: Mutex<Option<u64>>,
}

impl Tiny {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().expect("told").push(what.into());
    }
}

impl Machine for Tiny {
    fn add_sockets(&self, sockets: Vec<(u32, String, OwnedFd)>) {
        self.sockets.lock().expect("sockets").extend(sockets);
    }

    fn sockets(&self) -> Vec<(u32, String, OwnedFd)> {
        let sockets = self.sockets.lock().expect("sockets");
        sockets.iter().map(|(id, at, fd)| (*id, at.clone(), fd.try_clone().expect("a duplicate"))).collect()
    }

    fn keep_secrets(&self, secrets: HashMap<String, String>) {
        self.tell(format!("{} secrets", secrets.len()));
    }

    fn keep_database(&self, digest: String, _file: OwnedFd) -> Result<(), String> {
        self.tell(format!("database {digest}"));
        Ok(())
    }

    fn keep_sets(&self, sets: HashMap<String, String>) -> Result<(), String> {
        self.tell(format!("{} sets", sets.len()));
        Ok(())
    }

    fn apply(&self, document: document::Document) -> Result<(), String> {
        match document.number {
            13 => Err("13 is not served".to_owned()),
            14 => panic!("14 is worse"),
            number => {
                *self.number.lock().expect("number") = Some(number);
                Ok(())
            }
        }
    }

    fn change_upstream(&self, upstream: document::Upstream) -> Result<(), String> {
        self.tell(format!("upstream {} {:?}", upstream.name, upstream.endpoints));
        Ok(())
    }

    fn change_route(&self, route: &str, to: document::Target) -> Result<(), String> {
        self.tell(format!("route {route} {to:?}"));
        Ok(())
    }

    fn keep_challenges(&self, answers: HashMap<String, String>) -> Result<(), String> {
        self.tell(format!("{} challenges", answers.len()));
        Ok(())
    }

    fn keep_providers(&self, good: HashMap<String, f64>) {
        self.tell(format!("providers {good:?}"));
    }

    fn targets(&self, route: &str) -> Value {
        json!({"items": [], "next": null, "route": route})
    }

    fn drain(&self, delay: Duration, timeout: Duration, succeeded: bool) {
        self.tell(format!("drain {delay:?} {timeout:?}{}", if succeeded { " succeeded" } else { "" }));
    }

    fn name_heir(&self, sockets: Option<[OwnedFd; 2]>) -> Result<(), String> {
        self.tell(format!("heir {}", sockets.is_some()));
        Ok(())
    }

    fn meet_elder(&self, _sockets: [OwnedFd; 2]) -> Result<(), String> {
        Err("it says nothing".to_owned())
    }

    fn reopen_logs(&self) {
        self.tell("reopen");
    }

    fn take_streams(&self, _stdout: OwnedFd, _stderr: OwnedFd) -> Result<(), String> {
        self.tell("streams");
        Ok(())
    }

    fn status(&self) -> Value {
        json!({"connections": 0})
    }

    fn upstreams(&self, first: usize, brief: bool) -> Value {
        json!({"items": [{"upstream": "api", "panic": false, "brief": brief}], "next": first + 1})
    }

    fn routes(&self, first: usize) -> Value {
        json!({"items": [], "next": null, "first": first})
    }

    fn snapshot_number(&self) -> Option<u64> {
        *self.number.lock().expect("number")
    }

    fn wait_drained(&self) {}

    fn beats(&self) -> Option<Vec<Beat>> {
        None
    }

    fn warn(&self, says: &str) {
        self.tell(says);
    }

    fn last_words(&self, says: &str) {
        self.tell(says);
    }
}

/// A worker's desk, and a way to reach it.
struct Worker {
    tiny: Arc<Tiny>,
    desk: Arc<Desk>,
}

impl Worker {
    fn new() -> Self {
        let tiny = Arc::new(Tiny::default());
        let desk = Arc::new(Desk::new(Arc::clone(&tiny) as Arc<dyn Machine>));
        Self { tiny, desk }
    }

    fn connect(&self) -> Peer {
        let (here, there) = UnixStream::pair().expect("a socket pair");
        here.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        let desk = Arc::clone(&self.desk);
        std::thread::spawn(move || serve::talk(&there, &desk));
        Peer { stream: here }
    }

    /// A supervisor of the same generation as one that just left: the worker may not have noticed yet.
    fn heir(&self, generation: u64) -> Peer {
        loop {
            let peer = self.connect();
            if peer.ask(&hello(generation))["ok"] == json!(true) {
                return peer;
            }
        }
    }

    fn supervisor(&self, generation: u64) -> Peer {
        let peer = self.connect();
        let answer = peer.ask(&hello(generation));
        assert_eq!(answer["ok"], json!(true), "{answer}");
        peer
    }
}

struct Peer {
    stream: UnixStream,
}

impl Peer {
    fn send(&self, says: &Value, descriptors: &[BorrowedFd<'_>]) {
        frame::write(&self.stream, says.to_string().as_bytes(), descriptors).expect("sent");
    }

    fn raw(&self, bytes: &[u8]) {
        (&self.stream).write_all(bytes).expect("sent");
    }

    fn hear(&self) -> Value {
        let frame = frame::read(&self.stream, frame::MOST_FROM_WORKER).expect("a frame");
        serde_json::from_slice(&frame.body).expect("JSON")
    }

    fn ask(&self, says: &Value) -> Value {
        self.send(says, &[]);
        self.hear()
    }

    fn is_closed(&self) -> bool {
        frame::read(&self.stream, frame::MOST_FROM_WORKER).is_err()
    }

    fn is_well(&self) -> bool {
        self.ask(&json!({"kind": "status", "id": 99}))["status"]["connections"] == json!(0)
    }
}

fn hello(generation: u64) -> Value {
    json!({"kind": "hello", "id": 1, "protocol": 1, "generation": generation})
}

fn snapshot(number: u64) -> Value {
    json!({"kind": "snapshot", "id": number, "snapshot": {
        "format": 1, "number": number, "source": "test", "since": 0.0, "threads": 1, "connections": 0,
        "access_log": null, "log": {"level": "info", "format": "text"}, "listeners": [], "routes": [], "upstreams": []
    }})
}

#[test]
fn pages_of_upstreams_and_routes_are_answers() {
    let peer = Worker::new().connect();
    peer.ask(&hello(1));
    for (kind, brief) in [("upstreams", false), ("upstreams_in_brief", true)] {
        let answer = peer.ask(&json!({"kind": kind, "id": 7, "first": 3}));
        assert_eq!((&answer["ok"], &answer["next"]), (&json!(true), &json!(4)));
        assert_eq!(answer["items"][0]["brief"], brief);
    }
    assert_eq!(peer.ask(&json!({"kind": "routes", "id": 8, "first": 0}))["items"], json!([]));
}

#[test]
fn hello_tells_who_the_worker_is() {
    let answer = Worker::new().connect().ask(&hello(3));
    assert_eq!(answer["generation"], json!(3));
    assert_eq!(answer["pid"], json!(std::process::id()));
    assert_eq!((&answer["snapshot"], &answer["socket_ids"]), (&Value::Null, &json!([])));
}

#[test]
fn each_request_reaches_the_machine_and_is_answered_by_its_id() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    for (says, told) in [
        (json!({"kind": "secrets", "id": 4, "secrets": {"a": "b"}}), "1 secrets"),
        (json!({"kind": "sets", "id": 4, "sets": {"a": "10.0.0.0/8\n::1"}}), "1 sets"),
        (json!({"kind": "challenges", "id": 4, "answers": {"a": "a.b"}}), "1 challenges"),
        (json!({"kind": "reopen", "id": 5}), "reopen"),
        (json!({"kind": "drain", "id": 6, "delay_ms": 0, "timeout_ms": 25000}), "drain 0ns 25s"),
        (
            json!({"kind": "upstream", "id": 7, "upstream": {
                "name": "api", "balance": "round_robin", "endpoints": [], "unresolved": [], "proxy_protocol": "off",
                "pool": {"idle_ms": 0, "connections": 0, "queue": 0, "wait_ms": 0, "connect_ms": 1},
            }}),
            "upstream api []",
        ),
    ] {
        let answer = peer.ask(&says);
        assert_eq!((&answer["id"], &answer["ok"]), (&says["id"], &json!(true)), "{answer}");
        assert_eq!(worker.tiny.told.lock().expect("told").last().map(String::as_str), Some(told));
    }
}

#[test]
fn a_snapshot_that_is_not_served_changes_nothing_and_says_why() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    assert_eq!(peer.ask(&snapshot(1))["ok"], json!(true));
    assert_eq!(peer.ask(&snapshot(13))["error"], json!("13 is not served"));
    assert_eq!(peer.ask(&snapshot(14))["error"], json!("the worker made a mistake: its log says where"));
    let mut unknown = snapshot(2);
    unknown["snapshot"]["colour"] = json!("blue");
    let error = peer.ask(&unknown)["error"].to_string();
    assert!(error.contains("unknown field `colour`"), "{error}");
    assert_eq!(worker.tiny.snapshot_number(), Some(1));
    assert_eq!(peer.ask(&snapshot(2))["ok"], json!(true));
}

#[test]
fn sockets_go_in_and_come_out() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    let (one, two) = UnixStream::pair().expect("a socket pair");
    let named = json!([{"id": 7, "address": "a"}, {"id": 8, "address": "b"}]);
    peer.send(&json!({"kind": "sockets", "id": 2, "sockets": named}), &[one.as_fd(), two.as_fd()]);
    assert_eq!(peer.hear()["ok"], json!(true));
    drop(peer);
    let heir = worker.connect();
    assert_eq!(heir.ask(&hello(2))["socket_ids"], json!([7, 8]));
    heir.send(&json!({"kind": "give_sockets", "id": 3}), &[]);
    let frame = frame::read(&heir.stream, frame::MOST_FROM_WORKER).expect("a frame");
    let says: Value = serde_json::from_slice(&frame.body).expect("JSON");
    assert_eq!((&says["sockets"], frame.descriptors.len()), (&named, 2));
    assert_eq!(heir.hear()["count"], json!(2));
}

#[test]
fn sockets_without_their_descriptors_are_refused() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    let answer = peer.ask(&json!({"kind": "sockets", "id": 2, "sockets": [{"id": 7, "address": "a"}]}));
    assert_eq!(answer["error"], json!("1 sockets are named, 0 descriptors came"));
    assert!(peer.is_well());
}

#[test]
fn streams_are_two_descriptors() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    let (one, two) = UnixStream::pair().expect("a socket pair");
    peer.send(&json!({"kind": "streams", "id": 2}), &[one.as_fd()]);
    assert_eq!(peer.hear()["error"], json!("stdout and stderr are 2 descriptors, 1 came"));
    peer.send(&json!({"kind": "streams", "id": 3}), &[one.as_fd(), two.as_fd()]);
    assert_eq!(peer.hear()["ok"], json!(true));
    assert_eq!(worker.tiny.told.lock().expect("told").as_slice(), ["streams"]);
}

#[test]
fn a_database_is_one_descriptor() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    assert_eq!(
        peer.ask(&json!({"kind": "database", "id": 2, "digest": "d"}))["error"],
        json!("a database is 1 descriptor, 0 came")
    );
    let (one, _other) = UnixStream::pair().expect("a socket pair");
    peer.send(&json!({"kind": "database", "id": 3, "digest": "d"}), &[one.as_fd()]);
    assert_eq!(peer.hear()["ok"], json!(true));
    assert_eq!(worker.tiny.told.lock().expect("told").as_slice(), ["database d"]);
}

#[test]
fn what_is_no_frame_is_told_and_the_connection_closed() {
    let huge = u32::try_from(frame::MOST_FROM_SUPERVISOR + 1).expect("four bytes").to_be_bytes();
    for (bytes, says) in [
        (&[0_u8, 0, 0, 0][..], "a frame of 0 bytes"),
        (&huge[..], "a frame of 268435457 bytes"),
        (&b"GET / HTTP/1.1\r\n"[..], "a frame of 1195725856 bytes"),
        (&b"\0\0\0\x05hello"[..], "expected value"),
        (&b"\0\0\0\x01{"[..], "EOF"),
    ] {
        let worker = Worker::new();
        let stranger = worker.connect(); // before hello
        stranger.raw(bytes);
        let error = stranger.hear()["error"].to_string();
        assert!(error.contains(says), "{error}");
        assert!(stranger.is_closed());
        let peer = worker.supervisor(1); // and after
        peer.raw(bytes);
        let error = peer.hear()["error"].to_string();
        assert!(error.contains(says), "{error}");
        assert!(peer.is_closed());
        assert!(worker.supervisor(2).is_well());
    }
}

#[test]
fn what_is_a_frame_but_no_request_is_refused_and_the_connection_goes_on() {
    let worker = Worker::new();
    let peer = worker.supervisor(1);
    for (says, id, error) in [
        (json!({"kind": "dance", "id": 2}), json!(2), "unknown kind"),
        (json!({"kind": "status"}), Value::Null, "missing field `id`"),
        (json!({"kind": "status", "id": -2}), Value::Null, "invalid value"),
        (json!({"kind": "status", "id": 2, "more": true}), json!(2), "unknown field"),
        (json!({"kind": "drain", "id": 2, "delay_ms": -1, "timeout_ms": 0}), json!(2), "invalid value"),
        (hello(2), json!(1), "hello was said already"),
    ] {
        let answer = peer.ask(&says);
        assert_eq!((&answer["id"], &answer["ok"]), (&id, &json!(false)));
        assert!(answer["error"].to_string().contains(error), "{answer}");
    }
    assert!(peer.is_well());
    assert!(worker.tiny.told.lock().expect("told").is_empty());
}

#[test]
fn half_a_frame_and_gone_leaves_the_seat_free() {
    let worker = Worker::new();
    for half in [&b"\0"[..], b"\0\0\0\x09{\"kind\"", b"\0\0"] {
        let stranger = worker.connect();
        stranger.raw(half);
        drop(stranger);
        let peer = worker.heir(1);
        peer.raw(half);
        drop(peer);
        assert!(worker.heir(1).is_well());
    }
}

#[test]
fn hello_comes_first() {
    let stranger = Worker::new().connect();
    assert_eq!(stranger.ask(&json!({"kind": "status", "id": 5}))["error"], json!("hello comes first"));
    assert!(stranger.is_closed());
}

#[test]
fn another_protocol_is_refused() {
    let stranger = Worker::new().connect();
    let answer = stranger.ask(&json!({"kind": "hello", "id": 1, "protocol": 2, "generation": 1}));
    assert_eq!(answer["error"], json!("protocol 2 is not spoken here, but 1"));
    assert!(stranger.is_closed());
}

#[test]
fn a_lower_generation_is_refused_even_when_nobody_is_here() {
    let worker = Worker::new();
    drop(worker.supervisor(5));
    let late = worker.connect();
    assert_eq!(late.ask(&hello(4))["error"], json!("generation 4 is over, generation 5 was here"));
    assert!(late.is_closed());
}

#[test]
fn of_two_supervisors_the_higher_generation_stays() {
    let worker = Worker::new();
    let old = worker.supervisor(5);
    let twin = worker.connect();
    assert_eq!(twin.ask(&hello(5))["error"], json!("generation 5 is here already"));
    assert!(twin.is_closed() && old.is_well());
    let new = worker.supervisor(6);
    assert!(old.is_closed());
    assert!(new.is_well());
}

#[test]
fn events_go_to_the_supervisor_that_is_here() {
    let worker = Worker::new();
    assert!(!worker.desk.event(&json!({"kind": "beat", "tick": 1})), "to nobody");
    let peer = worker.supervisor(1);
    while !worker.desk.event(&json!({"kind": "beat", "tick": 2})) {} // the answer to hello may still be on its way
    assert_eq!(peer.hear(), json!({"kind": "beat", "tick": 2}));
}
