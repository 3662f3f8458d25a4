//! The table of routes. Of all routes that match, the most specific: by host (exact, longest wildcard, none), then by
//! path (exact, regex with the longest pattern, longest prefix, none), then by conditions (`conditions.rs`), then by
//! priority, then as they stand in the file.
//!
//! A host is found by its hash, so a request costs the same with one host and with 10,000. Where the most specific host
//! has no route for the path, or none whose conditions hold, the less specific ones are asked. A route without conditions
//! is told from one with them by a bit of its entry, so it costs one comparison.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::conditions::{Conditions, strength};
use super::host::HostKey;
use super::hosts::Hosts;
use super::path::PathForms;
use super::patterns::flaw;
use crate::failure::{Failure, Kind, Stage};
use crate::rule::{Sets, Subject};
use crate::snapshot::document::{PathMatch, Route};

/// A route, as its place in the snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct RouteId(pub u32);

/// What was chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// This route.
    Route(RouteId),
    /// No route matches.
    Nothing,
    /// Another reader of the path would choose another route.
    Ambiguous(Failure),
}

/// All routes, by listener.
#[derive(Debug)]
pub struct Table {
    pub(super) listeners: Vec<Arc<Hosts>>,
    /// By route; empty where no route has any.
    pub(super) conditions: Box<[Option<Box<Conditions>>]>,
    pub(super) routes: usize,
}

/// Marks an entry whose route has conditions. The rest of the entry is the route.
pub(super) const CONDITIONAL: u32 = 1 << 31;

/// The route of an entry.
pub(super) fn route_of(entry: u32) -> u32 {
    entry & !CONDITIONAL
}

pub(super) fn index_of(entry: u32) -> usize {
    route_of(entry) as usize
}

/// Sees each route whose host and path match, the most specific first, and says whether to go on. What serves stops at
/// the first whose conditions hold, `explain` sees all.
pub(super) trait Recorder {
    fn host(&mut self, _routes: &[u32]) {}
    fn matched(&mut self, entry: u32) -> ControlFlow<()>;
}

/// Finds the first whose conditions hold.
struct First<'a> {
    table: &'a Table,
    subject: &'a Subject<'a>,
    path: &'a [u8],
    found: Option<u32>,
}

impl Recorder for First<'_> {
    fn matched(&mut self, entry: u32) -> ControlFlow<()> {
        if entry & CONDITIONAL != 0 && !self.table.holds(entry, self.subject, self.path) {
            return ControlFlow::Continue(());
        }
        self.found = Some(route_of(entry));
        ControlFlow::Break(())
    }
}

impl Table {
    /// Compiles the table. Fails with every problem, a sentence each.
    pub fn build(routes: &[Route], listeners: usize, sets: &Sets) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let conditions = compile_conditions(routes, sets, &mut problems);
        let mut by_listener: Vec<Vec<u32>> = vec![Vec::new(); listeners];
        let mut order: Vec<usize> = (0..routes.len()).collect();
        order.sort_by_cached_key(|at| routes.get(*at).map(|route| std::cmp::Reverse(strength(route))));
        for at in order {
            let Some(route) = routes.get(at) else { continue };
            if let Some(PathMatch::Regex(pattern)) = &route.path
                && let Some(says) = flaw(pattern)
            {
                problems.push(format!("{}: route {}: the regex `{pattern}` is wrong: {says}", route.place, route.name));
            }
            let mark = if route.only.is_some() { CONDITIONAL } else { 0 };
            let entry = u32::try_from(at).unwrap_or(u32::MAX) | mark;
            for listener in &route.listeners {
                match by_listener.get_mut(*listener) {
                    Some(all) if all.last() == Some(&entry) => {} // named twice
                    Some(all) => all.push(entry),
                    None => {
                        let says = format!("there is no listener number {listener}");
                        problems.push(format!("{}: route {}: {says}", route.place, route.name));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut known: HashMap<Vec<u32>, Arc<Hosts>> = HashMap::new();
        let mut tables = Vec::with_capacity(listeners);
        for all in by_listener {
            let hosts = match known.get(&all) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Hosts::build(routes, &all).map_err(|says| vec![says])?),
            };
            known.insert(all, Arc::clone(&hosts));
            tables.push(hosts);
        }
        Ok(Self { listeners: tables, conditions, routes: routes.len() })
    }

    /// The route of a request. `host` as it was sent: port, case and a last dot make no difference. Conditions are asked
    /// of `subject` with each reading of the path, so that what they say of it is compared as well.
    pub fn choose(&self, listener: usize, host: Option<&[u8]>, path: &PathForms<'_>, subject: &Subject<'_>) -> Choice {
        let Some(hosts) = self.listeners.get(listener) else { return Choice::Nothing };
        let key = host.and_then(HostKey::of);
        let choose = |path: &[u8]| {
            let mut first = First { table: self, subject, path, found: None };
            let _ = hosts.visit(key.as_ref(), path, &mut first);
            first.found
        };
        let chosen = choose(&path.matched);
        if path.separated.as_deref().is_some_and(|path| choose(path) != chosen) {
            let reason = "reading %2F as a slash would choose another route";
            return Choice::Ambiguous(Failure::new(Kind::AmbiguousPath, Stage::Route, reason));
        }
        if path.deep.iter().any(|path| choose(path) != chosen) {
            let reason = "decoding %25 once more would choose another route";
            return Choice::Ambiguous(Failure::new(Kind::AmbiguousPath, Stage::Route, reason));
        }
        chosen.map_or(Choice::Nothing, |route| Choice::Route(RouteId(route)))
    }

    fn holds(&self, entry: u32, subject: &Subject<'_>, path: &[u8]) -> bool {
        self.of(entry).is_none_or(|only| only.unmet(&Subject { path: Some(path), ..*subject }).is_none())
    }

    /// The conditions of a route.
    pub(super) fn of(&self, entry: u32) -> Option<&Conditions> {
        self.conditions.get(index_of(entry))?.as_deref()
    }
}

/// None at all where no route has any.
fn compile_conditions(routes: &[Route], sets: &Sets, problems: &mut Vec<String>) -> Box<[Option<Box<Conditions>>]> {
    if routes.iter().all(|route| route.only.is_none()) {
        return Box::default();
    }
    let mut compile = |route: &Route| match Conditions::build(route.only.as_deref()?, sets) {
        Ok(conditions) => Some(Box::new(conditions)),
        Err(says) => {
            problems.push(format!("{}: route {}: {says}", route.place, route.name));
            None
        }
    };
    routes.iter().map(&mut compile).collect()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
