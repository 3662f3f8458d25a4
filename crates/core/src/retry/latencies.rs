//! How soon the requests of a route are answered: a histogram that forgets, and a percentile read from it.
//!
//! In Rust because each answer of a route that hedges after a percentile is counted here. All threads share it: an answer
//! costs one addition, and whoever comes first in a second reads the percentile anew for all.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// Steps of each power of two, so that a latency is known to a sixteenth.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 4;

/// Longer ones are counted as this long, in microseconds: 134 s.
const LONGEST: u64 = (1 << 27) - 1;
const BUCKETS: usize = (27 - STEP_BITS as usize + 1) * STEPS;

/// How often the percentile is read anew.
const LOOK: Duration = Duration::from_secs(1);

/// How often everything that is known loses half its weight.
const FORGET: Duration = Duration::from_secs(10);

/// So many answers must have been slower than the percentile before it is believed.
const BEYOND: u64 = 5;

/// Answers of a route by how long they took, and what a share of them did not exceed.
pub struct Latencies {
    /// Of a thousand answers, so many are to be sooner than [`Latencies::percentile`].
    permille: u16,
    buckets: [AtomicU32; BUCKETS],
    /// When the percentile is to be read anew, and when half is to be forgotten; in nanoseconds.
    look_at: AtomicU64,
    forget_at: AtomicU64,
    /// How often half was forgotten.
    forgot: AtomicU32,
    /// In microseconds; 0: too little is known.
    percentile: AtomicU64,
}

impl Latencies {
    /// Of which nothing is known.
    pub fn of(permille: u16) -> Self {
        Self {
            permille,
            buckets: std::array::from_fn(|_| AtomicU32::new(0)),
            look_at: AtomicU64::new(0),
            forget_at: AtomicU64::new(0),
            forgot: AtomicU32::new(0),
            percentile: AtomicU64::new(0),
        }
    }

    /// Of a thousand answers, so many are sooner than [`Latencies::percentile`].
    pub fn permille(&self) -> u16 {
        self.permille
    }

    /// What the share does not exceed; `None` as long as too little is known.
    pub fn percentile(&self) -> Option<Duration> {
        let micros = self.percentile.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Counts an answer that came after `took`, or would have come later.
    pub fn observe(&self, took: Duration, now: Moment) {
        if let Some(bucket) = self.buckets.get(bucket_of(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let look_at = self.look_at.load(Ordering::Relaxed);
        if now.as_nanos() >= look_at {
            let next = now.after(LOOK).as_nanos();
            if self.look_at.compare_exchange(look_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.look(now);
            }
        }
    }

    /// Answers by bucket, for a worker that goes on from them.
    pub(crate) fn tell(&self) -> Vec<(u16, u32)> {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        (0..).zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Goes on from what an earlier worker knew.
    pub(crate) fn inherit(&self, told: &[(u16, u32)], now: Moment) {
        for (at, count) in told {
            if let Some(bucket) = self.buckets.get(usize::from(*at)) {
                bucket.store(*count, Ordering::Relaxed);
            }
        }
        self.look(now);
    }

    /// How many answers must be known: enough that a few are beyond the percentile.
    fn least(&self) -> u64 {
        (BEYOND * 1000 / u64::from(1000 - self.permille.min(999))).max(100)
    }

    fn look(&self, now: Moment) {
        let counts = || self.buckets.iter().map(|bucket| u64::from(bucket.load(Ordering::Relaxed)));
        let known: u64 = counts().sum();
        let mut before = known * u64::from(self.permille) / 1000;
        let at = counts().position(|count| match before.checked_sub(count) {
            Some(left) => {
                before = left;
                false
            }
            None => true,
        });
        let micros = at.filter(|_| known >= self.least()).map_or(0, end_of);
        self.percentile.store(micros, Ordering::Relaxed);
        if now.as_nanos() >= self.forget_at.load(Ordering::Relaxed) {
            self.forget_at.store(now.after(FORGET).as_nanos(), Ordering::Relaxed);
            // A route that is seldom asked keeps what it knows, however old.
            if known >= 2 * self.least() {
                self.forget();
            }
        }
    }

    fn forget(&self) {
        let turn = self.forgot.fetch_add(1, Ordering::Relaxed);
        for (at, bucket) in (0..).zip(&self.buckets) {
            // What stands alone stays in one of two turns: else a hundred of them would be forgotten at once.
            let halve = |count: u32| Some((count + (at + turn) % 2) / 2);
            let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, halve);
        }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latencies({} of 1000 within {:?})", self.permille, self.percentile())
    }
}

/// The bucket of a latency.
fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST).min(LONGEST);
    if micros < STEPS as u64 {
        return usize::try_from(micros).unwrap_or(0);
    }
    let power = micros.ilog2();
    let step = (micros >> (power - STEP_BITS)) & (STEPS as u64 - 1);
    (power - STEP_BITS + 1) as usize * STEPS + usize::try_from(step).unwrap_or(0)
}

/// Where a bucket ends, in microseconds.
fn end_of(bucket: usize) -> u64 {
    let (row, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    let step = if row == 0 { step } else { step + STEPS as u64 };
    (step + 1) << row.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_latency_is_known_to_a_sixteenth() {
        for micros in (0..1000).chain((1000..5_000_000).step_by(7919)).chain([LONGEST - 1, LONGEST, u64::MAX / 2]) {
            let bucket = bucket_of(Duration::from_micros(micros));
            let end = end_of(bucket);
            let micros = micros.min(LONGEST);
            assert!(bucket < BUCKETS && end > micros && end <= micros + micros / 16 + 1, "{micros}: {bucket}, {end}");
        }
    }

    #[test]
    fn a_percentile_is_believed_once_some_were_slower() {
        let latencies = Latencies::of(950);
        for each in 1..100 {
            latencies.observe(Duration::from_millis(each), at(each));
        }
        latencies.observe(Duration::from_millis(1), at(1500));
        assert_eq!((latencies.least(), Latencies::of(990).least()), (100, 500));
        let seen = latencies.percentile().unwrap();
        assert!(seen >= Duration::from_millis(95) && seen <= Duration::from_millis(101), "{seen:?}");

        let few = Latencies::of(950);
        (0..90).for_each(|each| few.observe(Duration::from_millis(5), at(each * 100)));
        assert_eq!(few.percentile(), None);
    }

    #[test]
    fn what_was_is_forgotten_as_others_come_and_kept_while_none_do() {
        let latencies = Latencies::of(500);
        let run = |millis: u64, from: u64, answers: u64| {
            (0..answers).for_each(|each| latencies.observe(Duration::from_millis(millis), at(from + each * 10)));
        };
        run(100, 0, 1000);
        latencies.observe(Duration::from_millis(100), at(86_400_000)); // a day later
        assert!(latencies.percentile().unwrap() > Duration::from_millis(90));
        run(10, 86_400_000, 4000); // 40 s
        assert!(latencies.percentile().unwrap() < Duration::from_millis(12), "{latencies:?}");
    }

    #[test]
    fn halves_of_ones_do_not_vanish_at_once() {
        let latencies = Latencies::of(950);
        (0..384u64).for_each(|bucket| latencies.observe(Duration::from_micros(end_of(bucket as usize) - 1), at(0)));
        latencies.forget();
        let left: u32 = latencies.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
        assert_eq!(left, 192);
    }
}
