//! Requests that fail wherever they go: then they are to blame, and no endpoint is.
//!
//! One request that makes every backend hang up must not take the whole upstream out. So the last requests that failed are
//! known by a print of theirs; one that has failed on two endpoints strikes neither from then on, until it is answered
//! well somewhere, which clears it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::moment::Moment;

/// Requests that are known at once.
const MOST: usize = 16;

/// How long a request is known after it failed last.
const KNOWN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suspect {
    print: u64,
    endpoint: u32,
    failed_at: Moment,
    /// It has failed on another endpoint too.
    is_guilty: bool,
}

/// The last requests that failed.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Whether any of them is taken for guilty: only then is a good answer of use here.
    any: AtomicBool,
    known: Mutex<Vec<Suspect>>,
}

impl Suspects {
    /// Whether any request is blamed now. One load.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// A request with this print failed on `endpoint`: whether that is to be held against the endpoint.
    pub(super) fn blames_endpoint(&self, print: u64, endpoint: u32, now: Moment) -> bool {
        let mut known = self.known();
        known.retain(|each| now.since(each.failed_at) < KNOWN);
        let blames = match known.iter_mut().find(|each| each.print == print) {
            Some(suspect) => {
                suspect.is_guilty |= suspect.endpoint != endpoint;
                suspect.failed_at = now;
                !suspect.is_guilty
            }
            None => {
                if known.len() == MOST {
                    known.remove(0);
                }
                known.push(Suspect { print, endpoint, failed_at: now, is_guilty: false });
                true
            }
        };
        self.settle(&known);
        blames
    }

    /// A request with this print was answered well.
    pub(super) fn clear(&self, print: u64) {
        let mut known = self.known();
        known.retain(|each| each.print != print);
        self.settle(&known);
    }

    fn settle(&self, known: &[Suspect]) {
        self.any.store(known.iter().any(|each| each.is_guilty), Ordering::Relaxed);
    }

    /// Whoever panicked while it held the lock has left at most one request too many.
    fn known(&self) -> MutexGuard<'_, Vec<Suspect>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1);

    #[test]
    fn a_request_that_fails_on_one_endpoint_is_the_endpoint_s_fault() {
        let suspects = Suspects::default();
        assert!((0..10).all(|_| suspects.blames_endpoint(7, 1, NOW)));
        assert!(!suspects.any());
    }

    #[test]
    fn one_that_fails_on_two_strikes_none_until_it_is_answered() {
        let suspects = Suspects::default();
        assert!(suspects.blames_endpoint(7, 1, NOW));
        assert!((2..9).all(|endpoint| !suspects.blames_endpoint(7, endpoint % 3, NOW)));
        assert!(suspects.any() && suspects.blames_endpoint(8, 2, NOW), "another request");
        suspects.clear(7);
        assert!(!suspects.any() && suspects.blames_endpoint(7, 2, NOW));
    }

    #[test]
    fn it_is_forgotten_in_time_and_few_are_known() {
        let suspects = Suspects::default();
        suspects.blames_endpoint(7, 1, NOW);
        suspects.blames_endpoint(7, 2, NOW);
        assert!(suspects.blames_endpoint(7, 3, NOW.after(KNOWN)));
        for print in 100..200 {
            suspects.blames_endpoint(print, 1, NOW);
        }
        assert_eq!(suspects.known().len(), MOST);
    }
}
