//! Smooth weighted round robin, each thread its own from a random place.
//!
//! Endpoints of one weight are a class and take turns. Classes share the slots of a cycle by WF2Q (J. Bennett and H.
//! Zhang, "WF2Q: worst-case fair weighted fair queueing", INFOCOM 1996): the k-th turn of a class that holds `share` of
//! `total` slots may begin at slot (k-1)·total/share and is due at k·total/share; of those that may begin, the one due
//! first takes the slot. So each endpoint gets exactly its weight in each cycle, as evenly as whole slots allow. Two
//! heaps make that O(log classes); there is mostly one class, and then it is a counter.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::collections::BinaryHeap;

use super::untried::{at_most_one, untried};
use super::{Balancer, Decision, EndpointId, Reason, Turn, View};
use crate::dice::Dice;

/// Most slots that are skipped so as to start at a random place.
const MOST_SKIPPED: u64 = 256;

/// How often the schedule is asked for an endpoint that was not tried, before any will do.
const MOST_ASKED: usize = 8;

/// The schedule of one thread for one upstream.
#[derive(Debug)]
pub struct RoundRobin {
    classes: Vec<Class>,
    ready: BinaryHeap<Reverse<Due>>,
    pending: BinaryHeap<Reverse<Start>>,
    slot: u64,
    total: u64,
    edition: u64,
    last: Option<EndpointId>,
}

/// Endpoints of one weight.
#[derive(Debug)]
struct Class {
    members: Vec<EndpointId>,
    next: usize,
    share: u64,
}

/// A class whose turn may begin. `turn` counts from 1 within the cycle.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    turn: u64,
    share: u64,
    class: usize,
}

/// A class whose turn may not begin before slot (turn-1)·total/share.
#[derive(Debug, PartialEq, Eq)]
struct Start(Due);

/// a/b against c/d, exactly.
fn compare(a: u64, b: u64, c: u64, d: u64) -> Ordering {
    (u128::from(a) * u128::from(d)).cmp(&(u128::from(c) * u128::from(b)))
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.turn, self.share, other.turn, other.share).then(self.class.cmp(&other.class))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Start {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.turn - 1, self.0.share, other.0.turn - 1, other.0.share).then(self.0.class.cmp(&other.0.class))
    }
}

impl PartialOrd for Start {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RoundRobin {
    /// A schedule over `view` that starts at a random place.
    pub fn new(view: &View, dice: &mut Dice) -> Self {
        let mut new = Self {
            classes: Vec::new(),
            ready: BinaryHeap::new(),
            pending: BinaryHeap::new(),
            slot: 0,
            total: 0,
            edition: 0,
            last: None,
        };
        new.plan(view, dice);
        new
    }

    fn plan(&mut self, view: &View, dice: &mut Dice) {
        let mut by_weight: BTreeMap<Reverse<u32>, Vec<EndpointId>> = BTreeMap::new();
        for member in view.eligible() {
            by_weight.entry(Reverse(member.weight)).or_default().push(member.endpoint);
        }
        let divisor = by_weight.keys().fold(0, |all, Reverse(weight)| gcd(all, u64::from(*weight))).max(1);
        self.classes = by_weight
            .into_iter()
            .map(|(Reverse(weight), members)| Class {
                next: dice.below(members.len()),
                share: (u64::from(weight) / divisor).saturating_mul(members.len() as u64),
                members,
            })
            .collect();
        self.total = self.classes.iter().map(|class| class.share).sum();
        self.edition = view.edition();
        self.begin_cycle();
        if self.classes.len() > 1 {
            let bound = usize::try_from(self.total.min(MOST_SKIPPED)).unwrap_or(0);
            for _ in 0..dice.below(bound) {
                self.next_class();
            }
        }
    }

