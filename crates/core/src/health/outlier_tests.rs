//! Strikes, ejections and returns, by a clock that the test holds.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;

struct One {
    id: u32,
    standing: EndpointStanding,
    strikes: Strikes,
}

impl Member for One {
    fn id(&self) -> u32 {
        self.id
    }

    fn standing(&self) -> &EndpointStanding {
        &self.standing
    }

    fn strikes(&self) -> &Strikes {
        &self.strikes
    }
}

pub(in crate::health) fn policy() -> document::Outlier {
    serde_json::from_value(json!({
        "server_errors": 5, "gateway_errors": 0, "broken": 3, "interval_ms": 10_000, "ejection_time_ms": 30_000,
        "most_ejection_time_ms": 90_000, "most_ejected": 50,
        "success_rate": {"deviations": 1.9, "endpoints": 5, "requests": 100},
        "latency": {"factor": 4.0, "least_ms": 20, "endpoints": 3, "requests": 20},
    }))
    .unwrap()
}

struct Group {
    all: Vec<Arc<One>>,
    ejector: Ejector,
    policy: document::Outlier,
    now: Moment,
    prints: u64,
}

impl Group {
    fn of(count: u32) -> Self {
        let one = |id| Arc::new(One { id, standing: EndpointStanding::default(), strikes: Strikes::default() });
        let all = (0..count).map(one).collect();
        Self { all, ejector: Ejector::default(), policy: policy(), now: Moment::from_nanos(1), prints: 0 }
    }

    /// A request that no other is like.
    fn ends(&mut self, at: usize, outcome: Outcome<'_>) {
        self.prints += 1;
        self.ends_as(at, outcome, self.prints);
    }

    fn ends_as(&self, at: usize, outcome: Outcome<'_>, print: u64) {
        self.ejector.observe(&self.policy, &self.all, &*self.all[at], outcome, || print, self.now);
    }

    fn fails(&mut self, at: usize, times: usize) {
        (0..times).for_each(|_| self.ends(at, Outcome::Answered(500)));
    }

    fn passes(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn outlier(&self, at: usize) -> Axis {
        self.all[at].standing.at(self.now).outlier
    }

    fn why(&self, at: usize) -> String {
        self.all[at].standing.why_not(self.now).unwrap_or_default()
    }
}

#[test]
fn so_many_errors_in_a_row_eject_and_a_good_answer_between_them_does_not() {
    let mut group = Group::of(3);
    group.fails(0, 4);
    group.ends(0, Outcome::Answered(404));
    group.fails(0, 4);
    assert_eq!(group.outlier(0), Axis::In);
    group.fails(0, 1);
    assert_eq!(group.why(0), "is ejected for 0 ms: 5 requests in a row went wrong: it answered 500; for 30 s");
    assert_eq!((group.outlier(0), group.outlier(1)), (Axis::Out, Axis::In));
}

#[test]
fn answers_that_are_cut_eject_sooner_than_errors() {
    let mut group = Group::of(3);
    group.fails(0, 1);
    (0..3).for_each(|_| group.ends(0, Outcome::Broken("it ended its answer too soon")));
    assert!(group.why(0).contains("3 requests in a row got no whole answer: it ended its answer too soon"));
}

#[test]
fn each_ejection_lasts_longer_up_to_a_bound_and_is_forgotten_in_time() {
    let mut group = Group::of(3);
    for seconds in [30, 60, 90, 90] {
        group.fails(0, 5);
        group.passes(seconds - 1);
        assert_eq!(group.outlier(0), Axis::Out, "before {seconds} s");
        group.passes(1);
        assert_eq!(group.outlier(0), Axis::Trial, "after {seconds} s");
    }
    (0..4).for_each(|_| group.all[0].strikes.decay());
    group.fails(0, 1);
    group.passes(30);
    assert_eq!(group.outlier(0), Axis::Trial);
}

#[test]
fn on_trial_one_failure_ejects_and_three_good_answers_admit() {
    let mut group = Group::of(3);
    group.fails(0, 5);
    group.passes(30);
    (0..2).for_each(|_| group.ends(0, Outcome::Answered(200)));
    assert_eq!(group.outlier(0), Axis::Trial);
    group.fails(0, 1);
    assert!(group.why(0).contains("a request on trial went wrong: it answered 500; for 60 s"), "{}", group.why(0));
    group.passes(60);
    (0..3).for_each(|_| group.ends(0, Outcome::Answered(200)));
    assert_eq!(group.outlier(0), Axis::In);
    group.fails(0, 4);
    assert_eq!(group.outlier(0), Axis::In, "strikes begin anew");
}

#[test]
fn one_request_is_on_trial_at_a_time() {
    let mut group = Group::of(3);
    group.fails(0, 5);
    group.passes(30);
    let standing = &group.all[0].standing;
    assert!(standing.take_trial(group.now) && !standing.take_trial(group.now));
    group.ends(0, Outcome::Answered(200));
    assert!(group.all[0].standing.take_trial(group.now));
    // One that never ends does not hold it up for ever.
    group.passes(10);
    assert!(group.all[0].standing.take_trial(group.now));
}

#[test]
fn one_request_that_fails_everywhere_takes_nobody_out() {
    let mut group = Group::of(3);
    for round in 0..30 {
        group.ends_as(round % 3, Outcome::Broken("it closed the connection"), 4711);
        group.passes(1);
    }
    assert!((0..3).all(|at| group.outlier(at) == Axis::In));
}

#[test]
fn two_broken_endpoints_are_found_although_all_requests_are_alike() {
    let group = Group::of(4);
    for _ in 0..20 {
        for at in 0..4 {
            let outcome = if at < 2 { Outcome::Broken("it reset") } else { Outcome::Answered(200) };
            group.ends_as(at, outcome, 4711);
        }
    }
    assert_eq!(group.outlier(2), Axis::In);
    assert!(group.outlier(0) == Axis::Out && group.outlier(1) == Axis::Out);
}

proptest! {
    /// Whatever happens: no more are out than may be, and whoever is out comes back when nothing fails any more.
    #[test]
    fn never_more_than_the_share_are_out_and_all_come_back(
        steps in prop::collection::vec((0usize..6, 0u8..4, 0u64..40), 0..300), share in 0u32..=100,
    ) {
        let mut group = Group::of(6);
        group.policy.most_ejected = share;
        let most = (6 * share as usize / 100).max(1);
        for (at, what, seconds) in steps {
            match what {
                0 => group.ends(at, Outcome::Answered(200)),
                1 => group.fails(at, 5),
                2 => group.ends(at, Outcome::Broken("it reset")),
                _ => group.passes(seconds),
            }
            let out = group.all.iter().filter(|one| one.standing.is_ejected()).count();
            prop_assert!(out <= most, "{out} of at most {most}");
        }
        group.passes(90);
        for at in 0..6 {
            for _ in 0..3 {
                if group.outlier(at) == Axis::Trial {
                    prop_assert!(group.all[at].standing.take_trial(group.now));
                    group.ends(at, Outcome::Answered(200));
                }
            }
            prop_assert_eq!(group.outlier(at), Axis::In);
        }
    }
}
