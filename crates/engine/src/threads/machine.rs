//! All serving threads, as the control thread sees them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegate_core::geo::Database;
use tidegate_core::moment::Moment;
use tidegate_core::rule::{Rule, Set};
use tidegate_core::snapshot::compiled::{Compiled, Fresh, Inheritance};
use tidegate_core::snapshot::document::{self, Document};
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::drain::Drain;
use super::shared::{Shared, Whereabouts};
use super::thread::{Order, Socket, Thread};
use super::told;
use crate::control::{Beat, Machine};
use crate::log::{Format, Layout, Level, LogWriter, Plan, Target};
use crate::metrics::registry::{Named, Registry};
use crate::prober::Prober;
use crate::succession::elder::Elder;
use crate::succession::heir::Heir;

/// How long a thread may take to acknowledge a snapshot.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// How long the process waits at its end until what it said is written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// All serving threads.
pub struct Engine {
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
    drain: Arc<Drain>,
    prober: Prober,
    heir: Mutex<Option<Heir>>,
}

#[derive(Default)]
struct Inner {
    sockets: BTreeMap<u32, (String, Arc<OwnedFd>)>,
    secrets: HashMap<String, String>,
    /// What the next snapshot may name, by digest.
    fresh: Fresh,
    compiled: Option<Arc<Compiled>>,
    plan: Option<Arc<Plan>>,
    threads: Vec<Handle>,
    /// What an earlier worker has told, and when, until it is taken over.
    inheritance: Option<(Inheritance, Moment)>,
}

struct Handle {
    name: String,
    orders: UnboundedSender<Order>,
    whereabouts: Arc<Whereabouts>,
}

impl Engine {
    /// An engine without threads; the first snapshot starts them.
    pub fn start() -> io::Result<Arc<Self>> {
        let registry = Arc::new(Registry::default());
        let (writer, program) = LogWriter::start(registry.access_log(), registry.program_log())?;
        let shared = Arc::new(Shared::new(registry, writer, program));
        let prober = Prober::start(Arc::clone(&shared))?;
        Ok(Arc::new(Self { shared, inner: Mutex::default(), drain: Arc::default(), prober, heir: Mutex::default() }))
    }

    /// Hands what waits to be logged over, before the process ends.
    pub fn flush(&self) {
        self.shared.writer.flush(LAST_WORDS);
    }

    fn heir(&self) -> MutexGuard<'_, Option<Heir>> {
        self.heir.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: &mut Inner, compiled: Arc<Compiled>, plan: Option<Arc<Plan>>) -> Result<(), String> {
        let wanted = compiled.document.threads;
        while inner.threads.len() < wanted {
            let handle = self.start_thread(inner.threads.len()).map_err(|error| format!("no thread: {error}"))?;
            inner.threads.push(handle);
        }
        let mut sockets = assign(inner, &compiled, wanted)?;
        self.shared.bound_pools(&compiled);
        self.shared.bound_connections(&compiled);
        let senders: Vec<_> = inner.threads.iter().take(wanted).map(|thread| thread.orders.clone()).collect();
        let (done, acknowledged) = sync_channel(inner.threads.len());
        for (index, thread) in inner.threads.iter().enumerate() {
            let order = Order::Serve {
                compiled: Arc::clone(&compiled),
                sockets: sockets.get_mut(index).map(std::mem::take).unwrap_or_default(),
                plan: plan.clone(),
                threads: senders.clone(),
                done: done.clone(),
            };
            thread.orders.send(order).map_err(|_| format!("thread {} has ended", thread.name))?;
        }
        for _ in &inner.threads {
            acknowledged.recv_timeout(ACKNOWLEDGED).map_err(|_| "a thread did not acknowledge".to_owned())?;
        }
        self.shared.registry.snapshot_applied(compiled.document.number);
        self.shared.registry.retire(&named(&compiled), Instant::now());
        self.prober.follow(&compiled);
        inner.compiled = Some(compiled);
        inner.plan = plan;
        Ok(())
    }

    /// Compiles what a snapshot says of the access log, and opens where it goes.
    fn plan(&self, compiled: &Compiled) -> Result<Option<Arc<Plan>>, String> {
        let Some(document) = &compiled.document.access_log else { return Ok(None) };
        let layout = Layout::compile(document)?;
        let target = Target::of(&document.to)?;
        let when = document.when.as_ref().map(|when| Rule::compile(when, &compiled.sets)).transpose()?;
        let outlet = self.shared.writer.open(target).map_err(|error| format!("access_log: {error}"))?;
        Ok(Some(Arc::new(Plan::new(layout, outlet, document.sample, when))))
    }

    fn start_thread(&self, index: usize) -> io::Result<Handle> {
        let (orders, received) = unbounded_channel();
        self.shared.owners.begin(orders.clone());
        let whereabouts = Arc::new(Whereabouts::default());
        let name = format!("serve-{index}");
        let (shared, place) = (Arc::clone(&self.shared), Arc::clone(&whereabouts));
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into());
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let Ok(runtime) = runtime else {
                shared.program.say(Level::Error, "threads", "no event loop: the file limit may be too low");
                return;
            };
            let seed = seed ^ (index as u64) << 32 ^ u64::from(std::process::id()) << 40;
            runtime.block_on(async move { Thread::new(index, shared, place, seed).run(received).await });
        })?;
        Ok(Handle { name, orders, whereabouts })
    }
}

