//! All metrics, by identity. Locked for registration and for a scrape, never for a request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidegate_core::health::Sample;
use tidegate_core::snapshot::compiled::Upstream;

use super::counted::{CLASSES, EndpointMetrics, HealthMetrics, ListenerMetrics, RouteMetrics, ThreadMetrics};
use super::counter::Gauge;
use super::family::Family;
use super::process::unix_ns;
use super::targets::{self, TargetCounts, TargetMetrics};
use super::upstreams::Upstreams;

/// What the threads of this process count.
#[derive(Debug)]
pub struct Registry {
    families: Mutex<Families>,
    pub(super) started_ns: u64,
    pub(super) snapshot: AtomicU64,
    pub(super) snapshot_ns: AtomicU64,
    pub(super) applied: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) access: Arc<LogCounts>,
    pub(super) program: Arc<LogCounts>,
}

/// What became of the lines of one log; counted by any thread, seldom.
#[derive(Debug, Default)]
pub struct LogCounts {
    /// Lines that reached the destination.
    pub written: AtomicU64,
    /// Lines for which there was no room: those before them waited.
    pub full: AtomicU64,
    /// Lines that the destination never took: it was gone, or they were too long for it.
    pub refused: AtomicU64,
    /// Lines that were written in part when their file was opened anew.
    pub torn: AtomicU64,
}

impl LogCounts {
    /// Lines that were dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        [&self.full, &self.refused, &self.torn].map(|count| count.load(Ordering::Relaxed)).into_iter().sum()
    }
}

/// What was counted of an endpoint since the first worker that handed its counts on, and how it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct EndpointCounts {
    /// Exchanges with it now.
    pub exchanges: u64,
    /// Connections to it that wait in the pools now.
    pub idle: u64,
    /// Times that it was chosen for a request.
    pub requests: u64,
    /// Requests that failed after a connection was there.
    pub failures: u64,
    /// Answers with a status of 500 or more.
    pub server_errors: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Requests that took an idle connection.
    pub reused: u64,
    /// Times that it was passed over from then on.
    pub passed_over: u64,
}

/// What was counted of a route since the first worker that handed its counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteCounts {
    /// Requests that have ended, by [`CLASSES`].
    pub requests: [u64; CLASSES.len()],
    /// Bytes received from clients.
    pub bytes_in: u64,
    /// Bytes sent to clients.
    pub bytes_out: u64,
}

/// Everything that is counted by identity.
#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) routes: Family<String, RouteMetrics>,
    pub(super) targets: Family<(String, String), TargetMetrics>,
    pub(super) endpoints: Family<(String, String), EndpointMetrics>,
    pub(super) health: Family<(String, String), HealthMetrics>,
    pub(super) panics: Family<String, Gauge>,
    pub(super) listeners: Family<String, ListenerMetrics>,
    pub(super) threads: Vec<Arc<ThreadMetrics>>,
    /// What threads of these numbers counted in workers before this one.
    pub(super) threads_before: Vec<ThreadMetrics>,
    pub(super) upstreams: Upstreams,
    /// When the list of each provider of endpoints was last known to hold, in seconds since 1970.
    pub(super) providers: BTreeMap<String, f64>,
}

/// Everything that a snapshot names.
#[derive(Debug, Default)]
pub struct Named<'a> {
    /// Routes.
    pub routes: HashSet<&'a str>,
    /// Endpoints, as (upstream, address).
    pub endpoints: HashSet<(&'a str, &'a str)>,
    /// Listeners.
    pub listeners: HashSet<&'a str>,
    /// Upstreams, by name.
    pub upstreams: HashMap<&'a str, &'a Arc<Upstream>>,
}

impl Families {
    /// Where what thread `number` of workers before this one has counted is added.
    pub(super) fn thread_before(&mut self, number: usize) -> &ThreadMetrics {
        if self.threads_before.len() <= number {
            self.threads_before.resize_with(number + 1, ThreadMetrics::default);
        }
        &self.threads_before[number]
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            families: Mutex::default(),
            started_ns: unix_ns(),
            snapshot: AtomicU64::new(0),
            snapshot_ns: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            access: Arc::default(),
            program: Arc::default(),
        }
    }
}

