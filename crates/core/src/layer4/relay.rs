//! One TCP connection, and the one to an endpoint that its bytes are carried on by.
//!
//! Until there is an endpoint nothing is read but what decides: a PROXY protocol header, a ClientHello. So another endpoint can always
//! be asked in place of one that cannot be reached, and no byte of the client is lost.

mod begin; // who the client is, and where that leads

use std::rc::Rc;
use std::sync::Arc;

use super::Known;
use crate::balance::{Held, Lead};
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::filter::forwarded::Peer;
use crate::health::Outcome;
use crate::lane::buffer::{Buffer, SMALL, Shelf};
use crate::lane::exchange::Tried;
use crate::lane::{Chosen, Close, Serving, Side, Turn};
use crate::moment::Moment;
use crate::proxy_protocol;
use crate::snapshot::compiled::Upstream;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The connection is new.
    Accepted,
    /// What was asked for is done, and nothing is to be said about it.
    Done,
    /// So many bytes of the client came and lie in [`Relay::room`]; 0 is the end of what it sends.
    Read(usize),
    /// There is a connection to the endpoint.
    Leased,
    /// Another endpoint, with this id, has room sooner than the chosen one.
    Moved(u32),
    /// There is no connection to be had, and why.
    LeaseFailed(Kind),
    /// The client left while a connection to an endpoint was waited for.
    Left,
    /// This side sends no more, and all that it has sent is on its way.
    Ended(Side),
    /// The side's connection broke.
    Broke(Side),
    /// The deadline has come.
    Late,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Read from the client into [`Relay::room`], until then at the latest.
    Read(Moment),
    /// It is known now who the client is: count the connection for it.
    Meet,
    /// Get a connection to this endpoint. Where pools are bounded, another one of [`Relay::acceptable`] will do.
    Lease(Chosen),
    /// Write [`Relay::opening`] to the endpoint, then carry bytes both ways, until a side ends.
    Carry,
    /// Nothing more will be sent to this side; tell it so.
    Shut(Side),
    /// The connection is over, and how.
    Close(Close),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Before anything else a PROXY protocol header must come.
    ProxyHeader,
    /// It is known who the client is.
    Met,
    /// A ClientHello is waited for.
    Hello,
    /// An endpoint is to be chosen.
    Wanted,
    /// A connection was asked for.
    Leasing,
    /// Bytes are carried both ways.
    Open,
    /// It is over.
    Closing(Close),
}

/// What is needed until there is an endpoint.
struct Opening {
    serving: Rc<Serving>,
    leads_to: Lead,
    key: Option<u64>,
    tried: Tried,
    chosen: Option<Chosen>,
}

/// One TCP connection.
pub struct Relay {
    peer: Peer,
    phase: Phase,
    began: Moment,
    /// Sides that send no more.
    ended: [bool; 2],
    /// Bytes that the endpoint took, and that the client took.
    moved: (u64, u64),
    /// What came before there was an endpoint; then, what the endpoint is sent first.
    input: Buffer,
    opening: Option<Box<Opening>>,
    /// The endpoint is loaded with this connection.
    held: Option<Held>,
    known: Box<Known>,
}

impl Relay {
    /// A connection from `peer`; `proxied`: it must begin with a PROXY protocol header.
    pub fn new(peer: Peer, proxied: bool, now: Moment) -> Self {
        Self {
            peer,
            phase: if proxied { Phase::ProxyHeader } else { Phase::Met },
            began: now,
            ended: [false; 2],
            moved: (0, 0),
            input: Buffer::none(),
            opening: None,
            held: None,
            known: Box::default(),
        }
    }

    /// The client and the address it came to, as far as a PROXY protocol header told.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// When it began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// What is known of it for the log.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Where on the road it is.
    pub fn stage(&self) -> Stage {
        match self.phase {
            Phase::ProxyHeader => Stage::ProxyProtocol,
            Phase::Met | Phase::Hello => Stage::Route,
            Phase::Wanted => Stage::Balance,
            Phase::Leasing => Stage::Connect,
            Phase::Open | Phase::Closing(_) => Stage::Exchange,
        }
    }

    /// Bytes that the endpoint took, and that the client took.
    pub fn moved(&self) -> (u64, u64) {
        self.moved
    }

