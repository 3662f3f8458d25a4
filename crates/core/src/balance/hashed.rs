//! Requests of one key go to one endpoint. In Rust because it runs for every request.
//!
//! The table is over all endpoints of the snapshot, made with it and shared by all threads: that one of them fails or
//! drains makes nothing anew. A key whose endpoint may not be chosen probes on, so only its keys move, spread over the
//! others by weight, and when it is back they are back.

use std::sync::Arc;

use super::hash::{below, hash, mix};
use super::maglev::Maglev;
use super::ring::Ring;
use super::untried::{at_most_one, untried};
use super::{Balancer, Decision, EndpointId, RandomTwo, Reason, Turn, View};
use crate::moment::Moment;

/// Places that a key probes. With all but one in a hundred endpoints gone 92 of 100 keys find one of them so; the others
/// are shared out by their place in the list.
const MOST_PROBED: u32 = 256;

/// How old the sum of all outstanding requests may be, in nanoseconds, by which bounded load is reckoned. Adding 1,000
/// counts up takes a microsecond or two.
const SUM_AGE: u64 = 1_000_000;

/// Which endpoint a key belongs to.
#[derive(Debug)]
pub struct HashTable(Form);

#[derive(Debug)]
enum Form {
    Maglev(Maglev),
    Ring(Ring),
}

impl HashTable {
    /// Maglev's table over names with weights.
    pub fn maglev<'a>(endpoints: impl Iterator<Item = (&'a str, u32)>) -> Self {
        Self(Form::Maglev(Maglev::new(endpoints)))
    }

    /// A ring over names with weights.
    pub fn ring<'a>(endpoints: impl Iterator<Item = (&'a str, u32)>) -> Self {
        Self(Form::Ring(Ring::new(endpoints)))
    }

    /// The number of a key; none for an empty text, which tells nobody from anybody.
    pub fn key(text: &[u8]) -> Option<u64> {
        (!text.is_empty()).then(|| hash(0, text))
    }

    /// The endpoint of a key, then those that it may go to instead.
    fn probe(&self, key: u64) -> impl Iterator<Item = EndpointId> {
        let from = match &self.0 {
            Form::Maglev(_) => 0,
            Form::Ring(ring) => ring.find(key),
        };
        (0..MOST_PROBED).map_while(move |probe| {
            let at = match &self.0 {
                Form::Maglev(maglev) => maglev.at(key, probe),
                Form::Ring(ring) => ring.at(from + probe as usize),
            };
            at.and_then(|at| u32::try_from(at).ok()).map(EndpointId)
        })
    }
}

/// Takes the endpoint of the request's key. A request without one goes to the less loaded of two random endpoints.
#[derive(Debug)]
pub struct Hashed {
    table: Arc<HashTable>,
    bound: Option<f64>,
    sum: u64,
    summed: Moment,
    keyless: RandomTwo,
}

impl Hashed {
    /// A thread's hand on a table. With `bound` no endpoint is given more than so many times its share of the outstanding
    /// requests (V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018); Envoy
    /// and HAProxy call it the hash balance factor. All shares are reckoned from a sum that is up to a millisecond old.
    pub fn new(table: Arc<HashTable>, bound: Option<f64>) -> Self {
        Self { table, bound, sum: 0, summed: Moment::default(), keyless: RandomTwo::default() }
    }

    fn by_key(&mut self, key: u64, view: &View, turn: &Turn<'_>) -> Option<(EndpointId, Reason)> {
        self.add_up(view, turn.now);
        let tier = view.tier_of(mix(key));
        let mut full = None;
        for (probe, endpoint) in self.table.probe(key).enumerate() {
            let because = if probe == 0 { Reason::ItsKey } else { Reason::NextOfItsKey };
            if !view.may_take(endpoint) || turn.has_tried(endpoint) || !view.is_in(endpoint, tier) {
                continue;
            }
            if self.has_room(endpoint, view) {
                return Some((endpoint, because));
            }
            full.get_or_insert((endpoint, because));
        }
        let all = view.eligible();
        let any = all.get(below(mix(key), all.len())).filter(|member| !turn.has_tried(member.endpoint));
        full.or_else(|| any.map(|member| (member.endpoint, Reason::NextOfItsKey)))
    }

