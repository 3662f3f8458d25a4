//! One session of UDP: the datagrams of a client, the endpoint that they go to, and the answers.
//!
//! A session stays with its endpoint while that is well. Once it is not, or the configuration names it no more, the next
//! datagram goes to another: nothing that is lost by that could not have been lost on the way. A drain moves nobody.

use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Dropped, Known, lead};
use crate::balance::Held;
use crate::balance::standing::{Checked, Outlier};
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::filter::forwarded::Peer;
use crate::health::Outcome;
use crate::lane::exchange::Tried;
use crate::lane::serving::pass_over;
use crate::lane::{Chosen, Serving, Turn};
use crate::moment::Moment;
use crate::snapshot::compiled::Compiled;

/// What to do with a datagram of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Connect a socket to this endpoint. Where pools are bounded, another one of [`Session::acceptable`] will do.
    Connect(Chosen),
    /// Send it to the endpoint.
    Send,
    /// Drop it, and end the session, which has failed.
    End(Dropped),
}

/// What becomes of a session once an answer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// How long the endpoint took, where it was waited for.
    pub took: Option<Duration>,
    /// All answers that were expected have come.
    pub is_last: bool,
}

/// Datagrams and bytes that were passed on, each way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed {
    /// Datagrams to the endpoint.
    pub datagrams_in: u64,
    /// Datagrams to the client.
    pub datagrams_out: u64,
    /// Bytes to the endpoint.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

/// An endpoint to which a socket is to be connected, and those where that was in vain.
struct Connecting {
    serving: Rc<Serving>,
    chosen: Chosen,
    tried: Tried,
}

/// One session.
pub struct Session {
    peer: Peer,
    began: Moment,
    /// Answers to expect for each datagram, and datagrams that it takes; 0 is any number.
    responses: u64,
    requests: u64,
    /// The snapshot in which its endpoint was last looked for.
    seen: Weak<Compiled>,
    connecting: Option<Box<Connecting>>,
    /// There is a socket that is connected to the endpoint.
    is_open: bool,
    /// The endpoint is loaded with this session.
    held: Option<Held>,
    /// The first datagram that no answer has followed.
    waits_since: Option<Moment>,
    passed: Passed,
    known: Box<Known>,
}

impl Session {
    /// A session of `peer`, on the listener that the turn is of.
    pub fn new(peer: Peer, turn: &Turn<'_>) -> Self {
        let listener = turn.serving.compiled.listeners.get(turn.listener);
        let udp = listener.and_then(|listener| listener.layer4.as_ref()?.udp).unwrap_or_default();
        Self {
            peer,
            began: turn.now,
            responses: udp.responses,
            requests: udp.requests,
            seen: Weak::new(),
            connecting: None,
            is_open: false,
            held: None,
            waits_since: None,
            passed: Passed::default(),
            known: Box::default(),
        }
    }

    /// The client, and the address it wrote to.
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

    /// What was passed on so far.
    pub fn passed(&self) -> Passed {
        self.passed
    }

    /// Whether it takes no further datagram of its client: the next one begins another session.
    pub fn is_full(&self) -> bool {
        self.requests > 0 && self.passed.datagrams_in >= self.requests
    }

    /// Ids of the endpoints that could serve it now, the chosen one first.
    pub fn acceptable(&self, now: Moment) -> Vec<u32> {
        let connecting = self.connecting.as_deref();
        connecting.map(|it| it.serving.acceptable(it.chosen, &it.tried, now)).unwrap_or_default()
    }

    /// A datagram of the client has come.
    pub fn datagram(&mut self, turn: &mut Turn<'_>) -> Verdict {
        if self.is_open && self.is_well_served(turn) {
            return Verdict::Send;
        }
        self.choose(Tried::default(), turn)
    }

    /// A socket is connected to the endpoint.
    pub fn connected(&mut self) {
        self.connecting = None;
        self.is_open = true;
        self.known.is_served = None;
        self.known.failure = None;
    }

    /// Another endpoint, with this id, has room, and the chosen one has not.
    pub fn moved(&mut self, id: u32) -> Option<Chosen> {
        let connecting = self.connecting.as_deref_mut()?;
        connecting.chosen = connecting.serving.other(connecting.chosen, id)?;
        self.held = connecting.serving.hold(connecting.chosen);
        self.name_endpoint();
        self.connecting.as_deref().map(|connecting| connecting.chosen)
    }

    /// No socket could be connected to the endpoint, and why.
    pub fn connect_failed(&mut self, kind: Kind, turn: &mut Turn<'_>) -> Verdict {
        self.held = None;
        let Some(connecting) = self.connecting.take() else { return Verdict::End(Dropped::NoEndpoint) };
        let Connecting { serving, chosen, mut tried } = *connecting;
        if kind.is_unreachable() && serving.give_up(chosen, &mut tried, Tried::USUAL, kind, turn.now) {
            return self.choose(tried, turn);
        }
        self.fail(kind)
    }

