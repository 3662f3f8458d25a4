//! All metrics, by identity. Locked for registration and for a scrape, never for a request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidegate_core::balance::history::Change;
use tidegate_core::failure::{Kind, Stage};
use tidegate_core::health::Sample;
use tidegate_core::lane::Exposition;
use tidegate_core::layer4::Dropped;
use tidegate_core::snapshot::compiled::Upstream;

use super::counted::{CLASSES, EndpointMetrics, HealthMetrics, ListenerMetrics, RouteMetrics, ThreadMetrics};
use super::counter::Gauge;
use super::histogram::{Histogram, Totals};
use super::process::{Process, unix_ns};
use super::retries::Retries;
use super::table::Metric;
use super::targets::{self, TargetCounts, TargetMetrics};
use super::text;

/// How long what no snapshot names any more is still shown, so that a last scrape sees what came after the one before.
pub const REMEMBERED: Duration = Duration::from_secs(300);

/// What the threads of this process count.
#[derive(Debug)]
pub struct Registry {
    families: Mutex<Families>,
    started_ns: u64,
    snapshot: AtomicU64,
    snapshot_ns: AtomicU64,
    applied: AtomicU64,
    refused: AtomicU64,
    access: Arc<LogCounts>,
    program: Arc<LogCounts>,
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

/// What was counted of an endpoint since the process began, and how it is now.
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

/// What was counted of a route since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteCounts {
    /// Requests that have ended, by [`CLASSES`].
    pub requests: [u64; CLASSES.len()],
    /// Bytes received from clients.
    pub bytes_in: u64,
    /// Bytes sent to clients.
    pub bytes_out: u64,
}

#[derive(Debug, Default)]
struct Families {
    routes: Family<String, RouteMetrics>,
    targets: Family<(String, String), TargetMetrics>,
    endpoints: Family<(String, String), EndpointMetrics>,
    health: Family<(String, String), HealthMetrics>,
    panics: Family<String, Gauge>,
    listeners: Family<String, ListenerMetrics>,
    threads: Vec<Arc<ThreadMetrics>>,
    retries: Retries,
    /// When the list of each provider of endpoints was last known to hold, in seconds since 1970.
    providers: BTreeMap<String, f64>,
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
            each.threads.iter().flatten().for_each(|one| one.add_to(&mut waits));
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

