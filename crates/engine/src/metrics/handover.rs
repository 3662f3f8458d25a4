//! What was counted, for the worker that succeeds this one: at first all of it, then what was counted since.
//!
//! So a counter of `/metrics` never goes back over an upgrade, and `rate()` of Prometheus sees no reset. What rises and
//! falls is not told.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::counted::{EndpointMetrics, HealthMetrics, ListenerMetrics, ThreadMetrics};
use super::family::Family;
use super::registry::Registry;
use super::tally::{self, Tally};
use super::targets::TargetMetrics;
use super::upstreams::OfUpstream;

/// Rows of one piece: so it is far smaller than a frame may be.
const MOST_ROWS: usize = 500;

/// Longest name that is taken over, in bytes, and most names that one counter is told by.
const LONGEST_NAME: usize = 1024;
const MOST_NAMES: usize = 2;

/// How much counters have risen, by their places.
type Risen = Vec<(usize, u64)>;

/// Counters of one kind.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Which kind.
    pub kind: String,
    /// The names of its counters, by which `rows` tell them; told once, with the first piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<String>,
    /// Names, then how much each counter has risen.
    pub rows: Vec<(Vec<String>, Risen)>,
}

/// What was told so far, by kind and name.
#[derive(Debug, Default)]
pub struct Told(HashMap<&'static str, HashMap<Vec<String>, Vec<u64>>>);

/// Where the counters stand here that another worker tells by its own places.
#[derive(Debug, Default)]
pub struct Places(HashMap<String, Vec<Option<usize>>>);

/// By what something is counted.
pub(super) trait Name: Ord + Sized {
    fn parts(&self) -> Vec<String>;
    fn of(parts: &[String]) -> Option<Self>;
}

impl Name for String {
    fn parts(&self) -> Vec<String> {
        vec![self.clone()]
    }

    fn of(parts: &[String]) -> Option<Self> {
        parts.first().cloned()
    }
}

impl Name for (String, String) {
    fn parts(&self) -> Vec<String> {
        vec![self.0.clone(), self.1.clone()]
    }

    fn of(parts: &[String]) -> Option<Self> {
        let [one, two] = parts else { return None };
        Some((one.clone(), two.clone()))
    }
}

impl Registry {
    /// Tells what was counted since it was `told`, in pieces.
    pub fn tell(&self, told: &mut Told) -> Vec<Counts> {
        let families = self.families();
        let mut out = Vec::new();
        told.family("routes", &families.routes, &mut out);
        told.family("targets", &families.targets, &mut out);
        told.family("endpoints", &families.endpoints, &mut out);
        told.family("health", &families.health, &mut out);
        told.family("listeners", &families.listeners, &mut out);
        let threads = families.threads.iter().enumerate().map(|(number, each)| {
            let before = families.threads_before.get(number);
            (vec![number.to_string()], tally::totals(before.into_iter().chain([&**each])))
        });
        told.kind::<ThreadMetrics>("threads", threads, &mut out);
        told.kind::<OfUpstream>("upstreams", families.upstreams.totals(), &mut out);
        let process = [(Vec::new(), tally::totals([self].into_iter()))];
        told.kind::<Self>("process", process.into_iter(), &mut out);
        out
    }

    /// Takes over what another worker has counted. What this one does not count is passed over.
    pub fn inherit(&self, counts: &Counts, places: &mut Places) {
        let mut families = self.families();
        match counts.kind.as_str() {
            "routes" => inherit_family(&mut families.routes, counts, places),
            "targets" => inherit_family::<_, TargetMetrics>(&mut families.targets, counts, places),
            "endpoints" => inherit_family::<_, EndpointMetrics>(&mut families.endpoints, counts, places),
            "health" => inherit_family::<_, HealthMetrics>(&mut families.health, counts, places),
            "listeners" => inherit_family::<_, ListenerMetrics>(&mut families.listeners, counts, places),
            "threads" => places.rows::<ThreadMetrics>(counts, |names, row| {
                let number = names.first().and_then(|number| number.parse().ok()).filter(|number| *number < 1024);
                if let Some(thread) = number.map(|number| families.thread_before(number)) {
                    tally::add(thread, row);
                }
            }),
            "upstreams" => places.rows::<OfUpstream>(counts, |names, row| {
                if let Some(name) = names.first() {
                    tally::add(families.upstreams.before(name), row);
                }
            }),
            "process" => places.rows::<Self>(counts, |_, row| tally::add(self, row)),
            _ => {}
        }
    }
}

fn inherit_family<K: Name, T: Tally + Default>(family: &mut Family<K, T>, counts: &Counts, places: &mut Places) {
    places.rows::<T>(counts, |names, row| {
        if let Some(name) = K::of(names) {
            tally::add(family.before(name), row);
        }
    });
}

impl Told {
    fn family<K: Name, T: Tally + Default>(
        &mut self,
        kind: &'static str,
        family: &Family<K, T>,
        out: &mut Vec<Counts>,
    ) {
        let rows = family.named.iter().map(|(name, each)| (name.parts(), tally::totals(each.all())));
        self.kind::<T>(kind, rows, out);
    }

    fn kind<T: Tally + Default>(
        &mut self,
        kind: &'static str,
        rows: impl Iterator<Item = (Vec<String>, Vec<u64>)>,
        out: &mut Vec<Counts>,
    ) {
        let mut counters = if self.0.contains_key(kind) { Vec::new() } else { tally::names::<T>() };
        let told = self.0.entry(kind).or_default();
        let mut risen = rows.filter_map(|(names, totals)| {
            let before = told.get(&names).map(Vec::as_slice).unwrap_or_default();
            let rise = |(at, total): (usize, &u64)| {
                let more = total.saturating_sub(before.get(at).copied().unwrap_or(0));
                (more > 0).then_some((at, more))
            };
            let row: Risen = totals.iter().enumerate().filter_map(rise).collect();
            if row.is_empty() {
                return None;
            }
            told.insert(names.clone(), totals);
            Some((names, row))
        });
        loop {
            let rows: Vec<_> = risen.by_ref().take(MOST_ROWS).collect();
            if rows.is_empty() && counters.is_empty() {
                return;
            }
            out.push(Counts { kind: kind.to_owned(), counters: std::mem::take(&mut counters), rows });
        }
    }
}

impl Places {
    /// Gives each row with its counters by their places here.
    fn rows<T: Tally + Default>(&mut self, counts: &Counts, mut take: impl FnMut(&[String], &[(usize, u64)])) {
        if !counts.counters.is_empty() {
            let ours = tally::names::<T>();
            let places = counts.counters.iter().map(|name| ours.iter().position(|own| own == name));
            self.0.insert(counts.kind.clone(), places.collect());
        }
        let Some(places) = self.0.get(&counts.kind) else { return };
        for (names, row) in &counts.rows {
            if names.len() > MOST_NAMES || names.iter().any(|name| name.len() > LONGEST_NAME) {
                continue;
            }
            let here = |(at, more): &(usize, u64)| Some(((*places.get(*at)?)?, *more));
            take(names, &row.iter().filter_map(here).collect::<Vec<_>>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counted::Answered;

    fn answered() -> Answered {
        Answered { status: 200, duration_ns: 1_000_000, bytes_in: 10, bytes_out: 100 }
    }

    fn hand_over(from: &Registry, told: &mut Told, to: &Registry, places: &mut Places) -> usize {
        let pieces = from.tell(told);
        for piece in &pieces {
            let text = serde_json::to_string(piece).expect("plain data");
            to.inherit(&serde_json::from_str(&text).expect("the same"), places);
        }
        pieces.iter().map(|piece| piece.rows.len()).sum()
    }

    #[test]
    fn an_heir_goes_on_from_what_was_counted_and_follows_what_comes() {
        let (old, heir, mut told, mut places) =
            (Registry::default(), Registry::default(), Told::default(), Places::default());
        old.route(0, "a").answered(&answered());
        old.route(1, "a").answered(&answered());
        hand_over(&old, &mut told, &heir, &mut places);
        heir.route(0, "a").answered(&answered());
        assert_eq!(heir.route_counts("a").requests[2], 3);
        old.route(1, "a").answered(&answered());
        assert_eq!(hand_over(&old, &mut told, &heir, &mut places), 1);
        assert_eq!(hand_over(&old, &mut told, &heir, &mut places), 0, "nothing is told twice");
        assert_eq!(heir.route_counts("a").requests[2], 4);
        assert_eq!((heir.route_counts("a").bytes_in, old.route_counts("a").bytes_in), (40, 30));
    }

    #[test]
    fn what_an_heir_has_taken_over_it_hands_on() {
        let registries = [Registry::default(), Registry::default(), Registry::default()];
        registries[0].thread(3).beats.add(7);
        registries[0].snapshot_applied(4);
        for pair in registries.windows(2) {
            pair[1].thread(3).beats.one();
            hand_over(&pair[0], &mut Told::default(), &pair[1], &mut Places::default());
        }
        let mut last = Told::default();
        let pieces = registries[2].tell(&mut last);
        let of = |kind: &str| pieces.iter().find(|piece| piece.kind == kind).expect("it is told").rows.clone();
        assert_eq!(of("threads"), [(vec!["3".to_owned()], vec![(0, 9)])]);
        assert_eq!(of("process").len(), 1);
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let (heir, mut places) = (Registry::default(), Places::default());
        let told = |kind: &str, counters: &[&str], names: &[&str]| Counts {
            kind: kind.to_owned(),
            counters: counters.iter().map(|name| (*name).to_owned()).collect(),
            rows: vec![(names.iter().map(|name| (*name).to_owned()).collect(), vec![(0, 5), (usize::MAX, 7)])],
        };
        heir.inherit(&told("routes", &[], &["a"]), &mut places);
        heir.inherit(&told("dances", &["bytes in"], &["a"]), &mut places);
        heir.inherit(&told("routes", &["of a later version"], &["a"]), &mut places);
        heir.inherit(&told("targets", &["good"], &["only one"]), &mut places);
        heir.inherit(&told("threads", &["beats"], &["99999999"]), &mut places);
        heir.inherit(&told("routes", &["bytes in"], &[&"x".repeat(LONGEST_NAME + 1)]), &mut places);
        assert_eq!(heir.route_counts("a").bytes_in, 0);
        heir.inherit(&told("routes", &["bytes in"], &["a"]), &mut places);
        assert_eq!(heir.route_counts("a").bytes_in, 5);
    }
}
