//! What a thread serves: the snapshot, and for each upstream the balancer that this thread keeps.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::Tried;
use crate::balance::{Balancer, Decision, EndpointId, HashTable, Held, Holder, Reason, Turn as BalanceTurn, View};
use crate::dice::Dice;
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::health::Outcome;
use crate::moment::Moment;
use crate::rule::Subject;
use crate::snapshot::compiled::{Compiled, Endpoint, Upstream};

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
}

/// One upstream as a thread sees it.
struct Choosing {
    upstream: Arc<Upstream>,
    kept: RefCell<(View, Box<dyn Balancer>)>,
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
    /// The upstream, as an index into the snapshot.
    pub upstream: usize,
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
        let key = self.upstreams.get(index)?.upstream.key.as_ref()?;
        HashTable::key(&key.read(&subject()?))
    }

    /// Chooses an endpoint of the upstream at `index`, none of `tried` if there is another, and loads it with an exchange.
    pub(crate) fn choose(
        &self,
        index: usize,
        tried: &Tried,
        key: Option<u64>,
        now: Moment,
        dice: &mut Dice,
    ) -> Result<(Chosen, Option<Held>), Box<Failure>> {
        let Some(choosing) = self.upstreams.get(index) else {
            return Err(Box::new(Failure::new(Kind::Internal, Stage::Balance, "the route names no upstream")));
        };
        let (view, balancer) = &mut *choosing.kept.borrow_mut();
        view.refresh(now);
        let mut turn = BalanceTurn { now, dice, tried: tried.endpoints(), key, recording: self.recorded.is_some() };
        let on_trial = view.take_trial(turn.tried, now);
        let decision: Decision = match on_trial {
            Some(_) => turn.tell(view, on_trial, Reason::OnTrial),
            None => balancer.choose(view, &mut turn),
        };
        let chosen = decision.chosen;
        if let Some(recorded) = &self.recorded {
            recorded.borrow_mut().push(Recorded { upstream: index, decision });
        }
        match chosen {
            Some(at) => {
                let holder = choosing.holders.get(at.0 as usize);
                let id = holder.map_or(0, |holder| holder.id);
                let chosen = Chosen { upstream: u32::try_from(index).unwrap_or(u32::MAX), endpoint: at.0, id };
                let held = holder.map(|holder| if on_trial.is_some() { holder.count() } else { holder.counted() });
                Ok((chosen, held))
            }
            None => Err(Box::new(nothing_eligible(&choosing.upstream, now))),
        }
    }

    /// The endpoint with this id, if it may be chosen now: a connection to it is kept for one client alone.
    pub(super) fn choose_bound(&self, index: usize, id: u32, now: Moment) -> Option<Chosen> {
        let choosing = self.upstreams.get(index)?;
        let at = choosing.upstream.endpoints.iter().position(|endpoint| endpoint.id == id)?;
        let endpoint = u32::try_from(at).ok()?;
        let (view, _) = &mut *choosing.kept.borrow_mut();
        view.refresh(now);
        let is_eligible = view.eligible().iter().any(|member| member.endpoint.0 == endpoint);
        is_eligible.then_some(Chosen { upstream: u32::try_from(index).ok()?, endpoint, id })
    }

    /// The choice of the endpoint with this id in the upstream of `chosen`.
    pub(crate) fn other(&self, chosen: Chosen, id: u32) -> Option<Chosen> {
        let at = self.upstream(chosen)?.endpoints.iter().position(|endpoint| endpoint.id == id)?;
        Some(Chosen { endpoint: u32::try_from(at).ok()?, id, ..chosen })
    }

    /// Passes an endpoint over that could not be reached. Whether another may be tried in its place, of `most` in all.
    pub(crate) fn give_up(&self, chosen: Chosen, tried: &mut Tried, most: usize, kind: Kind, now: Moment) -> bool {
        if let Some(endpoint) = self.endpoint(chosen) {
            endpoint.standing.pass_over(now, now.after(PASSED_OVER), &kind.says());
            if let Some(upstream) = self.upstream(chosen) {
                // No request is to blame for that.
                upstream.observe(endpoint, Outcome::Broken(kind.says()), || u64::from(endpoint.id), now);
            }
        }
        tried.push(chosen.endpoint);
        let endpoints = self.upstream(chosen).map_or(0, |upstream| upstream.endpoints.len());
        tried.endpoints().len() < endpoints.min(most)
    }

    /// Ids of the endpoints that could serve instead of `chosen`, which stands first; none of `tried`.
    pub(crate) fn acceptable(&self, chosen: Chosen, tried: &Tried, now: Moment) -> Vec<u32> {
        let mut ids = vec![chosen.id];
        let Some(choosing) = self.upstreams.get(chosen.upstream as usize) else { return ids };
        let (view, _) = &mut *choosing.kept.borrow_mut();
        view.refresh(now);
        let others = view.eligible().iter().map(|member| member.endpoint.0);
        let others = others.filter(|at| *at != chosen.endpoint && !tried.endpoints().contains(at));
        ids.extend(others.filter_map(|at| choosing.upstream.endpoints.get(at as usize).map(|endpoint| endpoint.id)));
        ids
    }
}

impl Choosing {
    fn new(upstream: &Arc<Upstream>, dice: &mut Dice) -> Self {
        let view = View::of(upstream.endpoints.iter().map(|endpoint| endpoint.seat()).collect())
            .with_traffic(upstream.document.traffic)
            .with_panic_threshold(upstream.document.panic_threshold)
            .with_slow_start(Duration::from_millis(upstream.document.slow_start_ms));
        let holders =
            (0..).zip(view.seats()).map(|(at, seat)| seat.holder(EndpointId(at), &upstream.ranking)).collect();
        let balancer = upstream.method.balancer(&view, &upstream.ranking, dice);
        Self { upstream: Arc::clone(upstream), kept: RefCell::new((view, balancer)), holders }
    }
}

/// Most endpoints of which a failure tells why they are not eligible.
const MOST_TOLD: usize = 5;

/// Says why an upstream has no endpoint to offer, and of each endpoint why and since when.
fn nothing_eligible(upstream: &Upstream, now: Moment) -> Failure {
    let mut reason = format!("no endpoint of upstream {} is eligible", upstream.name);
    let unresolved = &upstream.document.unresolved;
    let told = upstream.endpoints.iter().map(|endpoint| {
        let why = endpoint.standing.why_not(now).or_else(|| (endpoint.weight == 0).then(|| "has weight 0".to_owned()));
        format!("{} {}", endpoint.address, why.unwrap_or_else(|| "was tried".to_owned()))
    });
    let told = unresolved.iter().map(|name| format!("{} {}", name.entry, name.says)).chain(told);
    for (at, each) in told.take(MOST_TOLD).enumerate() {
        let _ = write!(reason, "{} {each}", if at == 0 { ":" } else { ";" });
    }
    let more = (unresolved.len() + upstream.endpoints.len()).saturating_sub(MOST_TOLD);
    if more > 0 {
        let _ = write!(reason, "; and {more} more");
    }
    let named = !unresolved.is_empty() && upstream.endpoints.is_empty();
    let kind = if named { Kind::NameUnresolved } else { Kind::NothingEligible };
    Failure { kind, stage: Stage::Balance, retryable: Retryable::Always, reason }
}