    fn begin_cycle(&mut self) {
        self.slot = 0;
        self.ready.clear();
        self.pending.clear();
        for (class, Class { share, .. }) in self.classes.iter().enumerate() {
            self.ready.push(Reverse(Due { turn: 1, share: *share, class }));
        }
    }

    /// The endpoint whose turn it is.
    fn next(&mut self) -> Option<EndpointId> {
        let at = if self.classes.len() == 1 { 0 } else { self.next_class() };
        let class = self.classes.get_mut(at)?;
        let chosen = class.members.get(class.next).copied();
        class.next = if class.next + 1 < class.members.len() { class.next + 1 } else { 0 };
        chosen
    }

    fn next_class(&mut self) -> usize {
        if self.slot == self.total {
            self.begin_cycle();
        }
        while let Some(Reverse(Start(due))) = self.pending.peek()
            && compare(due.turn - 1, due.share, self.slot, self.total) != Ordering::Greater
        {
            if let Some(Reverse(Start(due))) = self.pending.pop() {
                self.ready.push(Reverse(due));
            }
        }
        self.slot += 1;
        // Someone may always begin: if nobody could, all would have had more than their share of the slots so far.
        let Some(Reverse(due)) = self.ready.pop() else { return 0 };
        let class = due.class;
        if due.turn < due.share {
            self.pending.push(Reverse(Start(Due { turn: due.turn + 1, ..due })));
        }
        class
    }

