//! Tiers of endpoints, and within each the zones, nearest first: the next one takes what those before it are not well
//! enough for; backups, what nobody else can.

use super::view::{Member, Seat};

/// Where an endpoint stands: its tier, and within that how far its zone is. The lowest comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Tier {
    tier: u32,
    distance: u32,
}

impl Tier {
    /// Used only where no other endpoint can be.
    pub const BACKUP: Self = Self::new(u32::MAX, 0);

    /// The zone at this distance of a tier.
    pub const fn new(tier: u32, distance: u32) -> Self {
        Self { tier, distance }
    }
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
    /// How many it takes all the work to be done, in hundredths of an endpoint.
    needed: u64,
}

/// Counts endpoints, each given by its tier and whether it may be chosen; in the order of the tiers. `traffic` is the
/// share of all work, in percent, that comes in here; where that is known a zone needs so much of the whole tier's
/// endpoints, else all of its own: a zone without enough of them is told from one that has plenty.
pub(super) fn count(endpoints: impl Iterator<Item = (Tier, bool)>, traffic: u32) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::with_capacity(1);
    for (tier, is_healthy) in endpoints {
        let at = counts.binary_search_by_key(&tier, |count| count.tier).unwrap_or_else(|at| {
            counts.insert(at, Count { tier, healthy: 0, all: 0, needed: 0 });
            at
        });
        if let Some(count) = counts.get_mut(at) {
            count.all += 1;
            count.healthy += u64::from(is_healthy);
        }
    }
    let of_tier = |tier: Tier| counts.iter().filter(|one| one.tier.tier == tier.tier).map(|one| one.all).sum::<u64>();
    let needed = |one: &Count| if traffic == 0 { 100 * one.all } else { u64::from(traffic) * of_tier(one.tier) };
    let needed: Vec<u64> = counts.iter().map(needed).collect();
    counts.iter_mut().zip(needed).for_each(|(count, needed)| count.needed = needed);
    counts
}

/// How much of the work each tier is well enough for, in percent.
fn health(count: &Count) -> u64 {
    well_enough_for(count.healthy, count.needed)
}

