//! How often something took how long: a classic histogram with fixed buckets.

use super::counter::Counter;

/// Upper bounds of the buckets as text (seconds) and in nanoseconds; a last bucket takes all that took longer.
pub const BOUNDS: [(&str, u64); 18] = [
    ("0.0001", 100_000),
    ("0.00025", 250_000),
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("1", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("5", 5_000_000_000),
    ("10", 10_000_000_000),
    ("30", 30_000_000_000),
    ("60", 60_000_000_000),
];

/// How many buckets, the last one for what took longer than all bounds included.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// For each number of significant bits, the first bucket that a duration of so many bits can fall in. From there it is
/// two comparisons at most, as no more than two bounds lie between neighbouring powers of two.
const FIRST_BUCKET: [u8; 65] = {
    let mut first = [0u8; 65];
    let mut bits = 1;
    while bits <= 64 {
        let least = 1u64 << (bits - 1);
        let mut bucket = 0;
        while bucket < BOUNDS.len() && least > BOUNDS[bucket].1 {
            bucket += 1;
        }
        first[bits] = bucket as u8;
        bits += 1;
    }
    first
};

/// Durations, counted by bucket. Only its own thread may observe.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Histogram {
    sum_ns: Counter,
    /// Each bucket counts what fell in it alone; the text adds them up.
    buckets: [Counter; BUCKETS],
}

impl Histogram {
    /// Counts one that took `nanos` nanoseconds.
    pub fn observe(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.one();
        }
        self.sum_ns.add(nanos);
    }

    /// The sum in nanoseconds, and the buckets.
    pub(super) fn counters(&self) -> (&Counter, &[Counter]) {
        (&self.sum_ns, &self.buckets)
    }

    /// Adds what was observed here to `total`.
    pub fn add_to(&self, total: &mut Totals) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.get();
        }
        total.sum_ns += u128::from(self.sum_ns.get());
    }
}

/// Sums of histograms over threads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Totals {
    /// As in [`Histogram`]: each bucket alone.
    pub buckets: [u64; BUCKETS],
    /// Nanoseconds.
    pub sum_ns: u128,
}

/// The bucket that `nanos` falls in: the first whose bound is not less.
fn bucket_of(nanos: u64) -> usize {
    let bits = (u64::BITS - nanos.leading_zeros()) as usize;
    let mut bucket = FIRST_BUCKET.get(bits).copied().map_or(0, usize::from);
    while BOUNDS.get(bucket).is_some_and(|(_, bound)| nanos > *bound) {
        bucket += 1;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_in_the_first_bucket_whose_bound_is_not_less() {
        let near = |n: u64| [n.saturating_sub(1), n, n.saturating_add(1)];
        let powers = (0..64).flat_map(|shift| near(1 << shift));
        let bounds = BOUNDS.iter().flat_map(|(_, bound)| near(*bound));
        for nanos in powers.chain(bounds).chain([0, u64::MAX]) {
            let plain = BOUNDS.iter().position(|(_, bound)| nanos <= *bound).unwrap_or(BOUNDS.len());
            assert_eq!(bucket_of(nanos), plain, "{nanos} ns");
        }
    }

    #[test]
    fn the_text_of_a_bound_says_its_nanoseconds() {
        for (text, nanos) in BOUNDS {
            let seconds: f64 = text.parse().expect("a number");
            assert!((seconds * 1e9 - nanos as f64).abs() < 0.5, "{text}");
        }
    }

    #[test]
    fn what_was_observed_is_all_there() {
        let histogram = Histogram::default();
        for nanos in [50_000, 700_000, 700_000, 90_000_000_000] {
            histogram.observe(nanos);
        }
        let mut totals = Totals::default();
        histogram.add_to(&mut totals);
        assert_eq!(totals.buckets.iter().sum::<u64>(), 4);
        assert_eq!((totals.buckets[0], totals.buckets[3], totals.buckets[18]), (1, 2, 1));
        assert_eq!(totals.sum_ns, 90_001_450_000);
    }
}
