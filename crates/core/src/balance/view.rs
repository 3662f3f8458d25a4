//! The endpoints of one upstream that may be chosen now. One thread keeps it; it is rebuilt only when a standing
//! changed or an outlier's time is over, never looked through for a request.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::slow_start::ramp;
use super::standing::{Asked, Checked, EndpointStanding, Outlier, Standing, changes};
use super::tiers::{Tier, count, spread, suffice};
use super::{Candidate, EndpointId, EndpointLoad, Holder, Ranking};
use crate::moment::Moment;

/// An endpoint as a view is made of it.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// Follows the endpoint through snapshots.
    pub id: u32,
    /// Its share of the work; 0 takes no new work.
    pub weight: u32,
    /// Whether it may be chosen.
    pub standing: Arc<EndpointStanding>,
    /// What it is loaded with.
    pub load: Arc<EndpointLoad>,
    /// Where it stands among the others.
    pub tier: Tier,
}

impl Seat {
    /// The endpoint, at this place, as one thread counts exchanges with it.
    pub fn holder(&self, endpoint: EndpointId, ranking: &Arc<Ranking>) -> Rc<Holder> {
        let Self { id, load, .. } = self;
        Rc::new(Holder { endpoint, id: *id, load: Arc::clone(load), ranking: Arc::clone(ranking) })
    }
}

/// An endpoint that may be chosen, with its share of the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Which one.
    pub endpoint: EndpointId,
    /// Its share, at least 1.
    pub weight: u32,
}

/// What a thread knows of an upstream's endpoints.
#[derive(Debug)]
pub struct View {
    seats: Vec<Seat>,
    eligible: Vec<Member>,
    passed_over: Vec<EndpointId>,
    trials: Vec<EndpointId>,
    /// Below this share of healthy endpoints, in percent, all are used.
    threshold: u32,
    panics: bool,
    /// Nobody is well: those that may be chosen are passed over or on trial.
    is_last_resort: bool,
    seen: u64,
    look_again: Moment,
    edition: u64,
    roster: u64,
    slow_start: Duration,
    /// The share of all work that comes in here, in percent; 0: it is not known.
    traffic: u32,
    /// Who could be chosen last time, whatever the tiers; empty at first.
    well: Vec<bool>,
    /// Of each endpoint, 0 for one that may not be chosen now; and their sum.
    weights: Vec<u32>,
    total_weight: u64,
    /// Tiers that share the work, each with the shares of all up to it; empty where one has all.
    shared_by: Vec<(u64, Tier)>,
}

impl View {
    /// A view of endpoints, given as weight and standing in the order of the upstream; nothing else is known of them.
    pub fn new(endpoints: Vec<(u32, Arc<EndpointStanding>)>) -> Self {
        let seat = |(id, (weight, standing))| Seat { id, weight, standing, ..Seat::default() };
        Self::of((1..).zip(endpoints).map(seat).collect())
    }

    /// A view of endpoints in the order of the upstream.
    pub fn of(seats: Vec<Seat>) -> Self {
        let mut view = Self {
            seats,
            eligible: Vec::new(),
            passed_over: Vec::new(),
            trials: Vec::new(),
            threshold: 0,
            panics: false,
            is_last_resort: false,
            seen: 0,
            look_again: Moment::default(),
            edition: 0,
            roster: 0,
            slow_start: Duration::ZERO,
            traffic: 0,
            well: Vec::new(),
            weights: Vec::new(),
            total_weight: 0,
            shared_by: Vec::new(),
        };
        view.rebuild(Moment::default());
        view
    }

    /// The same, which uses all endpoints where fewer than `percent` of them are healthy (see [`panics`]); 0 is never.
    #[must_use]
    pub fn with_panic_threshold(mut self, percent: u32) -> Self {
        self.threshold = percent;
        self.rebuild(Moment::default());
        self
    }

