//! Places for clients' connections: on a listener and in all, counted over all threads, so that limits are exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The places of one listener, which are some of all.
#[derive(Debug)]
pub struct Places {
    taken: AtomicU64,
    all: Arc<AtomicU64>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Places {
    /// A listener without a connection; `all` counts those of every listener.
    pub fn new(all: Arc<AtomicU64>) -> Self {
        Self { taken: AtomicU64::new(0), all }
    }

    /// A place for one more connection, unless there are `most` on this listener or `most_in_all`; 0 is no limit.
    pub fn take(self: &Arc<Self>, most: u64, most_in_all: u64) -> Option<Place> {
        count(&self.all, most_in_all)?;
        if count(&self.taken, most).is_none() {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }
}

fn count(taken: &AtomicU64, most: u64) -> Option<u64> {
    let one_more = |n| (most == 0 || n < most).then_some(n + 1);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let all = Arc::new(AtomicU64::new(0));
        let (web, other) = (Arc::new(Places::new(Arc::clone(&all))), Arc::new(Places::new(Arc::clone(&all))));
        let first = web.take(1, 2).unwrap();
        assert!(web.take(1, 2).is_none());
        assert_eq!(all.load(Ordering::Relaxed), 1, "who got no place holds none");
        let second = other.take(0, 2).unwrap();
        assert!(other.take(0, 2).is_none());
        drop((first, second));
        assert_eq!(all.load(Ordering::Relaxed), 0);
        assert!(web.take(1, 1).is_some());
    }
}
