//! What a thread serves: the snapshot, and for each upstream the balancer that this thread keeps.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::Tried;
use crate::balance::{
    Balancer, Decision, EndpointId, HashTable, Held, Holder, Kept, Lead, Reason, Seat, Subset, Turn as BalanceTurn,
    View,
};
use crate::dice::Dice;
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::health::Outcome;
use crate::moment::Moment;
use crate::rule::Subject;
use crate::snapshot::compiled::{Compiled, Endpoint, Key, Upstream};

/// How long an endpoint is passed over after it could not be reached.
const PASSED_OVER: Duration = Duration::from_secs(10);

/// The endpoint that was chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// The upstream, as an index into the snapshot.
    pub upstream: u32,
    /// The endpoint, as an index into the upstream.
    pub endpoint: u32,
    /// The endpoint's id, which outlives snapshots.
    pub id: u32,
    /// Which endpoints the request was led to: 0 for all of the upstream, else the number of a subset.
    pub part: u32,
}

/// Endpoints that may be chosen, and who chooses.
type Choice = RefCell<(View, Box<dyn Balancer>)>;

/// One upstream as a thread sees it.
struct Choosing {
    upstream: Arc<Upstream>,
    kept: Choice,
    /// The same of its subsets, in order.
    subsets: Box<[Choice]>,
    /// One for each endpoint, in order.
    holders: Box<[Rc<Holder>]>,
}

/// What a thread serves.
pub struct Serving {
    /// The snapshot that all threads share.
    pub compiled: Arc<Compiled>,
    upstreams: Vec<Rc<Choosing>>,
    /// Every choice so far, where they are recorded.
    recorded: Option<RefCell<Vec<Recorded>>>,
}

/// One choice of an endpoint, as it was decided.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where the request was led.
    pub lead: Lead,
    /// Of which endpoints one was asked for: as the lead says, or of its fallback.
    pub part: u32,
    /// What was decided, with all that was considered.
    pub decision: Decision,
}

impl Serving {
    /// A thread's view of `compiled`. Balancers of upstreams that are as they were in `previous` go on.
    pub fn new(compiled: Arc<Compiled>, previous: Option<&Self>, dice: &mut Dice) -> Self {
        let old: HashMap<*const Upstream, &Rc<Choosing>> = previous
            .iter()
            .flat_map(|old| &old.upstreams)
            .map(|choosing| (Arc::as_ptr(&choosing.upstream), choosing))
            .collect();
        let upstreams = compiled
            .upstreams
            .iter()
            .map(|upstream| match old.get(&Arc::as_ptr(upstream)) {
                Some(same) => Rc::clone(same),
                None => Rc::new(Choosing::new(upstream, dice)),
            })
            .collect();
        Self { compiled, upstreams, recorded: None }
    }

    /// The same, and each choice is kept with all that was considered: for whoever asks why.
    pub fn recording(compiled: Arc<Compiled>, dice: &mut Dice) -> Self {
        Self { recorded: Some(RefCell::default()), ..Self::new(compiled, None, dice) }
    }

