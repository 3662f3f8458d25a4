//! The best of all endpoints, kept by all threads together: so counts are exact, and no two threads take the same one for
//! the best at once. The lock is held for a few dozen nanoseconds; nothing in it waits or allocates.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tournament::{Key, LAST, Tournament};
use super::untried::{at_most_one, untried};
use super::view::Member;
use super::{Balancer, Decision, EndpointId, EndpointLoad, Reason, Seat, Turn, View};

/// What a turn of an endpoint of weight 1 costs on the clock by which equals take turns.
const STRIDE: u64 = 1 << 32;

/// By what endpoints are ranked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rule {
    /// Outstanding requests, this one included, over weight; one without any comes first. HAProxy's `leastconn` orders
    /// the same way. Equals take turns by weight, so that a load of one request at a time follows the weights too.
    #[default]
    LeastRequests,
    /// Latency times outstanding requests, this one included, over weight: Finagle's `PeakEwma`, but the least of all
    /// where Finagle takes the lesser of two. One that has not answered yet gets one request at a time.
    PeakEwma,
    /// The first in order that has fewer than `limit` outstanding requests (0: it is never full); if all are full, the
    /// one with the fewest. HAProxy's `first`.
    First {
        /// Outstanding requests that fill one.
        limit: u64,
    },
}

impl Rule {
    /// What ranks an endpoint; the lowest is chosen.
    fn rank(self, member: Member, load: &EndpointLoad) -> u64 {
        let outstanding = u64::from(load.outstanding());
        match self {
            // Weights are below 2^32, so 32 bits behind the point tell any two fractions apart.
            Self::LeastRequests if outstanding == 0 => 0,
            Self::LeastRequests => ((outstanding + 1) << 32) / u64::from(member.weight),
            Self::PeakEwma => match load.latency_rank() {
                Some(rank) => ordered(rank((outstanding + 1) as f64 / f64::from(member.weight))),
                None if outstanding == 0 => 0,
                None => UNKNOWN + (outstanding << 32) / u64::from(member.weight),
            },
            Self::First { limit } if limit == 0 || outstanding < limit => u64::from(member.endpoint.0),
            Self::First { .. } => FULL + (outstanding << 32) / u64::from(member.weight),
        }
    }

    fn because(self, rank: u64) -> Reason {
        match self {
            Self::LeastRequests => Reason::FewestRequests,
            Self::PeakEwma => Reason::SoonestAnswer,
            Self::First { .. } if rank < FULL => Reason::FirstWithRoom,
            Self::First { .. } => Reason::LeastFull,
        }
    }
}

/// The rank behind all that have room.
const FULL: u64 = 1 << 32;

/// The rank behind all whose latency is known.
const UNKNOWN: u64 = u64::MAX - (1 << 60);

/// A number that is ordered as the float is.
fn ordered(float: f64) -> u64 {
    let bits = float.to_bits();
    if bits >> 63 == 0 { bits | (1 << 63) } else { !bits }
}

/// The endpoints of one upstream in order, shared by its threads and snapshots.
#[derive(Debug, Default)]
pub struct Ranking {
    is_kept: AtomicBool,
    /// Whether latencies are asked for.
    observes: AtomicBool,
    orders: Mutex<Vec<Order>>,
}

/// One order of the endpoints, of which those take part that may be chosen by whoever it is for.
#[derive(Debug, Default)]
struct Order {
    /// 0 for whoever may choose any, else the number of a subset.
    number: u64,
    rule: Rule,
    roster: u64,
    /// All endpoints in the order of the upstream, those too that may not be chosen now.
    leaves: Vec<Leaf>,
    by_id: HashMap<u32, usize>,
    tournament: Tournament,
    /// What the last turn cost in all: whoever joins begins there.
    clock: u64,
}

#[derive(Debug)]
struct Leaf {
    member: Member,
    id: u32,
    load: Arc<EndpointLoad>,
    turns: u64,
}

impl Ranking {
    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the orders that nobody asks for any more: all but these.
    pub(crate) fn keep_only(&self, numbers: &[u64]) {
        self.lock().retain(|order| numbers.contains(&order.number));
    }

