//! A copy of a request for another upstream, once all of it has come. The lane makes it and forgets it: what becomes of it
//! is nobody's business here.

use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;

use super::exchange::{Answering, Exchange, Link, Tried};
use super::serving::{Chosen, Serving};
use super::{Act, Lane, Turn};
use crate::balance::{Held, Lead};
use crate::dice::Dice;
use crate::failure::Kind;
use crate::filter::forwarded::Peer;
use crate::framing::BodyLength;
use crate::head::Method;
use crate::health::Outcome;
use crate::mirror::{Fate, Mirror, UnderWay};
use crate::moment::Moment;
use crate::snapshot::compiled::{Endpoint, Upstream};

/// By this an endpoint knows a copy.
const MARK: &[u8] = b"x-tidegate-mirror: 1\r\n";

/// Whether a request is to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Copying {
    /// It is not, or it was.
    #[default]
    No,
    /// Once all of it has come.
    Wanted,
}

/// A copy of a request, and where it goes.
pub struct Copy {
    /// What is sent: head and body.
    pub bytes: Vec<u8>,
    /// The method, which decides where an answer ends.
    pub method: Method,
    /// The client and the address it came to, for a PROXY protocol header.
    pub peer: Peer,
    /// How long it may take.
    pub timeout: Duration,
    /// Counts it as under way.
    pub under_way: UnderWay,
    serving: Rc<Serving>,
    lead: Lead,
    key: Option<u64>,
}

impl Copy {
    /// Chooses an endpoint, and loads it with the copy; none where none is eligible.
    pub fn choose(&self, now: Moment, dice: &mut Dice) -> Option<(Chosen, Option<Held>)> {
        self.serving.choose(self.lead, &Tried::default(), self.key, now, dice).ok()
    }

    /// The upstream and the endpoint of a choice.
    pub fn named(&self, chosen: Chosen) -> Option<(&Upstream, &Endpoint)> {
        Some((self.serving.upstream(chosen)?, self.serving.endpoint(chosen)?))
    }

    /// The endpoint could not be reached: it is passed over, for the next copies too.
    pub fn pass_over(&self, chosen: Chosen, kind: Kind, now: Moment) {
        self.serving.pass_over(chosen, kind, now);
    }

    /// Tells the endpoint's standing what became of the copy.
    pub fn observe(&self, chosen: Chosen, outcome: Outcome<'_>, now: Moment) {
        if let Some((upstream, endpoint)) = self.named(chosen) {
            // Copies of different requests are told apart by nothing: none of them is to blame for another's failure.
            upstream.observe(endpoint, outcome, || now.as_nanos(), now);
        }
    }
}

impl Exchange {
    /// Decides whether a copy is made. What would make it too large is known by now, or shows as it comes.
    pub(super) fn decide_copy(&mut self, mirror: &Mirror, turn: &mut Turn<'_>) {
        if self.facts.upgrade_websocket || !mirror.takes(turn.dice) {
            return;
        }
        if let BodyLength::Length(n) = self.facts.body
            && n > mirror.body as u64
        {
            self.count_copy(Fate::TooLarge);
            return;
        }
        self.copying = Copying::Wanted;
        self.replay = mirror.body;
    }

    fn mirror(&self) -> Option<&Mirror> {
        self.filters()?.mirror.as_deref()
    }

    fn count_copy(&mut self, fate: Fate) {
        self.copying = Copying::No;
        let upstream = self.mirror().zip(self.serving.as_ref());
        if let Some(upstream) = upstream.and_then(|(mirror, it)| it.compiled.upstreams.get(mirror.lead.index())) {
            upstream.mirrored.count(fate);
        }
    }

    /// Whether the copy can be made now.
    fn is_ready_to_copy(&mut self) -> bool {
        if self.answering != Answering::Waiting {
            self.count_copy(Fate::Incomplete);
            return false;
        }
        if matches!(self.link, Link::Open) && !self.up.keep {
            self.count_copy(Fate::TooLarge);
            return false;
        }
        self.upload.is_done() && matches!(self.link, Link::Leasing | Link::Open)
    }
}

impl Lane {
    /// Says that a copy is to be made, once that can be.
    pub(super) fn copy_step(&mut self) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        if !exchange.is_ready_to_copy() {
            return None;
        }
        exchange.copying = Copying::No;
        let most = exchange.mirror().map_or(0, |mirror| mirror.body);
        if usize::try_from(exchange.upload.taken()).is_ok_and(|taken| taken <= most) {
            return Some(Act::Mirror);
        }
        exchange.count_copy(Fate::TooLarge);
        None
    }

    /// The copy that [`Act::Mirror`] is about; none where too many are under way.
    pub fn copy(&self) -> Option<Copy> {
        let exchange = self.exchange.as_deref()?;
        let (mirror, serving) = (exchange.mirror()?, exchange.serving.as_ref()?);
        let upstream = serving.compiled.upstreams.get(mirror.lead.index())?;
        let under_way = UnderWay::begin(&upstream.mirrored, mirror.most)?;
        let mut bytes = exchange.up.again().bytes;
        let end = memmem::find(&bytes, b"\r\n\r\n")? + 2;
        bytes.splice(end..end, MARK.iter().copied());
        Some(Copy {
            bytes,
            method: exchange.head.method,
            peer: self.peer.clone(),
            timeout: mirror.timeout,
            under_way,
            serving: Rc::clone(serving),
            lead: mirror.lead,
            key: serving.key(mirror.lead.index(), || exchange.subject(&self.peer)),
        })
    }
}
