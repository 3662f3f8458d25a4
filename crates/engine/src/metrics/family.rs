//! What is counted for each name, by each thread, and was by the workers before this one; what no snapshot names any more is
//! forgotten after a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::histogram::{Histogram, Totals};

/// How long what no snapshot names any more is still shown, so that a last scrape sees what came after the one before.
pub const REMEMBERED: Duration = Duration::from_secs(300);

/// What is counted for each name, by each thread.
#[derive(Debug)]
pub(super) struct Family<K, T> {
    /// By identity.
    pub(super) named: BTreeMap<K, Each<T>>,
}

/// What the threads count for one name.
#[derive(Debug)]
pub(super) struct Each<T> {
    /// By the thread's number.
    pub(super) threads: Vec<Option<Arc<T>>>,
    /// What workers before this one have counted.
    before: Option<Box<T>>,
    retired: Option<Instant>,
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self { threads: Vec::new(), before: None, retired: None }
    }
}

impl<T> Each<T> {
    /// All that is counted and was.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.threads.iter().flatten().map(|one| &**one).chain(self.before.as_deref())
    }

    /// A histogram, over all threads.
    pub(super) fn totals(&self, of: impl Fn(&T) -> &Histogram) -> Totals {
        let mut totals = Totals::default();
        self.all().for_each(|one| of(one).add_to(&mut totals));
        totals
    }
}

impl<K, T> Default for Family<K, T> {
    fn default() -> Self {
        Self { named: BTreeMap::new() }
    }
}

impl<K: Ord, T: Default> Family<K, T> {
    /// The counters of `thread` for `name`; the same ones each time.
    pub(super) fn of<Q>(&mut self, thread: usize, name: &Q, owned: impl FnOnce(&Q) -> K) -> Arc<T>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if !self.named.contains_key(name) {
            self.named.insert(owned(name), Each::default());
        }
        let each = self.named.get_mut(name).expect("it was put there above");
        each.retired = None;
        if each.threads.len() <= thread {
            each.threads.resize_with(thread + 1, || None);
        }
        Arc::clone(each.threads[thread].get_or_insert_default())
    }

    /// Where what workers before this one have counted for `name` is added.
    pub(super) fn before(&mut self, name: K) -> &T {
        self.named.entry(name).or_default().before.get_or_insert_default()
    }

    /// A count, over all threads of this worker.
    pub(super) fn here<Q>(&self, name: &Q, what: impl Fn(&T) -> u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.named.get(name).map_or(0, |each| each.threads.iter().flatten().map(|one| what(one)).sum())
    }

    /// A count, over all threads and the workers before.
    pub(super) fn sum_of<Q>(&self, name: &Q, what: impl Fn(&T) -> u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.named.get(name).map_or(0, |each| each.all().map(what).sum())
    }

    /// Forgets, [`REMEMBERED`] from `now`, what is not named.
    pub(super) fn retire(&mut self, now: Instant, is_named: impl Fn(&K) -> bool) {
        self.named.retain(|name, each| {
            if is_named(name) {
                each.retired = None;
                return true;
            }
            let since = *each.retired.get_or_insert(now);
            now.saturating_duration_since(since) < REMEMBERED
        });
    }
}
