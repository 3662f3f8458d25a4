//! What becomes of one request, and why: a lane plays it without sockets, so that what is told is what serves. The same
//! for a connection or a datagram of layer 4.
//!
//! May use: everything of core. Must not know: sockets, runtimes, clocks. In Rust because it asks the road itself.

mod layer4; // a connection or a datagram

pub use layer4::{Begins, Carried, explain_layer4};

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::balance::Candidate;
use crate::dice::Dice;
use crate::failure::{Kind, Stage};
use crate::filter::forwarded::Peer;
use crate::lane::buffer::Shelf;
use crate::lane::{Act, Event, Exchange, Lane, Recorded, Serving, Side, Turn};
use crate::moment::Moment;
use crate::retry::{Hedge, may_repeat};
use crate::route::reason::why;
use crate::route::{RouteId, read_path};
use crate::snapshot::compiled::Compiled;

/// What becomes of a request.
#[derive(Serialize, Debug, Default)]
pub struct Explanation {
    /// The listener's name.
    pub listener: String,
    /// The client, once the believed fields were looked at.
    pub client: Option<String>,
    /// The host by which the route is chosen.
    pub host: String,
    /// The form of the path in which it is matched; none where it was refused.
    pub path: Option<String>,
    /// The route, as an index into the snapshot.
    pub route: Option<u32>,
    /// The upstream, and which of its endpoints could take the request; none where no endpoint is asked for.
    pub balance: Option<Balance>,
    /// The endpoint; none where none can take the request.
    pub endpoint: Option<Endpoint>,
    /// When it would be tried again; none where its route says nothing of it.
    pub retry: Option<Retry>,
    /// The head that the endpoint is sent.
    pub sent: Option<String>,
    /// The answer of our own.
    pub answer: Option<Answer>,
    /// The whole request is waited for, and it did not come.
    pub waits_for_body: bool,
    /// The other routes, those first that came nearest.
    pub others: Vec<Other>,
}

/// How an endpoint was chosen.
#[derive(Serialize, Debug)]
pub struct Balance {
    /// The upstream's name.
    pub upstream: String,
    /// The labels that the route asks for, as `version=v2`; none where it takes any endpoint.
    pub labels: Option<String>,
    /// Whether none of those can take it, so that others were asked.
    pub fell_back: bool,
    /// Why this endpoint, or none.
    pub because: String,
    /// Every endpoint that was looked at, in the order of the upstream.
    pub considered: Vec<Considered>,
}

/// An endpoint that was looked at. The words are those of the API.
#[derive(Serialize, Debug)]
pub struct Considered {
    /// Its address.
    pub address: String,
    /// Its share of the work.
    pub weight: u32,
    /// Where it is.
    pub zone: Option<String>,
    /// Whether it may be chosen.
    pub eligible: bool,
    /// What was asked of it.
    pub asked: &'static str,
    /// What checks say.
    pub checked: &'static str,
    /// Whether it is passed over.
    pub outlier: &'static str,
}

/// When a request is tried again.
#[derive(Serialize, Debug)]
pub struct Retry {
    /// Most tries, the first included.
    pub attempts: usize,
    /// Upon what, in the words of the configuration.
    pub on: Vec<String>,
    /// How long one try may take, in milliseconds; 0 is no limit of its own.
    pub per_try_ms: u64,
    /// After how long a second endpoint is asked beside the first: `50ms`, or `p95`; none: never.
    pub hedge: Option<String>,
    /// Whether this request may have a second endpoint.
    pub is_safe: bool,
    /// Most bytes of a body that are sent again.
    pub body: usize,
    /// Whether a repeat of this request has no second effect. If it may have, only what left no byte is tried again.
    pub repeatable: bool,
}

/// Where a request goes.
#[derive(Serialize, Debug)]
pub struct Endpoint {
    /// Its address. The next request of a running instance may go to another one.
    pub address: String,
}

/// An answer of our own.
#[derive(Serialize, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Kind, stage and reason, where it is for a failure.
    pub failure: Option<(String, String, String)>,
    /// The head.
    pub head: String,
}

/// A route that was not chosen.
#[derive(Serialize, Debug)]
pub struct Other {
    /// As an index into the snapshot.
    pub route: u32,
    /// What became of it, in one word.
    pub outcome: &'static str,
    /// Why.
    pub because: String,
}

/// When the request comes: no time matters but what passes from here on.
const BEGAN: Moment = Moment::from_nanos(1);

/// Most turns that a request without a body could take.
const MOST_TURNS: usize = 64;

/// What may be looked at, at a listener of an instance that is ready.
fn turn<'a>(
    now: Moment,
    dice: &'a mut Dice,
    shelf: &'a mut Shelf,
    serving: &'a Rc<Serving>,
    listener: usize,
) -> Turn<'a> {
    Turn {
        now,
        date: b"Thu, 01 Jan 1970 00:00:00 GMT",
        dice,
        shelf,
        serving,
        listener,
        leave_at: Moment::NEVER,
        leaving: false,
        ready: true,
        crowded: false,
    }
}

