//! A ring of points: a key belongs to the next point.
//!
//! D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997. Points as Ketama has them, 160 for an endpoint of
//! average weight. The bits of a hash are spread evenly, so a table of places finds the next point in constant time.

use super::hash::{below, hash, mix};

/// Points of an endpoint of average weight.
const POINTS: u64 = 160;

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// In order of the first.
    points: Box<[(u64, u32)]>,
    /// The first point at or behind the beginning of each equal part of the ring.
    begins: Box<[u32]>,
}

impl Ring {
    /// A ring of names with weights; a weight of 0 has no point, any other at least one.
    pub(super) fn new<'a>(endpoints: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let endpoints: Vec<_> = (0u32..).zip(endpoints).filter(|(_, (_, weight))| *weight > 0).collect();
        let total: u64 = endpoints.iter().map(|(_, (_, weight))| u64::from(*weight)).sum();
        let mut points = Vec::new();
        for (endpoint, (name, weight)) in &endpoints {
            let count = (POINTS * endpoints.len() as u64 * u64::from(*weight)).div_ceil(total.max(1));
            let name = hash(0, name.as_bytes());
            points.extend((0..count).map(|point| (mix(name ^ mix(point)), *endpoint)));
        }
        points.sort_unstable();
        let parts = points.len();
        let mut begins = Vec::with_capacity(parts);
        let mut at = 0u32;
        for part in 0..parts {
            while points.get(at as usize).is_some_and(|(point, _)| below(*point, parts) < part) {
                at += 1;
            }
            begins.push(at);
        }
        Self { points: points.into_boxed_slice(), begins: begins.into_boxed_slice() }
    }

    /// Where a key's point stands.
    pub(super) fn find(&self, key: u64) -> usize {
        let from = self.begins.get(below(key, self.begins.len())).map_or(0, |from| *from as usize);
        from + self.points.iter().skip(from).take_while(|(point, _)| *point < key).count()
    }

    /// The endpoint of the point at `place`; behind the last comes the first.
    pub(super) fn at(&self, place: usize) -> Option<usize> {
        self.points.get(place % self.points.len().max(1)).map(|(_, endpoint)| *endpoint as usize)
    }
}
