//! When the next check is due.

use std::time::Duration;

use crate::dice::Dice;
use crate::moment::Moment;

/// Each wait is so much longer or shorter at most, by chance, so that checks of many endpoints, and of many proxies,
/// do not come together: a share of it. (HAProxy has `spread-checks`, Envoy `interval_jitter`; both are 0 by default.)
const JITTER: f64 = 0.1;

/// How long after one check the next one comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// From one check to the next.
    pub interval: Duration,
    /// The same while the endpoint is down, or its last check was not what is known of it: so both its fall and its
    /// return are soon certain (HAProxy's `fastinter`).
    pub fast: Duration,
}

impl Schedule {
    /// When the check that follows one at `now` is due. The second check of all is spread over the whole interval.
    pub fn next(&self, now: Moment, hurries: bool, is_first: bool, dice: &mut Dice) -> Moment {
        let wait = if hurries { self.fast } else { self.interval };
        let share = if is_first && !hurries { fraction(dice) } else { 1.0 - JITTER + 2.0 * JITTER * fraction(dice) };
        now.after(wait.mul_f64(share))
    }
}

/// A number from 0 to 1.
fn fraction(dice: &mut Dice) -> f64 {
    const STEPS: u32 = 1 << 24;
    dice.below(STEPS as usize) as f64 / f64::from(STEPS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule { interval: Duration::from_secs(2), fast: Duration::from_millis(500) };

    proptest! {
        #[test]
        fn a_wait_is_the_interval_give_or_take_a_tenth(seed: u64, hurries: bool) {
            let now = Moment::from_nanos(7);
            let wait = SCHEDULE.next(now, hurries, false, &mut Dice::seeded(seed)).since(now);
            let usual = if hurries { SCHEDULE.fast } else { SCHEDULE.interval };
            prop_assert!(wait >= usual.mul_f64(0.9) && wait <= usual.mul_f64(1.1), "{wait:?}");
        }

        #[test]
        fn second_checks_spread_over_the_interval(seed: u64) {
            let mut dice = Dice::seeded(seed);
            let now = Moment::default();
            let waits: Vec<_> = (0..200).map(|_| SCHEDULE.next(now, false, true, &mut dice).since(now)).collect();
            for quarter in 0..4 {
                let (from, to) = (SCHEDULE.interval * quarter / 4, SCHEDULE.interval * (quarter + 1) / 4);
                prop_assert!(waits.iter().any(|wait| *wait >= from && *wait <= to));
            }
        }
    }
}
