//! Requests that an upstream has under way, over all threads, and a bound on them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::adaptive::{Limiter, Priority};

/// How many requests an upstream has under way; shared by threads and snapshots.
#[derive(Debug, Default)]
pub struct Circuit {
    under_way: AtomicU64,
    /// The bound that follows the latency of answers.
    pub limiter: Limiter,
    /// Requests that were refused: first those without a priority, then by that.
    refused: [AtomicU64; 1 + Priority::ALL.len()],
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Circuit>);

impl Circuit {
    /// One request more, unless `most` are under way; 0 is no limit, and then nothing is counted.
    pub fn enter(self: &Arc<Self>, most: u64) -> Result<Option<UnderWay>, Full> {
        if most == 0 {
            return Ok(None);
        }
        let more = |under_way: u64| (under_way < most).then(|| under_way + 1);
        match self.under_way.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more) {
            Ok(_) => Ok(Some(UnderWay(Arc::clone(self)))),
            Err(_) => Err(Full),
        }
    }

    /// Counts a request that was refused, by its priority where one is told.
    pub fn count_refused(&self, priority: Option<Priority>) {
        if let Some(count) = self.refused.get(place(priority)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were refused of this priority, or of none.
    pub fn refused(&self, priority: Option<Priority>) -> u64 {
        self.refused.get(place(priority)).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Shows every count that only rises, by name.
    pub fn each(&self, visit: &mut dyn FnMut(fmt::Arguments<'_>, &AtomicU64)) {
        let priorities = Priority::ALL.iter().map(|priority| priority.name());
        for (name, count) in std::iter::once("none").chain(priorities).zip(&self.refused) {
            visit(format_args!("refused {name}"), count);
        }
    }

    /// How many are under way.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }
}

fn place(priority: Option<Priority>) -> usize {
    priority.map_or(0, |priority| 1 + priority as usize)
}

/// As many are under way as may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_under_way_than_may_be_and_each_that_ends_makes_room() {
        let circuit = Arc::new(Circuit::default());
        let one = circuit.enter(2).expect("room");
        let _two = circuit.enter(2).expect("room");
        assert_eq!((circuit.enter(2).err(), circuit.under_way()), (Some(Full), 2));
        assert!(circuit.enter(3).is_ok(), "the bound was raised");
        drop(one);
        assert!(circuit.enter(2).is_ok());
        assert!(circuit.enter(0).expect("no limit").is_none());
    }

    #[test]
    fn threads_never_pass_the_bound_together() {
        let circuit = Arc::new(Circuit::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let entered = circuit.enter(3);
                        assert!(circuit.under_way() <= 3);
                        drop(entered);
                    }
                });
            }
        });
        assert_eq!(circuit.under_way(), 0);
    }
}