impl Registry {
    /// The counters of `thread` for the route `name`; the same ones each time.
    pub fn route(&self, thread: usize, name: &str) -> Arc<RouteMetrics> {
        self.families().routes.of(thread, name, str::to_owned)
    }

    /// Takes when the list of each provider was last known to hold; providers that are not told are gone.
    pub fn keep_providers(&self, good: HashMap<String, f64>) {
        self.families().providers = good.into_iter().collect();
    }

    /// The counters of `thread` for what `upstream` gets of `route`, which it shares; the same ones each time.
    pub fn target(&self, thread: usize, route: &str, upstream: &str) -> Arc<TargetMetrics> {
        self.families().targets.of(thread, &(route.to_owned(), upstream.to_owned()), Clone::clone)
    }

    /// What was counted of each upstream that shares `route` or did, over all threads.
    pub fn target_counts(&self, route: &str) -> Vec<TargetCounts> {
        let families = self.families();
        let of_route = families.targets.named.iter().filter(|((name, _), _)| name == route);
        let counts = of_route.map(|(key @ (_, upstream), each)| {
            let mut waits = targets::no_waits();
            each.all().for_each(|one| one.add_to(&mut waits));
            TargetCounts {
                upstream: upstream.clone(),
                good: families.targets.sum_of(key, |one| one.good.get()),
                bad: families.targets.sum_of(key, |one| one.bad.get()),
                waits: targets::told(&waits),
            }
        });
        counts.collect()
    }

    /// The counters of `thread` for the endpoint `address` of `upstream`; the same ones each time.
    pub fn endpoint(&self, thread: usize, upstream: &str, address: &str) -> Arc<EndpointMetrics> {
        let key = (upstream.to_owned(), address.to_owned());
        self.families().endpoints.of(thread, &key, Clone::clone)
    }

    /// The prober's counters for the endpoint `address` of `upstream`; the same ones each time.
    pub fn health(&self, upstream: &str, address: &str) -> Arc<HealthMetrics> {
        self.families().health.of(0, &(upstream.to_owned(), address.to_owned()), Clone::clone)
    }

    /// The prober's word on whether `upstream` uses all its endpoints for want of healthy ones.
    pub fn panic(&self, upstream: &str) -> Arc<Gauge> {
        self.families().panics.of(0, upstream, str::to_owned)
    }

    /// What the endpoint `address` of `upstream` has done so far, over all threads.
    pub fn sample(&self, upstream: &str, address: &str) -> Sample {
        let key = (upstream.to_owned(), address.to_owned());
        let families = self.families();
        let sum = |what: fn(&EndpointMetrics) -> u64| families.endpoints.sum_of(&key, what);
        let good = sum(|one| one.good.get());
        let waits = families.endpoints.named.get(&key).map(|each| each.totals(|one| &one.first_byte));
        let waits = waits.unwrap_or_default();
        Sample {
            requests: good + sum(|one| one.failures.get()) + sum(|one| one.server_errors.get()),
            good,
            answers: waits.buckets.iter().sum(),
            waited: Duration::from_nanos(u64::try_from(waits.sum_ns).unwrap_or(u64::MAX)),
        }
    }

    /// The counters of `thread` for the listener `name`; the same ones each time.
    pub fn listener(&self, thread: usize, name: &str) -> Arc<ListenerMetrics> {
        self.families().listeners.of(thread, name, str::to_owned)
    }

    /// The counters of `thread` itself; the same ones each time.
    pub fn thread(&self, thread: usize) -> Arc<ThreadMetrics> {
        let mut families = self.families();
        while families.threads.len() <= thread {
            families.threads.push(Arc::default());
        }
        Arc::clone(&families.threads[thread])
    }

    /// Counts of the access log, for its writer.
    pub fn access_log(&self) -> Arc<LogCounts> {
        Arc::clone(&self.access)
    }

