//! What one thread counts of a route for each of the upstreams that share it: whether they answer, and how soon.

use super::counter::Counter;

/// Parts of each power of two: a bucket is at most an eighth wider than what falls in it.
const PARTS: usize = 8;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// The last bucket holds all that took longer than 2^40 ns, some 18 minutes.
const BUCKETS: usize = (40 - PART_BITS as usize + 1) * PARTS + 1;

/// A route and one of its upstreams, on one thread.
#[derive(Debug)]
#[repr(align(128))]
pub struct TargetMetrics {
    /// Requests that ended well: with a whole answer below 500.
    pub good: Counter,
    /// Requests that ended with 500 or more, or with a cut answer.
    pub bad: Counter,
    /// From the last byte of the request to the first of the answer, by [`bucket_of`].
    waits: [Counter; BUCKETS],
}

impl Default for TargetMetrics {
    fn default() -> Self {
        Self { good: Counter::default(), bad: Counter::default(), waits: std::array::from_fn(|_| Counter::default()) }
    }
}

/// What was counted of a route and one of its upstreams since the process began.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TargetCounts {
    /// The upstream.
    pub upstream: String,
    /// Requests that ended well.
    pub good: u64,
    /// Requests that did not.
    pub bad: u64,
    /// Waits for an answer: the most nanoseconds of a bucket, and how many fell in it; empty ones are left out.
    pub waits: Vec<(u64, u64)>,
}

impl TargetMetrics {
    /// Counts a request that has ended.
    pub fn count(&self, is_good: bool, wait_ns: Option<u64>) {
        if is_good {
            self.good.one()
        } else {
            self.bad.one()
        }
        if let Some(bucket) = wait_ns.and_then(|nanos| self.waits.get(bucket_of(nanos))) {
            bucket.one();
        }
    }

    /// The most nanoseconds of each bucket of waits, and its counter.
    pub(super) fn waits(&self) -> impl Iterator<Item = (u64, &Counter)> {
        self.waits.iter().enumerate().map(|(bucket, count)| (most_of(bucket), count))
    }

    /// Adds what is counted here.
    pub(super) fn add_to(&self, total: &mut [u64]) {
        total.iter_mut().zip(&self.waits).for_each(|(sum, bucket)| *sum += bucket.get());
    }
}

/// Room for the sum of all threads' waits.
pub(super) fn no_waits() -> Vec<u64> {
    vec![0; BUCKETS]
}

/// Tells sums of waits by the most nanoseconds of their buckets.
pub(super) fn told(total: &[u64]) -> Vec<(u64, u64)> {
    (0..).zip(total).filter(|(_, count)| **count > 0).map(|(bucket, count)| (most_of(bucket), *count)).collect()
}

/// Eight buckets for each power of two; below 8 ns one for each.
fn bucket_of(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(PART_BITS + 1);
    let part = usize::try_from(nanos >> shift).unwrap_or(0); // below 16
    (shift as usize * PARTS + part).min(BUCKETS - 1)
}

/// The most nanoseconds that fall in a bucket.
fn most_of(bucket: usize) -> u64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    let part = (bucket - shift * PARTS) as u64;
    ((part + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_falls_in_the_bucket_whose_most_is_the_next_and_at_most_an_eighth_more() {
        let near = |n: u64| [n - 1, n, n + 1];
        for nanos in (0..200).chain((3..40).flat_map(|shift| near(1 << shift))).chain([1_234_567, 987_654_321]) {
            let (bucket, most) = (bucket_of(nanos), most_of(bucket_of(nanos)));
            assert!(nanos <= most && most - nanos <= nanos / 8, "{nanos} in {bucket}, up to {most}");
            assert!(bucket == 0 || most_of(bucket - 1) < nanos, "{nanos}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn threads_share_no_line() {
        assert_eq!(std::mem::align_of::<TargetMetrics>() % 128, 0);
    }
}
