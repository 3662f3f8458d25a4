//! How many repeats an upstream can bear: a share of the requests that are under way there. When all of it fails, each
//! request would else be sent several times, and keep it down.
//!
//! Shared by all threads, and carried over snapshots by the upstream's name. A request of a route without `retry` never
//! touches it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Why;

/// How many repeats may be under way at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Of a hundred requests under way, so many may be repeats.
    pub percent: u32,
    /// So many in any case.
    pub least: u32,
}

impl Allowance {
    /// How many repeats may be under way besides `live` requests.
    fn of(self, live: u64) -> u64 {
        (live.saturating_mul(self.percent.into()) / 100).max(self.least.into())
    }
}

/// What is under way to one upstream, and what was tried again since the process began. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Budget {
    live: AtomicU64,
    repeating: AtomicU64,
    retries: [AtomicU64; Why::ALL.len()],
    refused: AtomicU64,
    hedges: AtomicU64,
    won: AtomicU64,
}

impl Budget {
    /// How often a request was tried again for this reason.
    pub fn retries(&self, why: Why) -> u64 {
        self.retries.get(why as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How often a request was not tried again, since too many others were.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Shows every count that only rises, by name.
    pub fn each(&self, visit: &mut dyn FnMut(fmt::Arguments<'_>, &AtomicU64)) {
        for (why, count) in Why::ALL.iter().zip(&self.retries) {
            visit(format_args!("retries {}", why.name()), count);
        }
        visit(format_args!("retries refused"), &self.refused);
        visit(format_args!("hedges"), &self.hedges);
        visit(format_args!("hedges won"), &self.won);
    }

    /// How often a second endpoint was asked beside the first, and how often it answered first.
    pub fn hedges(&self) -> (u64, u64) {
        (self.hedges.load(Ordering::Relaxed), self.won.load(Ordering::Relaxed))
    }

    /// Counts a second endpoint that is asked beside the first.
    pub(crate) fn count_hedge(&self) {
        self.hedges.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that has answered first.
    pub(crate) fn count_won(&self) {
        self.won.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that is tried again.
    pub fn count(&self, why: Why) {
        if let Some(count) = self.retries.get(why as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request that is under way, until it is dropped.
#[derive(Debug)]
pub struct Live(Arc<Budget>);

impl Live {
    /// Counts a request as under way.
    pub fn begin(budget: &Arc<Budget>) -> Self {
        budget.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(budget))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is being repeated, until it is dropped.
#[derive(Debug)]
pub struct Repeating(Arc<Budget>);

impl Repeating {
    /// Takes a repeat out of the budget. `None`, and counted, where as many are under way as `allowance` has.
    pub fn begin(budget: &Arc<Budget>, allowance: Allowance) -> Option<Self> {
        let most = allowance.of(budget.live.load(Ordering::Relaxed));
        let more = |now: u64| (now < most).then_some(now + 1);
        if budget.repeating.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            budget.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(Arc::clone(budget)))
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        self.0.repeating.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTH: Allowance = Allowance { percent: 20, least: 3 };

    #[test]
    fn a_few_may_always_be_repeated_and_then_a_share() {
        for (live, most) in [(0, 3), (14, 3), (15, 3), (20, 4), (100, 20)] {
            let budget = Arc::<Budget>::default();
            let under_way: Vec<Live> = (0..live).map(|_| Live::begin(&budget)).collect();
            let repeating: Vec<Repeating> = std::iter::from_fn(|| Repeating::begin(&budget, FIFTH)).collect();
            assert_eq!((repeating.len(), budget.refused()), (most, 1), "{live} under way");
            drop((under_way, repeating));
            assert_eq!((budget.live.load(Ordering::Relaxed), budget.repeating.load(Ordering::Relaxed)), (0, 0));
        }
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let budget = Arc::<Budget>::default();
        let under_way: Vec<Live> = (0..50).map(|_| Live::begin(&budget)).collect();
        let taken: usize = std::thread::scope(|scope| {
            let each = || (0..100).filter_map(|_| Repeating::begin(&budget, FIFTH)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(each)).collect();
            let kept: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
            kept.iter().map(Vec::len).sum()
        });
        assert_eq!((taken, budget.refused()), (10, 390));
        drop(under_way);
    }

    #[test]
    fn a_budget_of_nothing_lets_nothing_be_repeated() {
        let budget = Arc::<Budget>::default();
        let _under_way: Vec<Live> = (0..50).map(|_| Live::begin(&budget)).collect();
        assert!(Repeating::begin(&budget, Allowance { percent: 0, least: 0 }).is_none());
    }
}