    /// The load of the endpoint with this id becomes one more, or one less, by `change`; its rank with it.
    pub(super) fn recount(&self, endpoint: EndpointId, id: u32, change: impl FnOnce()) {
        // Whoever begins to keep a ranking says so before it reads the loads.
        if !self.is_kept.load(Ordering::SeqCst) {
            change();
            return;
        }
        let mut orders = self.lock();
        change();
        orders.iter_mut().for_each(|order| order.rank_again(endpoint, id));
    }

    /// What is known of an endpoint's latency changes by `observe`, where anybody asks for it. Its rank follows with the
    /// next exchange that begins or ends there; at once where nothing had been known.
    pub(super) fn observe(&self, endpoint: EndpointId, id: u32, is_first: bool, observe: impl FnOnce()) {
        if self.observes.load(Ordering::Relaxed) {
            if is_first { self.recount(endpoint, id, observe) } else { observe() }
        }
    }
}

impl Order {
    /// Takes the endpoints of `view` for its own.
    fn install(&mut self, rule: Rule, view: &View) {
        let before: HashMap<u32, u64> = self.leaves.iter().map(|leaf| (leaf.id, leaf.turns)).collect();
        let leaf = |(at, seat): (u32, &Seat)| {
            let turns = before.get(&seat.id).copied().unwrap_or(self.clock);
            let member = Member { endpoint: EndpointId(at), weight: 0 };
            Leaf { member, id: seat.id, load: Arc::clone(&seat.load), turns }
        };
        self.leaves = (0..).zip(view.seats()).map(leaf).collect();
        for member in view.eligible() {
            if let Some(leaf) = self.leaves.get_mut(member.endpoint.0 as usize) {
                leaf.member = *member;
            }
        }
        self.by_id = self.leaves.iter().enumerate().map(|(at, leaf)| (leaf.id, at)).collect();
        self.rule = rule;
        self.roster = view.roster();
        self.tournament = Tournament::new(&self.leaves.iter().map(|leaf| leaf.key(rule)).collect::<Vec<_>>());
    }

    /// Ranks the endpoint with this id. It stands at `endpoint`, unless another snapshot has others.
    fn rank_again(&mut self, endpoint: EndpointId, id: u32) {
        let at = endpoint.0 as usize;
        if self.leaves.get(at).is_some_and(|leaf| leaf.id == id) {
            self.rank(at);
        } else if let Some(at) = self.by_id.get(&id).copied() {
            self.rank(at);
        }
    }

    fn rank(&mut self, at: usize) {
        if let Some(leaf) = self.leaves.get(at) {
            self.tournament.set(at, leaf.key(self.rule));
        }
    }

    /// The best that was not tried, with one exchange more, and why.
    fn take(&mut self, turn: &Turn<'_>) -> Option<(EndpointId, Reason)> {
        for tried in turn.tried {
            self.tournament.set(*tried as usize, LAST);
        }
        let (best, key) = self.tournament.first();
        let chosen = self.leaves.get_mut(best).filter(|_| key != LAST).map(|leaf| {
            leaf.load.begin();
            self.clock = leaf.turns.max(self.clock);
            leaf.turns = self.clock + STRIDE / u64::from(leaf.member.weight);
            leaf.member.endpoint
        });
        self.rank(best);
        for tried in turn.tried {
            self.rank(*tried as usize);
        }
        Some((chosen?, self.rule.because(u64::try_from(key >> 64).unwrap_or(u64::MAX))))
    }
}

impl Leaf {
    fn key(&self, rule: Rule) -> Key {
        match self.member.weight {
            0 => LAST,
            _ => u128::from(rule.rank(self.member, &self.load)) << 64 | u128::from(self.turns),
        }
    }
}

/// Takes the best of all, by a rule.
#[derive(Debug)]
pub struct Ranked {
    rule: Rule,
    ranking: Arc<Ranking>,
    number: u64,
}

