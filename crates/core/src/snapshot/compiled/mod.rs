//! The snapshot as the road reads it: decoded once, shared by all threads, never changed.
//!
//! What a new snapshot leaves unchanged is shared with the old one; an endpoint's id and standing follow its identity
//! (upstream, address, PROXY protocol), so that pools, load and health outlive a swap.

mod layer4; // where a listener of layer 4 carries bytes to
mod listener; // what a listener's connections may do
mod route; // where the requests of a route go
mod upstream; // endpoints that do the same work
mod inherit; // what a worker tells the one that succeeds it of all that

use std::collections::HashMap;
use std::sync::Arc;

pub use inherit::{Inheritance, ToldEndpoint, ToldLatencies};
pub use layer4::Layer4;
pub use listener::Listener;
pub use route::{Redirect, Respond, Route, Target};
pub use upstream::{Endpoint, Http2Out, Key, Upstream};

use super::document::{self, Document};
use crate::challenge::Challenges;
use crate::geo::{Database, Geo};
use crate::route::{RouteId, Table};
use crate::rule::{Set, Sets};

/// The snapshot as the road reads it.
#[derive(Debug)]
pub struct Compiled {
    /// The document that it was made from.
    pub document: Document,
    /// Listeners, in the order of the document.
    pub listeners: Vec<Arc<Listener>>,
    /// Routes, in the order of the document; shared by snapshots that differ in endpoints alone.
    pub routes: Arc<[Route]>,
    /// Upstreams, in the order of the document.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Which route a request takes; shared by snapshots that differ in endpoints alone.
    pub table: Arc<Table>,
    /// Named sets.
    pub sets: Sets,
    /// What tells where clients are.
    pub geo: Geo,
    /// What shows issuers that names are ours; shared by all snapshots.
    pub challenges: Arc<Challenges>,
    next_id: u32,
}

/// What was sent apart from a document, by digest.
#[derive(Debug, Default)]
pub struct Fresh {
    /// What named sets hold.
    pub sets: HashMap<String, Arc<Set>>,
    /// Databases that tell where clients are.
    pub databases: HashMap<String, Arc<Database>>,
}

impl Compiled {
    /// Compiles `document`, whose sets `previous` has already. Else as [`Self::build_with`].
    pub fn build(document: Document, previous: Option<&Self>) -> Result<Self, Vec<String>> {
        Self::build_with(document, previous, &Fresh::default())
    }

