//! What an endpoint is loaded with, over all threads: exchanges under way, and how soon it answers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// The time in which a latency that nobody measures again falls to 1/e of itself: Finagle's `PeakEwma` decays over 10 s.
const DECAY_NANOS: f64 = 10e9;

/// An endpoint's load, shared by threads and snapshots, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct EndpointLoad {
    outstanding: AtomicU32,
    /// Bits of the average latency in nanoseconds; 0 before the first answer.
    latency: AtomicU64,
    /// When it was last reckoned.
    reckoned: AtomicU64,
    /// When its share began to rise, in nanoseconds; 0: it never did, `NEW`: as soon as somebody sees it.
    ramps_since: AtomicU64,
}

const NEW: u64 = u64::MAX;

impl EndpointLoad {
    /// The load of an endpoint that joins others which are at work.
    pub fn new_among_others() -> Self {
        Self { ramps_since: AtomicU64::new(NEW), ..Self::default() }
    }

    /// Its share begins to rise, if it is new or `is_back`.
    pub(super) fn ramp(&self, is_back: bool, now: Moment) {
        let since = self.ramps_since.load(Ordering::Relaxed);
        if is_back || since == NEW {
            self.ramps_since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// When its share began to rise.
    pub(crate) fn ramps_since(&self) -> Option<Moment> {
        let since = self.ramps_since.load(Ordering::Relaxed);
        (since > 0 && since != NEW).then(|| Moment::from_nanos(since))
    }

    /// Exchanges under way with it, those that wait for a connection included.
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self) {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
    }

    /// The average latency, as it was when last reckoned; `None` before the first answer.
    pub fn latency(&self) -> Option<Duration> {
        let nanos = f64::from_bits(self.latency.load(Ordering::Relaxed));
        (nanos > 0.0).then(|| Duration::from_secs_f64(nanos / 1e9))
    }

    /// The average latency in nanoseconds, and when it was reckoned; `None` before the first answer.
    pub(crate) fn average(&self) -> Option<(f64, Moment)> {
        let nanos = f64::from_bits(self.latency.load(Ordering::Relaxed));
        (nanos > 0.0).then(|| (nanos, Moment::from_nanos(self.reckoned.load(Ordering::Relaxed))))
    }

    /// Goes on from the average that an earlier worker has reckoned.
    pub(crate) fn inherit(&self, nanos: f64, reckoned: Moment) {
        self.latency.store(nanos.to_bits(), Ordering::Relaxed);
        self.reckoned.store(reckoned.as_nanos(), Ordering::Relaxed);
    }

    /// Its share has been rising since then.
    pub(crate) fn ramp_since(&self, since: Moment) {
        self.ramps_since.store(since.as_nanos().max(1), Ordering::Relaxed);
    }

    /// Takes in an answer that came after `took`. A latency above the average is believed at once, one below it by and by,
    /// with the weight of the time that has passed: that is "peak" in Finagle's `PeakEwma`. Two threads at once may lose
    /// one of two measurements; who keeps a ranking calls this under its lock.
    pub(super) fn observe(&self, took: Duration, now: Moment) {
        let took = (took.as_nanos() as f64).max(1.0);
        let before = f64::from_bits(self.latency.load(Ordering::Relaxed));
        let average = if took > before {
            took
        } else {
            let passed = now.since(Moment::from_nanos(self.reckoned.load(Ordering::Relaxed)));
            let weight = (-(passed.as_nanos() as f64) / DECAY_NANOS).exp();
            before * weight + took * (1.0 - weight)
        };
        self.latency.store(average.to_bits(), Ordering::Relaxed);
        self.reckoned.fetch_max(now.as_nanos(), Ordering::Relaxed);
    }

    /// Takes in that no answer came for `waited`: that never makes it look faster than it is known to be.
    pub(super) fn suffer(&self, waited: Duration, now: Moment) {
        let known = Duration::from_secs_f64(f64::from_bits(self.latency.load(Ordering::Relaxed)) / 1e9);
        self.observe(waited.max(known), now);
    }

    /// The logarithm of the average latency times `load`, and in it how long ago that was reckoned: all averages decay at
    /// one rate, so the order of two endpoints stays as it is until one of them is measured again. `None` before the first
    /// answer.
    pub(super) fn latency_rank(&self) -> Option<impl Fn(f64) -> f64> {
        let nanos = f64::from_bits(self.latency.load(Ordering::Relaxed));
        let reckoned = self.reckoned.load(Ordering::Relaxed) as f64;
        (nanos > 0.0).then_some(move |load: f64| (nanos * load).ln() + reckoned / DECAY_NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_slow_answer_is_believed_at_once_and_forgotten_by_and_by() {
        let load = EndpointLoad::default();
        load.observe(Duration::from_millis(1), at(1));
        load.observe(Duration::from_millis(100), at(2));
        assert_eq!(load.latency(), Some(Duration::from_millis(100)));
        load.observe(Duration::from_millis(1), at(12));
        let latency = load.latency().unwrap();
        assert!(latency > Duration::from_millis(36) && latency < Duration::from_millis(39), "{latency:?}");
    }

    #[test]
    fn a_failure_makes_nobody_look_fast() {
        let load = EndpointLoad::default();
        load.observe(Duration::from_millis(5), at(1));
        load.suffer(Duration::from_micros(50), at(100));
        assert_eq!(load.latency(), Some(Duration::from_millis(5)));
        load.suffer(Duration::from_secs(60), at(101));
        assert_eq!(load.latency(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn the_order_of_two_is_that_of_their_decayed_latencies() {
        let rank = |load: &EndpointLoad| load.latency_rank().unwrap()(1.0);
        let (slow, fast) = (EndpointLoad::default(), EndpointLoad::default());
        slow.observe(Duration::from_millis(100), at(0));
        fast.observe(Duration::from_millis(10), at(20));
        assert!(rank(&fast) < rank(&slow));
        // ln(10) decays are 23 s: by then the slow one is worth another look.
        fast.observe(Duration::from_millis(10), at(24));
        assert!(rank(&slow) < rank(&fast));
    }
}
