//! Tiers of endpoints: the next one takes what the ones before it are not well enough for; backups, what nobody else can.

use super::view::{Member, Seat};

/// Where an endpoint stands; the lowest number comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Tier(pub u32);

impl Tier {
    /// Used only where no other endpoint can be.
    pub const BACKUP: Self = Self(u32::MAX);
}

/// A tier may lose so much of its endpoints, in percent of what is left, before the next one takes some of its work:
/// with 140 it is well as long as 72 % of it are. Envoy's "overprovisioning factor", and its default.
const OVERPROVISIONED: u64 = 140;

/// Parts into which the work is divided where several tiers share it: fine enough for 65,535 to 1.
const PARTS: u64 = 1_000_000;

/// A tier's endpoints: how many may be chosen, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) tier: Tier,
    pub(super) healthy: u64,
    pub(super) all: u64,
}

/// Counts endpoints, each given by its tier and whether it may be chosen; in the order of the tiers.
pub(super) fn count(endpoints: impl Iterator<Item = (Tier, bool)>) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::with_capacity(1);
    for (tier, is_healthy) in endpoints {
        let at = counts.binary_search_by_key(&tier, |count| count.tier).unwrap_or_else(|at| {
            counts.insert(at, Count { tier, healthy: 0, all: 0 });
            at
        });
        if let Some(count) = counts.get_mut(at) {
            count.all += 1;
            count.healthy += u64::from(is_healthy);
        }
    }
    counts
}

/// How much of the work each tier is well enough for, in percent.
fn health(count: &Count) -> u64 {
    (count.healthy * OVERPROVISIONED / count.all.max(1)).min(100)
}

/// Whether the tiers together can take all work, so that nobody needs to be used who is not well.
pub(super) fn suffice(counts: &[Count]) -> bool {
    let is_backed = counts.iter().any(|count| count.tier == Tier::BACKUP && count.healthy > 0);
    is_backed || counts.iter().map(health).sum::<u64>() >= 100
}

/// The share of the work of each tier, in percent, as Envoy reckons it: each tier takes what it is well enough for of what
/// is left; where all together are not well enough, in proportion.
fn shares(counts: &[Count]) -> Vec<u64> {
    let health = |count: &Count| if count.tier == Tier::BACKUP { 0 } else { health(count) };
    let total = counts.iter().map(health).sum::<u64>().min(100);
    if total == 0 {
        return counts.iter().map(|count| if count.healthy > 0 { 100 } else { 0 }).collect();
    }
    let mut left = 100;
    let mut shares: Vec<u64> = counts
        .iter()
        .map(|count| {
            let share = (health(count) * 100 / total).min(left);
            left -= share;
            share
        })
        .collect();
    if let Some(first) = shares.iter_mut().find(|share| **share > 0) {
        *first += left; // what rounding left
    }
    shares
}