    /// The choices so far, where they are recorded.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.recorded.as_ref().map(|all| all.borrow().clone()).unwrap_or_default()
    }

    /// The endpoint of a choice.
    pub fn endpoint(&self, chosen: Chosen) -> Option<&Arc<Endpoint>> {
        self.compiled.upstreams.get(chosen.upstream as usize)?.endpoints.get(chosen.endpoint as usize)
    }

    /// The upstream of a choice.
    pub fn upstream(&self, chosen: Chosen) -> Option<&Arc<Upstream>> {
        self.compiled.upstreams.get(chosen.upstream as usize)
    }

    /// Loads the endpoint of a choice that no balancer made with an exchange.
    pub(crate) fn hold(&self, chosen: Chosen) -> Option<Held> {
        Some(self.upstreams.get(chosen.upstream as usize)?.holders.get(chosen.endpoint as usize)?.count())
    }

    /// The number of the key by which the upstream at `index` tells requests apart, where it does.
    pub(crate) fn key<'s>(&self, index: usize, subject: impl FnOnce() -> Option<Subject<'s>>) -> Option<u64> {
        match self.upstreams.get(index)?.upstream.key.as_ref()? {
            Key::Text(key) => HashTable::key(&key.read(&subject()?)),
            Key::Place => Some(subject()?.place()?.key()),
        }
    }

    /// The endpoint, of those that `lead` means, that the request's session is with; none where there is no session, or it
    /// begins anew. Fails where the upstream is strict and that endpoint may not be chosen.
    pub(crate) fn session<'s>(
        &self,
        lead: Lead,
        tried: &Tried,
        subject: impl FnOnce() -> Option<Subject<'s>>,
        now: Moment,
    ) -> Result<Option<Chosen>, Box<Failure>> {
        let Some(choosing) = self.upstreams.get(lead.index()) else { return Ok(None) };
        let Some(persist) = choosing.upstream.persist.as_deref() else { return Ok(None) };
        let Some(at) = subject().and_then(|subject| persist.find(&subject)) else { return Ok(None) };
        let Some(part) = choosing.part_with(at, lead.part, now) else { return Ok(None) };
        let (view, _) = &mut *choosing.kept(part).borrow_mut();
        view.refresh(now);
        let is_untried = !tried.endpoints().contains(&at.0);
        let chosen = (is_untried && view.may_keep(at, now)).then_some(at);
        if let (Some(recorded), Some(_)) = (&self.recorded, chosen) {
            let decision = Decision { chosen, considered: view.candidates(now), because: Reason::Named };
            recorded.borrow_mut().push(Recorded { lead, part, decision });
        }
        match (chosen, choosing.holders.get(at.0 as usize)) {
            (Some(at), Some(holder)) => {
                Ok(Some(Chosen { upstream: lead.upstream, endpoint: at.0, id: holder.id, part: lead.part }))
            }
            _ if persist.strict => {
                choosing.upstream.sessions.count(Kept::Refused);
                Err(Box::new(session_lost(&choosing.upstream, at, now)))
            }
            _ => Ok(None),
        }
    }

    /// Chooses an endpoint of those that `lead` means, none of `tried` if there is another, and loads it with an exchange.
    pub(crate) fn choose(
        &self,
        lead: Lead,
        tried: &Tried,
        key: Option<u64>,
        now: Moment,
        dice: &mut Dice,
    ) -> Result<(Chosen, Option<Held>), Box<Failure>> {
        let Some(choosing) = self.upstreams.get(lead.index()) else {
            return Err(Box::new(Failure::new(Kind::Internal, Stage::Balance, "the route names no upstream")));
        };
        let mut turn = BalanceTurn { now, dice, tried: tried.endpoints(), key, recording: self.recorded.is_some() };
        let fallback = choosing.upstream.subset(lead.part).and_then(|subset| subset.fallback);
        let mut chosen = self.choose_of(choosing, lead, lead.part, fallback.is_some(), &mut turn);
        if let (None, Some(fallback)) = (chosen, fallback) {
            chosen = self.choose_of(choosing, lead, fallback, false, &mut turn);
        }
        let Some((at, on_trial)) = chosen else {
            return Err(Box::new(nothing_eligible(&choosing.upstream, lead.part, now)));
        };
        let holder = choosing.holders.get(at.0 as usize);
        let id = holder.map_or(0, |holder| holder.id);
        let held = holder.map(|holder| if on_trial { holder.count() } else { holder.counted() });
        Ok((Chosen { upstream: lead.upstream, endpoint: at.0, id, part: lead.part }, held))
    }

    /// Chooses one of a part of the endpoints; where there is a fallback, none that is only better than none. Whether it
    /// is on trial, and so not yet counted.
    fn choose_of(
        &self,
        choosing: &Choosing,
        lead: Lead,
        part: u32,
        has_fallback: bool,
        turn: &mut BalanceTurn<'_>,
    ) -> Option<(EndpointId, bool)> {
        let (view, balancer) = &mut *choosing.kept(part).borrow_mut();
        view.refresh(turn.now);
        if has_fallback && view.is_last_resort() {
            return None;
        }
        let on_trial = view.take_trial(turn.tried, turn.now);
        let decision: Decision = match on_trial {
            Some(_) => turn.tell(view, on_trial, Reason::OnTrial),
            None => balancer.choose(view, turn),
        };
        let chosen = decision.chosen;
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().push(Recorded { lead, part, decision });
        }
        chosen.map(|endpoint| (endpoint, on_trial.is_some()))
    }

    /// The endpoint with this id, if it may be chosen now: a connection to it is kept for one client alone.
    pub(super) fn choose_bound(&self, lead: Lead, id: u32, now: Moment) -> Option<Chosen> {
        let choosing = self.upstreams.get(lead.index())?;
        let at = choosing.upstream.endpoints.iter().position(|endpoint| endpoint.id == id)?;
        let endpoint = u32::try_from(at).ok()?;
        let is_eligible = choosing.with_eligible(lead.part, now, |view| view.may_take(EndpointId(endpoint)));
        is_eligible.then_some(Chosen { upstream: lead.upstream, endpoint, id, part: lead.part })
    }

    /// The choice of the endpoint with this id in the upstream of `chosen`.
    pub(crate) fn other(&self, chosen: Chosen, id: u32) -> Option<Chosen> {
        let at = self.upstream(chosen)?.endpoints.iter().position(|endpoint| endpoint.id == id)?;
        Some(Chosen { endpoint: u32::try_from(at).ok()?, id, ..chosen })
    }

    /// Passes an endpoint over that could not be reached. Whether another may be tried in its place, of `most` in all.
    pub(crate) fn give_up(&self, chosen: Chosen, tried: &mut Tried, most: usize, kind: Kind, now: Moment) -> bool {
        self.pass_over(chosen, kind, now);
        tried.push(chosen.endpoint);
        let endpoints = self.upstream(chosen).map_or(0, |upstream| upstream.reach(chosen.part));
        tried.endpoints().len() < endpoints.min(most)
    }

    /// Passes an endpoint over that could not be reached.
    pub(super) fn pass_over(&self, chosen: Chosen, kind: Kind, now: Moment) {
        if let (Some(upstream), Some(endpoint)) = (self.upstream(chosen), self.endpoint(chosen)) {
            pass_over(upstream, endpoint, kind, now);
        }
    }

    /// Ids of the endpoints that could serve instead of `chosen`, which stands first; none of `tried`.
    pub(crate) fn acceptable(&self, chosen: Chosen, tried: &Tried, now: Moment) -> Vec<u32> {
        let mut ids = vec![chosen.id];
        let Some(choosing) = self.upstreams.get(chosen.upstream as usize) else { return ids };
        let endpoints = &choosing.upstream.endpoints;
        choosing.with_eligible(chosen.part, now, |view| {
            let others = view.eligible().iter().map(|member| member.endpoint.0);
            let others = others.filter(|at| *at != chosen.endpoint && !tried.endpoints().contains(at));
            ids.extend(others.filter_map(|at| endpoints.get(at as usize).map(|endpoint| endpoint.id)));
        });
        ids
    }
}