/// Which thread serves which sockets: socket j of an address belongs to thread j mod n, a single one to the first.
fn assign(inner: &Inner, compiled: &Compiled, threads: usize) -> Result<Vec<Vec<Socket>>, String> {
    let mut sockets = vec![Vec::new(); threads];
    for (listener, document) in compiled.document.listeners.iter().enumerate() {
        for bind in &document.binds {
            for (j, id) in bind.sockets.iter().enumerate() {
                let Some((_, fd)) = inner.sockets.get(id) else {
                    return Err(format!("listener {}: socket {id} of {} was not sent", document.name, bind.address));
                };
                let single = bind.sockets.len() == 1;
                let socket = Socket { id: *id, listener, fd: Arc::clone(fd), single };
                if let Some(of_thread) = sockets.get_mut(j % threads) {
                    of_thread.push(socket);
                }
            }
        }
    }
    Ok(sockets)
}

fn named(compiled: &Compiled) -> Named<'_> {
    Named {
        routes: compiled.routes.iter().map(|route| route.name.as_str()).collect(),
        endpoints: compiled
            .upstreams
            .iter()
            .flat_map(|upstream| upstream.endpoints.iter().map(|e| (upstream.name.as_str(), e.address.as_str())))
            .collect(),
        listeners: compiled.listeners.iter().map(|listener| listener.name.as_str()).collect(),
        upstreams: compiled.upstreams.iter().map(|upstream| (upstream.name.as_str(), upstream)).collect(),
    }
}

impl Machine for Engine {
    fn add_sockets(&self, sockets: Vec<(u32, String, OwnedFd)>) {
        let mut inner = self.inner();
        for (id, address, fd) in sockets {
            inner.sockets.insert(id, (address, Arc::new(fd)));
        }
    }

    fn sockets(&self) -> Vec<(u32, String, OwnedFd)> {
        let inner = self.inner();
        let duplicate = |(id, (address, fd)): (&u32, &(String, Arc<OwnedFd>))| {
            fd.try_clone().ok().map(|fd| (*id, address.clone(), fd))
        };
        inner.sockets.iter().filter_map(duplicate).collect()
    }

    fn keep_secrets(&self, secrets: HashMap<String, String>) {
        self.inner().secrets = secrets;
    }

    fn keep_sets(&self, sets: HashMap<String, String>) -> Result<(), String> {
        for (digest, lines) in sets {
            let set = Set::compile(&lines)?;
            self.inner().fresh.sets.insert(digest, Arc::new(set));
        }
        Ok(())
    }

    fn keep_database(&self, digest: String, file: OwnedFd) -> Result<(), String> {
        let (mut file, mut bytes) = (File::from(file), Vec::new());
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(|error| format!("a database: {error}"))?;
        let database = Database::read(bytes).map_err(|says| format!("a database {says}"))?;
        self.inner().fresh.databases.insert(digest, Arc::new(database));
        Ok(())
    }

    fn apply(&self, document: Document) -> Result<(), String> {
        let mut inner = self.inner();
        let fresh = std::mem::take(&mut inner.fresh);
        let compiled = Compiled::build_with(document, inner.compiled.as_deref(), &fresh);
        let served = compiled.map_err(|problems| problems.join("; ")).and_then(|compiled| {
            let plan = self.plan(&compiled)?;
            if let Some((told, at)) = inner.inheritance.take() {
                compiled.inherit(&told, at);
                self.shared.elder.serve_instead();
            }
            self.publish(&mut inner, Arc::new(compiled), plan)
        });
        // Every thread has handed over what it logged before; on an error the old destination is the one that stays.
        let settled = self.shared.writer.settle(inner.plan.as_ref().map(|plan| plan.outlet));
        match served.and_then(|()| settled.map_err(|error| format!("access_log: {error}"))) {
            Ok(()) => {
                if let Some(compiled) = inner.compiled.clone() {
                    let (level, format) = spoken(compiled.document.log);
                    self.shared.program.set(level, format);
                    let binds = compiled.document.listeners.iter().flat_map(|listener| &listener.binds);
                    let ids: HashSet<u32> = binds.flat_map(|bind| bind.sockets.iter().copied()).collect();
                    inner.sockets.retain(|id, _| ids.contains(id));
                }
                Ok(())
            }
            Err(says) => {
                self.shared.registry.snapshot_refused();
                Err(says)
            }
        }
    }

    fn change_upstream(&self, upstream: document::Upstream) -> Result<(), String> {
        let mut inner = self.inner();
        let Some(compiled) = inner.compiled.clone() else { return Err("there is no snapshot yet".into()) };
        let changed = compiled.with_upstream(upstream)?;
        let plan = inner.plan.clone();
        self.publish(&mut inner, Arc::new(changed), plan)
    }

