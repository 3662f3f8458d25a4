//! What the threads share: counts that must be exact on the machine, and what the whole process is doing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tidegate_core::failure::Stage;
use tidegate_core::moment::Moment;
use tidegate_core::route::RouteId;
use tidegate_core::snapshot::compiled::Compiled;

use super::places::Places;
use crate::log::program::ProgramLog;
use crate::log::writer::LogWriter;
use crate::metrics::registry::Registry;
use crate::pool::gate::Gate;

/// What the threads share.
pub struct Shared {
    /// When the engine began.
    pub began: Instant,
    /// Counters.
    pub registry: Arc<Registry>,
    /// The thread that writes logs.
    pub writer: LogWriter,
    /// The program's own log.
    pub program: ProgramLog,
    /// Client connections now.
    pub connections: Arc<AtomicU64>,
    /// Whether new work is welcome.
    pub ready: AtomicBool,
    clients: Mutex<HashMap<(String, IpAddr), u64>>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    places: Mutex<HashMap<String, Arc<Places>>>,
}

impl Shared {
    /// The state of an engine that begins now.
    pub fn new(registry: Arc<Registry>, writer: LogWriter, program: ProgramLog) -> Self {
        Self {
            began: Instant::now(),
            registry,
            writer,
            program,
            connections: Arc::default(),
            ready: AtomicBool::new(true),
            clients: Mutex::default(),
            gates: Mutex::default(),
            places: Mutex::default(),
        }
    }

    /// Now, as the core counts time.
    pub fn now(&self) -> Moment {
        Moment::from_nanos(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The permits of an upstream.
    pub fn gate(&self, upstream: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        match gates.get(upstream) {
            Some(gate) => Arc::clone(gate),
            None => Arc::clone(gates.entry(upstream.to_owned()).or_default()),
        }
    }

    /// Bounds the pools as a snapshot has it.
    pub fn bound_pools(&self, compiled: &Compiled) {
        for upstream in compiled.upstreams.iter().filter(|upstream| upstream.connections > 0) {
            self.gate(&upstream.name).bound(upstream.connections, upstream.queue);
        }
    }

    /// The places of a listener.
    pub fn places(&self, listener: &str) -> Arc<Places> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Places::new(Arc::clone(&self.connections)));
        Arc::clone(places.entry(listener.to_owned()).or_insert_with(new))
    }

    /// Counts a connection of `client`; says how many it has on the listener.
    pub fn enter(&self, listener: &str, client: IpAddr) -> u64 {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry((listener.to_owned(), client)).or_default();
        *count += 1;
        *count
    }

    /// A connection of `client` has ended.
    pub fn leave(&self, listener: &str, client: IpAddr) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (listener.to_owned(), client);
        if let Some(count) = clients.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&key);
            }
        }
    }
}

/// Where a thread is, for the watchdog.
#[derive(Debug, Default)]
pub struct Whereabouts {
    /// Rises while the thread is well.
    pub count: AtomicU64,
    /// One more than the index into the snapshot; 0 before there was one.
    route: AtomicU32,
    stage: AtomicU8,
}

impl Whereabouts {
    /// The thread is at `stage` with a request of `route`.
    pub fn set(&self, stage: Stage, route: Option<u32>) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        if let Some(route) = route {
            self.route.store(route.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// The route of the last request that had one, and the stage.
    pub fn get(&self) -> (Option<RouteId>, &'static str) {
        let stage = usize::from(self.stage.load(Ordering::Relaxed));
        let route = self.route.load(Ordering::Relaxed).checked_sub(1).map(RouteId);
        (route, Stage::ALL.get(stage).map_or("accept", |stage| stage.name()))
    }
}
