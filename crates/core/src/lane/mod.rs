//! One HTTP/1 connection as a state machine: what happened goes in as an [`Event`], what to do comes out as an [`Act`].
//!
//! A lane owns the bytes of both sides and never touches a socket, so that a test can play any order of events, split
//! anywhere, and `explain` sees what traffic sees. It waits for both sides at once: an early answer, a client that
//! leaves, a tunnel and streaming both ways are the same loop.
//!
//! May use: everything of core. Must not know: sockets, runtimes, clocks.
//!
//! ```text
//! ProxyHeader → Idle → Head ─┬→ Exchange: gather → lease → send and receive → give back ─┬→ Idle
//!                            └→ refused, or answered by us ──────────────────────────────┴→ Closing
//! ```

pub mod buffer; // bytes in boxes, and the shelf that boxes go back to
pub mod body; // a body on its way, framed anew
pub mod serving; // what a thread serves: the snapshot, and its balancers
pub mod exchange; // one request and all that answers it
mod request; // from a request's head to what the endpoint is sent
mod answer; // from an answer's head to what the client is sent
mod own; // answers that we make ourselves
mod exposition; // in which form the metrics are asked for
mod deadline; // what is waited for, and until when
mod begin; // the heads, and what they lead to
mod session; // the endpoint that a request's session is with
mod retry; // what becomes of a try in vain
mod hedge; // a second try beside the first
mod mirror; // a copy for another upstream
mod lease; // which endpoint is asked, and whether its connection serves on
mod transfer; // bytes of both bodies on their way
mod step; // the machine itself: events in, acts out

#[cfg(test)]
pub(crate) mod tests; // what a lane costs that waits
#[cfg(test)]
mod edit_tests; // what filters can not do to a message
#[cfg(test)]
mod subset_tests; // endpoints with certain labels, whatever the balancer

pub(crate) use answer::download;
pub use exchange::Exchange;
pub use exposition::Exposition;
pub use mirror::Copy;
pub use serving::{Chosen, Recorded, Serving};

use std::rc::Rc;
use std::time::Duration;

use crate::dice::Dice;
use crate::failure::{Kind, Stage};
use crate::filter::forwarded::Peer;
use crate::head::Version;
use crate::moment::Moment;
use buffer::{Buffer, Shelf};

/// One of the two sides of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The endpoint's.
    Upstream,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The connection is new.
    Accepted,
    /// What was asked for is done, and nothing is to be said about it.
    Done,
    /// So many bytes came and lie in the side's buffer; 0 is the end of what that side sends.
    Read(Side, usize),
    /// So many bytes from the endpoint wait in the kernel for the client, as [`Interest::splice`] allowed.
    Spliced(usize),
    /// So many of the waiting bytes were taken; 0: the side takes no more, but what it has sent can still be read.
    Wrote(Side, usize),
    /// The side's connection broke.
    Broke(Side),
    /// The endpoint has refused the stream, and says that it has not looked at the request.
    Refused,
    /// There is a connection to the endpoint; `reused` says for how long it had no work.
    Leased {
        /// How long a pooled connection had been idle; `None` for a new one.
        reused: Option<Duration>,
    },
    /// The request waits for a connection to become free.
    Queued,
    /// The endpoint with this id has a connection to spare, and the chosen one has not.
    Moved(u32),
    /// The connect has begun.
    Connecting,
    /// There is no connection to be had, and why.
    LeaseFailed(Kind),
    /// The try behind has something to say, see [`Act::Swap`].
    Behind,
    /// Time has passed, or something outside (a drain) has changed.
    Woken,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Wait for the first of these.
    Wait(Interest),
    /// Get a connection to the chosen endpoint; the answer is `Leased`, `Queued`, `Connecting` or `LeaseFailed`, and
    /// `Moved` in front of those where pools are bounded and another one of [`Lane::acceptable`] has room sooner.
    Lease(Lease),
    /// The upstream connection is clean: keep it for the next one, at most so long; zero: as the pool has it.
    GiveBack(Keep),
    /// The upstream connection has no further use.
    DropUpstream,
    /// Two endpoints are asked at once: the upstream side steps back, and the one behind it, which may be none yet, is the
    /// upstream side from now on.
    Swap,
    /// The side behind, connected or on its way, has no further use.
    DropBehind,
    /// Nothing more will be sent to this side; tell it so.
    Shut(Side),
    /// The client speaks HTTP/2 from its first byte: [`Lane::let_go`] has what came of it.
    SpeakHttp2,
    /// It is known now who the client is, by the PROXY protocol header: count the connection for it.
    Meet,
    /// The metrics are asked for, in this form: hand their text to [`Lane::supply`].
    Metrics(Exposition),
    /// The request is whole: send what [`Lane::copy`] has to another upstream, and let it go.
    Mirror,
    /// The exchange is over: log and count it.
    Report,
    /// The connection is over.
    Close(Close),
}

