//! A call of `grpc.health.v1.Health/Check`, in the bytes of HTTP/1 that a stream of HTTP/2 takes and gives.

use std::io::Write as _;

use super::answer::{Judgement, content, final_head};
use crate::head::Method;

/// The answers that the protocol has, by number.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// What is sent to the endpoint at `address` to ask about a service.
pub(super) fn question(address: &str, service: &str) -> Vec<u8> {
    let host = if address.starts_with("unix:") { "localhost" } else { address };
    // One field, the first, of the kind that has a length; an empty one is left out.
    let mut message = Vec::new();
    if let (Ok(len), false) = (u8::try_from(service.len()), service.is_empty()) {
        message.extend([0x0a, len]);
        message.extend_from_slice(service.as_bytes());
    }
    let mut question = Vec::new();
    // A vector takes everything.
    let _ = write!(
        question,
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/grpc\r\n\
         user-agent: tidegate-health\r\ncontent-length: {}\r\n\r\n",
        message.len() + 5
    );
    question.push(0);
    question.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    question.extend(message);
    question
}

/// What the bytes that came mean so far.
pub(super) fn judge(came: &[u8], ended: bool) -> Judgement {
    let (status, length, body) = match final_head(came, Method::Get) {
        Ok(Some(found)) => found,
        Ok(None) if ended => return Judgement::failed("it ended the call without an answer"),
        Ok(None) => return Judgement::Wait,
        Err(failure) => return Judgement::Failed(format!("its answer is not HTTP: {}", failure.reason)),
    };
    if status != 200 {
        return Judgement::Failed(format!("it answered {status}"));
    }
    let (message, whole) = match content(body, length) {
        Ok(found) => found,
        Err(failure) => return Judgement::Failed(format!("its answer is not HTTP: {}", failure.reason)),
    };
    match state(&message) {
        Some(1) => Judgement::Passed,
        Some(state) => {
            let name = STATES.get(usize::from(state)).copied().unwrap_or("a state that is not known");
            Judgement::Failed(format!("it says {name}"))
        }
        None if whole || ended => Judgement::Failed(refusal(came)),
        None => Judgement::Wait,
    }
}

/// What a whole message says: one field, the first, of the kind that is a number; where it is left out, 0.
fn state(message: &[u8]) -> Option<u8> {
    let (&[0, a, b, c, d], message) = message.split_first_chunk::<5>()? else { return None };
    match message.get(..u32::from_be_bytes([a, b, c, d]) as usize)? {
        [] => Some(0),
        [0x08, state, ..] => Some(*state),
        _ => Some(u8::MAX),
    }
}

/// Why there is no message: the status of the call tells, in the head or behind the body.
fn refusal(came: &[u8]) -> String {
    let text = String::from_utf8_lossy(came).to_ascii_lowercase();
    let code = text.split("grpc-status:").nth(1).and_then(|rest| rest.split("\r\n").next());
    match code.map(str::trim) {
        Some("5") => "it does not know the service (grpc-status 5)".to_owned(),
        Some("12") => "it does not serve grpc.health.v1 (grpc-status 12)".to_owned(),
        Some(code) => format!("it refused the call (grpc-status {code})"),
        None => "its answer holds no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(message: &[u8]) -> Vec<u8> {
        let mut came = b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        came.extend(format!("{:x}\r\n", message.len()).as_bytes());
        came.extend_from_slice(message);
        came.extend_from_slice(b"\r\n0\r\ngrpc-status: 0\r\n\r\n");
        came
    }

    #[test]
    fn a_question_is_a_message_with_its_length() {
        let question = question("10.0.0.1:80", "a.B");
        assert!(question.starts_with(b"POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: 10.0.0.1:80\r\n"));
        assert!(question.ends_with(b"content-length: 10\r\n\r\n\0\0\0\0\x05\x0a\x03a.B"));
    }

    #[test]
    fn only_serving_is_well() {
        assert_eq!(judge(&answered(b"\0\0\0\0\x02\x08\x01"), false), Judgement::Passed);
        for (message, says) in [
            (&b"\0\0\0\0\x02\x08\x02"[..], "it says NOT_SERVING"),
            (b"\0\0\0\0\0", "it says UNKNOWN"),
            (b"\0\0\0\0\x02\x08\x09", "it says a state that is not known"),
        ] {
            assert_eq!(judge(&answered(message), false), Judgement::Failed(says.into()));
        }
    }

    #[test]
    fn what_has_not_come_is_waited_for() {
        let whole = answered(b"\0\0\0\0\x02\x08\x01");
        for cut in 0..whole.len() - 20 {
            let came = &whole[..cut];
            assert!(matches!(judge(came, false), Judgement::Wait | Judgement::Passed), "{cut}");
        }
    }

    #[test]
    fn a_call_that_is_refused_says_why() {
        let head = |code: u8| format!("HTTP/1.1 200 \r\ngrpc-status: {code}\r\ncontent-length: 0\r\n\r\n");
        for (code, says) in [(5, "it does not know the service"), (12, "it does not serve"), (7, "it refused the call")]
        {
            let Judgement::Failed(told) = judge(head(code).as_bytes(), false) else { panic!("{code}") };
            assert!(told.starts_with(says), "{told}");
        }
    }
}