    /// The same, of which it is known what share of all work comes in here, in percent; 0: it is not.
    #[must_use]
    pub fn with_traffic(mut self, percent: u32) -> Self {
        self.traffic = percent;
        self.rebuild(Moment::default());
        self
    }

    /// Makes the view true for `now`. Costs one load of a shared number unless something changed.
    pub fn refresh(&mut self, now: Moment) {
        if self.seen != changes() || now >= self.look_again {
            self.rebuild(now);
        }
    }

    /// The endpoints that may be chosen: the eligible ones, or, when all of those that are wanted are passed over, these.
    pub fn eligible(&self) -> &[Member] {
        &self.eligible
    }

    /// Endpoints that only their being outliers keeps from work; empty when all are, and so are tried.
    pub fn passed_over(&self) -> &[EndpointId] {
        &self.passed_over
    }

    /// The same, in which whoever is new or back gets its share by and by, within this time; zero is at once.
    #[must_use]
    pub fn with_slow_start(mut self, window: Duration) -> Self {
        self.slow_start = window;
        self.rebuild(Moment::default());
        self
    }

    /// An endpoint on trial that has no request now; its place is taken by the one that asks.
    pub fn take_trial(&self, tried: &[u32], now: Moment) -> Option<EndpointId> {
        let is_free = |id: &&EndpointId| {
            let seat = self.seats.get(id.0 as usize);
            !tried.contains(&id.0) && seat.is_some_and(|seat| seat.standing.take_trial(now))
        };
        self.trials.iter().find(is_free).copied()
    }

    /// Whether so few are healthy that all are used.
    pub fn panics(&self) -> bool {
        self.panics
    }

    /// Whether those that may be chosen are only better than none: nobody may, or all are passed over, or on trial.
    pub fn is_last_resort(&self) -> bool {
        self.is_last_resort
    }

    /// Moves whenever `eligible` may have changed.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// A number that two views share, those of two threads for instance, while the same endpoints may be chosen from them.
    pub fn roster(&self) -> u64 {
        self.roster
    }

    /// The share of the work that an endpoint has now, 0 for one that may not be chosen.
    pub fn weight(&self, endpoint: EndpointId) -> u32 {
        self.weights.get(endpoint.0 as usize).copied().unwrap_or(0)
    }

    /// The shares of all together.
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The tier that a key belongs to, where several share the work: so each has its part of the keys, as of all other work,
    /// and a key stays in its tier as long as the parts do. Envoy chooses the priority by the hash alike.
    pub fn tier_of(&self, key: u64) -> Option<Tier> {
        let (all, _) = self.shared_by.last()?;
        let at = u64::try_from((u128::from(key) * u128::from(*all)) >> 64).unwrap_or(0);
        self.shared_by.iter().find(|(up_to, _)| at < *up_to).map(|(_, tier)| *tier)
    }

    /// Whether an endpoint stands in this tier; in any, where none is meant.
    pub fn is_in(&self, endpoint: EndpointId, tier: Option<Tier>) -> bool {
        tier.is_none_or(|tier| self.seat(endpoint).is_some_and(|seat| seat.tier == tier))
    }

    /// Whether an endpoint may be chosen now.
    pub fn may_take(&self, endpoint: EndpointId) -> bool {
        self.weight(endpoint) > 0
    }

    /// Whether an endpoint may go on with the sessions that it has. One that takes no new work may, since it drains, has no
    /// weight, or other tiers do the work; where it is on trial, the request takes its place if that is free.
    pub fn may_keep(&self, endpoint: EndpointId, now: Moment) -> bool {
        let Some(Seat { standing, .. }) = self.seat(endpoint) else { return false };
        let Standing { asked, checked, outlier } = standing.at(now);
        let is_well = asked != Asked::Removed && checked != Checked::Down;
        self.may_take(endpoint)
            || is_well
                && match outlier {
                    Outlier::In => true,
                    Outlier::Trial => standing.take_trial(now),
                    Outlier::Out => false,
                }
    }