/// Passes an endpoint over for a while that could not be reached, and lets its upstream know.
pub(crate) fn pass_over(upstream: &Upstream, endpoint: &Endpoint, kind: Kind, now: Moment) {
    // While it is passed over nothing more is held against it. No request is to blame for that.
    upstream.observe(endpoint, Outcome::Broken(kind.says()), || u64::from(endpoint.id), now);
    endpoint.standing.pass_over(now, now.after(PASSED_OVER), &kind.says());
}

impl Choosing {
    fn new(upstream: &Arc<Upstream>, dice: &mut Dice) -> Self {
        let view = view_of(upstream, None);
        let holders =
            (0..).zip(view.seats()).map(|(at, seat)| seat.holder(EndpointId(at), &upstream.ranking)).collect();
        let balancer = upstream.method.balancer(&view, &upstream.ranking, 0, dice);
        let mut kept = |subset: &Subset| {
            let view = view_of(upstream, Some(subset));
            let balancer = subset.method.balancer(&view, &upstream.ranking, subset.number(), dice);
            RefCell::new((view, balancer))
        };
        let subsets = upstream.subsets.iter().map(&mut kept).collect();
        Self { upstream: Arc::clone(upstream), kept: RefCell::new((view, balancer)), subsets, holders }
    }

    /// All endpoints, or those of a subset.
    fn kept(&self, part: u32) -> &Choice {
        (part as usize).checked_sub(1).and_then(|at| self.subsets.get(at)).unwrap_or(&self.kept)
    }

    /// The part among whose endpoints this one is, of those that a request for `part` may go to now.
    fn part_with(&self, at: EndpointId, part: u32, now: Moment) -> Option<u32> {
        let has = |part: u32| self.upstream.subset(part).is_none_or(|subset| subset.has(at.0 as usize));
        if has(part) {
            return Some(part);
        }
        let fallback = self.upstream.subset(part)?.fallback.filter(|fallback| has(*fallback))?;
        let (view, _) = &mut *self.kept(part).borrow_mut();
        view.refresh(now);
        view.is_last_resort().then_some(fallback)
    }

