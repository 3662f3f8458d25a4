//! An endpoint that is new, or back, gets its share by and by: its caches are cold, its pools are empty.

use std::time::Duration;

use super::view::{Member, Seat};
use crate::moment::Moment;

/// The share that it begins with, in thousandths: Envoy's `min_weight_percent` of 10 %.
const LEAST: u64 = 100;

/// How often in its time a share rises.
const STEPS: u32 = 20;

/// Lowers the weights of those that began less than `window` ago, as Envoy does: by the share of the time that has passed
/// ("aggression" 1), a tenth at least. Gives the moment when there is something to raise.
pub(super) fn ramp(members: &mut [Member], seats: &[Seat], window: Duration, now: Moment) -> Moment {
    let share = |member: &Member| {
        let passed = seats.get(member.endpoint.0 as usize)?.load.ramps_since()?;
        let passed = now.since(passed);
        let share = passed.as_nanos() * 1000 / window.as_nanos().max(1);
        (passed < window).then(|| u64::try_from(share).unwrap_or(1000).max(LEAST))
    };
    let shares: Vec<Option<u64>> = members.iter().map(share).collect();
    if shares.iter().all(Option::is_none) {
        return Moment::NEVER;
    }
    for (member, share) in members.iter_mut().zip(shares) {
        let weight = u64::from(member.weight) * share.unwrap_or(1000);
        member.weight = u32::try_from(weight).unwrap_or(u32::MAX);
    }
    now.after(window / STEPS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::standing::CheckedEvent;
    use super::super::{EndpointId, EndpointLoad, View};
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn weights(view: &View) -> [u32; 2] {
        [0, 1].map(|at| view.weight(EndpointId(at)))
    }

    #[test]
    fn one_that_comes_back_gets_its_share_by_and_by() {
        let seats: Vec<Seat> = (1..3).map(|id| Seat { id, weight: 2, ..Seat::default() }).collect();
        let standing = Arc::clone(&seats[1].standing);
        let mut view = View::of(seats).with_slow_start(WINDOW);
        view.refresh(at(1));
        assert_eq!(weights(&view), [2, 2], "what was there at the start is warm");
        standing.check(CheckedEvent::Fell, Moment::default(), &"a check");
        view.refresh(at(2));
        standing.check(CheckedEvent::Rose, Moment::default(), &"a check");
        view.refresh(at(10));
        assert_eq!(weights(&view), [2000, 200]);
        view.refresh(at(25));
        assert_eq!(weights(&view), [2000, 1000]);
        view.refresh(at(40));
        assert_eq!(weights(&view), [2, 2]);
    }

    #[test]
    fn one_that_is_new_begins_when_it_is_seen_first() {
        let new = Arc::new(EndpointLoad::new_among_others());
        let seats =
            vec![Seat { id: 1, weight: 1, ..Seat::default() }, Seat { id: 2, weight: 1, load: new, ..Seat::default() }];
        let mut view = View::of(seats).with_slow_start(WINDOW);
        view.refresh(at(100));
        assert_eq!(weights(&view), [1000, 100]);
        view.refresh(at(115));
        assert_eq!(weights(&view), [1000, 500]);
    }
}