    fn change_route(&self, route: &str, to: document::Target) -> Result<(), String> {
        let mut inner = self.inner();
        let Some(compiled) = inner.compiled.clone() else { return Err("there is no snapshot yet".into()) };
        let changed = compiled.with_target(route, to)?;
        let plan = inner.plan.clone();
        self.publish(&mut inner, Arc::new(changed), plan)
    }

    fn keep_providers(&self, good: HashMap<String, f64>) {
        self.shared.registry.keep_providers(good);
    }

    fn keep_challenges(&self, answers: HashMap<String, String>) -> Result<(), String> {
        let inner = self.inner();
        let Some(compiled) = &inner.compiled else { return Err("there is no snapshot yet".into()) };
        compiled.challenges.set(answers);
        Ok(())
    }

    fn targets(&self, route: &str) -> Value {
        json!({"items": self.shared.registry.target_counts(route), "next": null})
    }

    fn drain(&self, delay: Duration, timeout: Duration, succeeded: bool) {
        if succeeded {
            self.prober.stop(); // the heir checks
        } else {
            self.shared.ready.store(false, Ordering::Relaxed);
        }
        let orders = self.inner().threads.iter().map(|thread| thread.orders.clone()).collect();
        self.drain.begin(&self.shared, orders, delay, timeout, succeeded);
    }

    fn name_heir(&self, sockets: Option<[OwnedFd; 2]>) -> Result<(), String> {
        let compiled = self.inner().compiled.clone();
        let heir = sockets.map(|[words, line]| Heir::tell(words, line, &self.shared, compiled)).transpose();
        *self.heir() = heir.map_err(|error| error.to_string())?;
        Ok(())
    }

    fn meet_elder(&self, [words, line]: [OwnedFd; 2]) -> Result<(), String> {
        let at = self.shared.now();
        let told = Elder::meet(words, line, &self.shared)?;
        self.inner().inheritance = Some((told, at));
        Ok(())
    }

    fn reopen_logs(&self) {
        if let Err(error) = self.shared.writer.reopen() {
            self.shared.program.say(Level::Error, "access_log", format_args!("cannot be opened anew: {error}"));
        }
    }

    fn take_streams(&self, stdout: OwnedFd, stderr: OwnedFd) -> Result<(), String> {
        self.shared.writer.take_streams(stdout, stderr).map_err(|error| error.to_string())
    }

    fn status(&self) -> Value {
        let inner = self.inner();
        inner.compiled.as_ref().map_or_else(|| json!({}), |compiled| told::status(compiled, &self.shared))
    }

    fn upstreams(&self, first: usize, brief: bool) -> Value {
        let compiled = self.inner().compiled.clone();
        compiled.map_or_else(told::nothing, |compiled| told::upstreams(&compiled, &self.shared, first, brief))
    }

    fn routes(&self, first: usize) -> Value {
        let compiled = self.inner().compiled.clone();
        compiled.map_or_else(told::nothing, |compiled| told::routes(&compiled, &self.shared, first))
    }

    fn snapshot_number(&self) -> Option<u64> {
        self.inner().compiled.as_ref().map(|compiled| compiled.document.number)
    }

    fn wait_drained(&self) {
        self.drain.wait();
        self.flush();
        if let Some(heir) = &*self.heir() {
            heir.tell_last();
        }
    }

    fn beats(&self) -> Option<Vec<Beat>> {
        // The lock is held while a snapshot waits for its threads: a look that would wait is no look.
        let inner = self.inner.try_lock().ok()?;
        let beats = inner
            .threads
            .iter()
            .map(|thread| {
                let (route, stage) = thread.whereabouts.get();
                let compiled = inner.compiled.as_ref();
                let route = compiled.and_then(|c| c.route(route?)).map(|route| route.name.clone());
                Beat {
                    thread: thread.name.clone(),
                    count: thread.whereabouts.count.load(Ordering::Relaxed),
                    route: route.unwrap_or_default(),
                    stage,
                }
            })
            .collect();
        Some(beats)
    }

    fn warn(&self, says: &str) {
        self.shared.program.say(Level::Warning, "control", says);
    }

    fn last_words(&self, says: &str) {
        self.shared.program.say(Level::Error, "watchdog", says);
        self.shared.program.flush(LAST_WORDS);
    }
}

/// The words of a snapshot about the program's log, in the log's own.
fn spoken(log: document::ProgramLog) -> (Level, Format) {
    let level = match log.level {
        document::LogLevel::Debug => Level::Debug,
        document::LogLevel::Info => Level::Info,
        document::LogLevel::Warning => Level::Warning,
        document::LogLevel::Error => Level::Error,
    };
    let format = match log.format {
        document::LogFormat::Text => Format::Text,
        document::LogFormat::Json => Format::Json,
    };
    (level, format)
}
