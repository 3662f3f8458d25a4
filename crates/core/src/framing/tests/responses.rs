//! Heads of answers: what is read of them, or why they are refused.

use super::*;

fn sentence(bytes: &[u8], method: Method, step: usize) -> String {
    let (head, facts) = match response(bytes, method, step, &LIMITS) {
        Ok(Some(read)) => read,
        Ok(None) => return "more is needed".into(),
        Err(failure) => return format!("refused {failure}"),
    };
    let mut says = vec![head.status.to_string(), String::from_utf8_lossy(head.reason.of(bytes)).into_owned()];
    says.push(body_sentence(facts.body));
    says.extend((!facts.keep_alive).then(|| "closes".into()));
    says.extend(facts.is_informational.then(|| "interim".into()));
    says.extend(facts.is_websocket_switch.then(|| "websocket".into()));
    says.extend(facts.has_date.then(|| "dated".into()));
    says.extend(facts.logs_connection_in.then(|| "logs in".into()));
    says.extend(facts.idle_timeout.map(|timeout| format!("{timeout:?}")));
    says.join(", ")
}

fn check(id: &str, bytes: &[u8], method: Method, expected: &str) {
    for step in [bytes.len().max(1), 1, 2, 3, 7] {
        let found = sentence(bytes, method, step);
        assert!(agrees(&found, expected), "{id}, by {step}:\n found    {found}\n expected {expected}");
        assert!(!found.starts_with("refused") || found.contains(" at exchange: "), "{id}: {found}");
    }
}

const LINES: &[(&str, &[u8], &str)] = &[
    ("a status", b"HTTP/1.1 200 OK", "200, OK, until close, closes"),
    ("an empty reason", b"HTTP/1.1 200 ", "200, , until close, closes"),
    ("a reason of many words", b"HTTP/1.1 404 No\tsuch  thing", "404, No\tsuch  thing, until close, closes"),
    ("a reason above ASCII", b"HTTP/1.1 200 caf\xc3\xa9", "200, caf\u{e9}, until close, closes"),
    ("the least final status", b"HTTP/1.1 200 a", "200, a, until close, closes"),
    ("the largest status", b"HTTP/1.1 599 a", "599, a, until close, closes"),
    ("version 1.0", b"HTTP/1.0 200 OK", "200, OK, until close, closes"),
    ("no space behind the status", b"HTTP/1.1 200", "refused response_malformed: a broken status line"),
    ("status 600", b"HTTP/1.1 600 a", "refused response_malformed"),
    ("status 099", b"HTTP/1.1 099 a", "refused response_malformed"),
    ("status 000", b"HTTP/1.1 000 a", "refused response_malformed"),
    ("status 999", b"HTTP/1.1 999 a", "refused response_malformed"),
    ("a status of two digits", b"HTTP/1.1 20 OK", "refused response_malformed"),
    ("a status of four digits", b"HTTP/1.1 2000 OK", "refused response_malformed"),
    ("a status with a sign", b"HTTP/1.1 +20 OK", "refused response_malformed"),
    ("a status of letters", b"HTTP/1.1 abc OK", "refused response_malformed"),
    ("a status in hexadecimal", b"HTTP/1.1 2a0 OK", "refused response_malformed"),
    ("two spaces before the status", b"HTTP/1.1  200 OK", "refused response_malformed"),
    ("a tab before the status", b"HTTP/1.1\t200 OK", "refused response_malformed"),
    ("a tab behind the status", b"HTTP/1.1 200\tOK", "refused response_malformed"),
    ("two spaces behind the status belong to the reason", b"HTTP/1.1 200  OK", "200,  OK, until close, closes"),
    ("an LF for a digit of the status", b"HTTP/1.1 3\n\r OK", "refused response_malformed: `HTTP/1.1 3\\n`"),
    ("version 1.2", b"HTTP/1.2 200 OK", "refused response_malformed"),
    ("version 2.0", b"HTTP/2.0 200 OK", "refused response_malformed"),
    ("version 2", b"HTTP/2 200 OK", "refused response_malformed"),
    ("version in lower case", b"http/1.1 200 OK", "refused response_malformed: byte 0"),
    ("another protocol", b"ICY 200 OK", "refused response_malformed: byte 0"),
    ("no version", b"200 OK", "refused response_malformed: byte 0"),
    ("an empty line before it", b"\r\nHTTP/1.1 200 OK", "refused response_malformed: byte 0"),
    ("a space before it", b" HTTP/1.1 200 OK", "refused response_malformed: byte 0"),
    ("HTTP/0.9", b"<html>", "refused response_malformed: byte 0"),
    ("a version alone", b"HTTP/1.1", "refused response_malformed"),
    ("a NUL in the reason", b"HTTP/1.1 200 O\0K", "refused response_malformed: byte 14"),
    ("a bare CR in the reason", b"HTTP/1.1 200 O\rK", "refused response_malformed: byte 14: a CR"),
    ("a bare LF in the reason", b"HTTP/1.1 200 O\nX: y", "refused response_malformed: byte 14: an LF"),
    ("an escape in the reason", b"HTTP/1.1 200 \x1b[1m", "refused response_malformed: byte 13"),
    ("a bare CR behind the version", b"HTTP/1.1\r200 OK", "refused response_malformed: a broken status line"),
    ("a bare CR behind the reason", b"HTTP/1.1 200 OK\r", "refused response_malformed: a CR"),
];

