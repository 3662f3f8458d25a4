//! When a request that has no answer yet is sent to a second endpoint, beside the first.

use std::sync::Arc;
use std::time::Duration;

use super::latencies::Latencies;
use crate::moment::Moment;
use crate::snapshot::document::{self, HedgeAfter};

/// After how long a second endpoint is asked.
#[derive(Debug)]
pub struct Hedge {
    after: After,
    /// But no sooner.
    least: Duration,
}

#[derive(Debug)]
enum After {
    Fixed(Duration),
    /// What this share of the route's answers does not exceed; follows the route's name through snapshots.
    Percentile(Arc<Latencies>),
}

impl Hedge {
    /// As it is written; goes on with what `known` has of the same percentile.
    pub fn build(written: &document::Hedge, known: Option<&Arc<Latencies>>) -> Self {
        let after = match written.after {
            HedgeAfter::Ms(millis) => After::Fixed(Duration::from_millis(millis)),
            HedgeAfter::Permille(permille) => {
                let same = known.filter(|known| known.permille() == permille);
                After::Percentile(same.map_or_else(|| Arc::new(Latencies::of(permille)), Arc::clone))
            }
        };
        Self { after, least: Duration::from_millis(written.least_ms) }
    }

    /// How long is waited; `None` as long as too little is known of the route's answers.
    pub fn delay(&self) -> Option<Duration> {
        match &self.after {
            After::Fixed(after) => Some(*after),
            After::Percentile(latencies) => latencies.percentile().map(|after| after.max(self.least)),
        }
    }

    /// What is known of the route's answers, where that decides.
    pub fn latencies(&self) -> Option<&Arc<Latencies>> {
        match &self.after {
            After::Fixed(_) => None,
            After::Percentile(latencies) => Some(latencies),
        }
    }

    /// An answer has come after `took`, or one that was not waited for would have come later.
    pub(crate) fn observe(&self, took: Duration, now: Moment) {
        if let Some(latencies) = self.latencies() {
            latencies.observe(took, now);
        }
    }

    /// What is waited for: `50ms`, or `p95`.
    pub fn after(&self) -> String {
        match &self.after {
            After::Fixed(after) => format!("{after:?}"),
            After::Percentile(latencies) => match (latencies.permille() / 10, latencies.permille() % 10) {
                (whole, 0) => format!("p{whole}"),
                (whole, tenth) => format!("p{whole}.{tenth}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentile(known: Option<&Arc<Latencies>>) -> Hedge {
        Hedge::build(&document::Hedge { after: HedgeAfter::Permille(950), least_ms: 20 }, known)
    }

    #[test]
    fn a_percentile_is_waited_for_once_it_is_known_and_no_sooner_than_said() {
        let hedge = percentile(None);
        assert_eq!((hedge.delay(), hedge.after()), (None, "p95".to_owned()));
        let answer = |millis, second| {
            (0..200).for_each(|_| hedge.observe(Duration::from_millis(millis), Moment::from_nanos(second)));
            hedge.observe(Duration::from_millis(millis), Moment::from_nanos(second + 2_000_000_000));
            hedge.delay().unwrap()
        };
        assert_eq!(answer(5, 0), Duration::from_millis(20));
        let seen = answer(50, 3_000_000_000);
        assert!(seen >= Duration::from_millis(50) && seen < Duration::from_millis(54), "{seen:?}");
        assert_eq!(percentile(hedge.latencies()).delay(), Some(seen), "what is known outlives a snapshot");
        let other = document::Hedge { after: HedgeAfter::Permille(999), least_ms: 20 };
        let other = Hedge::build(&other, hedge.latencies());
        assert_eq!((other.delay(), other.after()), (None, "p99.9".to_owned()));
    }

    #[test]
    fn a_fixed_time_is_waited_for_from_the_first_request_on() {
        let hedge = Hedge::build(&document::Hedge { after: HedgeAfter::Ms(50), least_ms: 0 }, None);
        assert_eq!((hedge.delay(), hedge.after()), (Some(Duration::from_millis(50)), "50ms".to_owned()));
    }
}
