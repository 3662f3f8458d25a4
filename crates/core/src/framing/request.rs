//! What follows from a request's head: everything that must hold before anything looks at it.

use std::time::Duration;

use super::body::{BodyLength, Declared};
use super::bytes::elements;
use super::connection::{Options, may_not_be_dropped};
use super::flaw::{Flaw, Side};
use super::host::HostSpan;
use crate::failure::{Failure, Kind};
use crate::grpc;
use crate::head::{Field, Known, Method, RequestHead, Span, TargetForm, Version};

/// What follows from a request's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestFacts {
    /// How the body's end is known; never `UntilClose`.
    pub body: BodyLength,
    /// Whether the client wants to go on after this request.
    pub keep_alive: bool,
    /// The authority, of the target or of Host; none only in HTTP/1.0.
    pub host: Option<HostSpan>,
    /// Whether the client waits for a 100 before it sends the body.
    pub expects_continue: bool,
    /// Whether a change to WebSocket is asked for.
    pub upgrade_websocket: bool,
    /// How often an OPTIONS request may still be passed on.
    pub max_forwards: Option<u32>,
    /// Whether the client takes trailers.
    pub te_trailers: bool,
    /// Whether it is a call of gRPC.
    pub is_grpc: bool,
    /// How long the client of such a call waits for all of the answer.
    pub grpc_timeout: Option<Duration>,
}

/// What was gathered while looking at each field once.
#[derive(Default)]
struct Gathered {
    declared: Declared,
    options: Options,
    host: Option<Span>,
    upgrade: Option<Span>,
    upgrades: usize,
    expects: bool,
    max_forwards: Option<u32>,
    te_trailers: bool,
    is_grpc: bool,
    grpc_timeout: Option<Duration>,
}

/// Says what follows from a request's head, or why nothing may.
pub fn judge_request(bytes: &[u8], head: &RequestHead) -> Result<RequestFacts, Failure> {
    judge(bytes, head).map_err(|flaw| flaw.tell(Side::Request, bytes))
}

fn judge(bytes: &[u8], head: &RequestHead) -> Result<RequestFacts, Flaw> {
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(of_span(Kind::MethodRefused, head.method_span, "a method that is not served"));
    }
    if head.form == TargetForm::Asterisk && head.method != Method::Options {
        return Err(of_span(Kind::MalformedRequest, head.target, "a target that only OPTIONS may have"));
    }
    let mut gathered = Gathered::default();
    for field in &head.fields {
        gathered.look_at(bytes, field, head)?;
    }
    let Gathered { declared, options, .. } = gathered;
    let body = match declared {
        Declared { chunked: true, .. } => BodyLength::Chunked,
        Declared { length: Some(length), .. } => BodyLength::Length(length),
        Declared { length: None, .. } => BodyLength::None,
    };
    let has_body = !matches!(body, BodyLength::None | BodyLength::Length(0));
    let is_new = head.version != Version::Http10;
    let is_websocket = |value: Span| value.of(bytes).eq_ignore_ascii_case(b"websocket");
    Ok(RequestFacts {
        body,
        keep_alive: !options.close && (is_new || options.keep_alive),
        host: judge_host(bytes, head, gathered.host)?,
        expects_continue: gathered.expects && is_new && has_body,
        upgrade_websocket: options.upgrade
            && is_new
            && head.method == Method::Get
            && !has_body
            && gathered.upgrades == 1
            && gathered.upgrade.is_some_and(is_websocket),
        max_forwards: gathered.max_forwards,
        te_trailers: gathered.te_trailers,
        is_grpc: gathered.is_grpc,
        grpc_timeout: gathered.grpc_timeout.filter(|_| gathered.is_grpc),
    })
}

impl Gathered {
    #[inline(always)]
    #[expect(clippy::wildcard_enum_match_arm, reason = "most fields say nothing about framing")]
    fn look_at(&mut self, bytes: &[u8], field: &Field, head: &RequestHead) -> Result<(), Flaw> {
        match field.known {
            Known::Other => refuse_look_alike(bytes, field)?,
            Known::Host if self.host.is_some() => {
                return Err(Flaw::field(Kind::InvalidHost, field, "a second Host"));
            }
            Known::Host => self.host = Some(field.value),
            Known::ContentLength => self.declared.length(bytes, field)?,
            Known::TransferEncoding => self.declared.coding(bytes, field, head.version)?,
            Known::Connection => self.options.take(bytes, field, may_not_be_dropped)?,
            Known::Upgrade => (self.upgrade, self.upgrades) = (Some(field.value), self.upgrades + 1),
            Known::Te => {
                self.te_trailers |= elements(field.value.of(bytes)).any(|te| te.eq_ignore_ascii_case(b"trailers"));
            }
            Known::Expect => {
                if !field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") {
                    return Err(Flaw::field(Kind::ExpectationFailed, field, "an expectation other than 100-continue"));
                }
                self.expects = true;
            }
            Known::ContentType => self.is_grpc = grpc::is_content_type(field.value.of(bytes)),
            Known::GrpcTimeout => self.grpc_timeout = grpc::read_timeout(field.value.of(bytes)),
            Known::MaxForwards if head.method == Method::Options => self.count(bytes, field)?,
            _ => {}
        }
        Ok(())
    }

    /// Takes Max-Forwards (RFC 9110, section 7.6.2); a number beyond 32 bits is as good as the largest.
    fn count(&mut self, bytes: &[u8], field: &Field) -> Result<(), Flaw> {
        let value = field.value.of(bytes);
        if self.max_forwards.is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Flaw::field(Kind::MalformedRequest, field, "a Max-Forwards that is not one number"));
        }
        let digit = |sum: u32, byte: &u8| sum.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
        self.max_forwards = Some(value.iter().fold(0, digit));
        Ok(())
    }
}

/// Backends that read `_` as `-` would find a length here that we did not.
#[inline(always)]
fn refuse_look_alike(bytes: &[u8], field: &Field) -> Result<(), Flaw> {
    let name = field.name.of(bytes);
    let real: &[u8] = match name.len() {
        14 => b"content-length",
        17 => b"transfer-encoding",
        _ => return Ok(()),
    };
    let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a, *b) == (b'_', b'-');
    if name.iter().zip(real).all(same) {
        return Err(of_span(Kind::AmbiguousFraming, field.name, "a name that some read as a framing field's"));
    }
    Ok(())
}

/// The authority of the target, where it has one, else that of Host; both, where both are there, must be the same.
fn judge_host(bytes: &[u8], head: &RequestHead, host: Option<Span>) -> Result<Option<HostSpan>, Flaw> {
    if host.is_none() && head.version != Version::Http10 {
        return Err(of_span(Kind::InvalidHost, head.target, "a request without Host"));
    }
    let host = host.map(|value| HostSpan::read(bytes, value)).transpose()?;
    if head.form != TargetForm::Absolute {
        return Ok(host);
    }
    let target = HostSpan::read(bytes, head.authority)?;
    let is_https = head.target.of(bytes).get(4).is_some_and(|byte| byte.eq_ignore_ascii_case(&b's'));
    let default_port = if is_https { 443 } else { 80 };
    match host {
        Some(host) if !host.is_same(&target, bytes, default_port) => {
            Err(of_span(Kind::InvalidHost, host.whole, "a Host that differs from the target"))
        }
        Some(_) | None => Ok(Some(target)),
    }
}

#[cold]
fn of_span(kind: Kind, span: Span, what: &'static str) -> Flaw {
    Flaw::bytes(kind, span.start as usize, span.len(), what)
}
