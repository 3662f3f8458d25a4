//! Which fields end here: hop-by-hop ones, and those that `Connection` names (RFC 9110, section 7.6.1).

use super::bytes::{elements, is_token};
use super::flaw::Flaw;
use crate::failure::Kind;
use crate::head::{Field, Known, RequestHead, ResponseHead, Span, Version};

/// Most fields that `Connection` may name. Each is compared with each field of the head.
const MOST_NAMED: usize = 32;

/// What the fields `Connection` of a head say about the connection itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Options {
    /// `close`
    pub(super) close: bool,
    /// `keep-alive`
    pub(super) keep_alive: bool,
    /// `upgrade`
    pub(super) upgrade: bool,
    named: usize,
}

impl Options {
    /// Takes one field `Connection`; `forbids` says which fields it must not name.
    pub(super) fn take(&mut self, bytes: &[u8], field: &Field, forbids: fn(&[u8]) -> bool) -> Result<(), Flaw> {
        let value = field.value.of(bytes);
        match value.len() {
            5 if value.eq_ignore_ascii_case(b"close") => self.close = true,
            10 if value.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
            _ => return self.take_list(value, field, forbids),
        }
        Ok(())
    }

    fn take_list(&mut self, value: &[u8], field: &Field, forbids: fn(&[u8]) -> bool) -> Result<(), Flaw> {
        let wrong = |kind, what| Err(Flaw::field(kind, field, what));
        for option in elements(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if !is_token(option) {
                return wrong(Kind::MalformedRequest, "a Connection option that is not a token");
            } else if forbids(option) {
                return wrong(Kind::ForbiddenConnectionOption, "Connection names a field that may not be dropped");
            } else {
                self.named += 1;
                if self.named > MOST_NAMED {
                    return wrong(Kind::MalformedRequest, "Connection names more than 32 fields");
                }
            }
        }
        Ok(())
    }
}

/// Fields of a request that `Connection` must not name: without them the request would be another one.
pub(super) fn may_not_be_dropped(name: &[u8]) -> bool {
    use Known::{Authorization, ContentLength, Cookie, Forwarded, Host, TransferEncoding};
    matches!(Known::of(name), Host | ContentLength | TransferEncoding | Authorization | Cookie | Forwarded)
        || name.get(..12).is_some_and(|begin| begin.eq_ignore_ascii_case(b"x-forwarded-"))
}

/// A set of known fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Set(u64);

impl Set {
    const fn of(all: &[Known]) -> Self {
        let (mut set, mut rest) = (Self(0), all);
        while let [first, tail @ ..] = rest {
            set = set.with(*first);
            rest = tail;
        }
        set
    }

    const fn with(self, known: Known) -> Self {
        Self(self.0 | 1u64 << known as u8)
    }

    const fn has(self, known: Known) -> bool {
        self.0 >> known as u8 & 1 == 1
    }
}

const _: () = assert!(Known::COUNT <= 64, "a set of known fields has 64 bits");

/// Fields that speak of one connection, and so never go on. `Trailer` is none of them: it speaks of the message.
const HOP_BY_HOP: Set = Set::of(&[
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Te,
    Known::TransferEncoding,
    Known::Upgrade,
    Known::Http2Settings,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
]);

/// Which fields of a head are not passed on.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    known: Set,
    /// Names, other than known ones, that `Connection` holds; mostly none, and then without an allocation.
    others: Vec<Span>,
}

impl Dropped {
    /// Of a request that was judged.
    pub fn of_request(bytes: &[u8], head: &RequestHead) -> Self {
        let mut dropped = Self::of(bytes, &head.fields);
        if head.version == Version::Http10 {
            // The client does not wait, whatever it says (RFC 9110, section 10.1.1).
            dropped.known = dropped.known.with(Known::Expect);
        }
        dropped
    }

    /// Of an answer that was judged.
    pub fn of_response(bytes: &[u8], head: &ResponseHead) -> Self {
        Self::of(bytes, &head.fields)
    }

    fn of(bytes: &[u8], fields: &[Field]) -> Self {
        let mut dropped = Self { known: HOP_BY_HOP, others: Vec::new() };
        for field in fields.iter().filter(|field| field.known == Known::Connection) {
            dropped.add_named(bytes, field.value);
        }
        dropped
    }

    fn add_named(&mut self, bytes: &[u8], value: Span) {
        let whole = value.of(bytes);
        if whole.len() == 10 && whole.eq_ignore_ascii_case(b"keep-alive") {
            return; // what most clients say; it names nothing that is not dropped anyway
        }
        let mut start = value.start as usize;
        for element in whole.split(|&byte| byte == b',') {
            let blanks = element.iter().take_while(|&&byte| super::bytes::is_blank(byte)).count();
            let option = super::bytes::trim(element);
            let from = start + blanks;
            start += element.len() + 1;
            if matches!(option.len(), 0 | 5) && (option.is_empty() || option.eq_ignore_ascii_case(b"close")) {
                continue;
            }
            let known = Known::of(option);
            if known != Known::Other {
                self.known = self.known.with(known);
            } else if self.others.len() < MOST_NAMED {
                self.others.push(super::bytes::span(from, from + option.len()));
            }
        }
    }

    /// Whether `field` is not passed on. The lane writes Content-Length and Host itself: they are not named here.
    #[inline]
    pub fn drops(&self, bytes: &[u8], field: &Field) -> bool {
        if field.known != Known::Other {
            return self.known.has(field.known);
        }
        !self.others.is_empty() && self.names(bytes, field.name.of(bytes))
    }

    #[cold]
    fn names(&self, bytes: &[u8], name: &[u8]) -> bool {
        self.others.iter().any(|other| other.of(bytes).eq_ignore_ascii_case(name))
    }
}
