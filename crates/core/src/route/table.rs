//! The table of routes. Of all routes that match, the most specific: by host (exact, longest wildcard, none), then by
//! path (exact, regex with the longest pattern, longest prefix, none), then by priority, then as they stand in the file.
//!
//! A host is found by its hash, so a request costs the same with one host and with 10,000. Where the most specific host
//! has no route for the path, the less specific ones are asked.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::host::{Fold, HostKey, Key};
use super::path::PathForms;
use super::patterns::{Patterns, flaw};
use super::tree::{Routes, Tree, TreeBuilder};
use crate::failure::{Failure, Kind, Stage};
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

/// What became of a route in one choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was chosen.
    Chosen,
    /// It matches too, but the chosen one is more specific or has the higher priority.
    LessSpecific,
    /// Its host matches, its path does not.
    OtherPath,
    /// Its host does not match.
    OtherHost,
    /// It is not on this listener.
    OtherListener,
}

/// A route and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Considered {
    /// The route.
    pub route: RouteId,
    /// What became of it.
    pub outcome: Outcome,
}

/// All routes, by listener.
#[derive(Debug)]
pub struct Table {
    listeners: Vec<Arc<Hosts>>,
    routes: usize,
}

/// The routes of one listener, by host. Listeners with the same routes share it.
#[derive(Debug, Default)]
struct Hosts {
    exact: HashMap<Key, OfHost, Fold>,
    /// By what stands behind `*.`.
    wildcards: HashMap<Key, OfHost, Fold>,
    /// The most labels that a wildcard has behind its star.
    deepest: usize,
    any: Option<OfHost>,
    all: Vec<u32>,
}

/// The routes of one host. With thousands of hosts each costs cold lines of the cache, so the usual one is in place.
#[derive(Debug)]
enum OfHost {
    /// One route, which takes every path.
    One(u32),
    /// Several, or by path.
    Many(Box<Paths>),
}

/// The routes of one host, by path.
#[derive(Debug)]
struct Paths {
    tree: Option<Tree>,
    patterns: Option<(Patterns, Vec<u32>)>,
    none: Option<Routes>,
    all: Vec<u32>,
}

/// Sees each route that matches, the most specific first, and says whether to go on. What serves stops at the first,
/// `explain` sees all.
trait Recorder {
    /// Whether it goes on behind the first.
    const ALL: bool;

    fn host(&mut self, _routes: &[u32]) {}
    fn matched(&mut self, route: u32) -> ControlFlow<()>;
}

struct First(Option<u32>);

impl Recorder for First {
    const ALL: bool = false;

    fn matched(&mut self, route: u32) -> ControlFlow<()> {
        self.0 = Some(route);
        ControlFlow::Break(())
    }
}

#[derive(Default)]
struct Everything {
    matched: Vec<u32>,
    hosts: Vec<u32>,
}

impl Recorder for Everything {
    const ALL: bool = true;

    fn host(&mut self, routes: &[u32]) {
        self.hosts.extend_from_slice(routes);
    }

    fn matched(&mut self, route: u32) -> ControlFlow<()> {
        self.matched.push(route);
        ControlFlow::Continue(())
    }
}

