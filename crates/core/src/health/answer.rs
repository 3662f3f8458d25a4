//! What the bytes that came back on a check mean.

use super::check::Wanted;
use crate::failure::Failure;
use crate::framing::{BodyLength, ChunkLimits, ChunkReader, HeadLimits, HeadReader, Piece, Progress, judge_response};
use crate::head::{Method, ResponseHead};

/// Most bytes of an answer that are read, head included: what a check looks for stands further in front.
pub const MOST_READ: usize = 64 * 1024;

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, fields: 256, line: 16 * 1024 };
const CHUNKS: ChunkLimits = ChunkLimits { extension: 4096, trailer: 8192 };

/// What is known of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// More must come.
    Wait,
    /// The endpoint is well.
    Passed,
    /// It is not, and why.
    Failed(String),
}

impl Judgement {
    pub(super) fn failed(says: impl Into<String>) -> Self {
        Self::Failed(says.into())
    }
}

/// An answer over HTTP/1.
pub(super) fn http(
    came: &[u8],
    ended: bool,
    method: Method,
    statuses: &[(u16, u16)],
    expected: Option<&Wanted>,
) -> Judgement {
    let (status, length, body) = match final_head(came, method) {
        Ok(Some(found)) => found,
        Ok(None) if came.is_empty() && ended => return Judgement::failed("it closed the connection without an answer"),
        Ok(None) if ended => return Judgement::failed("its answer ended inside the head"),
        Ok(None) => return Judgement::Wait,
        Err(failure) => return Judgement::Failed(format!("its answer is not HTTP: {}", failure.reason)),
    };
    if !statuses.iter().any(|(from, to)| (*from..=*to).contains(&status)) {
        return Judgement::Failed(format!("it answered {status}"));
    }
    let Some(expected) = expected else { return Judgement::Passed };
    match content(body, length) {
        Ok((text, whole)) => look(expected, &text, whole, ended, "its body"),
        Err(failure) => Judgement::Failed(format!("its answer is not HTTP: {}", failure.reason)),
    }
}

/// What a server says that speaks first, or after what was sent.
pub(super) fn tcp(came: &[u8], ended: bool, expected: Option<&Wanted>) -> Judgement {
    match expected {
        None => Judgement::Passed,
        Some(_) if came.is_empty() && ended => Judgement::failed("it closed the connection without a word"),
        // Nothing tells where its words end: a pattern is looked for in what has come.
        Some(expected) => look(expected, came, !came.is_empty(), ended, "what it says"),
    }
}

/// One datagram: it is whole, and another one need not come.
pub(super) fn datagram(came: &[u8], expected: Option<&Wanted>) -> Judgement {
    expected.map_or(Judgement::Passed, |expected| look(expected, came, true, true, "its answer"))
}

fn look(expected: &Wanted, text: &[u8], whole: bool, ended: bool, what: &str) -> Judgement {
    if expected.is_in(text, whole || ended) {
        Judgement::Passed
    } else if ended || (whole && what == "its body") {
        Judgement::Failed(format!("{what} does not {}", expected.told()))
    } else {
        Judgement::Wait
    }
}

/// The status, how the body ends, and what came of it.
pub(super) type Found<'a> = (u16, BodyLength, &'a [u8]);

/// The final answer's; none until its head is whole.
pub(super) fn final_head(mut came: &[u8], method: Method) -> Result<Option<Found<'_>>, Failure> {
    loop {
        let mut head = ResponseHead::default();
        match HeadReader::default().read_response(came, &LIMITS, &mut head)? {
            Progress::Partial => return Ok(None),
            Progress::Complete => {}
        }
        let facts = judge_response(came, &head, method)?;
        came = came.get(head.len as usize..).unwrap_or_default();
        if !facts.is_informational {
            return Ok(Some((head.status, facts.body, came)));
        }
    }
}