    /// What is known of an endpoint besides its standing.
    pub fn seat(&self, endpoint: EndpointId) -> Option<&Seat> {
        self.seats.get(endpoint.0 as usize)
    }

    /// All endpoints, in the order of the upstream.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Whether the upstream has no endpoint at all.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Every endpoint and what is known of it.
    pub fn candidates(&self, now: Moment) -> Vec<Candidate> {
        (0u32..)
            .zip(&self.seats)
            .map(|(at, seat)| Candidate {
                endpoint: EndpointId(at),
                weight: seat.weight,
                standing: seat.standing.at(now),
            })
            .collect()
    }

    fn rebuild(&mut self, now: Moment) {
        self.seen = changes(); // before the standings are read: what changes meanwhile is seen next time
        let before = std::mem::take(&mut self.eligible);
        self.eligible.reserve(before.len());
        self.passed_over.clear();
        self.trials.clear();
        self.look_again = Moment::NEVER;
        let standings = self.seats.iter().map(|seat| (seat.weight, seat.tier, &*seat.standing));
        self.panics = panics(standings, self.traffic, self.threshold, now);
        for (at, Seat { weight, standing, .. }) in (0u32..).zip(&self.seats) {
            let (endpoint, is) = (EndpointId(at), standing.at(now));
            if is.outlier == Outlier::Out {
                self.look_again = self.look_again.min(standing.passed_over_until());
            }
            let is_used = is.is_wanted() || (self.panics && is.asked == Asked::Ready);
            if *weight == 0 || !is_used {
                continue;
            }
            match is.outlier {
                Outlier::Trial if !self.panics => self.trials.push(endpoint),
                Outlier::Out if !(self.panics && standing.is_ejected()) => self.passed_over.push(endpoint),
                Outlier::In | Outlier::Trial | Outlier::Out => self.eligible.push(Member { endpoint, weight: *weight }),
            }
        }
        self.is_last_resort = self.eligible.is_empty();
        if self.is_last_resort {
            let weight = |at: EndpointId| self.seats.get(at.0 as usize).map_or(1, |seat| seat.weight);
            let rest = self.passed_over.drain(..).chain(self.trials.drain(..));
            self.eligible.extend(rest.map(|endpoint| Member { endpoint, weight: weight(endpoint) }));
        }
        self.begin_ramps(now);
        spread(&mut self.eligible, &self.seats, self.traffic);
        if !self.slow_start.is_zero() {
            let next = ramp(&mut self.eligible, &self.seats, self.slow_start, now);
            self.look_again = self.look_again.min(next);
        }
        if self.eligible != before || self.edition == 0 {
            self.edition += 1;
            self.roster = self.call_roster();
            self.weigh();
        }
    }

    /// Whoever may be chosen again, or is new, begins with a small share.
    fn begin_ramps(&mut self, now: Moment) {
        if self.slow_start.is_zero() {
            return;
        }
        if now == Moment::default() {
            // A view that is made knows no time yet: it looks again as soon as it does.
            self.look_again = now;
            return;
        }
        let mut well = vec![false; self.seats.len()];
        for Member { endpoint, .. } in &self.eligible {
            let at = endpoint.0 as usize;
            if let (Some(seat), Some(is_well)) = (self.seats.get(at), well.get_mut(at)) {
                *is_well = true;
                seat.load.ramp(self.well.get(at) == Some(&false), now);
            }
        }
        self.well = well;
    }

    fn weigh(&mut self) {
        self.weights.clear();
        self.weights.resize(self.seats.len(), 0);
        for Member { endpoint, weight } in &self.eligible {
            if let Some(slot) = self.weights.get_mut(endpoint.0 as usize) {
                *slot = *weight;
            }
        }
        self.total_weight = self.weights.iter().map(|weight| u64::from(*weight)).sum();
        self.share_keys();
    }

