//! What became of every route in one choice: the same walk as the one that serves, that goes on behind the first.

use std::ops::ControlFlow;

use super::conditions::Unmet;
use super::host::HostKey;
use super::path::PathForms;
use super::table::{Recorder, RouteId, Table, route_of};
use crate::rule::Subject;

/// What became of a route in one choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was chosen.
    Chosen,
    /// It matches too, but the chosen one is more specific or has the higher priority.
    LessSpecific,
    /// Its host and path match, but not all that it asks besides: this one does not.
    Unmet(Unmet),
    /// Its host matches, its path does not.
    OtherPath,
    /// Its host does not match.
    OtherHost,
    /// It is not on this listener.
    OtherListener,
}

impl Outcome {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::LessSpecific => "less_specific",
            Self::Unmet(Unmet::Method) => "other_method",
            Self::Unmet(Unmet::Header(_)) => "other_header",
            Self::Unmet(Unmet::Query(_)) => "other_query",
            Self::Unmet(Unmet::From) => "other_client",
            Self::Unmet(Unmet::When) => "when_is_false",
            Self::OtherPath => "other_path",
            Self::OtherHost => "other_host",
            Self::OtherListener => "other_listener",
        }
    }
}

/// A route and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Considered {
    /// The route.
    pub route: RouteId,
    /// What became of it.
    pub outcome: Outcome,
}

/// Sees everything, in the order of precedence.
struct Everything<'a> {
    table: &'a Table,
    subject: Subject<'a>,
    matched: Vec<(u32, Option<Unmet>)>,
    hosts: Vec<u32>,
}

impl Recorder for Everything<'_> {
    fn host(&mut self, routes: &[u32]) {
        self.hosts.extend_from_slice(routes);
    }

    fn matched(&mut self, entry: u32) -> ControlFlow<()> {
        let unmet = self.table.of(entry).and_then(|only| only.unmet(&self.subject));
        self.matched.push((route_of(entry), unmet));
        ControlFlow::Continue(())
    }
}

impl Table {
    /// What became of every route: the chosen one, then the others whose host and path match, the most specific first,
    /// then the rest.
    pub fn explain(
        &self,
        listener: usize,
        host: Option<&[u8]>,
        path: &PathForms<'_>,
        subject: &Subject<'_>,
    ) -> Vec<Considered> {
        let subject = Subject { path: Some(&path.matched), ..*subject };
        let mut seen = Everything { table: self, subject, matched: Vec::new(), hosts: Vec::new() };
        let hosts = self.listeners.get(listener);
        if let Some(hosts) = hosts {
            let _ = hosts.visit(host.and_then(HostKey::of).as_ref(), &path.matched, &mut seen);
        }
        let mut outcomes = vec![Outcome::OtherListener; self.routes];
        let mut set = |entry: u32, outcome| {
            if let Some(place) = outcomes.get_mut(route_of(entry) as usize) {
                *place = outcome;
            }
        };
        let on_listener = hosts.map(|hosts| hosts.all.as_slice()).unwrap_or_default();
        on_listener.iter().for_each(|entry| set(*entry, Outcome::OtherHost));
        seen.hosts.iter().for_each(|entry| set(*entry, Outcome::OtherPath));
        for (route, unmet) in &seen.matched {
            set(*route, unmet.map_or(Outcome::LessSpecific, Outcome::Unmet));
        }
        let chosen = seen.matched.iter().find(|(_, unmet)| unmet.is_none()).map(|(route, _)| *route);
        if let Some(route) = chosen {
            set(route, Outcome::Chosen);
        }
        let others = seen.matched.iter().map(|(route, _)| *route).filter(|route| Some(*route) != chosen);
        let is_rest =
            |outcome: &Outcome| matches!(outcome, Outcome::OtherPath | Outcome::OtherHost | Outcome::OtherListener);
        let rest = (0u32..).zip(&outcomes).filter(|(_, outcome)| is_rest(outcome)).map(|(route, _)| route);
        let all = chosen.into_iter().chain(others).chain(rest);
        all.filter_map(|route| Some(Considered { route: RouteId(route), outcome: *outcomes.get(route as usize)? }))
            .collect()
    }

    /// Routes that would take the request if its method were another one: for whoever wonders about a 404.
    pub fn of_other_methods(
        &self,
        listener: usize,
        host: Option<&[u8]>,
        path: &PathForms<'_>,
        subject: &Subject<'_>,
    ) -> Vec<RouteId> {
        let Some(hosts) = self.listeners.get(listener).filter(|_| !self.conditions.is_empty()) else {
            return Vec::new();
        };
        let subject = Subject { path: Some(&path.matched), ..*subject };
        let mut seen = Everything { table: self, subject, matched: Vec::new(), hosts: Vec::new() };
        let _ = hosts.visit(host.and_then(HostKey::of).as_ref(), &path.matched, &mut seen);
        let wants = |route: &u32| self.of(*route).is_some_and(|only| only.wants_another_method(&subject));
        seen.matched.iter().map(|(route, _)| *route).filter(wants).map(RouteId).collect()
    }
}
