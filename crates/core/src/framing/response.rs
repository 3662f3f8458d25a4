//! What must hold of an answer's head before anything of it goes on.

use std::time::Duration;

use super::bytes::decimal;
use super::list::{members, read_options};
use super::{BodyLength, malformed, of_response, shown};
use crate::failure::Failure;
use crate::head::{Known, Method, ResponseHead, Version};

/// What follows from an answer's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts {
    /// How its body's end is known.
    pub body: BodyLength,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
    /// `Keep-Alive: timeout`.
    pub idle_timeout: Option<Duration>,
    /// Whether another answer follows (1xx).
    pub is_informational: bool,
    /// Whether it has a `Date`.
    pub has_date: bool,
    /// Whether a 101 switches to WebSocket.
    pub is_websocket_switch: bool,
    /// Whether it begins a login that belongs to the connection (NTLM, Negotiate).
    pub logs_connection_in: bool,
}

/// Decides about an answer to a request with `method`, or says why nobody can.
pub fn judge_response(bytes: &[u8], head: &ResponseHead, method: Method) -> Result<ResponseFacts, Failure> {
    judge(bytes, head, method).map_err(of_response)
}

fn judge(bytes: &[u8], head: &ResponseHead, method: Method) -> Result<ResponseFacts, Failure> {
    let options = read_options(bytes, &head.fields)?;
    let mut facts = ResponseFacts {
        is_informational: head.status < 200 && head.status != 101,
        ..ResponseFacts::default()
    };
    let (mut length, mut chunked) = (None, false);
    for field in &head.fields {
        let value = field.value.of(bytes);
        match field.known {
            Known::ContentLength if length.is_some() => return Err(malformed("more than one Content-Length")),
            Known::ContentLength => {
                length = decimal(value);
                if length.is_none() {
                    return Err(malformed(format!("Content-Length is {}", shown(value))));
                }
            }
            Known::TransferEncoding if chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                return Err(malformed(format!("Transfer-Encoding is {}", shown(value))));
            }
            Known::TransferEncoding => chunked = true,
            Known::Date => facts.has_date = true,
            Known::KeepAlive => facts.idle_timeout = announced_timeout(value),
            Known::Upgrade => facts.is_websocket_switch = options.upgrade && value.eq_ignore_ascii_case(b"websocket"),
            Known::WwwAuthenticate => facts.logs_connection_in |= is_connection_login(value),
            _ => {}
        }
    }
    if chunked && length.is_some() {
        return Err(malformed("Content-Length beside Transfer-Encoding"));
    }
    if chunked && head.version == Version::Http10 {
        return Err(malformed("Transfer-Encoding in HTTP/1.0"));
    }
    let bodiless = head.status < 200 || head.status == 204;
    if bodiless && (chunked || length.is_some_and(|n| n > 0)) {
        return Err(malformed(format!("a body announced with status {}", head.status)));
    }
    facts.body = match length {
        _ if bodiless || head.status == 304 || method == Method::Head => BodyLength::None,
        _ if chunked => BodyLength::Chunked,
        Some(n) => BodyLength::Length(n),
        None => BodyLength::UntilClose,
    };
    facts.keep_alive = !options.close
        && (head.version == Version::Http11 || options.keep_alive)
        && facts.body != BodyLength::UntilClose;
    Ok(facts)
}

/// `timeout=5` of a `Keep-Alive` field.
fn announced_timeout(value: &[u8]) -> Option<Duration> {
    members(value).find_map(|member| {
        let seconds = member.strip_prefix(b"timeout=")?;
        decimal(seconds).map(Duration::from_secs)
    })
}

/// Whether a challenge or credentials are of a scheme that logs the connection in, not the request.
fn is_connection_login(value: &[u8]) -> bool {
    [&b"ntlm"[..], b"negotiate"]
        .iter()
        .any(|scheme| value.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}
