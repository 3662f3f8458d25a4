//! Where a thread counts what its exchanges did: its counters in the registry, found once and kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_core::route::RouteId;
use tidegate_core::snapshot::compiled::Compiled;

use crate::metrics::Registry;
use crate::metrics::counted::{EndpointMetrics, RouteMetrics};
use crate::metrics::targets::TargetMetrics;
use crate::sys::prefetch::prefetch;

/// A thread's counters of routes and endpoints.
pub struct Counters {
    registry: Arc<Registry>,
    thread: usize,
    routes: RefCell<OfSnapshot>,
    /// By route and upstream, of routes that several share.
    targets: RefCell<HashMap<String, HashMap<String, Arc<TargetMetrics>>>>,
    endpoints: RefCell<FxHashMap<u32, Arc<EndpointMetrics>>>,
}

/// Those of the routes of one snapshot.
#[derive(Default)]
struct OfSnapshot {
    number: u64,
    by_id: Vec<Option<Arc<RouteMetrics>>>,
}

impl Counters {
    /// Those of the thread of this number, none of which has been found yet.
    pub fn new(registry: Arc<Registry>, thread: usize) -> Self {
        Self {
            registry,
            thread,
            routes: RefCell::default(),
            targets: RefCell::default(),
            endpoints: RefCell::default(),
        }
    }

    /// Counts something of a route of the snapshot.
    pub fn of_route(&self, compiled: &Compiled, id: RouteId, count: impl FnOnce(&RouteMetrics)) {
        let Some(route) = compiled.route(id) else { return };
        let mut routes = self.routes.borrow_mut();
        let made = || self.of_name(&route.name);
        if routes.number != compiled.document.number {
            // An exchange that began under an older snapshot is looked up among all, by name.
            if routes.number > compiled.document.number {
                count(&made());
                return;
            }
            *routes = OfSnapshot { number: compiled.document.number, by_id: vec![None; compiled.routes.len()] };
            self.targets.borrow_mut().clear(); // what was forgotten meanwhile must not be counted on
        }
        if let Some(of_route) = routes.by_id.get_mut(id.0 as usize) {
            count(of_route.get_or_insert_with(made));
        }
    }

    /// A request of `route` will be counted, `soon` or later. With thousands of routes its counters are in no cache: where
    /// they are is fetched while the endpoint is asked, and they themselves while the answer is written.
    pub fn expect(&self, route: Option<RouteId>, soon: bool) {
        let routes = self.routes.borrow();
        match route.and_then(|id| routes.by_id.get(id.0 as usize)) {
            Some(Some(counters)) if soon => prefetch(&**counters),
            Some(place) if !soon => prefetch(place),
            Some(_) | None => {}
        }
    }

    /// The counters of the route of this name, found among all.
    pub fn of_name(&self, name: &str) -> Arc<RouteMetrics> {
        self.registry.route(self.thread, name)
    }

    /// Counts with the counters of what `upstream` gets of a route that several share.
    pub fn of_target(&self, route: &str, upstream: &str, count: impl FnOnce(&TargetMetrics)) {
        let mut targets = self.targets.borrow_mut();
        if let Some(known) = targets.get(route).and_then(|shared| shared.get(upstream)) {
            return count(known);
        }
        let made = self.registry.target(self.thread, route, upstream);
        count(&made);
        targets.entry(route.to_owned()).or_default().insert(upstream.to_owned(), made);
    }

    /// The counters of the endpoint with this id.
    pub fn of_endpoint(&self, id: u32, upstream: &str, address: &str) -> Arc<EndpointMetrics> {
        let mut endpoints = self.endpoints.borrow_mut();
        let made = || self.registry.endpoint(self.thread, upstream, address);
        Arc::clone(endpoints.entry(id).or_insert_with(made))
    }
}