/// How an upstream connection is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// At most so long, as the endpoint announced it; `None`: as the pool has it.
    pub idle: Option<Duration>,
    /// For this client connection alone (PROXY protocol out, or a connection that carries a login).
    pub private: bool,
}

/// Which connection is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Where to.
    pub to: Chosen,
    /// How long a pooled connection may have been idle at most.
    pub fresh: Fresh,
}

/// How fresh a connection must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fresh {
    /// Any pooled connection will do.
    #[default]
    Any,
    /// One that was idle for under a second: the request cannot be repeated should the endpoint be closing it.
    Recent,
    /// A new one: a pooled one has just failed.
    New,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// At once; nothing more can come that would matter.
    Now,
    /// Stop sending, then read until the client stops too, so that a reset never eats our last answer.
    Linger,
    /// Reset: the client could not tell that the answer was cut.
    Reset,
}

/// What is waited for; the first that is ready is the next event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// Bytes from the client.
    pub read_downstream: bool,
    /// Room for bytes to the client.
    pub write_downstream: bool,
    /// Bytes from the endpoint.
    pub read_upstream: bool,
    /// So many of them concern only the client, and need not be seen here: where both sides let it, they may go from
    /// socket to socket. Then comes `Event::Spliced` in place of `Event::Read`.
    pub splice: usize,
    /// Room for bytes to the endpoint.
    pub write_upstream: bool,
    /// The connection that was asked for.
    pub lease: bool,
    /// Bytes on the side behind, or the connection that was asked for there; neither is taken: then comes `Event::Behind`.
    pub behind: bool,
    /// Room for bytes on the side behind, likewise.
    pub write_behind: bool,
    /// When to wake at the latest.
    pub deadline: Moment,
}

/// What a step of a lane may look at, besides the lane.
pub struct Turn<'a> {
    /// Now.
    pub now: Moment,
    /// `Date` as HTTP writes it, for answers that have none.
    pub date: &'a [u8; 29],
    /// The thread's dice.
    pub dice: &'a mut Dice,
    /// The thread's boxes.
    pub shelf: &'a mut Shelf,
    /// What the connection's listener serves now.
    pub serving: &'a Rc<Serving>,
    /// The connection's listener, as an index into the snapshot.
    pub listener: usize,
    /// When an idle connection is to go, since its listener or the process goes; else never.
    pub leave_at: Moment,
    /// Whether kept connections are to be told that they end, with their next answer.
    pub leaving: bool,
    /// Whether `/readyz` says yes.
    pub ready: bool,
    /// Whether the client had as many connections as its listener allows before this one.
    pub crowded: bool,
}

/// Where a lane is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Before anything else a PROXY protocol header must come.
    ProxyHeader,
    /// Between two requests.
    Idle,
    /// The first byte of a head has come.
    Head,
    /// A request is under way.
    Exchange,
    /// What waits is written, then the connection ends.
    Closing(Close),
}

/// One HTTP/1 connection.
pub struct Lane {
    peer: Peer,
    phase: Phase,
    /// The client sends no more.
    ended: bool,
    /// The connection began.
    began: Moment,
    /// The current phase began, or moved last.
    touched: Moment,
    served: u32,
    /// The version of which this is one stream: there is one request, and it came in that version.
    carried: Option<Version>,
    /// The last answer was large.
    large_answers: bool,
    /// The id of the endpoint whose connection is kept for this client alone.
    bound: Option<u32>,
    /// What was wrong with the PROXY protocol header.
    refused: Option<&'static str>,
    input: Buffer,
    exchange: Option<Box<Exchange>>,
}

impl Lane {
    /// A lane for a connection from `peer`; `proxied`: it must begin with a PROXY protocol header.
    pub fn new(peer: Peer, proxied: bool, now: Moment) -> Self {
        Self {
            peer,
            phase: if proxied { Phase::ProxyHeader } else { Phase::Idle },
            ended: false,
            began: now,
            touched: now,
            served: 0,
            carried: None,
            large_answers: false,
            bound: None,
            refused: None,
            input: Buffer::none(),
            exchange: None,
        }
    }