    fn share_keys(&mut self) {
        self.shared_by.clear();
        let tier =
            |member: &Member| self.seats.get(member.endpoint.0 as usize).map_or(Tier::default(), |seat| seat.tier);
        for member in &self.eligible {
            let (tier, weight) = (tier(member), u64::from(member.weight));
            match self.shared_by.binary_search_by_key(&tier, |(_, tier)| *tier) {
                Ok(at) => self.shared_by.get_mut(at).into_iter().for_each(|(sum, _)| *sum += weight),
                Err(at) => self.shared_by.insert(at, (weight, tier)),
            }
        }
        if self.shared_by.len() < 2 {
            self.shared_by.clear();
        }
        let mut up_to = 0;
        for (sum, _) in &mut self.shared_by {
            up_to += *sum;
            *sum = up_to;
        }
    }

    fn call_roster(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for Member { endpoint, weight } in &self.eligible {
            let id = self.seat(*endpoint).map_or(0, |seat| seat.id);
            [id, endpoint.0, *weight].iter().for_each(|part| hasher.write_u32(*part));
        }
        hasher.finish()
    }
}

/// Whether fewer than `threshold` percent of endpoints, given as weight and standing, are healthy: neither down nor
/// ejected. Then it is likelier that checks are wrong, or that the rest would break under the load of all, than that all
/// these are broken, and all are used (Envoy's "panic threshold"). Those that cannot be connected to count as healthy:
/// another one is asked at once. What is not asked to take work, or has no weight, does not count. Where there are tiers,
/// nobody panics while they can take all work together.
pub fn panics<'a>(
    endpoints: impl Iterator<Item = (u32, Tier, &'a EndpointStanding)>,
    traffic: u32,
    threshold: u32,
    now: Moment,
) -> bool {
    if threshold == 0 {
        return false;
    }
    let endpoints = endpoints.filter_map(|(weight, tier, standing)| {
        let is = standing.at(now);
        let is_healthy = is.checked != Checked::Down && !standing.is_ejected();
        (weight > 0 && is.asked == Asked::Ready).then_some((tier, is_healthy))
    });
    let counts = count(endpoints, traffic);
    let all: u64 = counts.iter().map(|count| count.all).sum();
    let healthy: u64 = counts.iter().map(|count| count.healthy).sum();
    healthy * 100 < all * u64::from(threshold) && !(counts.len() > 1 && suffice(&counts))
}

#[cfg(test)]
mod tests {
    use super::super::standing::{AskedEvent, CheckedEvent};
    use super::*;

    fn three() -> (View, Vec<Arc<EndpointStanding>>) {
        let standings: Vec<Arc<EndpointStanding>> = (0..3).map(|_| Arc::default()).collect();
        (View::new(standings.iter().map(|standing| (1, Arc::clone(standing))).collect()), standings)
    }

    fn ids(view: &View) -> Vec<u32> {
        view.eligible().iter().map(|member| member.endpoint.0).collect()
    }

    #[test]
    fn a_failed_endpoint_is_passed_over_and_comes_back_by_itself() {
        let (mut view, standings) = three();
        standings[1].pass_over(Moment::from_nanos(5), Moment::from_nanos(100), &"refused");
        view.refresh(Moment::from_nanos(6));
        assert_eq!(ids(&view), [0, 2]);
        view.refresh(Moment::from_nanos(99));
        assert_eq!(ids(&view), [0, 2]);
        view.refresh(Moment::from_nanos(100));
        assert_eq!(ids(&view), [0, 1, 2]);
    }

    #[test]
    fn when_all_are_passed_over_all_are_tried() {
        let (mut view, standings) = three();
        for standing in &standings {
            standing.pass_over(Moment::from_nanos(5), Moment::from_nanos(100), &"refused");
        }
        view.refresh(Moment::from_nanos(6));
        assert_eq!(ids(&view), [0, 1, 2]);
        assert!(view.passed_over().is_empty());
    }