/// Gives each member the weight that its tier's share leaves it; who gets none goes.
pub(super) fn spread(members: &mut Vec<Member>, seats: &[Seat]) {
    let tier_of = |member: &Member| seats.get(member.endpoint.0 as usize).map_or(Tier::default(), |seat| seat.tier);
    let Some(first) = seats.first().map(|seat| seat.tier) else { return };
    if seats.iter().all(|seat| seat.tier == first) {
        return;
    }
    members.sort_unstable_by_key(|member| member.endpoint.0);
    let is_member = |at: usize| members.binary_search_by_key(&at, |member| member.endpoint.0 as usize).is_ok();
    let with_weight = seats.iter().enumerate().filter(|(_, seat)| seat.weight > 0);
    let counts = count(with_weight.map(|(at, seat)| (seat.tier, is_member(at))));
    let shares = shares(&counts);
    members.retain(|member| {
        let tier = tier_of(member);
        let share = counts.iter().zip(&shares).find(|(count, _)| count.tier == tier).map_or(0, |(_, share)| *share);
        share > 0
    });
    if shares.iter().filter(|share| **share > 0).count() < 2 {
        return;
    }
    for (count, share) in counts.iter().zip(&shares) {
        let of_tier = |member: &&Member| tier_of(member) == count.tier;
        let total: u64 = members.iter().filter(of_tier).map(|member| u64::from(member.weight)).sum();
        for member in members.iter_mut().filter(|member| tier_of(member) == count.tier) {
            let weight = (u64::from(member.weight) * share * PARTS) / (100 * total.max(1));
            member.weight = u32::try_from(weight).unwrap_or(u32::MAX).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::standing::{AskedEvent, CheckedEvent};
    use super::super::{EndpointId, View};
    use super::*;
    use crate::moment::Moment;

    fn counts(tiers: &[(u32, u64, u64)]) -> Vec<Count> {
        tiers.iter().map(|(tier, healthy, all)| Count { tier: Tier(*tier), healthy: *healthy, all: *all }).collect()
    }

    #[test]
    fn the_next_tier_takes_what_the_one_before_is_not_well_enough_for() {
        // The table of Envoy's documentation on priority levels, and what follows from it.
        for (first, second, expected) in [
            (100, 100, [100, 0]),
            (72, 100, [100, 0]),
            (71, 100, [99, 1]),
            (50, 100, [70, 30]),
            (25, 100, [35, 65]),
            (0, 100, [0, 100]),
            (25, 25, [50, 50]),
        ] {
            assert_eq!(shares(&counts(&[(0, first, 100), (1, second, 100)])), expected, "{first} {second}");
        }
    }

    #[test]
    fn backups_take_work_only_when_nobody_else_can() {
        assert_eq!(shares(&counts(&[(0, 1, 100), (u32::MAX, 1, 1)])), [100, 0]);
        assert_eq!(shares(&counts(&[(0, 0, 100), (u32::MAX, 1, 1)])), [0, 100]);
    }

    fn seats(tiers: &[Tier]) -> Vec<Seat> {
        (1..).zip(tiers).map(|(id, tier)| Seat { id, weight: 1, tier: *tier, ..Seat::default() }).collect()
    }

    fn weights(view: &View) -> Vec<u32> {
        view.seats().iter().zip(0..).map(|(_, at)| view.weight(EndpointId(at))).collect()
    }

    #[test]
    fn a_view_spills_over_and_back() {
        let seats = seats(&[Tier(0), Tier(0), Tier(1), Tier(1)]);
        let first = Arc::clone(&seats[0].standing);
        let mut view = View::of(seats).with_panic_threshold(50);
        assert_eq!(weights(&view), [1, 1, 0, 0]);
        first.check(CheckedEvent::Fell, Moment::default(), &"a check");
        view.refresh(Moment::from_nanos(1));
        assert_eq!(weights(&view), [0, 700_000, 150_000, 150_000]);
        first.check(CheckedEvent::Rose, Moment::default(), &"a check");
        view.refresh(Moment::from_nanos(2));
        assert_eq!(weights(&view), [1, 1, 0, 0]);
    }

    #[test]
    fn a_backup_is_better_than_panic() {
        let seats = seats(&[Tier(0), Tier(0), Tier::BACKUP]);
        let standings: Vec<_> = seats.iter().map(|seat| Arc::clone(&seat.standing)).collect();
        let mut view = View::of(seats).with_panic_threshold(50);
        standings[0].check(CheckedEvent::Fell, Moment::default(), &"a check");
        standings[1].ask(AskedEvent::Drain);
        view.refresh(Moment::from_nanos(1));
        assert_eq!((weights(&view), view.panics()), (vec![0, 0, 1], false));
        standings[2].check(CheckedEvent::Fell, Moment::default(), &"a check");
        view.refresh(Moment::from_nanos(2));
        assert_eq!((weights(&view), view.panics()), (vec![1, 0, 0], true));
    }
}