    /// Compiles `document`. What `previous` has in common with it goes on; new sets and databases are in `fresh`. Fails with
    /// every problem, a sentence each.
    pub fn build_with(document: Document, previous: Option<&Self>, fresh: &Fresh) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if document.format != document::FORMAT {
            problems.push(format!(
                "snapshot format {} is not {}, the one read here",
                document.format,
                document::FORMAT
            ));
            return Err(problems);
        }
        if document.threads == 0 || document.threads > 1024 {
            problems.push(format!("threads: {} is not between 1 and 1024", document.threads));
        }
        let sets = gather_sets(&document, previous, &fresh.sets, &mut problems);
        let geo = gather_geo(&document.geo, previous, &fresh.databases, &mut problems);
        let listeners = listener::compile(&document, &geo, &mut problems);
        let same = previous
            .filter(|old| old.document.routes == document.routes && old.document.sets == document.sets)
            .filter(|old| old.listeners.len() == listeners.len())
            .filter(|old| {
                old.names_of_upstreams().eq(document.upstreams.iter().map(|upstream| upstream.name.as_str()))
            });
        // A new address of an endpoint comes often, and must not compile a thousand regexes anew.
        let routes = match same {
            Some(old) => Arc::clone(&old.routes),
            None => route::compile(&document, &sets, previous.map(|old| &*old.routes), &mut problems),
        };
        let table = match same {
            Some(old) => Some(Arc::clone(&old.table)),
            None => match Table::build(&document.routes, document.listeners.len(), &sets) {
                Ok(table) => Some(Arc::new(table)),
                Err(says) => {
                    problems.extend(says);
                    None
                }
            },
        };
        let challenges = previous.map(|old| Arc::clone(&old.challenges)).unwrap_or_default();
        let mut next_id = previous.map_or(0, |old| old.next_id);
        let known: HashMap<&str, &Arc<Upstream>> =
            previous.iter().flat_map(|old| &old.upstreams).map(|upstream| (upstream.name.as_str(), upstream)).collect();
        let is_new = previous.is_some_and(|old| old.document.geo != document.geo);
        let mut upstreams = Vec::with_capacity(document.upstreams.len());
        for upstream in &document.upstreams {
            let old = known.get(upstream.name.as_str()).copied();
            match upstream::compile(upstream, old, &mut next_id, &geo, is_new) {
                Ok(upstream) => upstreams.push(upstream),
                Err(says) => problems.push(format!("upstream {}: {says}", upstream.name)),
            }
        }
        match table {
            Some(table) if problems.is_empty() => {
                let compiled = Self { document, listeners, routes, upstreams, table, sets, geo, challenges, next_id };
                compiled.upstreams.iter().for_each(|upstream| upstream.ask());
                Ok(compiled)
            }
            _ => Err(problems),
        }
    }

    /// The same snapshot with another upstream in place of the one of this name: other endpoints, other weights, or
    /// something asked of one.
    pub fn with_upstream(&self, upstream: document::Upstream) -> Result<Self, String> {
        let mut document = self.document.clone();
        let Some(place) = document.upstreams.iter_mut().find(|old| old.name == upstream.name) else {
            return Err(format!("there is no upstream `{}`", upstream.name));
        };
        *place = upstream;
        Self::build(document, Some(self)).map_err(|problems| problems.join("; "))
    }

    /// The same snapshot with another target of the route of this name: a share of its requests goes elsewhere.
    pub fn with_target(&self, route: &str, to: document::Target) -> Result<Self, String> {
        let mut document = self.document.clone();
        let Some(place) = document.routes.iter_mut().find(|old| old.name == route) else {
            return Err(format!("there is no route `{route}`"));
        };
        place.to = to;
        Self::build(document, Some(self)).map_err(|problems| problems.join("; "))
    }

    fn names_of_upstreams(&self) -> impl Iterator<Item = &str> {
        self.upstreams.iter().map(|upstream| upstream.name.as_str())
    }

    /// The route with this id.
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.0 as usize)
    }
}

/// Finds what each set holds: what is known by its digest is compiled already.
fn gather_sets(
    document: &Document,
    previous: Option<&Compiled>,
    fresh: &HashMap<String, Arc<Set>>,
    problems: &mut Vec<String>,
) -> Sets {
    let mut sets = Sets::default();
    for named in &document.sets {
        let same = |old: &&document::NamedSet| old.digest == named.digest;
        let known = previous.and_then(|old| old.sets.get(&old.document.sets.iter().find(same)?.name).ok());
        match known.or_else(|| fresh.get(&named.digest).cloned()) {
            Some(set) => sets.insert(named.name.clone(), set),
            None => problems.push(format!("set {}: what it holds was not sent", named.name)),
        }
    }
    sets
}

/// Finds the databases: what is known by its digest was read already.
fn gather_geo(
    written: &document::Geo,
    previous: Option<&Compiled>,
    fresh: &HashMap<String, Arc<Database>>,
    problems: &mut Vec<String>,
) -> Geo {
    let known = |digest: &str| {
        let old = previous?;
        let (Geo { country, asn, city }, before) = (&old.geo, &old.document.geo);
        let all = [(&before.country, country), (&before.asn, asn), (&before.city, city)];
        all.into_iter().find(|(other, _)| other.as_deref() == Some(digest)).and_then(|(_, database)| database.clone())
    };
    let mut find = |name: &str, digest: &Option<String>| {
        let digest = digest.as_deref()?;
        let found = known(digest).or_else(|| fresh.get(digest).cloned());
        if found.is_none() {
            problems.push(format!("geo.{name}: the database was not sent"));
        }
        found
    };
    Geo {
        country: find("country", &written.country),
        asn: find("asn", &written.asn),
        city: find("city", &written.city),
    }
}

#[cfg(test)]
mod tests; // what a new snapshot takes over