    #[test]
    fn below_the_threshold_all_are_used_but_those_that_cannot_be_reached() {
        let (view, standings) = three();
        let (mut view, now) = (view.with_panic_threshold(50), Moment::from_nanos(5));
        standings[0].check(CheckedEvent::Fell, now, &"it answered 503");
        view.refresh(now);
        assert_eq!((ids(&view), view.panics()), (vec![1, 2], false), "two of three are well");
        standings[1].eject(now, Moment::from_nanos(100), &"it failed");
        view.refresh(now);
        assert_eq!((ids(&view), view.panics()), (vec![0, 1, 2], true));
        standings[2].pass_over(now, Moment::from_nanos(50), &"refused");
        view.refresh(now);
        assert_eq!((ids(&view), view.passed_over()), (vec![0, 1], &[EndpointId(2)][..]));
        standings[0].check(CheckedEvent::Rose, now, &"it answered 200");
        view.refresh(now);
        assert_eq!((ids(&view), view.panics()), (vec![0], false));
        let mut never = three().0;
        never.refresh(now);
        assert!(!never.panics());
    }

    #[test]
    fn sessions_stay_where_no_new_work_goes_and_leave_who_is_not_well() {
        let tiers = [Tier::new(0, 0), Tier::new(1, 0), Tier::BACKUP];
        let seats: Vec<Seat> =
            (1..).zip(tiers).map(|(id, tier)| Seat { id, weight: 1, tier, ..Seat::default() }).collect();
        let standings: Vec<_> = seats.iter().map(|seat| Arc::clone(&seat.standing)).collect();
        let (mut view, now) = (View::of(seats), Moment::from_nanos(5));
        let kept = |view: &View, now| (0..3).map(|at| view.may_keep(EndpointId(at), now)).collect::<Vec<_>>();
        assert_eq!((ids(&view), kept(&view, now)), (vec![0], vec![true; 3]), "tiers without work");
        let weightless = View::new(vec![(0, Arc::default()), (1, Arc::default())]);
        assert!(weightless.may_keep(EndpointId(0), now) && !weightless.may_take(EndpointId(0)));
        standings[1].ask(AskedEvent::Drain);
        standings[2].check(CheckedEvent::Fell, now, &"it answered 503");
        view.refresh(now);
        assert_eq!(kept(&view, now), [true, true, false]);
        standings[1].ask(AskedEvent::Remove);
        standings[0].eject(now, Moment::from_nanos(10), &"it failed");
        standings[2].check(CheckedEvent::Rose, now, &"it answered 200");
        view.refresh(now);
        assert_eq!(kept(&view, now), [false, false, true]);
        let later = Moment::from_nanos(11);
        view.refresh(later);
        assert_eq!((kept(&view, later), kept(&view, later)[0]), (vec![true, false, true], false), "one on trial");
    }

    #[test]
    fn where_all_are_passed_over_sessions_stay_as_well() {
        let (mut view, standings) = three();
        for standing in &standings {
            standing.pass_over(Moment::from_nanos(5), Moment::from_nanos(100), &"refused");
        }
        view.refresh(Moment::from_nanos(6));
        assert!(view.may_keep(EndpointId(1), Moment::from_nanos(6)));
        assert!(!view.may_keep(EndpointId(3), Moment::from_nanos(6)), "there is none");
    }

    #[test]
    fn an_endpoint_on_trial_gets_one_request_at_a_time() {
        let (mut view, standings) = three();
        standings[1].eject(Moment::from_nanos(1), Moment::from_nanos(10), &"it failed");
        view.refresh(Moment::from_nanos(9));
        assert_eq!((ids(&view), view.take_trial(&[], Moment::from_nanos(9))), (vec![0, 2], None));
        let now = Moment::from_nanos(10);
        view.refresh(now);
        assert_eq!(ids(&view), [0, 2]);
        assert_eq!(view.take_trial(&[1], now), None, "who has tried it already gets another");
        assert_eq!((view.take_trial(&[], now), view.take_trial(&[], now)), (Some(EndpointId(1)), None));
        standings[1].admit(now, &"it went well");
        view.refresh(now);
        assert_eq!(ids(&view), [0, 1, 2]);
    }
}
