//! The endpoint nearest to the client. In Rust because it runs for every request.
//!
//! Endpoints at one place are a site. A site takes requests as far as its endpoints are well, by the reckoning of tiers;
//! what it is not well enough for goes to the next nearest. Which site is nearest, a tree over them tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alias::Alias;
use super::random_two::lighter;
use super::tiers::well_enough_for;
use super::untried::{at_most_one, untried};
use super::view::Member;
use super::{Balancer, Decision, EndpointId, Reason, Turn, View};
use crate::geo::Place;

/// Sites that are looked at for one request; then the nearest of all has to do.
const MOST_SITES: usize = 8;

/// So few points are looked through one by one.
const MOST_LOOKED_THROUGH: usize = 4;

/// Draws of a second endpoint of a site, so that it differs from the first.
const MOST_DRAWN: usize = 8;

/// A thread's sites of one upstream.
pub struct Nearest {
    /// Where each endpoint is, in the order of the upstream; none where nobody knows.
    places: Arc<[Option<Place>]>,
    sites: Vec<Site>,
    tree: Vec<Point>,
    /// What all sites together are well enough for, in percent.
    total: usize,
    edition: u64,
    /// Who chooses for a client whose place is not known.
    otherwise: Box<dyn Balancer>,
}

/// Where a site is, apart from it, so that the cache holds all of them. The one in the middle of a list parts the others in
/// two by one coordinate, each half does so by the next one, and so on: J. Bentley, "Multidimensional Binary Search Trees
/// Used for Associative Searching", CACM 18(9), 1975.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: [f32; 3],
    site: u32,
}

/// Endpoints at one place, of which at least one may be chosen.
#[derive(Debug)]
struct Site {
    members: Vec<Member>,
    alias: Alias,
    /// How much it is well enough for, in percent.
    health: usize,
}

impl Nearest {
    /// Sites of endpoints at `places`, in the order of the upstream.
    pub fn new(places: Arc<[Option<Place>]>, otherwise: Box<dyn Balancer>) -> Self {
        Self { places, sites: Vec::new(), tree: Vec::new(), total: 0, edition: 0, otherwise }
    }

    fn survey(&mut self, view: &View) {
        let mut found: BTreeMap<[u32; 3], (Site, u64)> = BTreeMap::new();
        let with_weight = view.seats().iter().zip(0..).filter(|(seat, _)| seat.weight > 0);
        for (place, endpoint) in
            with_weight.filter_map(|(_, at)| Some(((*self.places.get(at as usize)?)?, EndpointId(at))))
        {
            let point = place.point();
            let site = || (Site { members: Vec::new(), alias: Alias::default(), health: 0 }, 0);
            let (site, all) = found.entry(point.map(f32::to_bits)).or_insert_with(site);
            *all += 1;
            let weight = view.weight(endpoint);
            if weight > 0 {
                site.members.push(Member { endpoint, weight });
            }
        }
        self.sites.clear();
        self.tree.clear();
        for (bits, (site, all)) in found.into_iter().filter(|(_, (site, _))| !site.members.is_empty()) {
            let alias = Alias::new(site.members.iter().map(|member| member.weight));
            let health = well_enough_for(site.members.len() as u64, 100 * all).max(1);
            let number = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
            self.tree.push(Point { at: bits.map(f32::from_bits), site: number });
            self.sites.push(Site { alias, health: usize::try_from(health).unwrap_or(100), ..site });
        }
        part(&mut self.tree, 0);
        self.total = self.sites.iter().map(|site| site.health).sum::<usize>().min(100);
        self.edition = view.edition();
    }

    /// The site that takes a request from `point`, and one of its endpoints; `None` where all were tried.
    fn near(&self, point: [f32; 3], view: &View, turn: &mut Turn<'_>) -> Option<(EndpointId, Reason)> {
        let mut left = turn.dice.below(self.total);
        let mut passed: Vec<u32> = Vec::new(); // allocates only where the nearest does not take it
        let mut first = None;
        while let Some(at) = nearest(&self.tree, point, &passed) {
            let site = self.sites.get(at as usize)?;
            let because = if passed.is_empty() { Reason::NearestToClient } else { Reason::NextNearest };
            let chosen = site.choose(view, turn).map(|endpoint| (endpoint, because));
            first = first.or(chosen);
            match chosen {
                Some(_) if left < site.health => return chosen,
                Some(_) => left -= site.health,
                None => {}
            }
            passed.push(at);
            if passed.len() > MOST_SITES {
                break;
            }
        }
        first
    }
}

impl Site {
    /// The less loaded of two endpoints drawn by weight, none that was tried.
    fn choose(&self, view: &View, turn: &mut Turn<'_>) -> Option<EndpointId> {
        if let [only] = self.members.as_slice() {
            return (!turn.has_tried(only.endpoint)).then_some(only.endpoint);
        }
        let first = self.draw(turn, None)?;
        let second = self.draw(turn, Some(first));
        Some(second.map_or(first.endpoint, |second| lighter(view, first, second)))
    }