    /// So many bytes were carried until what is told next happened.
    pub fn has_moved(&mut self, moved: (u64, u64)) {
        self.moved = moved;
    }

    /// Whether the first byte of the endpoint is to be told, with [`Event::Done`]: somebody judges the endpoint by it.
    pub fn listens(&self) -> bool {
        let judges = |upstream: &Arc<Upstream>| upstream.document.outlier.is_some();
        self.known.is_served.is_none() && self.known.upstream.as_ref().is_some_and(judges)
    }

    /// Ids of the endpoints that could serve it now, the chosen one first.
    pub fn acceptable(&self, now: Moment) -> Vec<u32> {
        let opening = self.opening.as_deref();
        opening.and_then(|it| Some(it.serving.acceptable(it.chosen?, &it.tried, now))).unwrap_or_default()
    }

    /// Whether nothing of the client waits for an endpoint: then its end means that it has left.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Room to read bytes of the client into.
    pub fn room(&mut self, shelf: &mut Shelf) -> &mut [u8] {
        if self.input.capacity() == 0 {
            self.input = shelf.take(SMALL);
        }
        self.input.compact();
        self.input.room()
    }

    /// What the endpoint is sent first: a PROXY protocol header, where it wants one, then what the client has sent.
    pub fn opening(&mut self) -> (Vec<u8>, Buffer) {
        let mut header = Vec::new();
        if let Some(upstream) = &self.known.upstream {
            proxy_protocol::write(&mut header, upstream.proxy_protocol, self.peer.address, self.peer.local);
        }
        (header, std::mem::take(&mut self.input))
    }

    /// The proxy ends before it does.
    pub fn cut(&mut self) {
        self.fail(Failure::cut(self.stage()), Close::Reset);
    }

    /// Gives the box back; called when the connection is over.
    pub fn clear(&mut self, shelf: &mut Shelf) {
        shelf.give_back(&mut self.input);
    }

    /// Takes what happened, and says what to do.
    pub fn next(&mut self, event: Event, turn: &mut Turn<'_>) -> Act {
        self.judge(event, turn.now);
        let act = self.note(event, turn);
        let mut act = act.or_else(|| self.step(turn));
        while act.is_none() {
            act = self.step(turn);
        }
        act.unwrap_or(Act::Close(Close::Now))
    }

    /// Says, once, what the endpoint has shown by now.
    fn judge(&mut self, event: Event, now: Moment) {
        if self.phase != Phase::Open || self.known.is_served.is_some() {
            return;
        }
        let (sent, came) = self.moved;
        let outcome = if came > 0 {
            Outcome::Spoke
        } else if event == Event::Broke(Side::Upstream) {
            Outcome::Broken(Kind::UpstreamReset.says())
        } else if event != Event::Ended(Side::Upstream) || sent == 0 {
            return;
        } else if self.ended[0] {
            // It took all that the client had to say, and had nothing to say itself.
            Outcome::Spoke
        } else {
            Outcome::Broken(Kind::UpstreamClosed.says())
        };
        self.known.judge(outcome, &self.peer, now);
    }

    fn note(&mut self, event: Event, turn: &mut Turn<'_>) -> Option<Act> {
        match event {
            Event::Accepted | Event::Done => {}
            Event::Read(0) => self.ended = [true, self.ended[1]],
            Event::Read(n) => self.input.fill(n),
            Event::Leased => {
                self.opening = None;
                // An end that came already is still there to be read.
                self.ended = [false; 2];
                self.phase = Phase::Open;
            }
            Event::Moved(id) => {
                if let Some(opening) = &mut self.opening {
                    opening.chosen = opening.chosen.and_then(|chosen| opening.serving.other(chosen, id));
                    self.held = opening.chosen.and_then(|chosen| opening.serving.hold(chosen));
                }
                self.name_endpoint();
            }
            Event::LeaseFailed(kind) => self.lease_failed(kind, turn),
            Event::Left => {
                let says = "the client left before there was a connection to an endpoint";
                self.fail(Failure::new(Kind::ClientGone, self.stage(), says), Close::Reset);
            }
            Event::Ended(side) => return self.end(side),
            Event::Broke(side) => self.broke(side),
            Event::Late => self.late(),
        }
        None
    }

