//! The head of a message: spans over the bytes it came in, and a known id for each field that the road asks about.
//! One concrete type for every HTTP version; HTTP/2 and 3 decode into a buffer of the same shape.

/// A range of the bytes that a head was read from. Positions count from the head's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes; empty where the span does not lie within `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it holds no byte.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// One field line: its name, its value without the white space around it, and which of the known ones it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name as it was sent.
    pub name: Span,
    /// The value without the white space around it.
    pub value: Span,
    /// Which field it is, if the road asks about it.
    pub known: Known,
}

/// The version of HTTP that a message came in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2, of which a lane sees the bytes of HTTP/1
    Http2,
}

impl Version {
    /// The number in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}

/// Request methods that change what the road does (RFC 9110, section 9); all others are `Other`, the span tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// CONNECT
    Connect,
    /// PATCH
    Patch,
    /// Any other token.
    Other,
}

impl Method {
    /// Whether a repeat has the effect of one (RFC 9110, section 9.2.2). Unknown methods are not.
    pub fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace => true,
            Self::Post | Self::Connect | Self::Patch | Self::Other => false,
        }
    }

    /// Whether it asks for nothing to be changed (RFC 9110, section 9.2.1). Unknown methods are not.
    pub fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Options | Self::Trace => true,
            Self::Put | Self::Delete | Self::Post | Self::Connect | Self::Patch | Self::Other => false,
        }
    }
}

/// The four forms of a request target (RFC 9112, section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `host:port`, for CONNECT only
    Authority,
    /// `*`, for OPTIONS only
    Asterisk,
}

/// A request's head. `fields` is reused from one request to the next.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The method as it was sent.
    pub method_span: Span,
    /// The whole request target.
    pub target: Span,
    /// Which form it has.
    pub form: TargetForm,
    /// Where the target names an authority (absolute and authority form): that part, else empty.
    pub authority: Span,
    /// The path without the query; empty for `*` and for an absolute form without a path (which means `/`).
    pub path: Span,
    /// What follows `?`; empty if there is none (see `has_query`).
    pub query: Span,
    /// Whether there was a `?`.
    pub has_query: bool,
    /// The version.
    pub version: Version,
    /// The field lines in order.
    pub fields: Vec<Field>,
    /// Length of the head with its closing empty line, in bytes.
    pub len: u32,
}

/// A response's head. `fields` is reused from one response to the next.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The version.
    pub version: Version,
    /// The status, 100 to 999.
    pub status: u16,
    /// The reason phrase, may be empty.
    pub reason: Span,
    /// The field lines in order.
    pub fields: Vec<Field>,
    /// Length of the head with its closing empty line, in bytes.
    pub len: u32,
}

impl RequestHead {
    /// Whether the target means the server and no resource of it: `*`, which for OPTIONS an absolute form without path and
    /// query means as well (RFC 9112, section 3.2.4).
    pub fn asks_about_the_server(&self) -> bool {
        let has_nothing = self.form == TargetForm::Absolute && self.path.is_empty() && !self.has_query;
        self.form == TargetForm::Asterisk || (has_nothing && self.method == Method::Options)
    }
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method: Method::Other,
            method_span: Span::default(),
            target: Span::default(),
            form: TargetForm::Origin,
            authority: Span::default(),
            path: Span::default(),
            query: Span::default(),
            has_query: false,
            version: Version::Http11,
            fields: Vec::new(),
            len: 0,
        }
    }
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self { version: Version::Http11, status: 0, reason: Span::default(), fields: Vec::new(), len: 0 }
    }
}

