//! Copies that are under way to one upstream, over all threads, and what became of those before them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What became of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was answered.
    Answered,
    /// It could not be sent, or its connection ended before the answer did.
    Failed,
    /// It was not answered in time.
    Late,
    /// As many were under way as may be.
    Full,
    /// The request has a longer body than is copied.
    TooLarge,
    /// The request's body never came whole.
    Incomplete,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Answered, Self::Failed, Self::Late, Self::Full, Self::TooLarge, Self::Incomplete];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Copies to one upstream; follows its name through snapshots. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Mirrored {
    under_way: AtomicU32,
    fates: [AtomicU64; Fate::ALL.len()],
}

impl Mirrored {
    /// How many came to this end.
    pub fn ended(&self, fate: Fate) -> u64 {
        self.fates.get(fate as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Shows every count that only rises, by name.
    pub fn each(&self, visit: &mut dyn FnMut(fmt::Arguments<'_>, &AtomicU64)) {
        for (fate, count) in Fate::ALL.iter().zip(&self.fates) {
            visit(format_args!("mirrored {}", fate.name()), count);
        }
    }

    /// How many are under way.
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Counts one that came to this end.
    pub fn count(&self, fate: Fate) {
        if let Some(count) = self.fates.get(fate as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A copy that is under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Mirrored>);

impl UnderWay {
    /// Begins one, of at most `most` at once. `None`, and counted, where as many are under way.
    pub fn begin(mirrored: &Arc<Mirrored>, most: u32) -> Option<Self> {
        let more = |now: u32| (now < most).then_some(now + 1);
        if mirrored.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            mirrored.count(Fate::Full);
            return None;
        }
        Some(Self(Arc::clone(mirrored)))
    }

    /// It came to this end.
    pub fn end(self, fate: Fate) {
        self.0.count(fate);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_under_way_than_may_be_and_each_end_is_counted() {
        let mirrored = Arc::<Mirrored>::default();
        let first = UnderWay::begin(&mirrored, 2).expect("there is room");
        let second = UnderWay::begin(&mirrored, 2).expect("there is room");
        assert!(UnderWay::begin(&mirrored, 2).is_none());
        first.end(Fate::Answered);
        drop(second);
        assert_eq!(mirrored.under_way(), 0);
        let ends = Fate::ALL.map(|fate| (fate.name(), mirrored.ended(fate))).into_iter().filter(|(_, n)| *n > 0);
        assert_eq!(ends.collect::<Vec<_>>(), [("answered", 1), ("full", 1)]);
    }
}