    /// One that was not tried: the next few by weight, else any, from a random place on.
    fn next_untried(&mut self, view: &View, turn: &mut Turn<'_>) -> (Option<EndpointId>, Reason) {
        for _ in 0..MOST_ASKED {
            match self.next() {
                Some(endpoint) if !turn.has_tried(endpoint) => return (Some(endpoint), Reason::NextUntried),
                Some(_) => {}
                None => break,
            }
        }
        untried(view, turn)
    }
}

impl Balancer for RoundRobin {
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision {
        if self.edition != view.edition() {
            self.plan(view, turn.dice);
            // A new random place must not give the same endpoint twice in a row.
            if let [Class { members, next, .. }] = self.classes.as_mut_slice()
                && members.len() > 1
                && members.get(*next).copied() == self.last
            {
                *next = (*next + 1) % members.len();
            }
        }
        let (chosen, because) = match at_most_one(view, turn) {
            Some(decided) => decided,
            None if turn.tried.is_empty() => (self.next(), Reason::ItsTurn),
            None => self.next_untried(view, turn),
        };
        self.last = chosen.or(self.last);
        turn.decide(view, chosen, because)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::standing::{AskedEvent, EndpointStanding};
    use super::*;
    use crate::moment::Moment;

    fn view(weights: &[u32]) -> View {
        View::new(weights.iter().map(|weight| (*weight, Arc::default())).collect())
    }

    fn pick(robin: &mut RoundRobin, view: &View, dice: &mut Dice, tried: &[u32]) -> Decision {
        let mut turn = Turn { now: Moment::default(), dice, tried, key: None, recording: false };
        robin.choose(view, &mut turn)
    }

    #[test]
    fn two_in_a_row_go_to_two_endpoints() {
        let (view, mut dice) = (view(&[1, 1]), Dice::seeded(7));
        let mut robin = RoundRobin::new(&view, &mut dice);
        let picks: Vec<_> = (0..10).map(|_| pick(&mut robin, &view, &mut dice, &[]).chosen).collect();
        assert!(picks.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn threads_start_at_different_places() {
        let view = view(&[1; 8]);
        let firsts: std::collections::HashSet<_> = (0..64)
            .map(|seed| {
                let mut dice = Dice::seeded(seed * 7919);
                let mut robin = RoundRobin::new(&view, &mut dice);
                pick(&mut robin, &view, &mut dice, &[]).chosen.map(|endpoint| endpoint.0)
            })
            .collect();
        assert!(firsts.len() > 4);
    }

    #[test]
    fn a_drained_endpoint_takes_no_new_work() {
        let standings: Vec<Arc<EndpointStanding>> = (0..2).map(|_| Arc::default()).collect();
        let mut view = View::new(standings.iter().map(|standing| (1, Arc::clone(standing))).collect());
        let mut dice = Dice::seeded(1);
        let mut robin = RoundRobin::new(&view, &mut dice);
        standings[0].ask(AskedEvent::Drain);
        view.refresh(Moment::default());
        for _ in 0..4 {
            let decision = pick(&mut robin, &view, &mut dice, &[]);
            assert_eq!(decision.chosen, Some(EndpointId(1)));
            assert_eq!(decision.because.to_string(), "no other endpoint is eligible");
        }
        standings[1].ask(AskedEvent::Drain);
        view.refresh(Moment::default());
        let decision = pick(&mut robin, &view, &mut dice, &[]);
        assert_eq!(decision.because.to_string(), "every endpoint is drained, down, or has weight 0");
    }

    #[test]
    fn a_passed_over_endpoint_is_better_than_none() {
        let standings: Vec<Arc<EndpointStanding>> = (0..2).map(|_| Arc::default()).collect();
        let mut view = View::new(standings.iter().map(|standing| (1, Arc::clone(standing))).collect());
        let mut dice = Dice::seeded(1);
        let mut robin = RoundRobin::new(&view, &mut dice);
        standings[0].pass_over(Moment::default(), Moment::from_nanos(10), &"refused");
        view.refresh(Moment::default());
        let decision = pick(&mut robin, &view, &mut dice, &[1]);
        assert_eq!((decision.chosen, decision.because), (Some(EndpointId(0)), Reason::PassedOverButUntried));
        let decision = pick(&mut robin, &view, &mut dice, &[1, 0]);
        assert_eq!((decision.chosen, decision.because), (None, Reason::AllTried));
    }

    proptest! {
        #[test]
        fn each_gets_exactly_its_weight_in_a_cycle_and_as_evenly_as_slots_allow(
            weights in prop::collection::vec(0u32..12, 1..12), seed: u64,
        ) {
            let divisor = weights.iter().fold(0, |all, weight| gcd(all, u64::from(*weight)));
            prop_assume!(divisor > 0);
            let (view, mut dice) = (view(&weights), Dice::seeded(seed));
            let mut robin = RoundRobin::new(&view, &mut dice);
            let cycle = usize::try_from(weights.iter().map(|weight| u64::from(*weight)).sum::<u64>() / divisor).unwrap();
            let mut places: Vec<Vec<usize>> = vec![Vec::new(); weights.len()];
            for slot in 0..4 * cycle {
                let chosen = pick(&mut robin, &view, &mut dice, &[]).chosen.unwrap();
                places[chosen.0 as usize].push(slot);
            }
            for (weight, places) in weights.iter().zip(&places) {
                let share = usize::try_from(u64::from(*weight) / divisor).unwrap();
                prop_assert_eq!(places.len(), 4 * share);
                // Within two ideal distances of each other: nobody starves.
                for two in places.windows(2) {
                    prop_assert!((two[1] - two[0]) * share <= 2 * cycle + share);
                }
            }
        }

        #[test]
        fn what_was_tried_is_not_chosen_while_another_is_eligible(
            weights in prop::collection::vec(1u32..1000, 2..8),
            tried in prop::collection::vec(0u32..8, 0..4), seed: u64,
        ) {
            let (view, mut dice) = (view(&weights), Dice::seeded(seed));
            let mut robin = RoundRobin::new(&view, &mut dice);
            let chosen = pick(&mut robin, &view, &mut dice, &tried).chosen;
            let is_left = (0..weights.len()).any(|at| !tried.contains(&u32::try_from(at).unwrap()));
            match chosen {
                Some(endpoint) => prop_assert!(!tried.contains(&endpoint.0)),
                None => prop_assert!(!is_left),
            }
        }
    }
}