/// Makes the enum of known names and its look-up from one list, so that both always agree.
macro_rules! known_fields {
    ($($(#[$doc:meta])* $id:ident = $name:literal),+ $(,)?) => {
        /// Fields that the road asks about.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Known {
            /// No field that the road asks about.
            Other,
            $(#[doc = $name] $(#[$doc])* $id),+
        }

        impl Known {
            /// Every known name, `Other` apart.
            const ALL: &[(Self, &str)] = &[$((Self::$id, $name)),+];

            /// How many there are, with `Other`.
            pub const COUNT: usize = Self::ALL.len() + 1;

            /// Which known field `name` is, in any case.
            #[inline]
            pub fn of(name: &[u8]) -> Self {
                let (&[first, ..], &[.., before, last]) = (name, name) else { return Self::Other };
                match KNOWN_TABLE.get(KNOWN_TABLE.slot(name.len(), first, before, last)) {
                    Some((known, its_name)) if name.eq_ignore_ascii_case(its_name.as_bytes()) => *known,
                    _ => Self::Other,
                }
            }

            /// The name in lower case; empty for `Other`.
            pub fn name(self) -> &'static str {
                match self { Self::Other => "", $(Self::$id => $name),+ }
            }
        }
    };
}

/// The known names by a hash of length, first byte and last two, made at compile time so that no two share a slot.
struct KnownTable {
    factor: u32,
    slots: [(Known, &'static str); KnownTable::SIZE],
}

static KNOWN_TABLE: KnownTable = KnownTable::build();

impl KnownTable {
    const BITS: u32 = 9;
    const SIZE: usize = 1 << Self::BITS;

    /// Letters of both cases have the same hash, since the bit that tells them apart is set in all.
    const fn hash(factor: u32, len: usize, first: u8, before: u8, last: u8) -> usize {
        let key = u32::from_le_bytes([first | 0x20, before | 0x20, last | 0x20, (len & 0xff) as u8]);
        (key.wrapping_mul(factor) >> (u32::BITS - Self::BITS)) as usize
    }

    #[inline(always)]
    fn slot(&self, len: usize, first: u8, before: u8, last: u8) -> usize {
        Self::hash(self.factor, len, first, before, last)
    }

    #[inline(always)]
    fn get(&self, slot: usize) -> Option<&(Known, &'static str)> {
        self.slots.get(slot)
    }

    const fn build() -> Self {
        let mut factor = 0x9E37_79B1;
        loop {
            if let Some(slots) = Self::fill(factor) {
                return Self { factor, slots };
            }
            factor = factor.wrapping_mul(0x0019_660D).wrapping_add(2);
        }
    }

    const fn fill(factor: u32) -> Option<[(Known, &'static str); Self::SIZE]> {
        let mut slots = [(Known::Other, ""); Self::SIZE];
        let mut rest = Known::ALL;
        while let [(known, name), tail @ ..] = rest {
            let (&[first, ..], &[.., before, last]) = (name.as_bytes(), name.as_bytes()) else { return None };
            let slot = Self::hash(factor, name.len(), first, before, last);
            if !slots[slot].1.is_empty() {
                return None;
            }
            slots[slot] = (*known, name);
            rest = tail;
        }
        Some(slots)
    }
}

known_fields! {
    Host = "host",
    Connection = "connection",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Te = "te",
    Trailer = "trailer",
    Upgrade = "upgrade",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    Http2Settings = "http2-settings",
    Expect = "expect",
    MaxForwards = "max-forwards",
    Via = "via",
    Date = "date",
    Server = "server",
    Authorization = "authorization",
    Cookie = "cookie",
    UserAgent = "user-agent",
    Referer = "referer",
    Origin = "origin",
    WwwAuthenticate = "www-authenticate",
    Forwarded = "forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XForwardedServer = "x-forwarded-server",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    ProxyStatus = "proxy-status",
    ContentType = "content-type",
    RetryAfter = "retry-after",
    GrpcTimeout = "grpc-timeout",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_is_found_in_any_case_and_no_other() {
        for (known, name) in Known::ALL {
            assert_eq!(Known::of(name.as_bytes()), *known);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), *known);
            assert_eq!(known.name(), *name);
            assert_eq!(Known::of(&name.as_bytes()[1..]), Known::Other, "{name}");
            assert_eq!(Known::of(name.replace('-', "_").as_bytes()) == *known, !name.contains('-'));
        }
        for name in ["", "x", "xx", "accept", "cookies", "hos\u{f4}"] {
            assert_eq!(Known::of(name.as_bytes()), Known::Other, "{name}");
        }
    }
}