    /// Looks at the endpoints that a request for a part may go to now: those of its fallback where none of its own is well.
    fn with_eligible<T>(&self, part: u32, now: Moment, look: impl FnOnce(&View) -> T) -> T {
        let (view, _) = &mut *self.kept(part).borrow_mut();
        view.refresh(now);
        match self.upstream.subset(part).and_then(|subset| subset.fallback) {
            Some(fallback) if view.is_last_resort() => {
                let (view, _) = &mut *self.kept(fallback).borrow_mut();
                view.refresh(now);
                look(view)
            }
            Some(_) | None => look(view),
        }
    }
}

/// The endpoints of an upstream, of which those outside a subset have no share. One with a fallback never panics: before
/// it takes endpoints that are not well, others take over.
fn view_of(upstream: &Upstream, subset: Option<&Subset>) -> View {
    let seat = |(at, endpoint): (usize, &Arc<Endpoint>)| {
        let seat = endpoint.seat();
        let is_in = subset.is_none_or(|subset| subset.has(at));
        if is_in { seat } else { Seat { weight: 0, ..seat } }
    };
    let document = &upstream.document;
    let has_fallback = subset.is_some_and(|subset| subset.fallback.is_some());
    View::of(upstream.endpoints.iter().enumerate().map(seat).collect())
        .with_traffic(document.traffic)
        .with_panic_threshold(if has_fallback { 0 } else { document.panic_threshold })
        .with_slow_start(Duration::from_millis(document.slow_start_ms))
}

/// Says why the session of a request cannot go on.
fn session_lost(upstream: &Upstream, at: EndpointId, now: Moment) -> Failure {
    let named = upstream.endpoints.get(at.0 as usize);
    let address = named.map_or("", |endpoint| &endpoint.address);
    let why = named.and_then(|endpoint| endpoint.standing.why_not(now)).unwrap_or_else(|| "was tried".to_owned());
    let reason = format!("the session is with {address} of upstream {}, which is strict: it {why}", upstream.name);
    Failure { kind: Kind::NothingEligible, stage: Stage::Balance, retryable: Retryable::Always, reason }
}

/// Most endpoints of which a failure tells why they are not eligible.
const MOST_TOLD: usize = 5;

/// Says why an upstream has no endpoint to offer, and of each endpoint why and since when.
fn nothing_eligible(upstream: &Upstream, part: u32, now: Moment) -> Failure {
    let subset = upstream.subset(part);
    let with = subset.map(|subset| format!(" with {}", subset.says)).unwrap_or_default();
    let mut reason = format!("no endpoint of upstream {}{with} is eligible", upstream.name);
    let unresolved = &upstream.document.unresolved;
    let is_meant = |at: usize| subset.is_none_or(|subset| subset.has(at) || subset.fallback.is_some());
    let meant = || upstream.endpoints.iter().enumerate().filter(|(at, _)| is_meant(*at)).map(|(_, endpoint)| endpoint);
    let told = meant().map(|endpoint| {
        let why = endpoint.standing.why_not(now).or_else(|| (endpoint.weight == 0).then(|| "has weight 0".to_owned()));
        format!("{} {}", endpoint.address, why.unwrap_or_else(|| "was tried".to_owned()))
    });
    let told = unresolved.iter().map(|name| format!("{} {}", name.entry, name.says)).chain(told);
    for (at, each) in told.take(MOST_TOLD).enumerate() {
        let _ = write!(reason, "{} {each}", if at == 0 { ":" } else { ";" });
    }
    let more = (unresolved.len() + meant().count()).saturating_sub(MOST_TOLD);
    if more > 0 {
        let _ = write!(reason, "; and {more} more");
    }
    let kind = match unresolved.as_slice() {
        [] => Kind::NothingEligible,
        _ if !upstream.endpoints.is_empty() => Kind::NothingEligible,
        all if all.iter().all(|each| each.is_list) => Kind::NothingListed,
        _ => Kind::NameUnresolved,
    };
    Failure { kind, stage: Stage::Balance, retryable: Retryable::Always, reason }
}
