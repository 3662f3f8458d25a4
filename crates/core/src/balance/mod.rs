//! Which endpoint takes the request, and why that one.
//!
//! A balancer sees a view that is kept as endpoints change; nothing is scanned for a request. Time and dice come in.
//! May use: dice, moment, places of geo, the snapshot document, and rule for what tells requests apart. Must not know:
//! routes, pools, sockets. In Rust because it runs for every request.

pub mod history; // what became of an endpoint, and why
pub mod standing; // whether an endpoint may be chosen: three axes, each a table of transitions
pub mod load; // what an endpoint is loaded with, over all threads
pub mod view; // the endpoints that may be chosen now, rebuilt only when that changes
pub mod tiers; // which endpoints come first, and who takes over
mod slow_start; // a share that rises by and by
pub mod method; // how an upstream balances, and the balancer for it
mod untried; // what every balancer does alike: nothing to choose from, or a try in vain
pub mod round_robin; // smooth weighted round robin
mod alias; // draws by weight
pub mod random_two; // the less loaded of two random ones
mod tournament; // the lowest of many keys, kept as keys change
pub mod ranking; // the best of all, kept by all threads together
mod hash; // the hash of keys and names
mod maglev; // Maglev's table
mod ring; // a ring of points
pub mod hashed; // requests of one key to one endpoint
mod nearest; // the endpoint nearest to the client
pub mod held; // an exchange that an endpoint is loaded with, until it is dropped
pub mod persist; // the endpoint that a request's session is with
pub mod kept; // what became of sessions
pub mod subset; // some of an upstream's endpoints, told by their labels
pub mod split; // which of several upstreams: by chance, or by a key

pub use hashed::{HashTable, Hashed};
pub use held::{Held, Holder};
pub use kept::{Kept, Sessions};
pub use load::EndpointLoad;
pub use method::Method;
pub use nearest::Nearest;
pub use persist::Persist;
pub use random_two::RandomTwo;
pub use ranking::{Ranked, Ranking, Rule};
pub use round_robin::RoundRobin;
pub use split::Split;
pub use standing::{EndpointStanding, Standing};
pub use subset::{Lead, Subset};
pub use view::{Seat, View};

use std::fmt;

use crate::dice::Dice;
use crate::moment::Moment;

/// An endpoint, as its place in the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct EndpointId(pub u32);

/// An endpoint that was looked at, and what was known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Which one.
    pub endpoint: EndpointId,
    /// Its share of the work.
    pub weight: u32,
    /// Whether it may be chosen.
    pub standing: Standing,
}

impl Candidate {
    /// Whether new work may go to it.
    pub fn is_eligible(&self) -> bool {
        self.weight > 0 && self.standing.is_eligible()
    }
}

/// Which endpoint takes the request, which ones were looked at, and why this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The endpoint; none if none can take it.
    pub chosen: Option<EndpointId>,
    /// Every endpoint of the view; empty, and so without an allocation, unless `turn.recording`.
    pub considered: Vec<Candidate>,
    /// Why this one.
    pub because: Reason,
}

/// Why an endpoint was chosen, or none. `Display` is the sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The upstream has no endpoint.
    NoEndpoints,
    /// Every endpoint is drained, down, or without weight.
    NothingEligible,
    /// No other is eligible.
    OnlyOne,
    /// It comes next, by weight.
    ItsTurn,
    /// Two were drawn, and it has fewer outstanding requests for its weight.
    LighterOfTwo,
    /// It has the fewest outstanding requests for its weight.
    FewestRequests,
    /// It is the one expected to answer soonest.
    SoonestAnswer,
    /// It is the first that is not full.
    FirstWithRoom,
    /// All are full, and it is so the least.
    LeastFull,
    /// The request's cookie or header names it.
    Named,
    /// The key of the request belongs to it.
    ItsKey,
    /// The key of the request belongs to one that is full or may not be chosen, and then to it.
    NextOfItsKey,
    /// Its place is the nearest to the client.
    NearestToClient,
    /// Its place is the nearest that takes this request: the nearer ones are not well enough for all.
    NextNearest,
    /// It comes next among those that this exchange has not tried.
    NextUntried,
    /// All others were tried by this exchange; this one is passed over, but better than none.
    PassedOverButUntried,
    /// This exchange has tried them all.
    AllTried,
    /// It was ejected, and this request tells whether it is well again.
    OnTrial,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoints => "the upstream has no endpoint",
            Self::NothingEligible => "every endpoint is drained, down, or has weight 0",
            Self::OnlyOne => "no other endpoint is eligible",
            Self::ItsTurn => "it is its turn",
            Self::LighterOfTwo => "of two drawn by weight it has fewer outstanding requests for its weight",
            Self::FewestRequests => "it has the fewest outstanding requests for its weight",
            Self::SoonestAnswer => "its latency times its outstanding requests is the least",
            Self::FirstWithRoom => "it is the first that has room",
            Self::LeastFull => "all are full, and it has the fewest outstanding requests",
            Self::Named => "the request names it, by the cookie or header of its session",
            Self::ItsKey => "the key of the request belongs to it",
            Self::NextOfItsKey => "the key belongs to one that is full or may not be chosen, and after that to it",
            Self::NearestToClient => "its place is the nearest to the client",
            Self::NextNearest => "nearer places are not well enough for every request, and it is at the next",
            Self::NextUntried => "it is next among those that this exchange has not tried",
            Self::PassedOverButUntried => "it is passed over, but this exchange has tried all others",
            Self::AllTried => "this exchange has tried every endpoint",
            Self::OnTrial => "it was ejected, and this request tells whether it is well again",
        })
    }
}

/// What a choice may look at, besides the view.
pub struct Turn<'a> {
    /// Now.
    pub now: Moment,
    /// The thread's dice.
    pub dice: &'a mut Dice,
    /// Endpoints that this exchange has tried in vain, a handful at most.
    pub tried: &'a [u32],
    /// The number of the request's key, where it has one; where the client's place decides, that as a number.
    pub key: Option<u64>,
    /// Whether the decision says what was considered.
    pub recording: bool,
}

impl Turn<'_> {
    /// Whether this exchange has tried `endpoint`.
    pub fn has_tried(&self, endpoint: EndpointId) -> bool {
        self.tried.contains(&endpoint.0)
    }

    /// What was decided, the exchange counted as begun.
    fn decide(&self, view: &View, chosen: Option<EndpointId>, because: Reason) -> Decision {
        if let Some(seat) = chosen.and_then(|endpoint| view.seat(endpoint)) {
            seat.load.begin();
        }
        self.tell(view, chosen, because)
    }

    /// What was decided, where the exchange has been counted.
    pub(crate) fn tell(&self, view: &View, chosen: Option<EndpointId>, because: Reason) -> Decision {
        let considered = if self.recording { view.candidates(self.now) } else { Vec::new() };
        Decision { chosen, considered, because }
    }
}

/// A way to choose.
pub trait Balancer {
    /// Chooses one of the eligible endpoints of `view`, none of `turn.tried` if there is another, and counts an exchange as
    /// begun with it: whoever asked makes it a [`Held`], which counts it as over when dropped. Equal state and arguments
    /// give equal decisions. The caller has called [`View::refresh`].
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision;
}

#[cfg(test)]
mod tests; // what holds for every balancer