    fn add_up(&mut self, view: &View, now: Moment) {
        if self.bound.is_none() {
            return;
        }
        // What this thread adds meanwhile counts at once.
        self.sum += 1;
        if self.summed == Moment::default() || now.as_nanos() >= self.summed.as_nanos() + SUM_AGE {
            self.summed = now;
            self.sum = 1 + view.seats().iter().map(|seat| u64::from(seat.load.outstanding())).sum::<u64>();
        }
    }

    fn has_room(&self, endpoint: EndpointId, view: &View) -> bool {
        let (Some(bound), Some(seat)) = (self.bound, view.seat(endpoint)) else { return true };
        let share = f64::from(view.weight(endpoint)) / view.total_weight().max(1) as f64;
        f64::from(seat.load.outstanding()) + 1.0 <= (bound * self.sum as f64 * share).ceil()
    }
}

impl Balancer for Hashed {
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision {
        let (chosen, because) = match (at_most_one(view, turn), turn.key) {
            (Some(decided), _) => decided,
            (None, None) => return self.keyless.choose(view, turn),
            (None, Some(key)) => match self.by_key(key, view, turn) {
                Some((chosen, because)) => (Some(chosen), because),
                None => untried(view, turn),
            },
        };
        turn.decide(view, chosen, because)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Seat;
    use super::super::standing::{AskedEvent, CheckedEvent, EndpointStanding};
    use super::super::tests::view;
    use super::super::tiers::Tier;
    use super::*;
    use crate::dice::Dice;

    const KEYS: u64 = 10_000;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("10.0.{}.{}:80", at / 256, at % 256)).collect()
    }

    fn tables(names: &[String], weights: &[u32]) -> [Arc<HashTable>; 2] {
        let pairs = || names.iter().map(String::as_str).zip(weights.iter().copied());
        [Arc::new(HashTable::maglev(pairs())), Arc::new(HashTable::ring(pairs()))]
    }

    fn choose(balancer: &mut Hashed, view: &View, key: u64, tried: &[u32]) -> Decision {
        let mut dice = Dice::seeded(1);
        let mut turn = Turn { now: Moment::from_nanos(1), dice: &mut dice, tried, key: Some(key), recording: false };
        balancer.choose(view, &mut turn)
    }

    /// Where each key goes, by the name of the endpoint.
    fn homes<'a>(table: &Arc<HashTable>, view: &View, names: &'a [String]) -> Vec<&'a str> {
        let mut balancer = Hashed::new(Arc::clone(table), None);
        let home = |key| choose(&mut balancer, view, mix(key), &[]).chosen.map_or("", |at| &names[at.0 as usize]);
        (0..KEYS).map(home).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn keys_follow_the_weights(weights in prop::collection::vec(1u32..10, 2..20)) {
            let (names, view) = (names(weights.len()), view(&weights));
            let total: u32 = weights.iter().sum();
            for (table, is_ring) in tables(&names, &weights).iter().zip([false, true]) {
                let homes = homes(table, &view, &names);
                for (name, weight) in names.iter().zip(&weights) {
                    let share = f64::from(*weight) / f64::from(total);
                    let got = homes.iter().filter(|home| *home == name).count() as f64 / KEYS as f64;
                    let noise = 4.0 * (share / KEYS as f64).sqrt();
                    // Parts of a ring between random points: so many standard deviations of their sum.
                    let points = 160.0 * names.len() as f64 * share;
                    let tolerance = if is_ring { 6.0 / points.sqrt() } else { 0.1 };
                    prop_assert!((got - share).abs() < tolerance * share + noise, "{got} of {share}");
                }
            }
        }

        #[test]
        fn when_an_endpoint_may_not_be_chosen_only_its_keys_move_and_they_come_back(
            count in 2usize..20, gone in 0usize..20,
        ) {
            let (names, gone) = (names(count), gone % count);
            let standings: Vec<Arc<EndpointStanding>> = names.iter().map(|_| Arc::default()).collect();
            let mut view = View::new(standings.iter().map(|standing| (1, Arc::clone(standing))).collect());
            for table in tables(&names, &vec![1; count]) {
                let before = homes(&table, &view, &names);
                standings[gone].ask(AskedEvent::Drain);
                view.refresh(Moment::default());
                let without = homes(&table, &view, &names);
                for (before, now) in before.iter().zip(&without) {
                    prop_assert!(before == now || *before == names[gone]);
                    prop_assert_ne!(*now, &names[gone]);
                }
                standings[gone].ask(AskedEvent::Resume);
                view.refresh(Moment::default());
                prop_assert_eq!(homes(&table, &view, &names), before);
            }
        }

        #[test]
        fn a_new_endpoint_takes_its_share_and_little_else_moves(count in 2usize..20) {
            let (few, more) = (names(count), names(count + 1));
            let (few_view, more_view) = (view(&vec![1; count]), view(&vec![1; count + 1]));
            let (old, new) = (tables(&few, &vec![1; count]), tables(&more, &vec![1; count + 1]));
            // Maglev moves some keys between old endpoints: a few percent, as the paper says.
            for ((old, new), most) in old.iter().zip(&new).zip([0.06, 0.0]) {
                let (before, after) = (homes(old, &few_view, &few), homes(new, &more_view, &more));
                let between = before.iter().zip(&after).filter(|(before, after)| before != after && **after != more[count]);
                prop_assert!(between.count() as f64 <= most * KEYS as f64);
            }
        }

        #[test]
        fn with_a_bound_no_endpoint_has_more_than_its_share_allows(
            weights in prop::collection::vec(1u32..5, 2..12), keys in 1u64..4,
        ) {
            let names = names(weights.len());
            for table in tables(&names, &weights) {
                let view = view(&weights);
                let mut balancer = Hashed::new(table, Some(1.25));
                for n in 0..400 {
                    choose(&mut balancer, &view, mix(n % keys), &[]);
                }
                let total: u32 = weights.iter().sum();
                for (seat, weight) in view.seats().iter().zip(&weights) {
                    let share = f64::from(*weight) / f64::from(total);
                    prop_assert!(f64::from(seat.load.outstanding()) <= (1.25 * 400.0 * share).ceil());
                }
            }
        }
    }

    #[test]
    fn tiers_that_share_the_work_share_the_keys_and_none_moves_that_need_not() {
        let names = names(20);
        let is_first = |home: &str| names.iter().take(10).any(|name| name == home);
        let is_well = |home: &str| names.iter().take(5).all(|name| name != home);
        for table in tables(&names, &[1; 20]) {
            let seat = |at: u32| Seat { id: at + 1, weight: 1, tier: Tier::new(at / 10, 0), ..Seat::default() };
            let seats: Vec<Seat> = (0..20).map(seat).collect();
            let before = homes(&table, &View::of(seats.clone()), &names);
            assert!(before.iter().all(|home| is_first(home)));
            for seat in seats.iter().take(5) {
                seat.standing.check(CheckedEvent::Fell, Moment::from_nanos(1), &"it fell");
            }
            let after = homes(&table, &View::of(seats), &names);
            let stayed = after.iter().filter(|home| is_first(home)).count() as f64 / KEYS as f64;
            assert!((stayed - 0.7).abs() < 0.02, "{stayed}"); // half of a tier takes 70 % of its work
            let pairs = || before.iter().zip(&after).filter(|(_, after)| is_first(after));
            assert!(pairs().all(|(before, after)| before == after || !is_well(before)));
        }
    }

    #[test]
    fn the_order_in_the_file_makes_no_difference() {
        let (names, weights) = (names(7), [1, 2, 3, 1, 2, 3, 1]);
        let view = view(&weights);
        let turned: Vec<String> = names.iter().rev().cloned().collect();
        let back: Vec<u32> = weights.iter().rev().copied().collect();
        let view_of_turned = super::super::tests::view(&back);
        for (one, other) in tables(&names, &weights).iter().zip(&tables(&turned, &back)) {
            assert_eq!(homes(one, &view, &names), homes(other, &view_of_turned, &turned));
        }
    }

    #[test]
    fn a_key_that_was_tried_in_vain_has_a_second_home() {
        let (names, view) = (names(3), view(&[1; 3]));
        for table in tables(&names, &[1; 3]) {
            let mut balancer = Hashed::new(table, None);
            let first = choose(&mut balancer, &view, 42, &[]);
            assert_eq!(first.because.to_string(), "the key of the request belongs to it");
            let second = choose(&mut balancer, &view, 42, &[first.chosen.unwrap().0]);
            assert_eq!(second.chosen, choose(&mut balancer, &view, 42, &[first.chosen.unwrap().0]).chosen);
            assert_ne!(second.chosen, first.chosen);
        }
    }
}