/// How much of the work so many endpoints are well enough for, in percent; `needed` are those that all of it takes, in
/// hundredths.
pub(super) fn well_enough_for(healthy: u64, needed: u64) -> u64 {
    (healthy * OVERPROVISIONED * 100 / needed.max(1)).min(100)
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

/// Gives each member the weight that its tier's share leaves it; who gets none goes. `traffic` as [`count`] takes it.
pub(super) fn spread(members: &mut Vec<Member>, seats: &[Seat], traffic: u32) {
    let tier_of = |member: &Member| seats.get(member.endpoint.0 as usize).map_or(Tier::default(), |seat| seat.tier);
    let Some(first) = seats.first().map(|seat| seat.tier) else { return };
    if seats.iter().all(|seat| seat.tier == first) {
        return;
    }
    members.sort_unstable_by_key(|member| member.endpoint.0);
    let is_member = |at: usize| members.binary_search_by_key(&at, |member| member.endpoint.0 as usize).is_ok();
    let with_weight = seats.iter().enumerate().filter(|(_, seat)| seat.weight > 0);
    let counts = count(with_weight.map(|(at, seat)| (seat.tier, is_member(at))), traffic);
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

    use proptest::prelude::*;

    use super::super::standing::{AskedEvent, CheckedEvent};
    use super::super::{EndpointId, View};
    use super::*;
    use crate::moment::Moment;

    /// Counts tiers, each given by how many of its endpoints are healthy, of how many.
    fn counts(tiers: &[(Tier, u64, u64)], traffic: u32) -> Vec<Count> {
        let endpoints = |(tier, healthy, all): &(Tier, u64, u64)| {
            let (tier, healthy) = (*tier, *healthy);
            (0..*all).map(move |at| (tier, at < healthy))
        };
        count(tiers.iter().flat_map(endpoints), traffic)
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
            let tiers = [(Tier::new(0, 0), first, 100), (Tier::new(1, 0), second, 100)];
            assert_eq!(shares(&counts(&tiers, 0)), expected, "{first} {second}");
        }
    }

    #[test]
    fn backups_take_work_only_when_nobody_else_can() {
        let one_of = |healthy| counts(&[(Tier::default(), healthy, 100), (Tier::BACKUP, 1, 1)], 0);
        assert_eq!(shares(&one_of(1)), [100, 0]);
        assert_eq!(shares(&one_of(0)), [0, 100]);
    }

    #[test]
    fn a_zone_that_is_too_small_for_its_traffic_shares_it_with_the_next() {
        let zones = |healthy| [(Tier::new(0, 0), healthy, 2), (Tier::new(0, 1), 6, 6)];
        for (traffic, healthy, expected) in [
            (0, 2, [100, 0]),
            (25, 2, [100, 0]),
            (50, 2, [70, 30]),
            (50, 1, [35, 65]),
            (100, 2, [35, 65]),
            (10, 1, [100, 0]),
        ] {
            assert_eq!(shares(&counts(&zones(healthy), traffic)), expected, "{traffic} {healthy}");
        }
    }

    /// Zones of two tiers, each with some of its endpoints healthy.
    fn zones() -> impl Strategy<Value = Vec<(Tier, u64, u64)>> {
        let zone = (1u64..40).prop_flat_map(|all| (0..=all, Just(all)));
        prop::collection::vec(zone, 1..6).prop_map(|zones| {
            let tier = |at: u32| Tier::new(at / 3, at % 3);
            (0..).zip(zones).map(|(at, (healthy, all))| (tier(at), healthy, all)).collect()
        })
    }

    proptest! {
        #[test]
        fn all_work_is_shared_out_and_nobody_gets_more_than_it_is_well_enough_for(zones in zones(), traffic in 0u32..101) {
            let counts = counts(&zones, traffic);
            let (shares, well): (Vec<u64>, Vec<u64>) = (shares(&counts), counts.iter().map(health).collect());
            prop_assume!(well.iter().sum::<u64>() > 0);
            prop_assert_eq!(shares.iter().sum::<u64>(), 100);
            let (suffices, rounding) = (well.iter().sum::<u64>() >= 100, counts.len() as u64);
            for (share, well) in shares.iter().zip(&well) {
                prop_assert!(*share == 0 || *well > 0);
                prop_assert!(!suffices || *share <= well + rounding, "{} of {}", share, well);
            }
            // Nothing goes further away than it must.
            let cut = shares.iter().rposition(|share| *share > 0).unwrap_or(0);
            prop_assert!(well.iter().take(cut).sum::<u64>() < 100, "{:?} {:?}", shares, well);
        }

        #[test]
        fn the_share_of_a_zone_falls_only_with_its_health_and_no_zone_loses_by_it(
            zones in zones(), traffic in 0u32..101,
        ) {
            let before = shares(&counts(&zones, traffic));
            let mut fewer = zones.clone();
            fewer[0].1 = fewer[0].1.saturating_sub(1);
            let after = shares(&counts(&fewer, traffic));
            prop_assume!(after.iter().sum::<u64>() == 100 && before.iter().sum::<u64>() == 100);
            prop_assert!(after[0] <= before[0] + 1, "{:?} {:?}", before, after);
            for (before, after) in before.iter().zip(&after).skip(1) {
                prop_assert!(after + 1 >= *before, "{:?} {:?}", before, after);
            }
        }
    }

    fn seats(tiers: &[Tier]) -> Vec<Seat> {
        (1..).zip(tiers).map(|(id, tier)| Seat { id, weight: 1, tier: *tier, ..Seat::default() }).collect()
    }

    fn weights(view: &View) -> Vec<u32> {
        view.seats().iter().zip(0..).map(|(_, at)| view.weight(EndpointId(at))).collect()
    }

    #[test]
    fn a_view_spills_over_and_back() {
        let seats = seats(&[Tier::new(0, 0), Tier::new(0, 0), Tier::new(1, 0), Tier::new(1, 0)]);
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
    fn far_zones_are_none_of_the_view_until_they_are_needed_and_tiers_come_before_zones() {
        let seats = seats(&[Tier::new(1, 0), Tier::new(0, 1), Tier::new(0, 0), Tier::new(0, 0)]);
        let near = Arc::clone(&seats[2].standing);
        let mut view = View::of(seats);
        assert_eq!(weights(&view), [0, 0, 1, 1]);
        near.check(CheckedEvent::Fell, Moment::default(), &"a check");
        view.refresh(Moment::from_nanos(1));
        assert_eq!(weights(&view), [0, 300_000, 0, 700_000]);
    }

    #[test]
    fn a_backup_is_better_than_panic() {
        let seats = seats(&[Tier::default(), Tier::default(), Tier::BACKUP]);
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