    /// Word came that nobody listens at the endpoint (ICMP): it is passed over, and the next datagram goes to another.
    pub fn refused(&mut self, kind: Kind, now: Moment) {
        self.is_open = false;
        if let Some(held) = self.held.take() {
            held.failed(now.since(self.waits_since.unwrap_or(now)), now);
        }
        self.waits_since = None;
        if let (Some(upstream), Some(endpoint)) = (&self.known.upstream, &self.known.endpoint) {
            pass_over(upstream, endpoint, kind, now);
        }
        self.fail(kind);
    }

    /// A datagram was passed on to the endpoint.
    pub fn sent(&mut self, len: usize, now: Moment) {
        self.passed.datagrams_in += 1;
        self.passed.bytes_in += len as u64;
        self.waits_since.get_or_insert(now);
    }

    /// An answer came; it was passed on to the client if `passed`.
    pub fn answered(&mut self, len: usize, passed: bool, now: Moment) -> Answered {
        if passed {
            self.passed.datagrams_out += 1;
            self.passed.bytes_out += len as u64;
        }
        let took = self.waits_since.take().map(|since| now.since(since));
        if let (Some(took), Some(held)) = (took, &self.held) {
            held.answered(took, now);
            self.known.judge(Outcome::Spoke, &self.peer, now);
        }
        // One that could not be passed on will not come again, but whoever waits for it may ask again.
        let expected = self.responses.saturating_mul(self.passed.datagrams_in);
        Answered { took, is_last: self.responses > 0 && self.passed.datagrams_out >= expected }
    }

    /// It has been quiet for its idle time, and is over. Where answers are expected, and none came to its last datagram,
    /// that is held against the endpoint.
    pub fn expire(&mut self, now: Moment) {
        if self.responses > 0 && self.is_open && self.waits_since.is_some() {
            self.known.judge(Outcome::Broken("it did not answer within udp.idle"), &self.peer, now);
        }
    }

    /// Why it ends, where nothing else is to blame.
    pub fn end(&mut self, failure: Failure) {
        self.known.failure.get_or_insert(failure);
    }

    /// Whether its endpoint is still the one to send to.
    fn is_well_served(&mut self, turn: &Turn<'_>) -> bool {
        let (Some(upstream), Some(endpoint)) = (&self.known.upstream, &self.known.endpoint) else { return false };
        let standing = endpoint.standing.at(turn.now);
        if standing.checked == Checked::Down || standing.outlier == Outlier::Out {
            return false;
        }
        let compiled = &turn.serving.compiled;
        if !std::ptr::eq(self.seen.as_ptr(), Arc::as_ptr(compiled)) {
            let same = compiled.upstreams.iter().find(|other| other.name == upstream.name);
            if !same.is_some_and(|same| same.endpoints.iter().any(|other| other.id == endpoint.id)) {
                return false;
            }
            self.seen = Arc::downgrade(compiled);
        }
        true
    }

    fn choose(&mut self, tried: Tried, turn: &mut Turn<'_>) -> Verdict {
        let listener = turn.serving.compiled.listeners.get(turn.listener).map(Arc::clone);
        let led = listener.as_deref().and_then(|listener| {
            let (_, target) = listener.layer4.as_ref()?.route(None);
            lead(&self.peer, listener, target?, turn)
        });
        let Some((leads_to, key)) = led else {
            self.known.failure = Some(Failure::new(Kind::NoRoute, Stage::Route, "the listener leads nowhere"));
            return Verdict::End(Dropped::NoEndpoint);
        };
        match turn.serving.choose(leads_to, &tried, key, turn.now, turn.dice) {
            Ok((chosen, _)) if self.is_open && self.is_with(chosen) => Verdict::Send,
            Ok((chosen, held)) => {
                self.is_open = false;
                self.held = held;
                self.waits_since = None;
                self.seen = Arc::downgrade(&turn.serving.compiled);
                self.known.attempts = self.known.attempts.saturating_add(1);
                self.connecting = Some(Box::new(Connecting { serving: Rc::clone(turn.serving), chosen, tried }));
                self.name_endpoint();
                Verdict::Connect(chosen)
            }
            // An endpoint that is not well is better than none.
            Err(_) if self.is_open => Verdict::Send,
            Err(failure) => {
                if self.known.upstream.is_none() {
                    self.known.upstream = turn.serving.compiled.upstreams.get(leads_to.index()).map(Arc::clone);
                }
                self.known.failure = Some(*failure);
                Verdict::End(Dropped::NoEndpoint)
            }
        }
    }

    fn is_with(&self, chosen: Chosen) -> bool {
        self.known.endpoint.as_ref().is_some_and(|endpoint| endpoint.id == chosen.id)
    }

    fn name_endpoint(&mut self) {
        let Some(connecting) = self.connecting.as_deref() else { return };
        self.known.upstream = connecting.serving.upstream(connecting.chosen).map(Arc::clone);
        self.known.endpoint = connecting.serving.endpoint(connecting.chosen).map(Arc::clone);
    }

    fn fail(&mut self, kind: Kind) -> Verdict {
        let address = self.known.endpoint.as_deref().map_or("", |endpoint| endpoint.address.as_str());
        let reason = format!("{address}: {}", kind.says());
        self.known.failure = Some(Failure { kind, stage: Stage::Connect, retryable: Retryable::Always, reason });
        Verdict::End(Dropped::NoEndpoint)
    }
}