    fn draw(&self, turn: &mut Turn<'_>, other_than: Option<Member>) -> Option<Member> {
        let is_new = |member: &Member, turn: &Turn<'_>| Some(*member) != other_than && !turn.has_tried(member.endpoint);
        for _ in 0..MOST_DRAWN {
            let drawn = self.members.get(self.alias.draw(turn.dice)).copied();
            if let Some(member) = drawn.filter(|member| is_new(member, turn)) {
                return Some(member);
            }
        }
        self.members.iter().copied().find(|member| is_new(member, turn))
    }
}

impl Balancer for Nearest {
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision {
        if self.edition != view.edition() {
            self.survey(view);
        }
        let (chosen, because) = match (at_most_one(view, turn), turn.key) {
            (Some(decided), _) => decided,
            (None, Some(key)) if !self.sites.is_empty() => match self.near(Place::point_of(key), view, turn) {
                Some((endpoint, because)) => (Some(endpoint), because),
                None => untried(view, turn),
            },
            (None, _) => return self.otherwise.choose(view, turn),
        };
        turn.decide(view, chosen, because)
    }
}

/// Brings points into the order of their tree; the last few stay as they are.
fn part(points: &mut [Point], axis: usize) {
    if points.len() > MOST_LOOKED_THROUGH {
        let middle = points.len() / 2;
        let by = |point: &Point| point.at.get(axis).copied().unwrap_or(0.0);
        points.select_nth_unstable_by(middle, |one, other| by(one).total_cmp(&by(other)));
        let (before, behind) = points.split_at_mut(middle);
        part(before, after(axis));
        part(behind.get_mut(1..).unwrap_or_default(), after(axis));
    }
}

/// The coordinate that parts points next.
fn after(axis: usize) -> usize {
    if axis < 2 { axis + 1 } else { 0 }
}

/// The site that is nearest to `from`, none of `passed`.
fn nearest(tree: &[Point], from: [f32; 3], passed: &[u32]) -> Option<u32> {
    let mut search = Search { from, passed, least: f32::INFINITY, best: None };
    search.look(tree, 0);
    search.best
}

struct Search<'a> {
    from: [f32; 3],
    passed: &'a [u32],
    /// The square of the distance to the best so far.
    least: f32,
    best: Option<u32>,
}

