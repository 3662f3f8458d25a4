//! Maglev's table: every place of it belongs to one endpoint, so that a key is one look.
//!
//! D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4; with weights as
//! Envoy has them: an endpoint of half the weight takes a place every second time.

use super::hash::{below, hash, mix};

/// Places for up to 655 endpoints, and for more: the two sizes of the paper, both prime. Envoy has the first by default.
/// At 100 places an endpoint the shares differ by about 1 %.
const SIZES: (usize, usize) = (65_537, 655_373);

/// The table.
#[derive(Debug)]
pub(super) struct Maglev {
    places: Box<[u32]>,
}

/// An endpoint that takes places in its own order, which follows from its name alone.
struct Taker {
    endpoint: u32,
    weight: u64,
    name: u64,
    next: usize,
    skip: usize,
    owed: u64,
}

impl Maglev {
    /// A table over names with weights; a weight of 0 takes no place. Takes milliseconds for 1,000 endpoints.
    pub(super) fn new<'a>(endpoints: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut takers: Vec<Taker> = (0..)
            .zip(endpoints)
            .filter(|(_, (_, weight))| *weight > 0)
            .map(|(endpoint, (name, weight))| {
                let (weight, name) = (u64::from(weight), hash(0, name.as_bytes()));
                Taker { endpoint, weight, name, next: 0, skip: 0, owed: 0 }
            })
            .collect();
        let size = if takers.len() * 100 <= SIZES.0 { SIZES.0 } else { SIZES.1 };
        // The order in the file must make no difference.
        takers.sort_by_key(|taker| taker.name);
        for taker in &mut takers {
            taker.next = below(mix(taker.name ^ 1), size);
            taker.skip = 1 + below(mix(taker.name ^ 2), size - 1);
        }
        Self { places: fill(size, &mut takers) }
    }

    /// The endpoint of a key, and at each further probe another place that follows from the key.
    pub(super) fn at(&self, key: u64, probe: u32) -> Option<usize> {
        let key = if probe == 0 { key } else { mix(key.wrapping_add(u64::from(probe))) };
        self.places.get(below(key, self.places.len())).map(|endpoint| *endpoint as usize)
    }
}

const FREE: u32 = u32::MAX;

fn fill(size: usize, takers: &mut [Taker]) -> Box<[u32]> {
    let heaviest = takers.iter().map(|taker| taker.weight).max().unwrap_or(0);
    let mut left = if takers.is_empty() { 0 } else { size };
    let mut places = vec![FREE; left].into_boxed_slice();
    let mut round = 0;
    while left > 0 {
        round += 1;
        for taker in takers.iter_mut() {
            // Each takes its first place at once, so that no weight is too small for one.
            if left == 0 || (round - 1) * taker.weight < taker.owed {
                continue;
            }
            taker.owed += heaviest;
            while places.get(taker.next).is_some_and(|place| *place != FREE) {
                taker.next = (taker.next + taker.skip) % size;
            }
            if let Some(place) = places.get_mut(taker.next) {
                *place = taker.endpoint;
                left -= 1;
            }
        }
    }
    places
}
