//! Endpoints that are far from the others: by how many of their answers are good, and by how long these take.

use std::time::Duration;

use crate::snapshot::document::Outlier;

/// What one endpoint did in an interval.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sample {
    /// Requests that it answered, or did not.
    pub requests: u64,
    /// Those with a whole answer below 500.
    pub good: u64,
    /// Answers that began.
    pub answers: u64,
    /// From the last byte of the request to the first of the answer, of all of them together.
    pub waited: Duration,
}

/// Which of `samples` are far from the others, by place, and why. Looks at each a few times: for an interval, not for a
/// request.
pub fn far_from_others(policy: &Outlier, samples: &[Sample]) -> Vec<(usize, String)> {
    let mut far = by_success(policy, samples);
    for (at, because) in by_latency(policy, samples) {
        if far.iter().all(|(known, _)| *known != at) {
            far.push((at, because));
        }
    }
    far
}

/// Envoy's rule: a success rate below the mean of all by more than so many standard deviations.
fn by_success(policy: &Outlier, samples: &[Sample]) -> Vec<(usize, String)> {
    let policy = &policy.success_rate;
    let enough = |(at, sample): (usize, &Sample)| {
        let is_enough = sample.requests >= policy.requests.max(1);
        is_enough.then(|| (at, sample.good as f64 / sample.requests as f64))
    };
    let rates: Vec<(usize, f64)> = samples.iter().enumerate().filter_map(enough).collect();
    if policy.deviations <= 0.0 || rates.len() < policy.endpoints as usize || rates.is_empty() {
        return Vec::new();
    }
    let count = rates.len() as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let deviation = (rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count).sqrt();
    let least = mean - policy.deviations * deviation;
    let is_far = |(_, rate): &&(usize, f64)| *rate < least;
    let tell = |(at, rate): &(usize, f64)| {
        let because = format!("{:.1} % of its answers were good, of the others' {:.1} %", rate * 100.0, mean * 100.0);
        (*at, because)
    };
    rates.iter().filter(is_far).map(tell).collect()
}

/// Slower than the median of the others by a factor, and by a time: microseconds that became many matter to nobody.
fn by_latency(policy: &Outlier, samples: &[Sample]) -> Vec<(usize, String)> {
    let policy = &policy.latency;
    let enough = |(at, sample): (usize, &Sample)| {
        let is_enough = sample.answers >= policy.requests.max(1);
        is_enough.then(|| (at, sample.waited.as_secs_f64() / sample.answers as f64))
    };
    let mut means: Vec<(usize, f64)> = samples.iter().enumerate().filter_map(enough).collect();
    if policy.factor <= 0.0 || means.len() < (policy.endpoints as usize).max(2) {
        return Vec::new();
    }
    means.sort_by(|one, other| one.1.total_cmp(&other.1));
    let least = Duration::from_millis(policy.least_ms).as_secs_f64();
    let mut far = Vec::new();
    for (place, (at, mean)) in means.iter().enumerate() {
        let Some(others) = median_without(&means, place) else { continue };
        if *mean > others * policy.factor && *mean > others + least {
            far.push((*at, format!("its answers took {}, the others' {}", time(*mean), time(others))));
        }
    }
    far
}

/// The median of sorted values but for the one at `place`; the lower of two in the middle.
fn median_without(sorted: &[(usize, f64)], place: usize) -> Option<f64> {
    let middle = sorted.len().checked_sub(2)? / 2;
    let at = if middle >= place { middle + 1 } else { middle };
    sorted.get(at).map(|(_, value)| *value)
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests {
    use super::super::outlier::tests::policy;
    use super::*;

    fn rate(good: u64) -> Sample {
        Sample { requests: 100, good, ..Sample::default() }
    }

    fn slow(ms: u64) -> Sample {
        Sample { requests: 50, good: 50, answers: 50, waited: Duration::from_millis(ms * 50) }
    }

    fn far(samples: &[Sample]) -> Vec<(usize, String)> {
        far_from_others(&policy(), samples)
    }

    #[test]
    fn one_with_far_fewer_good_answers_is_found() {
        let found = far(&[rate(99), rate(100), rate(98), rate(60), rate(100), rate(99)]);
        assert_eq!(found, [(3, "60.0 % of its answers were good, of the others' 92.7 %".to_owned())]);
        assert_eq!(far(&[rate(99), rate(100), rate(60)]), [], "too few to compare");
        assert_eq!(far(&[rate(0); 9]), [], "all are alike");
    }

    #[test]
    fn one_that_is_ten_times_slower_is_found() {
        let found = far(&[slow(20), slow(19), slow(200), slow(21)]);
        assert_eq!(found, [(2, "its answers took 200.0 ms, the others' 20.0 ms".to_owned())]);
        assert_eq!(far(&[slow(20), slow(40), slow(60), slow(70)]), [], "none is far");
        assert_eq!(far(&[slow(1), slow(1), slow(9), slow(1)]), [], "by 8 ms alone");
        assert_eq!(far(&[slow(20), slow(2000)]), [], "of two nobody knows which one is as it should be");
    }
}
