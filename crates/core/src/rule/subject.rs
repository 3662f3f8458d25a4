//! One request as expressions see it: borrowed, so that making one costs nothing.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::failure::Kind;
use crate::filter::forwarded::{self, Peer, Told, Trust};
use crate::framing::RequestFacts;
use crate::geo::{Geo, Place};
use crate::head::{RequestHead, TargetForm};
use crate::route::{DotSegments, read_path};
use crate::snapshot::compiled::Listener;

/// What is known of one request, and of its answer where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The listener's name.
    pub listener: &'a str,
    /// Whose word the listener believes.
    pub trust: &'a Trust,
    /// What the listener does about dot segments.
    pub dots: DotSegments,
    /// What tells where the client is.
    pub geo: &'a Geo,
    /// Who is at the other end of the connection.
    pub peer: &'a Peer,
    /// Who the client is, and the request's id.
    pub told: &'a Told,
    /// The bytes that `head` is over.
    pub bytes: &'a [u8],
    /// The head.
    pub head: &'a RequestHead,
    /// What follows from it.
    pub facts: &'a RequestFacts,
    /// The matched form of the path, where whoever asks has it; else it is read when it is asked for.
    pub path: Option<&'a [u8]>,
    /// How it ended; none before that.
    pub answer: Option<Answer>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; 0 where the client was sent none.
    pub status: u16,
    /// From the request's first byte to the end of the exchange.
    pub duration: Duration,
    /// Why it failed, if it did.
    pub failure: Option<Kind>,
}

impl<'a> Subject<'a> {
    /// A request of a listener. `path` and `answer` may be set afterwards.
    pub fn of(
        listener: &'a Listener,
        peer: &'a Peer,
        told: &'a Told,
        bytes: &'a [u8],
        head: &'a RequestHead,
        facts: &'a RequestFacts,
    ) -> Self {
        let (trust, dots, geo) = (&listener.trust, listener.dots, &listener.geo);
        Self { listener: &listener.name, trust, dots, geo, peer, told, bytes, head, facts, path: None, answer: None }
    }

    /// The matched form of the path.
    pub fn path(&self) -> Cow<'a, [u8]> {
        match self.path {
            Some(path) => Cow::Borrowed(path),
            None => read_path(self.raw_path(), self.dots).map_or(Cow::Borrowed(&[]), |forms| forms.matched),
        }
    }

    /// Path and query as they go on where nothing is rewritten: as they came, but for dot segments that were resolved.
    pub fn uri(&self) -> Cow<'a, [u8]> {
        let raw = self.raw_path();
        let resolved = match self.dots {
            DotSegments::Refuse => None,
            DotSegments::Resolve => read_path(raw, self.dots).ok().and_then(|forms| forms.forwarded),
        };
        if self.head.form == TargetForm::Origin && resolved.is_none() {
            return Cow::Borrowed(self.head.target.of(self.bytes));
        }
        let mut uri = resolved.unwrap_or_else(|| raw.to_vec());
        if self.head.has_query {
            uri.push(b'?');
            uri.extend_from_slice(self.query());
        }
        Cow::Owned(uri)
    }

    /// The query as it was sent.
    pub fn query(&self) -> &'a [u8] {
        self.head.query.of(self.bytes)
    }

    /// The host in lower case, without port and last dot; empty where there is none.
    pub fn host(&self) -> Cow<'a, [u8]> {
        let host = self.facts.host.map_or(&[][..], |host| host.name.of(self.bytes));
        if host.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        forwarded::scheme(self.trust, self.peer, self.told, self.bytes, self.head)
    }

    /// The client's address; none where only a Unix socket is known.
    pub fn client(&self) -> Option<IpAddr> {
        self.told.client
    }

    /// The client's port; 0 where it is not known, as behind a believed proxy, which tells only the address.
    pub fn client_port(&self) -> u16 {
        let is_peer = |address: &std::net::SocketAddr| self.told.client == Some(address.ip());
        self.peer.address.filter(is_peer).map_or(0, |address| address.port())
    }

    /// The code of the client's country; empty where it is not known.
    pub fn country(&self) -> &'a str {
        self.client().map_or("", |client| self.geo.country(client))
    }

    /// The code of its continent.
    pub fn continent(&self) -> &'a str {
        self.client().map_or("", |client| self.geo.continent(client))
    }

    /// The number of its autonomous system; 0 where it is not known.
    pub fn asn(&self) -> u32 {
        self.client().map_or(0, |client| self.geo.asn(client))
    }

    /// Where the client is.
    pub fn place(&self) -> Option<Place> {
        self.geo.place(self.client()?)
    }

    /// As it was sent; `/` where the target has none, `*` where it means the server.
    pub(crate) fn raw_path(&self) -> &'a [u8] {
        match self.head.path.of(self.bytes) {
            _ if self.head.asks_about_the_server() => b"*",
            [] => b"/",
            path => path,
        }
    }
}