#[test]
fn status_lines() {
    for (id, line, expected) in LINES {
        let bytes = [line, b"\r\n\r\n".as_slice()].concat();
        check(id, &bytes, Method::Get, expected);
    }
}

const HEADS: &[(&str, Method, &str, &str, &str)] = &[
    ("a length", Method::Get, "200", "Content-Length: 5", "5 bytes"),
    ("a length of 0", Method::Get, "200", "Content-Length: 0", "0 bytes"),
    ("chunks", Method::Get, "200", "Transfer-Encoding: chunked", "chunks"),
    ("neither", Method::Get, "200", "X: y", "until close, closes"),
    ("neither, and keep-alive", Method::Get, "200", "Connection: keep-alive", "until close, closes"),
    ("close", Method::Get, "200", "Content-Length: 5\r\nConnection: close", "5 bytes, closes"),
    ("a date", Method::Get, "200", "Content-Length: 5\r\nDate: Tue, 24 Nov 2026 04:00:00 GMT", "5 bytes, dated"),
    ("a length for HEAD", Method::Head, "200", "Content-Length: 5", "no body"),
    ("chunks for HEAD", Method::Head, "200", "Transfer-Encoding: chunked", "no body"),
    ("neither for HEAD", Method::Head, "200", "X: y", "no body"),
    ("a bad length for HEAD", Method::Head, "200", "Content-Length: x", "refused response_malformed"),
    ("a 204", Method::Get, "204", "X: y", "no body"),
    ("a 204 with a length of 0", Method::Get, "204", "Content-Length: 0", "no body"),
    ("a 204 with a length", Method::Get, "204", "Content-Length: 5", "refused response_malformed: may have no body"),
    (
        "a 204 with chunks",
        Method::Get,
        "204",
        "Transfer-Encoding: chunked",
        "refused response_malformed: may have no body",
    ),
    ("a 304 with a length", Method::Get, "304", "Content-Length: 5", "no body"),
    ("a 304 with chunks", Method::Get, "304", "Transfer-Encoding: chunked", "no body"),
    ("a 304", Method::Get, "304", "X: y", "no body"),
    ("a 205 is as any other", Method::Get, "205", "Content-Length: 0", "0 bytes"),
    ("a 100", Method::Get, "100", "X: y", "no body, interim"),
    ("a 103", Method::Get, "103", "Link: </a>", "no body, interim"),
    ("a 199", Method::Get, "199", "X: y", "no body, interim"),
    ("a 103 with a length of 0", Method::Get, "103", "Content-Length: 0", "no body, interim"),
    ("a 103 with a length", Method::Get, "103", "Content-Length: 5", "refused response_malformed: may have no body"),
    (
        "a 100 with chunks",
        Method::Get,
        "100",
        "Transfer-Encoding: chunked",
        "refused response_malformed: may have no body",
    ),
    ("a switch", Method::Get, "101", "Connection: upgrade\r\nUpgrade: WebSocket", "no body, websocket"),
    ("a switch that Connection does not name", Method::Get, "101", "Upgrade: websocket", "no body"),
    ("a switch to h2c", Method::Get, "101", "Connection: upgrade\r\nUpgrade: h2c", "no body"),
    ("a switch to two", Method::Get, "101", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c", "no body"),
    (
        "a switch with a length",
        Method::Get,
        "101",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5",
        "refused response_malformed",
    ),
    (
        "an offer to upgrade",
        Method::Get,
        "426",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0",
        "0 bytes",
    ),
    (
        "a length and chunks",
        Method::Get,
        "200",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "refused response_malformed: beside",
    ),
    (
        "chunks and a length",
        Method::Get,
        "200",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "refused response_malformed: beside",
    ),
    (
        "two lengths",
        Method::Get,
        "200",
        "Content-Length: 5\r\nContent-Length: 5",
        "refused response_malformed: a second",
    ),
    ("a list of lengths", Method::Get, "200", "Content-Length: 5, 5", "refused response_malformed"),
    ("a length with a sign", Method::Get, "200", "Content-Length: +5", "refused response_malformed"),
    ("a length too large", Method::Get, "200", "Content-Length: 9223372036854775808", "refused response_malformed"),
    ("gzip, chunked", Method::Get, "200", "Transfer-Encoding: gzip, chunked", "refused response_malformed: other than"),
    ("identity", Method::Get, "200", "Transfer-Encoding: identity", "refused response_malformed: other than"),
    (
        "chunked twice",
        Method::Get,
        "200",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "refused response_malformed: a second",
    ),
    ("a folded line", Method::Get, "200", "X: a\r\n b", "refused response_malformed: obs-fold"),
    ("a space before the colon", Method::Get, "200", "Content-Length : 5", "refused response_malformed: white space"),
    ("a bare LF", Method::Get, "200", "X: a\nContent-Length: 5", "refused response_malformed: an LF"),
    ("a bare CR", Method::Get, "200", "X: a\rContent-Length: 5", "refused response_malformed: a CR"),
    ("a NUL", Method::Get, "200", "X: a\0", "refused response_malformed: control"),
    ("an empty name", Method::Get, "200", ": a", "refused response_malformed: without a name"),
    ("no colon", Method::Get, "200", "X", "refused response_malformed: without a colon"),
    (
        "Connection that names Transfer-Encoding",
        Method::Get,
        "200",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        "chunks",
    ),
    (
        "Connection that is no list of tokens",
        Method::Get,
        "200",
        "Connection: close;",
        "refused response_malformed: not a token",
    ),
    ("an idle timeout", Method::Get, "200", "Content-Length: 0\r\nKeep-Alive: timeout=5, max=100", "0 bytes, 5s"),
    ("an idle timeout of 0", Method::Get, "200", "Content-Length: 0\r\nKeep-Alive: max=1,Timeout=0", "0 bytes, 0ns"),
    ("no idle timeout", Method::Get, "200", "Content-Length: 0\r\nKeep-Alive: timeout=x", "0 bytes"),
    (
        "a login of the connection",
        Method::Get,
        "401",
        "Content-Length: 0\r\nWWW-Authenticate: Basic realm=x, NTLM",
        "0 bytes, logs in",
    ),
    (
        "a login of the connection that goes on",
        Method::Get,
        "401",
        "Content-Length: 0\r\nWWW-Authenticate: Negotiate YII=",
        "0 bytes, logs in",
    ),
    (
        "a login of each request",
        Method::Get,
        "401",
        "Content-Length: 0\r\nWWW-Authenticate: Basic realm=ntlm",
        "0 bytes",
    ),
];

#[test]
fn heads() {
    for (id, method, status, fields, expected) in HEADS {
        let bytes = format!("HTTP/1.1 {status} a\r\n{fields}\r\n\r\n");
        let whole =
            if expected.starts_with("refused") { (*expected).into() } else { format!("{status}, a, {expected}") };
        check(id, bytes.as_bytes(), *method, &whole);
    }
}

const OLD: &[(&str, &str, &str)] = &[
    ("a length", "200 a\r\nContent-Length: 5", "200, a, 5 bytes, closes"),
    ("keep-alive", "200 a\r\nContent-Length: 5\r\nConnection: keep-alive", "200, a, 5 bytes"),
    ("chunks", "200 a\r\nTransfer-Encoding: chunked", "refused response_malformed: in HTTP/1.0"),
    ("a 100", "100 a", "refused response_malformed: interim"),
    ("a 101", "101 a\r\nConnection: upgrade\r\nUpgrade: websocket", "refused response_malformed: interim"),
];

#[test]
fn answers_of_http_1_0() {
    for (id, rest, expected) in OLD {
        check(id, format!("HTTP/1.0 {rest}\r\n\r\n").as_bytes(), Method::Get, expected);
    }
}

#[test]
fn a_head_that_is_too_large_is_a_fault_of_the_endpoint() {
    let limits = HeadLimits { bytes: 64, fields: 2, line: 20 };
    for bytes in [
        "HTTP/1.1 200 too many words here\r\n\r\n".to_string(),
        "HTTP/1.1 200 OK\r\nA: a\r\nB: b\r\nC: c\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(64)),
    ] {
        let failure = response(bytes.as_bytes(), Method::Get, 5, &limits).unwrap_err();
        assert_eq!(failure.kind.name(), "response_head_too_large", "{bytes:?}");
    }
}