    /// A lane for one stream of a connection from `peer`, which speaks another version.
    pub fn of_stream(peer: Peer, version: Version, now: Moment) -> Self {
        Self { carried: Some(version), ..Self::new(peer, false, now) }
    }

    /// What came of a connection that speaks another version ([`Act::SpeakHttp2`]), and who sent it.
    pub fn let_go(&mut self) -> (Vec<u8>, Peer) {
        (self.input.filled().to_vec(), self.peer.clone())
    }

    /// The exchange under way, or the one to report.
    pub fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_deref()
    }

    /// Why the connection is closed without an answer: its PROXY protocol header was wrong, and how.
    pub fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    /// Whether it is still unknown who the client is.
    pub fn awaits_client(&self) -> bool {
        self.phase == Phase::ProxyHeader
    }

    /// The client and the address it came to, as far as a PROXY protocol header told.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where on the road the lane is.
    pub fn stage(&self) -> Stage {
        match (self.phase, &self.exchange) {
            (Phase::ProxyHeader, _) => Stage::ProxyProtocol,
            (Phase::Idle, _) => Stage::Idle,
            (Phase::Head, _) => Stage::Codec,
            (Phase::Closing(_), _) => Stage::Write,
            (Phase::Exchange, Some(exchange)) => exchange.stage(),
            (Phase::Exchange, None) => Stage::Codec,
        }
    }

    /// Ids of the endpoints that could serve the exchange under way now, the chosen one first.
    pub fn acceptable(&self, now: Moment) -> Vec<u32> {
        let acceptable = || {
            let exchange = self.exchange.as_deref()?;
            let chosen = exchange.chosen?;
            if exchange.is_in_session(&self.peer) {
                return Some(vec![chosen.id]);
            }
            Some(exchange.serving.as_ref()?.acceptable(chosen, &exchange.tried, now))
        };
        acceptable().unwrap_or_default()
    }

    /// Room to read bytes of `side` into; then comes `Event::Read`. The box is given back by [`Lane::rest`].
    pub fn room(&mut self, side: Side, shelf: &mut Shelf) -> &mut [u8] {
        let wanted = match side {
            Side::Downstream => self.exchange.as_ref().map_or(buffer::SMALL, |exchange| exchange.upload_box()),
            // Of an answer that may go through a pipe no more is read than its head needs.
            Side::Upstream if self.large_answers && self.exchange.as_ref().is_some_and(|it| it.awaits_answer()) => {
                buffer::SMALL
            }
            Side::Upstream => buffer::LARGE,
        };
        let buffer = match (side, &mut self.exchange) {
            (Side::Downstream, _) => &mut self.input,
            (Side::Upstream, Some(exchange)) => &mut exchange.source,
            (Side::Upstream, None) => return &mut [],
        };
        if buffer.is_empty() && buffer.capacity() < wanted {
            shelf.give_back(buffer);
            *buffer = shelf.take_up_to(wanted);
        } else if buffer.room_len() == 0 {
            buffer.compact();
            if buffer.room_len() == 0 {
                shelf.resize(buffer, wanted.max(buffer.capacity() * 2));
            }
        }
        buffer.room()
    }

    /// Nothing came after all: a box that holds nothing goes back to the shelf.
    pub fn rest(&mut self, side: Side, shelf: &mut Shelf) {
        let buffer = match (side, &mut self.exchange) {
            (Side::Downstream, _) => &mut self.input,
            (Side::Upstream, Some(exchange)) => &mut exchange.source,
            (Side::Upstream, None) => return,
        };
        if buffer.is_empty() && buffer.capacity() > 0 {
            shelf.give_back(buffer);
        }
    }

    /// What waits to be written to `side`, in order.
    pub fn waiting(&self, side: Side) -> [&[u8]; 3] {
        match (&self.exchange, side) {
            (Some(exchange), Side::Downstream) => exchange.down.slices(&exchange.source),
            (Some(exchange), Side::Upstream) => exchange.up.slices(&self.input),
            (None, _) => [&[], &[], &[]],
        }
    }

    /// Gives every box back; called when the connection is over.
    pub fn clear(&mut self, shelf: &mut Shelf) {
        shelf.give_back(&mut self.input);
        if let Some(mut exchange) = self.exchange.take() {
            exchange.clear_behind(shelf);
            shelf.give_back(&mut exchange.source);
            shelf.keep_exchange(exchange);
        }
    }
}