    /// Forgets, [`REMEMBERED`] from `now`, what the new snapshot does not name; what was to be forgotten and is named
    /// again goes on. Called after each snapshot and each change of endpoints.
    pub fn retire(&self, named: &Named<'_>, now: Instant) {
        let mut families = self.families();
        families.routes.retire(now, |name| named.routes.contains(name.as_str()));
        families.retries.take(&named.upstreams, now);
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

    /// Writes the text that Prometheus reads, in this form. Takes about 3 µs for each route, with the lock held: with
    /// thousands of routes not on a serving thread.
    pub fn render(&self, out: &mut Vec<u8>, form: Exposition) {
        let families = self.families();
        let process = Process::now();
        for metric in Metric::ALL {
            text::head(out, *metric, form);
            self.render_metric(out, *metric, &families, &process, form);
        }
        text::end(out, form);
    }

    fn render_metric(
        &self,
        out: &mut Vec<u8>,
        metric: Metric,
        families: &Families,
        process: &Process,
        form: Exposition,
    ) {
        let Families { routes, targets, endpoints, health, panics, listeners, threads, retries, providers } = families;
        let of_endpoints = |out: &mut Vec<u8>, what: fn(&EndpointMetrics) -> u64| {
            for key @ (upstream, address) in endpoints.named.keys() {
                text::sample(out, metric, &[upstream, address], endpoints.sum_of(key, what));
            }
        };
        match metric {
            Metric::Requests => {
                for name in routes.named.keys() {
                    for (class, word) in CLASSES.iter().enumerate() {
                        text::sample(out, metric, &[name, word], routes.sum_of(name, |r| r.requests(class)));
                    }
                }
            }
            Metric::TargetRequests => {
                for key @ (route, upstream) in targets.named.keys() {
                    text::sample(out, metric, &[route, upstream, "good"], targets.sum_of(key, |one| one.good.get()));
                    text::sample(out, metric, &[route, upstream, "bad"], targets.sum_of(key, |one| one.bad.get()));
                }
            }
            Metric::RequestSeconds => {
                for (name, each) in &routes.named {
                    text::histogram(out, metric, &[name], &each.totals(|route| &route.duration), form);
                }
            }
            Metric::FirstByteSeconds => {
                for ((upstream, address), each) in &endpoints.named {
                    let totals = each.totals(|endpoint| &endpoint.first_byte);
                    text::histogram(out, metric, &[upstream, address], &totals, form);
                }
            }
            Metric::BytesIn => sums(out, metric, routes, |route| route.bytes_in.get()),
            Metric::BytesOut => sums(out, metric, routes, |route| route.bytes_out.get()),
            Metric::Failures => failures(out, metric, threads),
            Metric::Accepted => sums(out, metric, listeners, |listener| listener.accepted.get()),
            Metric::Closed => sums(out, metric, listeners, |listener| listener.closed.get()),
            Metric::Refused => sums(out, metric, listeners, |listener| listener.refused.get()),
            Metric::CarriedIn => sums(out, metric, listeners, |listener| listener.bytes_in.get()),
            Metric::CarriedOut => sums(out, metric, listeners, |listener| listener.bytes_out.get()),
            Metric::DatagramsIn => sums(out, metric, listeners, |listener| listener.datagrams_in.get()),
            Metric::DatagramsOut => sums(out, metric, listeners, |listener| listener.datagrams_out.get()),
            Metric::DatagramsDropped => {
                for name in listeners.named.keys() {
                    for why in Dropped::ALL {
                        let count = listeners.sum_of(name, |listener| listener.drops(*why));
                        if count > 0 {
                            text::sample(out, metric, &[name, why.name()], count);
                        }
                    }
                }
            }
            Metric::Open => {
                for name in listeners.named.keys() {
                    text::sample(out, metric, &[name], open(listeners, name));
                }
            }
            Metric::EndpointRequests => of_endpoints(out, |endpoint| endpoint.requests.get()),
            Metric::EndpointFailures => of_endpoints(out, |endpoint| endpoint.failures.get()),
            Metric::EndpointServerErrors => of_endpoints(out, |endpoint| endpoint.server_errors.get()),
            Metric::EndpointConnectFailures => of_endpoints(out, |endpoint| endpoint.connect_failures.get()),
            Metric::EndpointConnects => of_endpoints(out, |endpoint| endpoint.connects.get()),
            Metric::EndpointReused => of_endpoints(out, |endpoint| endpoint.reused.get()),
            Metric::EndpointPassedOver => of_endpoints(out, |endpoint| endpoint.passed_over.get()),
            Metric::EndpointExchanges => of_endpoints(out, |endpoint| endpoint.exchanges.get()),
            Metric::EndpointIdle => of_endpoints(out, |endpoint| endpoint.idle.get()),
            Metric::EndpointEligible => of_health(out, health, |out, labels, one| {
                text::sample(out, metric, &labels, one.eligible.get());
            }),
            Metric::EndpointChecks => of_health(out, health, |out, [upstream, address], one| {
                text::sample(out, metric, &[upstream, address, "passed"], one.passed.get());
                text::sample(out, metric, &[upstream, address, "failed"], one.failed.get());
            }),
            Metric::EndpointChanges => of_health(out, health, |out, [upstream, address], one| {
                for change in Change::ALL.iter().filter(|change| one.changes(**change) > 0) {
                    text::sample(out, metric, &[upstream, address, change.name()], one.changes(*change));
                }
            }),
            Metric::Panic => sums(out, metric, panics, Gauge::get),
            Metric::ProviderGood => {
                for (name, seconds) in providers {
                    let nanos = Duration::try_from_secs_f64(*seconds).unwrap_or_default().as_nanos();
                    text::seconds(out, metric, &[name], nanos);
                }
            }
            Metric::Retries => retries.by_reason(out, metric),
            Metric::RetriesRefused => retries.refused(out, metric),
            Metric::Hedges => retries.hedges(out, metric, false),
            Metric::HedgesWon => retries.hedges(out, metric, true),
            Metric::Mirrored => retries.mirrored(out, metric),
            Metric::Snapshot => text::sample(out, metric, &[], self.snapshot.load(Ordering::Relaxed)),
            Metric::SnapshotTime => text::seconds(out, metric, &[], self.snapshot_ns.load(Ordering::Relaxed).into()),
            Metric::Reloads => {
                text::sample(out, metric, &["applied"], self.applied.load(Ordering::Relaxed));
                text::sample(out, metric, &["refused"], self.refused.load(Ordering::Relaxed));
            }
            Metric::LogDropped => {
                for (log, counts) in [("access", &self.access), ("program", &self.program)] {
                    let LogCounts { full, refused, torn, .. } = &**counts;
                    for (reason, count) in [("full", full), ("refused", refused), ("torn", torn)] {
                        text::sample(out, metric, &[log, reason], count.load(Ordering::Relaxed));
                    }
                }
            }
            Metric::LogWritten => {
                text::sample(out, metric, &["access"], self.access.written.load(Ordering::Relaxed));
                text::sample(out, metric, &["program"], self.program.written.load(Ordering::Relaxed));
            }
            Metric::ThreadBeats => {
                for (number, thread) in threads.iter().enumerate() {
                    text::sample(out, metric, &[&number.to_string()], thread.beats.get());
                }
            }
            Metric::Threads => text::sample(out, metric, &[], threads.len() as u64),
            Metric::Build => text::sample(out, metric, &[env!("CARGO_PKG_VERSION")], 1),
            Metric::ProcessStart => text::seconds(out, metric, &[], self.started_ns.into()),
            Metric::ProcessCpu => text::seconds(out, metric, &[], process.cpu.as_nanos()),
            Metric::ProcessMemory => text::sample(out, metric, &[], process.memory),
            Metric::ProcessOpenFds => text::sample(out, metric, &[], process.open_fds),
            Metric::ProcessMaxFds => text::sample(out, metric, &[], process.max_fds),
        }
    }

    /// A thread that panicked while it held the lock left counters as they were: nothing there can be half done.
    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted for each name, by each thread.
#[derive(Debug)]
struct Family<K, T> {
    named: BTreeMap<K, Each<T>>,
}

#[derive(Debug)]
struct Each<T> {
    threads: Vec<Option<Arc<T>>>,
    retired: Option<Instant>,
}

impl<T> Each<T> {
    fn totals(&self, of: impl Fn(&T) -> &Histogram) -> Totals {
        let mut totals = Totals::default();
        self.threads.iter().flatten().for_each(|one| of(one).add_to(&mut totals));
        totals
    }
}

impl<K, T> Default for Family<K, T> {
    fn default() -> Self {
        Self { named: BTreeMap::new() }
    }
}

impl<K: Ord, T: Default> Family<K, T> {
    fn of<Q>(&mut self, thread: usize, name: &Q, owned: impl FnOnce(&Q) -> K) -> Arc<T>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if !self.named.contains_key(name) {
            self.named.insert(owned(name), Each { threads: Vec::new(), retired: None });
        }
        let each = self.named.get_mut(name).expect("it was put there above");
        each.retired = None;
        if each.threads.len() <= thread {
            each.threads.resize_with(thread + 1, || None);
        }
        Arc::clone(each.threads[thread].get_or_insert_default())
    }

    fn sum_of<Q>(&self, name: &Q, what: impl Fn(&T) -> u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.named.get(name).map_or(0, |each| each.threads.iter().flatten().map(|one| what(one)).sum())
    }

    fn retire(&mut self, now: Instant, is_named: impl Fn(&K) -> bool) {
        self.named.retain(|name, each| {
            if is_named(name) {
                each.retired = None;
                return true;
            }
            let since = *each.retired.get_or_insert(now);
            now.saturating_duration_since(since) < REMEMBERED
        });
    }
}

fn sums<T: Default>(out: &mut Vec<u8>, metric: Metric, family: &Family<String, T>, what: fn(&T) -> u64) {
    for name in family.named.keys() {
        text::sample(out, metric, &[name], family.sum_of(name.as_str(), what));
    }
}

/// Closed is read first, so that a connection that comes and goes meanwhile never makes it negative.
fn open(listeners: &Family<String, ListenerMetrics>, name: &str) -> u64 {
    let closed = listeners.sum_of(name, |listener| listener.closed.get());
    listeners.sum_of(name, |listener| listener.accepted.get()).saturating_sub(closed)
}

/// Writes what is known of each endpoint's health.
fn of_health(
    out: &mut Vec<u8>,
    health: &Family<(String, String), HealthMetrics>,
    write: impl Fn(&mut Vec<u8>, [&str; 2], &HealthMetrics),
) {
    for ((upstream, address), each) in &health.named {
        each.threads.iter().flatten().for_each(|one| write(out, [upstream, address], one));
    }
}

fn failures(out: &mut Vec<u8>, metric: Metric, threads: &[Arc<ThreadMetrics>]) {
    for kind in Kind::ALL {
        for stage in Stage::ALL {
            let count: u64 = threads.iter().map(|thread| thread.failures(*kind, *stage)).sum();
            if count > 0 {
                text::sample(out, metric, &[kind.name(), stage.name()], count);
            }
        }
    }
}