    /// Counts of the program log, for its writer.
    pub fn program_log(&self) -> Arc<LogCounts> {
        Arc::clone(&self.program)
    }

    /// Says that snapshot `number` is served by every thread.
    pub fn snapshot_applied(&self, number: u64) {
        self.snapshot.store(number, Ordering::Relaxed);
        self.snapshot_ns.store(unix_ns(), Ordering::Relaxed);
        self.applied.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that a snapshot was refused.
    pub fn snapshot_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets, [`REMEMBERED`](super::family::REMEMBERED) from `now`, what the new snapshot does not name; what was to be forgotten and is named
    /// again goes on. Called after each snapshot and each change of endpoints.
    pub fn retire(&self, named: &Named<'_>, now: Instant) {
        let mut families = self.families();
        families.routes.retire(now, |name| named.routes.contains(name.as_str()));
        families.upstreams.take(&named.upstreams, now);
        families.targets.retire(now, |(route, upstream)| {
            named.routes.contains(route.as_str()) && named.upstreams.contains_key(upstream.as_str())
        });
        families.listeners.retire(now, |name| named.listeners.contains(name.as_str()));
        let is_named =
            |(upstream, address): &(String, String)| named.endpoints.contains(&(upstream.as_str(), address.as_str()));
        families.endpoints.retire(now, is_named);
        families.health.retire(now, is_named);
        let upstreams: HashSet<&str> = named.endpoints.iter().map(|(upstream, _)| *upstream).collect();
        families.panics.retire(now, |name| upstreams.contains(name.as_str()));
    }

    /// What was counted of the endpoint `address` of `upstream`, over all threads.
    pub fn endpoint_counts(&self, upstream: &str, address: &str) -> EndpointCounts {
        let key = (upstream.to_owned(), address.to_owned());
        let families = self.families();
        let sum = |what: fn(&EndpointMetrics) -> u64| families.endpoints.sum_of(&key, what);
        EndpointCounts {
            exchanges: sum(|endpoint| endpoint.exchanges.get()),
            idle: sum(|endpoint| endpoint.idle.get()),
            requests: sum(|endpoint| endpoint.requests.get()),
            failures: sum(|endpoint| endpoint.failures.get()),
            server_errors: sum(|endpoint| endpoint.server_errors.get()),
            connect_failures: sum(|endpoint| endpoint.connect_failures.get()),
            connections: sum(|endpoint| endpoint.connects.get()),
            reused: sum(|endpoint| endpoint.reused.get()),
            passed_over: sum(|endpoint| endpoint.passed_over.get()),
        }
    }

    /// What was counted of the route `name`, over all threads.
    pub fn route_counts(&self, name: &str) -> RouteCounts {
        let families = self.families();
        let sum = |what: &dyn Fn(&RouteMetrics) -> u64| families.routes.sum_of(name, what);
        RouteCounts {
            requests: std::array::from_fn(|class| sum(&|route| route.requests(class))),
            bytes_in: sum(&|route| route.bytes_in.get()),
            bytes_out: sum(&|route| route.bytes_out.get()),
        }
    }

    /// Exchanges now with the endpoint `address` of `upstream`, over all threads.
    pub fn exchanges(&self, upstream: &str, address: &str) -> u64 {
        let key = (upstream.to_owned(), address.to_owned());
        self.families().endpoints.sum_of(&key, |endpoint| endpoint.exchanges.get())
    }

    /// Connections open now on the listener `name`, over all threads.
    pub fn open_connections(&self, name: &str) -> u64 {
        open(&self.families().listeners, name)
    }

    /// A thread that panicked while it held the lock left counters as they were: nothing there can be half done.
    pub(super) fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections of this worker open now. Closed is read first, so that a connection that comes and goes meanwhile never makes
/// it negative.
pub(super) fn open(listeners: &Family<String, ListenerMetrics>, name: &str) -> u64 {
    let closed = listeners.here(name, |listener| listener.closed.get());
    listeners.here(name, |listener| listener.accepted.get()).saturating_sub(closed)
}
