//! What holds for every balancer: nobody starves, what was tried is avoided, and what was taken is given back exactly.

use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A view of endpoints that are all well.
pub(super) fn view(weights: &[u32]) -> View {
    View::new(weights.iter().map(|weight| (*weight, Arc::default())).collect())
}

/// Lets `balancer` choose once.
pub(super) fn play(balancer: &mut dyn Balancer, view: &View, dice: &mut Dice, tried: &[u32]) -> Decision {
    balancer.choose(view, &mut Turn { now: Moment::default(), dice, tried, key: None, recording: false })
}

/// One upstream with one balancer, and what it takes to hold what it chose.
pub(super) struct Bench {
    pub(super) view: View,
    holders: Vec<Rc<Holder>>,
    balancer: Box<dyn Balancer>,
    dice: Dice,
}

impl Bench {
    pub(super) fn new(view: View, method: impl Into<Method>) -> Self {
        let (ranking, mut dice) = (Arc::<Ranking>::default(), Dice::seeded(7));
        let holders = view.seats().iter().zip(0..).map(|(seat, at)| seat.holder(EndpointId(at), &ranking)).collect();
        let balancer = method.into().balancer(&view, &ranking, 0, &mut dice);
        Self { view, holders, balancer, dice }
    }

    pub(super) fn take(&mut self, tried: &[u32]) -> Option<Held> {
        let decision = play(&mut *self.balancer, &self.view, &mut self.dice, tried);
        decision.chosen.map(|chosen| self.holders[chosen.0 as usize].counted())
    }

    pub(super) fn count(&self, at: usize) -> Held {
        self.holders[at].count()
    }

    pub(super) fn outstanding(&self) -> Vec<u32> {
        self.holders.iter().map(|holder| holder.load.outstanding()).collect()
    }
}

impl From<Rule> for Method {
    fn from(rule: Rule) -> Self {
        Self::Ranked(rule)
    }
}

fn methods() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::RoundRobin),
        Just(Method::RandomTwo),
        Just(Method::Ranked(Rule::LeastRequests)),
        Just(Method::Ranked(Rule::PeakEwma)),
        Just(Method::Ranked(Rule::First { limit: 3 })),
        Just(Method::Hashed(Arc::new(HashTable::maglev([("a", 1), ("b", 1)].into_iter())), Some(1.25))),
    ]
}

proptest! {
    #[test]
    fn what_was_taken_is_given_back_exactly(
        method in methods(), weights in prop::collection::vec(1u32..9, 1..7),
        steps in prop::collection::vec((0u8..4, 0usize..20), 0..80),
    ) {
        let mut bench = Bench::new(view(&weights), method);
        let mut held: Vec<Held> = Vec::new();
        for (step, at) in steps {
            match step {
                0 if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                1 => held.push(bench.count(at % weights.len())),
                _ => held.extend(bench.take(&[])),
            }
            let counted = bench.outstanding();
            for (id, counted) in (1..).zip(counted) {
                prop_assert_eq!(held.iter().filter(|held| held.id() == id).count(), counted as usize);
            }
        }
        drop(held);
        prop_assert!(bench.outstanding().iter().all(|count| *count == 0));
    }

    #[test]
    fn what_was_tried_is_not_chosen_while_another_is_eligible(
        method in methods(), weights in prop::collection::vec(1u32..1000, 2..8),
        tried in prop::collection::vec(0u32..8, 0..4),
    ) {
        let is_left = (0..weights.len()).any(|at| !tried.contains(&u32::try_from(at).unwrap()));
        let mut bench = Bench::new(view(&weights), method);
        for _ in 0..4 {
            match bench.take(&tried) {
                Some(held) => prop_assert!(!tried.contains(&(held.id() - 1))),
                None => prop_assert!(!is_left),
            }
        }
    }

    #[test]
    fn under_load_nobody_starves(
        method in methods(), weights in prop::collection::vec(1u32..9, 1..7),
    ) {
        let mut bench = Bench::new(view(&weights), method);
        let held: Vec<Held> = (0..weights.len() * 60).map_while(|_| bench.take(&[])).collect();
        prop_assert_eq!(held.len(), weights.len() * 60);
        prop_assert!(bench.outstanding().iter().all(|count| *count > 0), "{:?}", bench.outstanding());
    }

    /// Threads differ in what they hold, not in what they see: the spread is never more than one.
    #[test]
    fn least_requests_is_exact_over_threads(endpoints in 1usize..6, each in 1usize..40) {
        let view = view(&vec![1; endpoints]);
        let ranking = Arc::<Ranking>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut balancer = Ranked::new(Rule::LeastRequests, Arc::clone(&ranking), 0);
                    let mut dice = Dice::seeded(1);
                    for _ in 0..each {
                        play(&mut balancer, &view, &mut dice, &[]);
                    }
                });
            }
        });
        let counts: Vec<u32> = (0..endpoints as u32).map(|at| view.seat(EndpointId(at)).unwrap().load.outstanding()).collect();
        prop_assert_eq!(counts.iter().sum::<u32>() as usize, 4 * each);
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
    }
}
