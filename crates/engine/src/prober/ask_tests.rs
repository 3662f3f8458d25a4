//! Checks over real sockets on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::*;

fn check(probe: Value, port: Option<u16>, timeout_ms: u64) -> Check {
    let health = json!({
        "probe": probe, "port": port, "interval_ms": 2000, "fast_interval_ms": 1000, "timeout_ms": timeout_ms,
        "rise": 2, "fall": 3,
    });
    Check::build(&serde_json::from_value(health).expect("a check")).expect("a check")
}

fn http(body: Value) -> Value {
    json!({"http": {
        "method": "GET", "path": "/healthz", "host": "api", "headers": [], "statuses": [[200, 299]], "body": body,
    }})
}

/// A server that reads until a request is whole, says `answer` and closes; gives back what it read.
fn server(answer: Vec<u8>) -> (String, JoinHandle<Vec<u8>>) {
    let listening = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listening.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listening.accept().expect("a connection");
        let mut came = Vec::new();
        let mut room = [0; 1024];
        while !came.ends_with(b"\r\n\r\n") {
            match stream.read(&mut room) {
                Ok(0) | Err(_) => break,
                Ok(more) => came.extend_from_slice(&room[..more]),
            }
        }
        // Whoever has judged already reads no more.
        let _ = stream.write_all(&answer);
        came
    });
    (address, thread)
}

fn asked(check: &Check, address: &str, announced: ProxyProtocolOut) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ask(check, address, announced, None))
}

fn failed(says: &str) -> Outcome {
    Outcome::Failed(says.to_owned())
}

#[test]
fn a_server_that_answers_well_has_passed() {
    let (address, server) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let check = check(http(json!({"contains": "ok"})), None, 5_000);
    assert_eq!(asked(&check, &address, ProxyProtocolOut::Off), Outcome::Passed);
    assert!(server.join().expect("a request").starts_with(b"GET /healthz HTTP/1.1\r\nhost: api\r\n"));
}

#[test]
fn the_proxy_protocol_says_that_nobody_is_behind_us() {
    for (version, header) in [
        (ProxyProtocolOut::V1, b"PROXY UNKNOWN\r\nGET ".to_vec()),
        (ProxyProtocolOut::V2, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET ".to_vec()),
    ] {
        // Its signature holds an empty line, so the server answers as soon as that has come.
        let (address, server) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
        assert_eq!(asked(&check(http(Value::Null), None, 5_000), &address, version), Outcome::Passed);
        assert!(server.join().expect("a request").starts_with(&header));
    }
}

#[test]
fn another_port_is_asked_without_it() {
    let (address, server) = server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let check = check(http(Value::Null), port, 5_000);
    assert_eq!(asked(&check, "127.0.0.1:1", ProxyProtocolOut::V1), Outcome::Passed);
    assert!(server.join().expect("a request").starts_with(b"GET "));
}

#[test]
fn a_closed_port_refuses() {
    let listening = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listening.local_addr().expect("an address").to_string();
    drop(listening);
    let check = check(json!({"tcp": {"send": "", "expect": null}}), None, 5_000);
    assert_eq!(asked(&check, &address, ProxyProtocolOut::Off), failed("it refused the connection"));
    assert_eq!(asked(&check, "unix:/nonexistent/x.sock", ProxyProtocolOut::Off), failed("its socket is not there"));
}

#[test]
fn a_server_that_is_silent_has_failed_in_time() {
    let listening = TcpListener::bind("127.0.0.1:0").expect("a port"); // the kernel accepts for it
    let address = listening.local_addr().expect("an address").to_string();
    let check = check(http(Value::Null), None, 50);
    assert_eq!(asked(&check, &address, ProxyProtocolOut::Off), failed("it did not answer within 50ms"));
    assert_eq!(check.timeout, Duration::from_millis(50));
}

#[test]
fn no_more_is_read_than_what_a_check_may_take() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(16 << 20, b'x');
    let (address, server) = server(answer);
    let check = check(http(json!({"contains": "ok"})), None, 10_000);
    assert_eq!(asked(&check, &address, ProxyProtocolOut::Off), failed("its body does not hold \"ok\""));
    assert!(server.join().is_ok());
}

#[test]
fn a_datagram_passes_with_the_answer_that_is_expected() {
    let udp = |expect: Value, answers: bool| json!({"udp": {"send": "PING", "expect": expect, "answers": answers}});
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let mut room = [0; 64];
        for answer in ["PONG", "PONG", "no"] {
            let (len, client) = server.recv_from(&mut room).expect("a datagram");
            assert_eq!(&room[..len], b"PING");
            server.send_to(answer.as_bytes(), client).expect("sent");
        }
        server
    });
    let off = ProxyProtocolOut::Off;
    assert_eq!(asked(&check(udp(json!(null), true), None, 5_000), &address, off), Outcome::Passed);
    let expects = check(udp(json!({"contains": "ON"}), true), None, 5_000);
    assert_eq!(asked(&expects, &address, off), Outcome::Passed);
    assert_eq!(asked(&expects, &address, off), failed("its answer does not hold \"ON\""));
    let server = thread.join().expect("it ended well");
    let silent = |answers| asked(&check(udp(json!(null), answers), None, 50), &address, off);
    assert_eq!(silent(true), failed("it did not answer within 50ms"));
    assert_eq!(silent(false), Outcome::Passed);
    drop(server);
    for answers in [true, false] {
        let check = check(udp(json!(null), answers), None, 5_000);
        assert_eq!(asked(&check, &address, off), failed("nobody listens there"));
    }
}
