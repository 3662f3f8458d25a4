//! What follows from an answer's head.

use std::time::Duration;

use super::body::{BodyLength, Declared};
use super::bytes::elements;
use super::connection::Options;
use super::flaw::{Flaw, Side};
use crate::failure::{Failure, Kind};
use crate::head::{Field, Known, Method, ResponseHead, Span, Version};

/// What follows from an answer's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResponseFacts {
    /// How the body's end is known.
    pub body: BodyLength,
    /// Whether the connection may be used again after this answer.
    pub keep_alive: bool,
    /// How long the endpoint keeps the connection idle, as `Keep-Alive: timeout` says.
    pub idle_timeout: Option<Duration>,
    /// Whether it is a 1xx other than 101: another head follows.
    pub is_informational: bool,
    /// Whether there is a `Date`.
    pub has_date: bool,
    /// Whether it is a 101 that switches to WebSocket.
    pub is_websocket_switch: bool,
    /// Whether it takes part in a login that belongs to the connection (NTLM, Negotiate): then that is the client's alone.
    pub logs_connection_in: bool,
}

#[derive(Default)]
struct Gathered {
    declared: Declared,
    options: Options,
    upgrade: Option<Span>,
    upgrades: usize,
    idle_timeout: Option<Duration>,
    has_date: bool,
    logs_connection_in: bool,
}

/// Says what follows from the head of an answer to `method`, or why nothing may.
pub fn judge_response(bytes: &[u8], head: &ResponseHead, method: Method) -> Result<ResponseFacts, Failure> {
    judge(bytes, head, method).map_err(|flaw| flaw.tell(Side::Response, bytes))
}

fn judge(bytes: &[u8], head: &ResponseHead, method: Method) -> Result<ResponseFacts, Flaw> {
    let mut gathered = Gathered::default();
    for field in &head.fields {
        gathered.look_at(bytes, field, head.version)?;
    }
    let Gathered { declared, options, .. } = gathered;
    let is_interim = head.status < 200;
    if is_interim && head.version == Version::Http10 {
        return Err(Flaw::bytes(Kind::MalformedRequest, 0, 12, "an interim answer in HTTP/1.0"));
    }
    if (is_interim || head.status == 204) && (declared.chunked || declared.length.is_some_and(|length| length > 0)) {
        let what = "an answer that may have no body announces one";
        return Err(Flaw::bytes(Kind::AmbiguousFraming, 0, 12, what));
    }
    let body = match declared {
        _ if is_interim || matches!(head.status, 204 | 304) || method == Method::Head => BodyLength::None,
        Declared { chunked: true, .. } => BodyLength::Chunked,
        Declared { length: Some(length), .. } => BodyLength::Length(length),
        Declared { length: None, .. } => BodyLength::UntilClose,
    };
    let is_websocket = |value: Span| value.of(bytes).eq_ignore_ascii_case(b"websocket");
    Ok(ResponseFacts {
        body,
        keep_alive: !options.close
            && (head.version == Version::Http11 || options.keep_alive)
            && body != BodyLength::UntilClose,
        idle_timeout: gathered.idle_timeout,
        is_informational: is_interim && head.status != 101,
        has_date: gathered.has_date,
        is_websocket_switch: head.status == 101
            && options.upgrade
            && gathered.upgrades == 1
            && gathered.upgrade.is_some_and(is_websocket),
        logs_connection_in: gathered.logs_connection_in,
    })
}

impl Gathered {
    #[inline(always)]
    #[expect(clippy::wildcard_enum_match_arm, reason = "most fields say nothing about framing")]
    fn look_at(&mut self, bytes: &[u8], field: &Field, version: Version) -> Result<(), Flaw> {
        match field.known {
            Known::ContentLength => self.declared.length(bytes, field)?,
            Known::TransferEncoding => self.declared.coding(bytes, field, version)?,
            // Some endpoints name Transfer-Encoding here; it ends here in any case, so nothing is lost.
            Known::Connection => self.options.take(bytes, field, |_| false)?,
            Known::Upgrade => (self.upgrade, self.upgrades) = (Some(field.value), self.upgrades + 1),
            Known::KeepAlive => self.idle_timeout = read_timeout(field.value.of(bytes)).or(self.idle_timeout),
            Known::Date => self.has_date = true,
            Known::WwwAuthenticate => self.logs_connection_in |= is_login_of_connection(field.value.of(bytes)),
            _ => {}
        }
        Ok(())
    }
}

/// Whether a challenge names a scheme that authenticates the connection instead of each request (RFC 4559, section 6).
fn is_login_of_connection(challenges: &[u8]) -> bool {
    elements(challenges).any(|challenge| {
        let scheme = challenge.split(|byte| super::bytes::is_blank(*byte)).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"negotiate") || scheme.eq_ignore_ascii_case(b"ntlm")
    })
}

/// The seconds of `timeout=5, max=100`; a hint, so what cannot be read is none.
fn read_timeout(value: &[u8]) -> Option<Duration> {
    let seconds = elements(value).find_map(|parameter| {
        let (name, seconds) = parameter.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(seconds)
    })?;
    std::str::from_utf8(seconds).ok()?.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}