/// Plays a request of `from` on the listener at `listener`; `head` is its head with the empty line.
pub fn explain(compiled: Compiled, listener: usize, from: Option<SocketAddr>, head: &[u8]) -> Explanation {
    let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
    let serving = Rc::new(Serving::recording(Arc::new(compiled), &mut dice));
    let binds = serving.compiled.document.listeners.get(listener).map(|one| one.binds.as_slice()).unwrap_or_default();
    let local = binds.iter().find_map(|bind| bind.address.parse().ok()).filter(|_| from.is_some());
    let mut lane = Lane::new(Peer::new(from, local), false, BEGAN);
    let name = serving.compiled.listeners.get(listener).map(|one| one.name.clone());
    let mut explanation = Explanation { listener: name.unwrap_or_default(), ..Explanation::default() };
    let (mut event, mut now, mut rest) = (Event::Accepted, BEGAN, head);
    for _ in 0..MOST_TURNS {
        let mut turn = turn(now, &mut dice, &mut shelf, &serving, listener);
        event = match lane.next(event, &mut turn) {
            Act::Wait(interest) if interest.read_downstream && !rest.is_empty() => {
                let room = lane.room(Side::Downstream, &mut shelf);
                let n = room.len().min(rest.len());
                let (now, later) = rest.split_at_checked(n).unwrap_or((rest, &[]));
                room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
                rest = later;
                Event::Read(Side::Downstream, n)
            }
            Act::Wait(interest) if !lane.waiting(Side::Downstream).concat().is_empty() || interest.write_downstream => {
                break;
            }
            Act::Wait(interest) if lane.stage() == Stage::Balance => {
                now = interest.deadline;
                Event::Woken
            }
            // The first bytes of a body are waited for only so long; who waits on wants all of it.
            Act::Wait(_) if now == BEGAN => {
                now = now.after(Duration::from_secs(2));
                Event::Woken
            }
            Act::Wait(_) => {
                explanation.waits_for_body = true;
                break;
            }
            Act::Lease(_) | Act::Report | Act::Close(_) | Act::SpeakHttp2 | Act::Metrics(_) => break,
            Act::Meet
            | Act::GiveBack(_)
            | Act::DropUpstream
            | Act::Swap
            | Act::DropBehind
            | Act::Mirror
            | Act::Shut(_) => Event::Done,
        };
    }
    if let Some(exchange) = lane.exchange() {
        tell(&mut explanation, exchange, &lane, &serving);
    }
    explanation
}

fn tell(explanation: &mut Explanation, exchange: &Exchange, lane: &Lane, serving: &Serving) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    explanation.client = exchange.told.client.map(|client| client.to_string());
    explanation.route = exchange.route.map(|id| id.0);
    explanation.balance = serving.recorded().last().and_then(|recorded| balance(recorded, &serving.compiled));
    explanation.retry = exchange.policy().map(|policy| Retry {
        attempts: policy.attempts,
        on: policy.on(),
        per_try_ms: u64::try_from(policy.per_try.as_millis()).unwrap_or(u64::MAX),
        hedge: policy.hedge.as_ref().map(Hedge::after),
        is_safe: exchange.head.method.is_safe(),
        body: policy.body,
        repeatable: may_repeat(&exchange.head, &exchange.bytes),
    });
    if let Some(endpoint) = exchange.endpoint() {
        explanation.endpoint = Some(Endpoint { address: endpoint.address.clone() });
        explanation.sent = Some(text(&lane.waiting(Side::Upstream).concat()));
    }
    if exchange.status > 0 {
        let sent = text(&lane.waiting(Side::Downstream).concat());
        let failure = exchange.failure.as_ref();
        let failure = failure.map(|why| (why.kind.name().into(), why.stage.name().into(), why.reason.clone()));
        let head = sent.split_once("\r\n\r\n").map_or(sent.as_str(), |(head, _)| head).to_owned();
        explanation.answer = Some(Answer { status: exchange.status, failure, head });
    }
    // What was refused before a route was looked for has lost to none.
    if exchange.route.is_some() || exchange.failure.as_ref().is_some_and(|why| why.kind == Kind::NoRoute) {
        tell_routes(explanation, exchange, lane.peer(), serving);
    }
}

fn balance(recorded: &Recorded, compiled: &Compiled) -> Option<Balance> {
    let upstream = compiled.upstreams.get(recorded.lead.index())?;
    let of = upstream.subset(recorded.part);
    let considered = |candidate: &Candidate| {
        let at = candidate.endpoint.0 as usize;
        let endpoint = upstream.endpoints.get(at).filter(|_| of.is_none_or(|subset| subset.has(at)))?;
        Some(Considered {
            address: endpoint.address.clone(),
            weight: candidate.weight,
            zone: upstream.document.endpoints.get(at)?.zone.clone(),
            eligible: candidate.is_eligible(),
            asked: candidate.standing.asked.name(),
            checked: candidate.standing.checked.name(),
            outlier: candidate.standing.outlier.name(),
        })
    };
    Some(Balance {
        upstream: upstream.name.clone(),
        labels: upstream.subset(recorded.lead.part).map(|subset| subset.says.clone()),
        fell_back: recorded.part != recorded.lead.part,
        because: recorded.decision.because.to_string(),
        considered: recorded.decision.considered.iter().filter_map(considered).collect(),
    })
}

fn tell_routes(explanation: &mut Explanation, exchange: &Exchange, peer: &Peer, serving: &Serving) {
    let compiled = &serving.compiled;
    let Some(subject) = exchange.subject_of(compiled, peer) else { return };
    explanation.host = String::from_utf8_lossy(&subject.host()).into_owned();
    let Ok(path) = read_path(subject.raw_path(), subject.dots) else { return };
    explanation.path = Some(String::from_utf8_lossy(&path.matched).into_owned());
    let host = subject.host();
    let host = (!host.is_empty()).then_some(&*host);
    let routes = &compiled.document.routes;
    let chosen = exchange.route.and_then(|id| routes.get(id.0 as usize));
    for each in compiled.table.explain(exchange.listener, host, &path, &subject) {
        let RouteId(route) = each.route;
        if let Some(written) = routes.get(route as usize).filter(|_| Some(route) != explanation.route) {
            let because = why(each.outcome, written, chosen, &path.matched, &subject);
            explanation.others.push(Other { route, outcome: each.outcome.name(), because });
        }
    }
}
