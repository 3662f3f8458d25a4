//! The `fault` filter: for a share of the requests, what an endpoint that is slow or broken would do, made here.

use std::time::Duration;

use crate::dice::Dice;
use crate::failure::{Failure, Kind, Stage};
use crate::snapshot::document;

/// One fault.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    percent: usize,
    does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Delay(Duration),
    Abort(u16),
}

impl Fault {
    /// The fault as it is written. Fails where it does neither one thing nor the other.
    pub fn build(written: &document::Fault) -> Result<Self, String> {
        let does = match (written.delay_ms, written.abort) {
            (Some(delay), None) => Does::Delay(Duration::from_millis(delay)),
            (None, Some(status @ 400..=599)) => Does::Abort(status),
            (Some(_) | None, _) => return Err("must either delay, or abort with a status of 400 to 599".into()),
        };
        Ok(Self { percent: written.share as usize, does })
    }
}

/// Throws the dice for each fault, in order: how long the request is held, or the failure, with its status.
pub fn suffer(faults: &[Fault], dice: &mut Dice) -> Result<Duration, (Failure, u16)> {
    let mut held = Duration::ZERO;
    for fault in faults.iter().filter(|fault| dice.below(100) < fault.percent) {
        match fault.does {
            Does::Delay(delay) => held = held.saturating_add(delay),
            Does::Abort(status) => {
                let reason =
                    format!("the filter `fault` answered {status}, as for {} % of the requests", fault.percent);
                return Err((Failure::new(Kind::FaultInjected, Stage::Filter, reason), status));
            }
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(percent: usize, does: Does) -> Fault {
        Fault { percent, does }
    }

    #[test]
    fn a_share_of_the_requests_suffers_each() {
        let faults = [fault(30, Does::Delay(Duration::from_millis(5))), fault(10, Does::Abort(503))];
        let mut dice = Dice::seeded(7);
        let (mut delayed, mut aborted) = (0, 0);
        for _ in 0..10_000 {
            match suffer(&faults, &mut dice) {
                Ok(held) => delayed += usize::from(!held.is_zero()),
                Err((_, status)) => aborted += usize::from(status == 503),
            }
        }
        assert!((900..1100).contains(&aborted), "{aborted}");
        assert!((2500..2900).contains(&delayed), "{delayed}"); // 30 % of those that are not aborted
    }

    #[test]
    fn all_and_none_are_exact_and_delays_add_up() {
        let delay = || Does::Delay(Duration::from_millis(5));
        for seed in 0..1000 {
            let mut dice = Dice::seeded(seed);
            let faults = [fault(100, delay()), fault(0, Does::Abort(500)), fault(100, delay())];
            assert_eq!(suffer(&faults, &mut dice), Ok(Duration::from_millis(10)));
        }
    }

    #[test]
    fn a_fault_that_does_nothing_or_answers_well_is_none() {
        for (delay_ms, abort) in [(None, None), (Some(1), Some(503)), (None, Some(200))] {
            assert!(Fault::build(&document::Fault { delay_ms, abort, share: 1 }).is_err());
        }
    }
}