impl Ranked {
    /// A thread's hand on the ranking of an upstream: on its order of this number, 0 for all endpoints.
    pub fn new(rule: Rule, ranking: Arc<Ranking>, number: u64) -> Self {
        Self { rule, ranking, number }
    }

    fn take(&self, view: &View, turn: &Turn<'_>) -> Option<(EndpointId, Reason)> {
        let mut orders = self.ranking.lock();
        let at = orders.iter().position(|order| order.number == self.number).unwrap_or_else(|| {
            orders.push(Order { number: self.number, ..Order::default() });
            orders.len() - 1
        });
        let order = orders.get_mut(at)?;
        if order.roster != view.roster() || order.rule != self.rule {
            self.ranking.is_kept.store(true, Ordering::SeqCst);
            self.ranking.observes.store(self.rule == Rule::PeakEwma, Ordering::Relaxed);
            order.install(self.rule, view);
        }
        let taken = order.take(turn);
        if orders.len() > 1
            && let Some((endpoint, _)) = taken
        {
            let id = view.seat(endpoint).map_or(0, |seat| seat.id);
            orders.iter_mut().for_each(|order| order.rank_again(endpoint, id));
        }
        taken
    }
}

impl Balancer for Ranked {
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision {
        let alone = at_most_one(view, turn);
        if let Some((None, because)) = alone {
            return turn.tell(view, None, because);
        }
        match self.take(view, turn) {
            Some((chosen, because)) => turn.tell(view, Some(chosen), alone.map_or(because, |(_, because)| because)),
            None => {
                let (chosen, because) = untried(view, turn);
                turn.decide(view, chosen, because)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Held;
    use super::super::tests::{Bench, view};
    use super::*;
    use crate::moment::Moment;

    #[test]
    fn equals_take_turns_and_the_heavier_one_takes_more() {
        let mut bench = Bench::new(view(&[1, 3]), Rule::LeastRequests);
        let taken: Vec<u32> = (0..8).map(|_| bench.take(&[]).unwrap().id()).collect();
        assert_eq!(taken.iter().filter(|id| **id == 2).count(), 6, "{taken:?}");
    }

    #[test]
    fn the_one_with_the_fewest_for_its_weight_is_chosen() {
        let mut bench = Bench::new(view(&[1, 2]), Rule::LeastRequests);
        let held: Vec<_> = (0..9).map(|_| bench.take(&[]).unwrap()).collect();
        assert_eq!(held.iter().filter(|held| held.id() == 2).count(), 6);
        drop(held);
        assert_eq!(bench.outstanding(), [0, 0]);
    }

    #[test]
    fn what_began_before_the_ranking_counts_in_it() {
        let mut bench = Bench::new(view(&[1, 1]), Rule::LeastRequests);
        let before: Vec<_> = (0..3).map(|_| bench.count(0)).collect();
        let held: Vec<_> = (0..3).map(|_| bench.take(&[]).unwrap()).collect();
        assert!(held.iter().all(|held| held.id() == 2));
        drop(before);
        assert_eq!(bench.take(&[]).unwrap().id(), 1);
    }

    #[test]
    fn first_fills_in_order_and_then_levels() {
        let mut bench = Bench::new(view(&[1, 1]), Rule::First { limit: 2 });
        let held: Vec<_> = (0..6).map(|_| bench.take(&[]).unwrap()).collect();
        assert_eq!(held.iter().map(Held::id).collect::<Vec<_>>(), [1, 1, 2, 2, 1, 2]);
    }

    #[test]
    fn a_slow_endpoint_gets_what_others_cannot_take_sooner() {
        let mut bench = Bench::new(view(&[1, 1]), Rule::PeakEwma);
        let at = Moment::from_nanos(1_000_000_000);
        for (took, id) in [(100, 1), (10, 2)] {
            let first = bench.take(&[]).unwrap();
            assert_eq!(first.id(), id, "one that is not known yet is asked");
            first.answered(Duration::from_millis(took), at);
        }
        let held: Vec<_> = (0..11).map(|_| bench.take(&[]).unwrap()).collect();
        assert_eq!(held.iter().filter(|held| held.id() == 1).count(), 1, "{held:?}");
    }
}
