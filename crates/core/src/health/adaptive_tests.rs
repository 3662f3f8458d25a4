//! The limit on an endpoint with workers and a line in front of them, on a clock of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::dice::Dice;

const POLICY: Policy = Policy {
    interval: Duration::from_millis(100),
    tolerance: 1.25,
    least: 3,
    most: 1_000,
    measure: Duration::from_secs(30),
};
const SECOND: u64 = 1_000_000_000;

/// Of one request: when it came, of which priority, and in how many nanoseconds it was answered, if it was admitted.
struct Asked {
    at: u64,
    priority: Priority,
    took: Option<u64>,
}

/// What becomes of requests that come by chance, `rate` a second for so many seconds, whatever becomes of those before
/// them. Of ten, three are of high and three of low priority. 20 workers each take `service` milliseconds at a time.
fn play(limiter: &Limiter, rate: f64, seconds: u64, service: impl Fn(u64) -> f64) -> Vec<Asked> {
    let mut dice = Dice::seeded(7);
    let mut workers: BinaryHeap<Reverse<u64>> = (0..20).map(|_| Reverse(0)).collect();
    let mut ends: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let (mut asked, mut now) = (Vec::new(), 1);
    while now < seconds * SECOND {
        now += exponential(SECOND as f64 / rate, &mut dice);
        while let Some(Reverse((end, began))) = ends.peek().copied().filter(|Reverse((end, _))| *end <= now) {
            limiter.learn(Duration::from_nanos(end - began), ends.len() as u64, &POLICY, Moment::from_nanos(end));
            ends.pop();
        }
        let priority = match dice.below(10) {
            0..3 => Priority::High,
            3..6 => Priority::Low,
            _ => Priority::Normal,
        };
        let is_admitted = (ends.len() as u64) < limiter.limit_of(priority, &POLICY);
        let took = is_admitted.then(|| {
            let Reverse(free) = workers.pop().expect("there are workers");
            let end = free.max(now) + exponential(service(now) * 1e6, &mut dice);
            workers.push(Reverse(end));
            ends.push(Reverse((end, now)));
            end - now
        });
        asked.push(Asked { at: now, priority, took });
    }
    asked
}

fn exponential(mean: f64, dice: &mut Dice) -> u64 {
    let uniform = ((dice.roll() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (-uniform.ln() * mean) as u64 + 1
}

/// Of the requests from a second on, those of one priority if one is told: answers a second, the share that was admitted,
/// and the milliseconds that 99 % of these took at most.
fn figures(asked: &[Asked], from: u64, priority: Option<Priority>) -> (f64, f64, f64) {
    let counts = |it: &&Asked| it.at >= from * SECOND && priority.is_none_or(|wanted| it.priority == wanted);
    let all: Vec<&Asked> = asked.iter().filter(counts).collect();
    let mut took: Vec<u64> = all.iter().filter_map(|it| it.took).collect();
    took.sort_unstable();
    let seconds = (asked.last().map_or(0, |it| it.at) - from * SECOND) as f64 / 1e9;
    let slowest = took.get(took.len() * 99 / 100).copied().unwrap_or(0) as f64 / 1e6;
    (took.len() as f64 / seconds, took.len() as f64 / all.len().max(1) as f64, slowest)
}

#[test]
fn under_twice_its_load_an_upstream_answers_as_much_as_it_can_and_soon() {
    let limiter = Limiter::default();
    let asked = play(&limiter, 4_000.0, 20, |_| 10.0);
    let (answers, _, slowest) = figures(&asked, 2, None);
    assert!(answers > 1_900.0, "{answers} of 2,000 a second");
    assert!(slowest < 70.0, "{slowest} ms, of which a request without a queue takes 46");
    assert!((15..60).contains(&limiter.limit(&POLICY)), "{}", limiter.limit(&POLICY));
}

#[test]
fn what_is_too_much_is_refused_by_its_priority() {
    let asked = play(&Limiter::default(), 4_000.0, 20, |_| 10.0);
    let admitted = |priority| figures(&asked, 2, Some(priority)).1;
    assert!(admitted(Priority::High) > 0.95, "{}", admitted(Priority::High));
    assert!(admitted(Priority::Low) < 0.1, "{}", admitted(Priority::Low));
    assert!(admitted(Priority::Normal) < admitted(Priority::High));
}

#[test]
fn what_an_upstream_bears_is_never_refused() {
    let limiter = Limiter::default();
    let asked = play(&limiter, 1_000.0, 130, |_| 10.0);
    let (_, admitted, _) = figures(&asked, 0, None);
    assert!(admitted > 0.999, "{admitted}");
}

#[test]
fn an_upstream_that_becomes_slower_for_good_is_known_to_be_so() {
    let limiter = Limiter::default();
    let asked = play(&limiter, 1_600.0, 120, |now| if now < 20 * SECOND { 10.0 } else { 20.0 });
    let (answers, _, slowest) = figures(&asked, 90, None);
    assert!(answers > 900.0, "{answers} of 1,000 a second");
    assert!(slowest < 140.0, "{slowest}");
}

#[test]
fn one_that_becomes_quicker_takes_more_at_once() {
    let limiter = Limiter::default();
    let asked = play(&limiter, 4_000.0, 30, |now| if now < 10 * SECOND { 40.0 } else { 5.0 });
    let (answers, ..) = figures(&asked, 15, None);
    assert!(answers > 3_600.0, "{answers} of 4,000 a second");
}

#[test]
fn a_limit_stays_within_its_bounds_and_rests_while_it_is_not_in_use() {
    assert_eq!((step(100, 1.0), step(100, 9.0), step(100, 0.1)), (110, 210, 60));
    let (limiter, policy) = (Limiter::default(), Policy { least: 5, most: 20, ..POLICY });
    assert_eq!((limiter.limit(&policy), limiter.limit_of(Priority::Low, &policy)), (20, 12));
    for n in 1..10_000u64 {
        limiter.learn(Duration::from_millis(1 + n / 10), 20, &policy, Moment::from_nanos(n * 10_000_000));
        assert!((5..=20).contains(&limiter.limit(&policy)));
    }
}