/// The body without its framing, and whether that is all of it.
pub(super) fn content(body: &[u8], length: BodyLength) -> Result<(Vec<u8>, bool), Failure> {
    match length {
        BodyLength::None => Ok((Vec::new(), true)),
        BodyLength::UntilClose => Ok((body.to_vec(), false)),
        BodyLength::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            Ok((body.get(..length).unwrap_or(body).to_vec(), body.len() >= length))
        }
        BodyLength::Chunked => {
            let (mut reader, mut rest, mut text) = (ChunkReader::of_response(), body, Vec::new());
            loop {
                let (used, piece) = reader.advance(rest, &CHUNKS)?;
                match piece {
                    Piece::Data { at, len } => text.extend_from_slice(rest.get(at..at + len).unwrap_or_default()),
                    Piece::NeedMore => return Ok((text, false)),
                    Piece::End => return Ok((text, true)),
                }
                rest = rest.get(used..).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Check;
    use super::*;

    fn check(probe: serde_json::Value) -> Check {
        let health = json!({
            "probe": probe, "port": null, "interval_ms": 2000, "fast_interval_ms": 1000, "timeout_ms": 2000,
            "rise": 2, "fall": 3,
        });
        Check::build(&serde_json::from_value(health).unwrap()).unwrap()
    }

    fn http_check(body: serde_json::Value) -> Check {
        let probe = json!({
            "method": "GET", "path": "/healthz?x=1", "host": null, "headers": [["x-from", "us"]],
            "statuses": [[200, 399]], "body": body,
        });
        check(json!({ "http": probe }))
    }

    fn failed(says: &str) -> Judgement {
        Judgement::failed(says)
    }

    #[test]
    fn the_question_is_a_request_that_ends_its_connection() {
        let check = http_check(json!(null));
        let asked = String::from_utf8(check.question("10.0.0.1:80")).unwrap();
        assert_eq!(
            asked,
            "GET /healthz?x=1 HTTP/1.1\r\nhost: 10.0.0.1:80\r\nx-from: us\r\nuser-agent: tidegate-health\r\n\
             connection: close\r\n\r\n"
        );
        assert!(check.question("unix:/run/app.sock").windows(17).any(|part| part == b"host: localhost\r\n"));
    }

    #[test]
    fn another_port_is_that_of_the_same_host() {
        let mut health = http_check(json!(null)).document;
        health.port = Some(81);
        let check = Check::build(&health).unwrap();
        for (address, asked) in
            [("10.0.0.1:80", "10.0.0.1:81"), ("[::1]:80", "[::1]:81"), ("unix:/run/x:1.sock", "unix:/run/x:1.sock")]
        {
            assert_eq!(check.address(address), asked);
        }
    }

    /// Every prefix waits, so that it does not matter how the bytes come.
    #[test]
    fn an_answer_is_judged_once_enough_of_it_has_come() {
        let rows: [(&str, serde_json::Value, Judgement); 12] = [
            ("HTTP/1.1 204 No Content\r\n\r\n", json!(null), Judgement::Passed),
            ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", json!(null), Judgement::Passed),
            ("HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\n", json!(null), failed("it answered 503")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", json!({"contains": "ok"}), Judgement::Passed),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
                json!({"contains": "ok"}),
                failed("its body does not hold \"ok\""),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
                json!({"regex": "^ok$"}),
                failed("its body does not match \"^ok$\""),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", json!({"regex": "^ok$"}), Judgement::Passed),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n",
                json!({"contains": "ok"}),
                Judgement::Passed,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n0\r\n\r\n",
                json!({"contains": "ok"}),
                failed("its body does not hold \"ok\""),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx",
                json!({"contains": "ok"}),
                failed("its answer is not HTTP: a chunk's size that is not a hexadecimal number at byte 0: \"x\""),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nall is ok", json!({"contains": "ok"}), Judgement::Passed),
            ("HTTP/1.1 204 No Content\r\n\r\n", json!({"contains": "ok"}), failed("its body does not hold \"ok\"")),
        ];
        for (answer, body, expected) in rows {
            let check = http_check(body);
            for cut in 0..answer.len() {
                let so_far = check.judge(&answer.as_bytes()[..cut], false);
                assert!(so_far == Judgement::Wait || so_far == expected, "{answer:?} after {cut}: {so_far:?}");
            }
            match (check.judge(answer.as_bytes(), false), &expected) {
                (Judgement::Failed(says), Judgement::Failed(wanted)) if says.starts_with("its answer is not HTTP") => {
                    assert!(wanted.starts_with("its answer is not HTTP"), "{says}");
                }
                (judged, expected) => assert_eq!(judged, *expected, "{answer:?}"),
            }
        }
    }

    #[test]
    fn what_ends_too_soon_has_failed() {
        let check = http_check(json!({"contains": "ok"}));
        let judge = |came: &[u8]| check.judge(came, true);
        assert_eq!(judge(b""), failed("it closed the connection without an answer"));
        assert_eq!(judge(b"HTTP/1.1 200"), failed("its answer ended inside the head"));
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"), failed("its body does not hold \"ok\""));
        assert!(matches!(judge(b"+PONG\r\n"), Judgement::Failed(says) if says.starts_with("its answer is not HTTP: ")));
    }

    #[test]
    fn a_tcp_server_is_well_once_it_says_what_is_expected() {
        let silent = check(json!({"tcp": {"send": "", "expect": null}}));
        assert_eq!((silent.question("x:1"), silent.judge(b"", false)), (Vec::new(), Judgement::Passed));
        let redis = check(json!({"tcp": {"send": "PING\r\n", "expect": {"contains": "+PONG"}}}));
        assert_eq!(redis.question("x:1"), b"PING\r\n");
        assert_eq!(redis.judge(b"+PO", false), Judgement::Wait);
        assert_eq!(redis.judge(b"+PONG\r\n", false), Judgement::Passed);
        assert_eq!(redis.judge(b"-ERR", true), failed("what it says does not hold \"+PONG\""));
        assert_eq!(redis.judge(b"", true), failed("it closed the connection without a word"));
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        let document = http_check(json!(null)).document;
        let mut json = json!({"method": "GET", "path": "/", "host": null, "headers": [], "statuses": []});
        json["body"] = json!({"regex": "("});
        let probe = serde_json::from_value(json!({ "http": json })).unwrap();
        let says = Check::build(&crate::snapshot::document::Health { probe, ..document }).unwrap_err();
        assert!(says.starts_with("the pattern `(` is wrong"), "{says}");
    }
}