impl Table {
    /// Compiles the table. Fails with every problem, a sentence each.
    pub fn build(routes: &[Route], listeners: usize) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut by_listener: Vec<Vec<u32>> = vec![Vec::new(); listeners];
        let mut order: Vec<usize> = (0..routes.len()).collect();
        order.sort_by_key(|at| routes.get(*at).map(|route| std::cmp::Reverse(route.priority)));
        for at in order {
            let Some(route) = routes.get(at) else { continue };
            if let Some(PathMatch::Regex(pattern)) = &route.path
                && let Some(says) = flaw(pattern)
            {
                problems.push(format!("{}: route {}: the regex `{pattern}` is wrong: {says}", route.place, route.name));
            }
            for listener in &route.listeners {
                match by_listener.get_mut(*listener) {
                    Some(all) if all.last() == u32::try_from(at).ok().as_ref() => {} // named twice
                    Some(all) => all.push(u32::try_from(at).unwrap_or(u32::MAX)),
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
        Ok(Self { listeners: tables, routes: routes.len() })
    }

    /// The route of a request. `host` as it was sent: port, case and a last dot make no difference.
    pub fn choose(&self, listener: usize, host: Option<&[u8]>, path: &PathForms<'_>) -> Choice {
        let Some(hosts) = self.listeners.get(listener) else { return Choice::Nothing };
        let key = host.and_then(HostKey::of);
        let choose = |path: &[u8]| {
            let mut first = First(None);
            let _ = hosts.visit(key.as_ref(), path, &mut first);
            first.0
        };
        let chosen = choose(&path.matched);
        if path.separated.as_deref().is_some_and(|path| choose(path) != chosen) {
            let reason = "reading %2F as a slash would choose another route";
            return Choice::Ambiguous(Failure::new(Kind::AmbiguousPath, Stage::Route, reason));
        }
        if path.deep.as_deref().is_some_and(|path| choose(path) != chosen) {
            let reason = "decoding %25 once more would choose another route";
            return Choice::Ambiguous(Failure::new(Kind::AmbiguousPath, Stage::Route, reason));
        }
        chosen.map_or(Choice::Nothing, |route| Choice::Route(RouteId(route)))
    }

    /// What became of every route: the chosen one, then the others that match, the most specific first, then the rest.
    pub fn explain(&self, listener: usize, host: Option<&[u8]>, path: &PathForms<'_>) -> Vec<Considered> {
        let mut seen = Everything::default();
        let hosts = self.listeners.get(listener);
        if let Some(hosts) = hosts {
            let key = host.and_then(HostKey::of);
            let _ = hosts.visit(key.as_ref(), &path.matched, &mut seen);
        }
        let mut outcomes = vec![Outcome::OtherListener; self.routes];
        let on_listener = hosts.map(|hosts| hosts.all.as_slice()).unwrap_or_default();
        for (all, outcome) in [
            (on_listener, Outcome::OtherHost),
            (&seen.hosts, Outcome::OtherPath),
            (&seen.matched, Outcome::LessSpecific),
            (seen.matched.get(..1).unwrap_or_default(), Outcome::Chosen),
        ] {
            for route in all {
                if let Some(place) = outcomes.get_mut(*route as usize) {
                    *place = outcome;
                }
            }
        }
        let matched = seen.matched.iter().copied();
        let others = (0u32..).zip(&outcomes).filter(|(_, o)| !matches!(o, Outcome::Chosen | Outcome::LessSpecific));
        matched
            .chain(others.map(|(route, _)| route))
            .filter_map(|route| {
                let outcome = *outcomes.get(route as usize)?;
                Some(Considered { route: RouteId(route), outcome })
            })
            .collect()
    }
}

impl Hosts {
    /// `all` are the routes of the listener, those of higher priority first.
    fn build(routes: &[Route], all: &[u32]) -> Result<Self, String> {
        let mut by_host: HashMap<Option<&str>, Vec<u32>> = HashMap::new();
        for at in all {
            let host = routes.get(*at as usize).and_then(|route| route.host.as_deref());
            by_host.entry(host).or_default().push(*at);
        }
        let mut hosts = Self { all: all.to_vec(), ..Self::default() };
        for (host, group) in by_host {
            let paths = OfHost::build(routes, group)
                .map_err(|says| format!("the regexes of host {}: {says}", host.unwrap_or("(any)")))?;
            match host.map(|host| (host, host.strip_prefix("*."))) {
                None => hosts.any = Some(paths),
                Some((_, Some(below))) => {
                    hosts.deepest = hosts.deepest.max(below.split('.').count());
                    hosts.wildcards.insert(Key::of(below), paths);
                }
                Some((host, None)) => drop(hosts.exact.insert(Key::of(host), paths)),
            }
        }
        Ok(hosts)
    }

    fn visit(&self, host: Option<&HostKey>, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        let host = host.map(HostKey::as_bytes).unwrap_or_default();
        if !host.is_empty() {
            if let Some(paths) = self.exact.get(host) {
                paths.visit(path, recorder)?;
            }
            if self.deepest > 0 {
                self.visit_wildcards(host, path, recorder)?;
            }
        }
        self.any.as_ref().map_or(ControlFlow::Continue(()), |paths| paths.visit(path, recorder))
    }

    /// The longest first; what has more labels than any wildcard is not looked up.
    fn visit_wildcards(&self, host: &[u8], path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        let dots = host.iter().filter(|byte| **byte == b'.').count();
        let mut labels = dots + 1;
        let mut rest = host;
        while let Some(at) = memchr::memchr(b'.', rest) {
            rest = rest.get(at + 1..).unwrap_or_default();
            labels -= 1;
            if labels <= self.deepest
                && let Some(paths) = self.wildcards.get(rest)
            {
                paths.visit(path, recorder)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl OfHost {
    fn build(routes: &[Route], all: Vec<u32>) -> Result<Self, String> {
        match all.as_slice() {
            [only] if routes.get(*only as usize).is_some_and(|route| route.path.is_none()) => Ok(Self::One(*only)),
            _ => Paths::build(routes, all).map(|paths| Self::Many(Box::new(paths))),
        }
    }

    fn visit(&self, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        match self {
            Self::One(route) => {
                recorder.host(std::slice::from_ref(route));
                recorder.matched(*route)
            }
            Self::Many(paths) => paths.visit(path, recorder),
        }
    }
}

impl Paths {
    fn build(routes: &[Route], all: Vec<u32>) -> Result<Self, String> {
        let (mut tree, mut regexes, mut none) = (TreeBuilder::default(), Vec::new(), Vec::new());
        for at in &all {
            match routes.get(*at as usize).map(|route| &route.path) {
                Some(Some(PathMatch::Exact(path))) => tree.exact(path, *at),
                Some(Some(PathMatch::Prefix(path))) => tree.prefix(path, *at),
                Some(Some(PathMatch::Regex(pattern))) => regexes.push((pattern.as_str(), *at)),
                Some(None) => none.push(*at),
                None => {}
            }
        }
        regexes.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len())); // stable: equal ones stay by priority
        let patterns = if regexes.is_empty() {
            None
        } else {
            let texts: Vec<&str> = regexes.iter().map(|(pattern, _)| *pattern).collect();
            Some((Patterns::build(&texts)?, regexes.iter().map(|(_, at)| *at).collect()))
        };
        let none = (!none.is_empty()).then(|| none.into_boxed_slice());
        Ok(Self { tree: tree.build(), patterns, none, all })
    }

    fn visit<R: Recorder>(&self, path: &[u8], recorder: &mut R) -> ControlFlow<()> {
        recorder.host(&self.all);
        let mut shorter = Vec::new(); // prefixes, the shortest first; only for those who look behind the longest
        let passed = |routes| {
            if R::ALL {
                shorter.push(routes);
            }
        };
        let found = self.tree.as_ref().map(|tree| tree.walk(path, passed)).unwrap_or_default();
        for route in found.exact.into_iter().flatten() {
            recorder.matched(*route)?;
        }
        if let Some((patterns, routes)) = &self.patterns {
            let strongest = patterns.find(path);
            let mut all = if R::ALL { patterns.find_all(path) } else { Vec::new() };
            all.retain(|at| strongest != Some(*at));
            for route in strongest.into_iter().chain(all).filter_map(|at| routes.get(at)) {
                recorder.matched(*route)?;
            }
        }
        shorter.pop();
        for routes in found.prefix.into_iter().chain(shorter.into_iter().rev()) {
            for route in routes {
                recorder.matched(*route)?;
            }
        }
        for route in self.none.iter().flatten() {
            recorder.matched(*route)?;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
