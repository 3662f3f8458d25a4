//! The `fault` filter: for a share of the requests, what an endpoint that is slow or broken would do, made here.

use std::time::Duration;

use crate::dice::Dice;
use crate::failure::{Failure, Kind, Stage};
use crate::rule::{Rule, Sets, Subject};
use crate::snapshot::document;

/// One fault.
#[derive(Debug)]
pub struct Fault {
    when: Option<Rule>,
    percent: usize,
    does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Delay(Duration),
    Abort(u16),
}

impl Fault {
    /// The fault as it is written. Fails where it does neither one thing nor the other, or its condition is none.
    pub fn build(written: &document::Fault, sets: &Sets) -> Result<Self, String> {
        let does = match (written.delay_ms, written.abort) {
            (Some(delay), None) => Does::Delay(Duration::from_millis(delay)),
            (None, Some(status @ 400..=599)) => Does::Abort(status),
            (Some(_) | None, _) => return Err("must either delay, or abort with a status of 400 to 599".into()),
        };
        let when = written.when.as_ref().map(|when| Rule::compile(when, sets)).transpose()?;
        Ok(Self { when, percent: written.share as usize, does })
    }
}

/// Throws the dice for each fault that may befall the request, in order: how long it is held, or the failure, with its
/// status.
pub fn suffer(faults: &[Fault], subject: &Subject<'_>, dice: &mut Dice) -> Result<Duration, (Failure, u16)> {
    let mut held = Duration::ZERO;
    for fault in faults {
        let is_meant = fault.when.as_ref().is_none_or(|when| when.holds(subject));
        if !is_meant || dice.below(100) >= fault.percent {
            continue;
        }
        match fault.does {
            Does::Delay(delay) => held = held.saturating_add(delay),
            Does::Abort(status) => {
                let of = if fault.when.is_some() { "those that `when` means" } else { "the requests" };
                let reason = format!("the filter `fault` answered {status}, as for {} % of {of}", fault.percent);
                return Err((Failure::new(Kind::FaultInjected, Stage::Filter, reason), status));
            }
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::asked::{Asked, ask};

    fn fault(percent: usize, does: Does) -> Fault {
        Fault { when: None, percent, does }
    }

    fn request(of: &str) -> Asked {
        ask(&format!("GET / HTTP/1.1\nHost: a\nX-Of: {of}\n\n"), "192.0.2.9:1", &[])
    }

    #[test]
    fn a_share_of_the_requests_suffers_each() {
        let faults = [fault(30, Does::Delay(Duration::from_millis(5))), fault(10, Does::Abort(503))];
        let (request, mut dice) = (request("anybody"), Dice::seeded(7));
        let (mut delayed, mut aborted) = (0, 0);
        for _ in 0..10_000 {
            match suffer(&faults, &request.subject(), &mut dice) {
                Ok(held) => delayed += usize::from(!held.is_zero()),
                Err((_, status)) => aborted += usize::from(status == 503),
            }
        }
        assert!((900..1100).contains(&aborted), "{aborted}");
        assert!((2500..2900).contains(&delayed), "{delayed}"); // 30 % of those that are not aborted
    }

    #[test]
    fn all_and_none_are_exact_and_delays_add_up() {
        let (request, delay) = (request("anybody"), || Does::Delay(Duration::from_millis(5)));
        for seed in 0..1000 {
            let mut dice = Dice::seeded(seed);
            let faults = [fault(100, delay()), fault(0, Does::Abort(500)), fault(100, delay())];
            assert_eq!(suffer(&faults, &request.subject(), &mut dice), Ok(Duration::from_millis(10)));
        }
    }

    #[test]
    fn a_condition_says_whose_requests_suffer() {
        let when =
            json!({"texts": {"left": {"joined": {"header": "x-of"}}, "is": "==", "right": {"literal": "a tester"}}});
        let written = json!({"delay_ms": null, "abort": 503, "share": 100, "when": when});
        let written = serde_json::from_value(written).expect("it is written well");
        let faults = [Fault::build(&written, &Sets::default()).expect("it is one")];
        let mut dice = Dice::seeded(1);
        assert_eq!(suffer(&faults, &request("anybody").subject(), &mut dice), Ok(Duration::ZERO));
        let (failure, status) = suffer(&faults, &request("a tester").subject(), &mut dice).expect_err("it is meant");
        let reason = "the filter `fault` answered 503, as for 100 % of those that `when` means";
        assert_eq!((status, failure.reason.as_str()), (503, reason));
    }

    #[test]
    fn a_fault_that_does_nothing_or_answers_well_is_none() {
        for (delay_ms, abort) in [(None, None), (Some(1), Some(503)), (None, Some(200))] {
            let written = document::Fault { delay_ms, abort, share: 1, when: None };
            assert!(Fault::build(&written, &Sets::default()).is_err());
        }
    }
}