impl Search<'_> {
    fn look(&mut self, points: &[Point], axis: usize) {
        if points.len() <= MOST_LOOKED_THROUGH {
            points.iter().for_each(|point| self.weigh(point));
            return;
        }
        let middle = points.len() / 2;
        let (Some(point), Some(from)) = (points.get(middle), self.from.get(axis)) else { return };
        let beyond = from - point.at.get(axis).copied().unwrap_or(0.0);
        let (before, behind) = (points.get(..middle).unwrap_or_default(), points.get(middle + 1..).unwrap_or_default());
        let (near, far) = if beyond < 0.0 { (before, behind) } else { (behind, before) };
        self.look(near, after(axis));
        if beyond * beyond <= self.least {
            self.weigh(point);
            self.look(far, after(axis));
        }
    }

    fn weigh(&mut self, point: &Point) {
        let [x, y, z] = point.at;
        let [from_x, from_y, from_z] = self.from;
        let (x, y, z) = (x - from_x, y - from_y, z - from_z);
        let distance = x * x + y * y + z * z;
        if distance < self.least && !self.passed.contains(&point.site) {
            (self.least, self.best) = (distance, Some(point.site));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RandomTwo;
    use super::super::standing::{AskedEvent, EndpointStanding};
    use super::*;
    use crate::dice::Dice;
    use crate::moment::Moment;

    type Degrees = (f64, f64);

    const FRANKFURT: Degrees = (50.1, 8.7);
    const VIRGINIA: Degrees = (38.9, -77.5);
    const SYDNEY: Degrees = (-33.9, 151.2);
    const FIJI: Degrees = (-17.7, -178.8);

    fn place((latitude, longitude): Degrees) -> Place {
        Place::of(latitude, longitude).unwrap()
    }

    /// Endpoints at these places.
    struct World {
        view: View,
        standings: Vec<Arc<EndpointStanding>>,
        balancer: Nearest,
        dice: Dice,
        now: u64,
    }

    impl World {
        fn of(places: &[Option<Degrees>]) -> Self {
            let standings: Vec<Arc<EndpointStanding>> = places.iter().map(|_| Arc::default()).collect();
            let view = View::new(standings.iter().map(|standing| (1, Arc::clone(standing))).collect());
            let places = places.iter().map(|at| at.map(place)).collect();
            let balancer = Nearest::new(places, Box::new(RandomTwo::default()));
            Self { view, standings, balancer, dice: Dice::seeded(7), now: 1 }
        }

        fn drain(&mut self, at: usize) {
            self.standings[at].ask(AskedEvent::Drain);
            self.now += 1;
            self.view.refresh(Moment::from_nanos(self.now));
        }

        fn choose(&mut self, from: Option<Degrees>, tried: &[u32]) -> Decision {
            let (key, now) = (from.map(|from| place(from).key()), Moment::from_nanos(self.now));
            self.balancer.choose(&self.view, &mut Turn { now, dice: &mut self.dice, tried, key, recording: false })
        }

        /// How often each endpoint is chosen, of so many requests.
        fn shares(&mut self, from: Option<Degrees>, count: usize) -> Vec<usize> {
            let mut shares = vec![0; self.standings.len()];
            for _ in 0..count {
                let chosen = self.choose(from, &[]).chosen.unwrap().0 as usize;
                shares[chosen] += 1;
                self.view.seat(EndpointId(chosen as u32)).unwrap().load.end();
            }
            shares
        }
    }

    #[test]
    fn the_nearest_place_takes_all_and_shares_it_among_its_own() {
        let mut world = World::of(&[Some(FRANKFURT), Some(VIRGINIA), Some(FRANKFURT), Some(SYDNEY), None]);
        let berlin = world.shares(Some((52.5, 13.4)), 400);
        assert_eq!(berlin[0] + berlin[2], 400);
        assert!(berlin[0] > 140 && berlin[2] > 140, "{berlin:?}");
        assert!(world.shares(None, 400).iter().all(|share| *share > 40), "a client from nowhere may go anywhere");
        assert_eq!(world.shares(Some(FIJI), 10), [0, 0, 0, 10, 0], "across the date line");
        assert_eq!(world.choose(Some(FIJI), &[]).because, Reason::NearestToClient);
        let tried = world.choose(Some(FIJI), &[3]);
        assert_eq!((tried.chosen, tried.because), (Some(EndpointId(1)), Reason::NextNearest));
    }

    #[test]
    fn what_a_place_is_not_well_enough_for_goes_to_the_next() {
        let mut world = World::of(&[Some(FRANKFURT), Some(FRANKFURT), Some(VIRGINIA), Some(SYDNEY)]);
        world.drain(0);
        let shares = world.shares(Some(FRANKFURT), 4000);
        assert!((2680..2920).contains(&shares[1]) && shares[1] + shares[2] == 4000, "{shares:?}: 70 % and 30 %");
        world.drain(1);
        assert_eq!(world.shares(Some(FRANKFURT), 10), [0, 0, 10, 0]);
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_a_search_finds(
            places in prop::collection::btree_set((-90i32..91, -180i32..181), 1..60), from in (-90f64..90.0, -180f64..180.0),
            tried in prop::collection::vec(0u32..60, 0..4),
        ) {
            let places: Vec<Degrees> = places.iter().map(|(one, other)| (f64::from(*one), f64::from(*other))).collect();
            let mut world = World::of(&places.iter().map(|at| Some(*at)).collect::<Vec<_>>());
            let apart = |at: usize| -> f32 {
                let (one, other) = (place(places[at]).point(), place(from).point());
                one.iter().zip(&other).map(|(one, other)| (one - other) * (one - other)).sum()
            };
            let left = || (0..places.len()).filter(|at| !tried.contains(&(*at as u32)));
            let chosen = world.choose(Some(from), &tried).chosen.map(|at| at.0 as usize);
            let least = left().map(apart).min_by(f32::total_cmp);
            let (chosen, least) = (chosen.map(apart), least);
            prop_assert_eq!(chosen.is_some(), least.is_some());
            // A key tells a place to some 6 m.
            prop_assert!(chosen.unwrap_or(0.0).sqrt() <= least.unwrap_or(0.0).sqrt() + 1e-5, "{:?} {:?}", chosen, least);
        }

        #[test]
        fn when_a_place_goes_only_its_clients_move_and_nobody_is_left_alone(
            places in prop::collection::vec((-90f64..90.0, -180f64..180.0), 2..20), gone in any::<prop::sample::Index>(),
            clients in prop::collection::vec((-90f64..90.0, -180f64..180.0), 30),
        ) {
            let mut world = World::of(&places.iter().map(|at| Some(*at)).collect::<Vec<_>>());
            let homes = |world: &mut World| -> Vec<usize> {
                clients.iter().map(|from| world.choose(Some(*from), &[]).chosen.unwrap().0 as usize).collect()
            };
            let before = homes(&mut world);
            let gone = gone.index(places.len());
            world.drain(gone);
            let after = homes(&mut world);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| before == after || *before == gone));
            prop_assert!(!after.contains(&gone));
        }
    }
}
