//! The routes of one listener, by host: the exact name, then the longest wildcard, then those for every host.

use std::collections::HashMap;
use std::ops::ControlFlow;

use hashbrown::HashTable;

use super::host::{HostKey, Key, hash_of};
use super::paths::Paths;
use super::table::{Recorder, index_of};
use crate::snapshot::document::Route;

/// The routes of one listener, by host. Listeners with the same routes share it.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: ByName,
    /// By what stands behind `*.`.
    wildcards: ByName,
    /// The most labels that a wildcard has behind its star.
    deepest: usize,
    any: Option<OfHost>,
    pub(super) all: Vec<u32>,
}

/// Routes by name of a host. With 10,000 hosts each look-up reads lines that no cache has: the slots of the index are
/// eight bytes, and so stay in it, and what a name and its routes take is one line, whose place is known at once. Where a
/// host has one route the slot knows it, so that the processor fetches the route while the name is still on its way.
#[derive(Debug, Default)]
struct ByName {
    slots: HashTable<Slot>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Slot {
    entry: u32,
    /// The only route of the host, or [`Slot::SEVERAL`].
    only: u32,
}

impl Slot {
    /// No route: there are fewer.
    const SEVERAL: u32 = u32::MAX;
}

/// A host and its routes.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    host: Key,
    routes: OfHost,
}

impl ByName {
    /// `host` is not there yet.
    fn insert(&mut self, host: &str, routes: OfHost) {
        let Self { slots, entries } = self;
        let host = Key::of(host);
        let hash = |slot: &Slot| entries.get(slot.entry as usize).map_or(0, |entry| hash_of(entry.host.as_bytes()));
        let only = if let OfHost::One(route) = routes { route } else { Slot::SEVERAL };
        let slot = Slot { entry: u32::try_from(entries.len()).unwrap_or(u32::MAX), only };
        slots.insert_unique(hash_of(host.as_bytes()), slot, hash);
        entries.push(Entry { host, routes });
    }

    fn visit(&self, host: &[u8], path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        let entry = |slot: &Slot| self.entries.get(slot.entry as usize);
        let same = |slot: &Slot| entry(slot).is_some_and(|entry| entry.host.as_bytes() == host);
        match self.slots.find(hash_of(host), same) {
            None => ControlFlow::Continue(()),
            Some(slot) if slot.only != Slot::SEVERAL => visit_only(&slot.only, recorder),
            Some(slot) => entry(slot).map_or(ControlFlow::Continue(()), |entry| entry.routes.visit(path, recorder)),
        }
    }
}

/// The routes of one host. The usual one is in place.
#[derive(Debug)]
pub(super) enum OfHost {
    /// One route, which takes every path.
    One(u32),
    /// Several, or by path.
    Many(Box<Paths>),
}

impl Hosts {
    /// `all` are the routes of the listener, the stronger of two with one host and path first.
    pub(super) fn build(routes: &[Route], all: &[u32]) -> Result<Self, String> {
        let mut by_host: HashMap<Option<&str>, Vec<u32>> = HashMap::new();
        for at in all {
            let host = routes.get(index_of(*at)).and_then(|route| route.host.as_deref());
            by_host.entry(host).or_default().push(*at);
        }
        let mut hosts = Self { all: all.to_vec(), ..Self::default() };
        for (host, group) in by_host {
            let of_host = OfHost::build(routes, group)
                .map_err(|says| format!("the regexes of host {}: {says}", host.unwrap_or("(any)")))?;
            match host.map(|host| (host, host.strip_prefix("*."))) {
                None => hosts.any = Some(of_host),
                Some((_, Some(below))) => {
                    hosts.deepest = hosts.deepest.max(below.split('.').count());
                    hosts.wildcards.insert(below, of_host);
                }
                Some((host, None)) => hosts.exact.insert(host, of_host),
            }
        }
        Ok(hosts)
    }

    pub(super) fn visit(&self, host: Option<&HostKey>, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        let host = host.map(HostKey::as_bytes).unwrap_or_default();
        if !host.is_empty() {
            self.exact.visit(host, path, recorder)?;
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
            if labels <= self.deepest {
                self.wildcards.visit(rest, path, recorder)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl OfHost {
    fn build(routes: &[Route], all: Vec<u32>) -> Result<Self, String> {
        match all.as_slice() {
            [only] if routes.get(index_of(*only)).is_some_and(|route| route.path.is_none()) => Ok(Self::One(*only)),
            _ => Paths::build(routes, all).map(|paths| Self::Many(Box::new(paths))),
        }
    }

    fn visit(&self, path: &[u8], recorder: &mut impl Recorder) -> ControlFlow<()> {
        match self {
            Self::One(route) => visit_only(route, recorder),
            Self::Many(paths) => paths.visit(path, recorder),
        }
    }
}

fn visit_only(route: &u32, recorder: &mut impl Recorder) -> ControlFlow<()> {
    recorder.host(std::slice::from_ref(route));
    recorder.matched(*route)
}