    fn step(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        match self.phase {
            Phase::ProxyHeader => self.read_proxy_header(turn),
            Phase::Met => {
                self.meet(turn);
                None
            }
            Phase::Hello => self.read_hello(turn),
            Phase::Wanted => {
                self.choose(turn);
                None
            }
            Phase::Leasing => {
                let chosen = self.opening.as_deref().and_then(|opening| opening.chosen);
                Some(chosen.map_or(Act::Close(Close::Reset), Act::Lease))
            }
            Phase::Open => Some(Act::Carry),
            Phase::Closing(how) => Some(Act::Close(how)),
        }
    }

    fn choose(&mut self, turn: &mut Turn<'_>) {
        let Some(opening) = self.opening.as_deref_mut() else {
            self.phase = Phase::Closing(Close::Reset);
            return;
        };
        match opening.serving.choose(opening.leads_to, &opening.tried, opening.key, turn.now, turn.dice) {
            Ok((chosen, held)) => {
                self.held = held;
                opening.chosen = Some(chosen);
                self.known.attempts = self.known.attempts.saturating_add(1);
                self.phase = Phase::Leasing;
                self.name_endpoint();
            }
            Err(failure) => {
                self.known.upstream = opening.serving.compiled.upstreams.get(opening.leads_to.index()).map(Arc::clone);
                self.fail(*failure, Close::Reset);
            }
        }
    }

    fn name_endpoint(&mut self) {
        let Some(opening) = self.opening.as_deref() else { return };
        let Some(chosen) = opening.chosen else { return };
        self.known.upstream = opening.serving.upstream(chosen).map(Arc::clone);
        self.known.endpoint = opening.serving.endpoint(chosen).map(Arc::clone);
    }

    fn lease_failed(&mut self, kind: Kind, turn: &Turn<'_>) {
        let address = self.known.endpoint.as_deref().map_or("", |endpoint| endpoint.address.as_str());
        let reason = format!("{address}: {}", kind.says());
        let failure = Failure { kind, stage: Stage::Connect, retryable: Retryable::Always, reason };
        self.held = None;
        let Some(opening) = self.opening.as_deref_mut() else { return };
        let another = match opening.chosen.take() {
            Some(chosen) if kind.is_unreachable() => {
                opening.serving.give_up(chosen, &mut opening.tried, Tried::USUAL, kind, turn.now)
            }
            Some(_) | None => false,
        };
        if another {
            self.phase = Phase::Wanted;
        } else {
            self.fail(failure, Close::Reset);
        }
    }

    /// The end of one side is told to the other; once both have ended, it is over.
    fn end(&mut self, side: Side) -> Option<Act> {
        let [down, up] = &mut self.ended;
        let (ended, other) = match side {
            Side::Downstream => (down, Side::Upstream),
            Side::Upstream => (up, Side::Downstream),
        };
        *ended = true;
        if self.ended == [true; 2] {
            self.phase = Phase::Closing(Close::Now);
        }
        Some(Act::Shut(other))
    }

    /// A side that broke is told to the other as what it was: the bytes may not be whole.
    fn broke(&mut self, side: Side) {
        let failure = match side {
            Side::Downstream => Failure::new(Kind::ClientGone, self.stage(), "the client reset the connection"),
            Side::Upstream => {
                let address = self.known.endpoint.as_deref().map_or("", |endpoint| endpoint.address.as_str());
                Failure::new(Kind::UpstreamReset, self.stage(), format!("{address} reset the connection"))
            }
        };
        self.fail(failure, Close::Reset);
    }

    fn late(&mut self) {
        match self.phase {
            Phase::ProxyHeader => self.refuse("timeouts.header passed inside the header"),
            Phase::Hello => {
                let says = "timeouts.header passed before a ClientHello was whole";
                self.fail(Failure::new(Kind::HeadTimeout, Stage::Route, says), Close::Reset);
            }
            Phase::Met | Phase::Wanted | Phase::Leasing | Phase::Open | Phase::Closing(_) => {
                let says = Kind::ConnectionIdle.says();
                self.fail(Failure::new(Kind::ConnectionIdle, self.stage(), says), Close::Now);
            }
        }
    }
}
