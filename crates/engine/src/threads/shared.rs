//! What the threads share: counts that must be exact on the machine, and what the whole process is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_core::failure::Stage;
use tidegate_core::moment::Moment;
use tidegate_core::route::RouteId;
use tidegate_core::snapshot::compiled::Compiled;

use crate::accept::crowd::Crowd;
use crate::accept::seats::{Bell, Seats};
use crate::layer4::udp::owners::Owners;
use crate::log::program::ProgramLog;
use crate::log::writer::LogWriter;
use crate::metrics::registry::Registry;
use crate::pool::gate::Gate;
use crate::succession::elder::Elder;
use crate::succession::held::{Clients, Held};

/// The engine's clock begins so long ago: then what a worker before this one has seen can be told by it.
const BEFORE: Duration = Duration::from_secs(366 * 86_400);

/// What the threads share.
pub struct Shared {
    /// When the engine's clock began.
    pub began: Instant,
    /// Counters.
    pub registry: Arc<Registry>,
    /// The thread that writes logs.
    pub writer: LogWriter,
    /// The program's own log.
    pub program: ProgramLog,
    /// Room for client connections, in all.
    pub seats: Arc<Seats>,
    /// Rings when a client connection has ended.
    pub ended: Bell,
    /// Whether new work is welcome.
    pub ready: AtomicBool,
    /// Which thread has which session of UDP.
    pub owners: Arc<Owners>,
    /// The worker whose place this one takes.
    pub elder: Elder,
    crowds: Mutex<HashMap<String, Arc<Crowd>>>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    elsewhere: Mutex<Elsewhere>,
}

/// What the worker whose place this one takes holds of what is bounded.
#[derive(Default)]
struct Elsewhere {
    held: Held,
    /// The endpoints of bounded upstreams here, by upstream and address.
    ids: HashMap<String, HashMap<String, u32>>,
}

impl Shared {
    /// The state of an engine that begins now.
    pub fn new(registry: Arc<Registry>, writer: LogWriter, program: ProgramLog) -> Self {
        Self {
            began: Instant::now().checked_sub(BEFORE).unwrap_or_else(Instant::now),
            registry,
            writer,
            program,
            seats: Arc::default(),
            ended: Bell::default(),
            ready: AtomicBool::new(true),
            owners: Arc::default(),
            elder: Elder::default(),
            crowds: Mutex::default(),
            gates: Mutex::default(),
            elsewhere: Mutex::default(),
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

    /// Who is connected to the listener of this name.
    pub fn crowd(&self, listener: &str) -> Arc<Crowd> {
        let mut crowds = self.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        match crowds.get(listener) {
            Some(crowd) => Arc::clone(crowd),
            None => Arc::clone(crowds.entry(listener.to_owned()).or_default()),
        }
    }

    /// Bounds the connections of clients as a snapshot has it.
    pub fn bound_connections(&self, compiled: &Compiled) {
        self.seats.set_most(compiled.document.connections);
        for listener in &compiled.listeners {
            self.crowd(&listener.name).bound(
                listener.connections,
                listener.connections_per_client,
                listener.connection_rate,
            );
        }
        let held = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).held.clone();
        self.count_elsewhere(held); // also those of listeners that were not known when it was told
    }

    /// Bounds the pools as a snapshot has it.
    pub fn bound_pools(&self, compiled: &Compiled) {
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.ids.clear();
        for upstream in compiled.upstreams.iter().filter(|upstream| upstream.connections > 0) {
            self.gate(&upstream.name).bound(upstream.connections, upstream.queue);
            let ids = upstream.endpoints.iter().map(|endpoint| (endpoint.address.clone(), endpoint.id)).collect();
            elsewhere.ids.insert(upstream.name.clone(), ids);
        }
        self.count_permits(&elsewhere);
    }

    /// The worker whose place we take holds so much of what is bounded.
    pub fn count_elsewhere(&self, held: Held) {
        self.seats.count_elsewhere(held.connections);
        for (listener, crowd) in &*self.crowds.lock().unwrap_or_else(PoisonError::into_inner) {
            crowd.seats.count_elsewhere(held.listeners.get(listener).copied().unwrap_or(0));
        }
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.held = held;
        self.count_permits(&elsewhere);
    }

    /// Some clients have so many connections with the worker whose place we take.
    pub fn count_clients_elsewhere(&self, clients: &Clients) {
        self.crowd(&clients.listener).count_elsewhere(&clients.rows, self.now());
    }

    /// The worker whose place we take has ended, and holds nothing.
    pub fn forget_elsewhere(&self) {
        self.count_elsewhere(Held::default());
        self.crowds.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|crowd| crowd.forget_elsewhere());
    }

    fn count_permits(&self, elsewhere: &Elsewhere) {
        for (upstream, ids) in &elsewhere.ids {
            let used = elsewhere.held.permits.get(upstream).into_iter().flatten();
            let used = used.filter_map(|(address, used)| Some((*ids.get(address)?, *used)));
            self.gate(upstream).count_elsewhere(used.collect());
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
