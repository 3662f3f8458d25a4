//! Which of several upstreams takes a request: by chance, or always the same for the same key.
//!
//! With a key it is weighted rendezvous hashing: each upstream draws a number from key and name, and the best one for its
//! weight wins (C. Schindelhauer and G. Schomaker, "Weighted distributed hash tables", SPAA 2005). When a weight rises,
//! keys move only to that upstream, and only as many as it needs; when it falls, only away from it. Nothing is remembered,
//! so all threads, instances and restarts agree.

use super::Lead;
use super::hash::hash;
use crate::dice::Dice;
use crate::rule::{Subject, Text};

/// Compiled [`crate::snapshot::document::Split`].
#[derive(Debug)]
pub struct Split {
    shares: Box<[Share]>,
    total: usize,
    key: Option<Text>,
}

#[derive(Debug)]
struct Share {
    to: Lead,
    weight: u32,
    name: u64,
}

impl Split {
    /// Takes upstreams or parts of them, each with name and weight. Fails where all weights are 0.
    pub fn build(shares: impl Iterator<Item = (Lead, String, u32)>, key: Option<Text>) -> Result<Self, &'static str> {
        let share = |(to, name, weight): (Lead, String, u32)| {
            (weight > 0).then(|| Share { to, weight, name: hash(0, name.as_bytes()) })
        };
        let shares: Box<[Share]> = shares.filter_map(share).collect();
        let total = shares.iter().map(|share| share.weight as usize).sum();
        if total == 0 { Err("every weight is 0") } else { Ok(Self { shares, total, key }) }
    }

    /// Where a request goes. An empty key tells nobody from anybody, so then chance decides.
    pub fn choose(&self, subject: Option<&Subject<'_>>, dice: &mut Dice) -> Lead {
        let key = self.key.as_ref().zip(subject).map(|(key, subject)| key.read(subject));
        let share = match key.filter(|key| !key.is_empty()) {
            Some(key) => self.by_key(&key),
            None => self.by_chance(dice.below(self.total)),
        };
        share.map_or(Lead::default(), |share| share.to)
    }

    fn by_chance(&self, drawn: usize) -> Option<&Share> {
        let mut left = drawn;
        self.shares.iter().find(|share| {
            let is_it = left < share.weight as usize;
            left = left.saturating_sub(share.weight as usize);
            is_it
        })
    }

    fn by_key(&self, key: &[u8]) -> Option<&Share> {
        self.shares.iter().max_by(|one, other| one.score(key).total_cmp(&other.score(key)))
    }
}

impl Share {
    /// Weight over an exponentially distributed number that follows from key and name.
    fn score(&self, key: &[u8]) -> f64 {
        let drawn = u32::try_from(hash(self.name, key) >> 32).unwrap_or(u32::MAX);
        let uniform = (f64::from(drawn) + 0.5) / (f64::from(u32::MAX) + 1.0);
        f64::from(self.weight) / -uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u32 = 20_000;

    fn split(weights: &[(&'static str, u32)]) -> Split {
        let lead = |upstream| Lead { upstream, part: 0 };
        let shares = (0..).zip(weights).map(|(at, (name, weight))| (lead(at), (*name).to_owned(), *weight));
        Split::build(shares, None).unwrap()
    }

    fn by_key(split: &Split) -> Vec<u32> {
        (0..KEYS).map(|key| split.by_key(key.to_string().as_bytes()).unwrap().to.upstream).collect()
    }

    fn share_of(upstream: u32, taken: &[u32]) -> f64 {
        taken.iter().filter(|one| **one == upstream).count() as f64 / f64::from(KEYS)
    }

    #[test]
    fn chance_and_keys_share_by_weight() {
        let split = split(&[("api", 95), ("canary", 5), ("off", 0)]);
        let mut dice = Dice::seeded(7);
        let chance: Vec<u32> = (0..KEYS).map(|_| split.choose(None, &mut dice).upstream).collect();
        for taken in [chance, by_key(&split)] {
            assert!((share_of(1, &taken) - 0.05).abs() < 0.01, "{}", share_of(1, &taken));
            assert_eq!(share_of(2, &taken), 0.0);
        }
    }

    #[test]
    fn when_a_weight_rises_keys_move_only_there_and_no_more_than_needed() {
        let (few, more) =
            (by_key(&split(&[("api", 95), ("canary", 5)])), by_key(&split(&[("api", 80), ("canary", 20)])));
        assert!(few.iter().zip(&more).all(|(before, after)| before == after || *after == 1));
        assert!((share_of(1, &more) - 0.2).abs() < 0.01);
        let third = by_key(&split(&[("api", 95), ("canary", 5), ("new", 100)]));
        assert!(few.iter().zip(&third).all(|(before, after)| before == after || *after == 2));
    }

    #[test]
    fn a_key_stays_where_it_is_whatever_the_order_in_the_file() {
        let (one, other) = (by_key(&split(&[("a", 1), ("b", 1)])), by_key(&split(&[("b", 1), ("a", 1)])));
        assert!(one.iter().zip(&other).all(|(one, other)| *one == 1 - *other));
    }

    #[test]
    fn nothing_to_share_is_told() {
        assert!(Split::build([(Lead::default(), "a".to_owned(), 0)].into_iter(), None).is_err());
    }
}
