//! How often something may happen: GCRA (ITU-T I.371), which keeps one moment a key, so that no window has an edge where
//! a double burst slips through.

use std::time::Duration;

use crate::moment::Moment;
use crate::snapshot::document;

/// So many in so long; so many may also come at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    every: Duration,
    per: Duration,
}

impl Rate {
    /// Reads the document's; none where it would let nothing pass.
    pub fn of(written: document::Rate) -> Option<Self> {
        let per = Duration::from_millis(written.per_ms);
        let every = per.checked_div(u32::try_from(written.count).ok()?)?;
        Some(Self { every, per })
    }
}

/// What is remembered of one key: when it will have been as quiet as if nothing had ever come.
#[derive(Clone, Copy, Default, Debug)]
pub struct Allowance(Moment);

impl Allowance {
    /// Whether one more may come at `now`; if so, it is counted.
    pub fn admit(&mut self, rate: Rate, now: Moment) -> bool {
        let next = self.0.max(now).after(rate.every);
        let admits = next <= now.after(rate.per);
        if admits {
            self.0 = next;
        }
        admits
    }

    /// What is remembered of a key that is quiet again at this moment.
    pub fn busy(until: Moment) -> Self {
        Self(until)
    }

    /// For how long yet something must be remembered.
    pub fn busy_for(self, now: Moment) -> Duration {
        self.0.since(now)
    }

    /// Whether nothing need be remembered at `now`.
    pub fn is_fresh(self, now: Moment) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(count: u64, per_ms: u64) -> Rate {
        Rate::of(document::Rate { count, per_ms }).expect("a rate")
    }

    #[test]
    fn so_many_come_at_once_and_then_one_at_a_time() {
        let (mut of_client, rate) = (Allowance::default(), rate(5, 1000));
        let at = |tenths: u64| Moment::from_nanos(100 * SECOND + tenths * SECOND / 10);
        let admitted: Vec<bool> = (0..7).map(|_| of_client.admit(rate, at(0))).collect();
        assert_eq!(admitted, [true, true, true, true, true, false, false]);
        assert!(!of_client.admit(rate, at(1)));
        assert!(of_client.admit(rate, at(2)) && !of_client.admit(rate, at(2)));
        assert!(!of_client.is_fresh(at(11)) && of_client.is_fresh(at(12)));
    }

    #[test]
    fn over_any_span_no_more_come_than_the_rate_and_one_burst() {
        let (mut of_client, rate) = (Allowance::default(), rate(5, 60_000));
        let asked = (0..6000u64).map(|tenth| Moment::from_nanos(tenth * SECOND / 10));
        let admitted = asked.filter(|now| of_client.admit(rate, *now)).count();
        assert!((50..=55).contains(&admitted), "{admitted} in 10 minutes");
    }

    #[test]
    fn a_rate_of_nothing_is_none() {
        assert!(Rate::of(document::Rate { count: 0, per_ms: 1000 }).is_none());
    }
}
