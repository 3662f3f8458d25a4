//! How an upstream balances, and the balancer that a thread keeps for it.

use std::sync::Arc;

use super::{Balancer, HashTable, Hashed, Nearest, RandomTwo, Ranked, Ranking, RoundRobin, Rule, View};
use crate::dice::Dice;
use crate::geo::Place;

/// How an upstream balances.
#[derive(Clone, Debug)]
pub enum Method {
    /// In turn, by weight.
    RoundRobin,
    /// The less loaded of two random ones.
    RandomTwo,
    /// The best of all, by a rule.
    Ranked(Rule),
    /// The one of the request's key; with a bound on its share of the load.
    Hashed(Arc<HashTable>, Option<f64>),
    /// The one nearest to the client, of endpoints at these places; and how, where the client's place is not known.
    Nearest(Arc<[Option<Place>]>, Box<Method>),
}

impl Method {
    /// A thread's balancer; `ranking` is the one of the upstream, and `order` tells its order for these endpoints: 0 for
    /// all of them, else the number of a subset.
    pub fn balancer(&self, view: &View, ranking: &Arc<Ranking>, order: u64, dice: &mut Dice) -> Box<dyn Balancer> {
        match self {
            Self::RoundRobin => Box::new(RoundRobin::new(view, dice)),
            Self::RandomTwo => Box::new(RandomTwo::default()),
            Self::Hashed(table, bound) => Box::new(Hashed::new(Arc::clone(table), *bound)),
            Self::Nearest(places, otherwise) => {
                Box::new(Nearest::new(Arc::clone(places), otherwise.balancer(view, ranking, order, dice)))
            }
            Self::Ranked(rule) => Box::new(Ranked::new(*rule, Arc::clone(ranking), order)),
        }
    }
}
