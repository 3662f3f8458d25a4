//! One serving thread: its own runtime, and state that no other thread touches.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use slab::Slab;
use tidegate_core::dice::Dice;
use tidegate_core::failure::Stage;
use tidegate_core::lane::buffer::Shelf;
use tidegate_core::lane::{Exposition, Serving, Turn};
use tidegate_core::moment::Moment;
use tidegate_core::route::RouteId;
use tidegate_core::snapshot::compiled::Compiled;
use tidegate_core::snapshot::document::ListenerKind;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::counters::Counters;
use super::listener::ListenerState;
use super::shared::{Shared, Whereabouts};
use crate::accept;
use crate::exchange::date::http_date;
use crate::http2::lines;
use crate::layer4::udp::{self, Udp, owners::Handover};
use crate::log::{AccessLog, Plan};
use crate::metrics::counted::ThreadMetrics;
use crate::pool::Pool;
use crate::pool::pipe::Pipes;

/// How often a thread beats, hands its log lines over and looks through its pool.
const TICK: Duration = Duration::from_millis(200);

/// So many slow clients of a thread may take as much of the kernel's memory as it gives them (tcp_wmem, 4 MiB each by
/// default); each one more is bounded (see `Stream::bound_unsent`).
const FREE: usize = 32;

/// A listening socket that a thread serves.
#[derive(Clone)]
pub struct Socket {
    /// The supervisor's id.
    pub id: u32,
    /// The listener, as an index into the snapshot.
    pub listener: usize,
    /// The descriptor.
    pub fd: Arc<OwnedFd>,
    /// Whether it is the only one of its address, so that its connections are handed out.
    pub single: bool,
}

/// What a thread is told.
pub enum Order {
    /// Serve this snapshot on these sockets, then acknowledge.
    Serve {
        /// The snapshot.
        compiled: Arc<Compiled>,
        /// The sockets that this thread accepts on; those that it had and are not among them are let go.
        sockets: Vec<Socket>,
        /// What is logged, and where.
        plan: Option<Arc<Plan>>,
        /// Every serving thread, for handing out.
        threads: Vec<UnboundedSender<Order>>,
        /// Where to acknowledge.
        done: SyncSender<()>,
    },
    /// A connection that another thread accepted for the listener of this name.
    Take(accept::Fresh, String),
    /// A datagram that another thread has read, and whose session is here.
    Datagram(Box<Handover>),
    /// Read no more datagrams, and let nobody in who asks for counters, since another worker does; then acknowledge.
    Rest(SyncSender<()>),
    /// Do so again.
    Read,
    /// Somebody waits for a connection to one of these endpoints, by id: hand over one that has no work.
    Spare(Vec<u32>),
    /// Hand over what was logged, then acknowledge.
    HandLinesOver(SyncSender<()>),
    /// Accept no more, then acknowledge; connections without work go at this moment.
    Leave(Moment, UnboundedSender<()>),
    /// The time is over: every connection that is left tells of its end.
    Cut,
}

/// One serving thread's own state.
pub struct Thread {
    /// What the threads share.
    pub shared: Arc<Shared>,
    /// Boxes for bytes.
    pub shelf: RefCell<Shelf>,
    /// Idle upstream connections.
    pub pool: RefCell<Pool>,
    /// Connections of HTTP/2 to endpoints.
    pub lines: lines::Shared,
    /// Sessions of UDP.
    pub udp: Udp,
    /// Pipes for large bodies.
    pub pipes: Rc<Pipes>,
    /// Its side of the access log.
    pub log: AccessLog,
    /// Its counters, of itself.
    pub metrics: Arc<ThreadMetrics>,
    /// Its counters, of routes and endpoints.
    pub counters: Counters,
    /// Its number.
    pub index: usize,
    whereabouts: Arc<Whereabouts>,
    dice: RefCell<Dice>,
    clock: Cell<Moment>,
    date: RefCell<(u64, [u8; 29])>,
    serving: RefCell<Option<Rc<Serving>>>,
    listeners: RefCell<HashMap<String, Rc<ListenerState>>>,
    accepting: RefCell<HashMap<u32, AbortHandle>>,
    sockets: RefCell<Vec<Socket>>,
    wakers: RefCell<Slab<Waker>>,
    news: Cell<u64>,
    leave_at: Cell<Moment>,
    is_over: Cell<bool>,
    slow: Rc<Cell<usize>>,
    /// Every serving thread, for handing out, and whose turn it is.
    pub threads: RefCell<(Vec<UnboundedSender<Order>>, usize)>,
}

impl Thread {
    /// The thread number `index`.
    pub fn new(index: usize, shared: Arc<Shared>, whereabouts: Arc<Whereabouts>, seed: u64) -> Rc<Self> {
        Rc::new(Self {
            shelf: RefCell::new(Shelf::new()),
            pool: RefCell::default(),
            lines: lines::Shared::default(),
            udp: Udp::default(),
            pipes: Rc::default(),
            slow: Rc::default(),
            log: AccessLog::new(shared.writer.clone(), !seed),
            metrics: shared.registry.thread(index),
            counters: Counters::new(Arc::clone(&shared.registry), index),
            index,
            whereabouts,
            dice: RefCell::new(Dice::seeded(seed)),
            clock: Cell::new(shared.now()),
            date: RefCell::new((0, [b' '; 29])),
            serving: RefCell::default(),
            listeners: RefCell::default(),
            accepting: RefCell::default(),
            sockets: RefCell::default(),
            wakers: RefCell::default(),
            news: Cell::default(),
            leave_at: Cell::new(Moment::NEVER),
            is_over: Cell::default(),
            threads: RefCell::default(),
            shared,
        })
    }

    /// Runs until the process ends.
    pub async fn run(self: Rc<Self>, mut orders: UnboundedReceiver<Order>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    fn obey(self: &Rc<Self>, order: Order) {
        self.look_at_clock();
        match order {
            Order::Serve { compiled, sockets, plan, threads, done } => {
                self.log.follow(plan);
                self.threads.borrow_mut().0 = threads;
                self.serve(compiled, sockets);
                // The control thread may have given up waiting; then nobody listens.
                let _ = done.send(());
            }
            Order::Take(fresh, name) => {
                let listener = self.listeners.borrow().get(&name).cloned();
                if let Some(listener) = listener {
                    accept::begin(self, &listener, fresh);
                }
            }
            Order::Datagram(datagram) => self.udp.take_over(&datagram, &self.shared.owners),
            Order::Rest(done) => {
                for id in self.udp.ports().into_iter().chain(self.ports_of_admin()) {
                    self.accepting.borrow_mut().remove(&id).into_iter().for_each(|reading| reading.abort());
                }
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
            Order::Read => self.read_again(),
            Order::Spare(endpoints) => self.pool.borrow_mut().spare(&endpoints, self.index),
            Order::HandLinesOver(done) => {
                self.log.flush();
                // The end may not wait any longer; then nobody listens.
                let _ = done.send(());
            }
            Order::Leave(at, done) => {
                self.leave_at.set(self.leave_at.get().min(at));
                self.pool.borrow_mut().let_permits_go();
                for (_, accepting) in self.accepting.borrow_mut().drain() {
                    accepting.abort();
                }
                self.tell_news();
                // The drain may be over by now.
                let _ = done.send(());
            }
            Order::Cut => {
                self.is_over.set(true);
                self.udp.sweep(self.now(), self.now());
                self.tell_news();
            }
        }
    }

    fn serve(self: &Rc<Self>, compiled: Arc<Compiled>, sockets: Vec<Socket>) {
        let serving = {
            let previous = self.serving.borrow();
            Rc::new(Serving::new(compiled, previous.as_deref(), &mut self.dice.borrow_mut()))
        };
        self.serving.replace(Some(Rc::clone(&serving)));
        let mut gone: Vec<String> = self.listeners.borrow().keys().cloned().collect();
        for (index, listener) in serving.compiled.listeners.iter().enumerate() {
            gone.retain(|name| *name != listener.name);
            let mut listeners = self.listeners.borrow_mut();
            let state = listeners.entry(listener.name.clone()).or_insert_with(|| {
                let metrics = self.shared.registry.listener(self.index, &listener.name);
                let (name, crowd) = (listener.name.clone(), self.shared.crowd(&listener.name));
                Rc::new(ListenerState::new(name, Rc::clone(&serving), index, crowd, metrics))
            });
            state.serving.replace(Rc::clone(&serving));
            state.index.set(index);
        }
        // A listener that is gone ends gently: the next answer says so, idle connections stay for a while.
        for name in gone {
            if let Some(state) = self.listeners.borrow_mut().remove(&name) {
                state.leave_at.set(self.now().after(Duration::from_secs(5)));
            }
        }
        let named: Vec<u32> = sockets.iter().map(|socket| socket.id).collect();
        self.accepting.borrow_mut().retain(|id, accepting| {
            let stays = named.contains(id);
            if !stays {
                accepting.abort();
            }
            stays
        });
        self.udp.follow(&serving);
        self.sockets.replace(sockets.clone());
        for socket in sockets {
            self.accept_on(&serving, socket);
        }
        self.tell_news();
    }

    /// Where the admin's connections come in.
    fn ports_of_admin(&self) -> Vec<u32> {
        let serving = self.serving.borrow();
        let kind = |at: usize| Some(serving.as_ref()?.compiled.listeners.get(at)?.kind);
        let sockets = self.sockets.borrow();
        let of_admin = sockets.iter().filter(|socket| kind(socket.listener) == Some(ListenerKind::Admin));
        of_admin.map(|socket| socket.id).collect()
    }

    /// Serves all of its sockets again, unless it is to end.
    fn read_again(self: &Rc<Self>) {
        let serving = self.serving.borrow().clone();
        if let (Some(serving), Moment::NEVER) = (serving, self.leave_at.get()) {
            let sockets = self.sockets.borrow().clone();
            sockets.into_iter().for_each(|socket| self.accept_on(&serving, socket));
        }
    }

    fn accept_on(self: &Rc<Self>, serving: &Serving, socket: Socket) {
        let state = serving
            .compiled
            .listeners
            .get(socket.listener)
            .and_then(|listener| self.listeners.borrow().get(&listener.name).cloned());
        let Some(state) = state else { return };
        if self.accepting.borrow().contains_key(&socket.id) {
            return;
        }
        let id = socket.id;
        let begun = if state.is_udp() {
            udp::listen(self, &state, &socket)
        } else {
            accept::Listening::new(&socket.fd).map(|listening| {
                let task = accept::accept(listening, Rc::clone(self), Rc::clone(&state), socket.single);
                tokio::task::spawn_local(task).abort_handle()
            })
        };
        match begun {
            Ok(accepting) => {
                self.accepting.borrow_mut().insert(id, accepting);
            }
            Err(error) => self.shared.program.say(
                crate::log::program::Level::Error,
                "accept",
                format_args!("listener {}: {error}", state.name),
            ),
        }
    }

    async fn tick(&self) {
        self.look_at_clock();
        self.whereabouts.count.fetch_add(1, Ordering::Relaxed);
        self.metrics.beats.one();
        self.log.flush();
        let now = self.now();
        self.udp.sweep(now, self.leave_at.get());
        self.lines.borrow_mut().sweep();
        if self.leave_at.get() != Moment::NEVER {
            self.pool.borrow_mut().let_permits_go();
        }
        poll_fn(|cx| {
            self.pool.borrow_mut().sweep(now, cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Now, as the core counts time: when the thread last looked at the clock, which it does once for each wake-up, for
    /// each exchange that ends, and for each connection that it accepts. Reading it for each act cost 0.4 µs a request.
    pub fn now(&self) -> Moment {
        self.clock.get()
    }

    /// Looks at the clock.
    pub fn look_at_clock(&self) {
        let now = self.shared.now();
        self.clock.set(now);
        let second = now.as_nanos() / 1_000_000_000 + 1;
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            *date = (second, http_date(unix));
        }
    }

    /// The clock's reading at `moment`.
    pub fn instant(&self, moment: Moment) -> tokio::time::Instant {
        let at = self.shared.began.checked_add(Duration::from_nanos(moment.as_nanos()));
        at.unwrap_or_else(|| std::time::Instant::now() + Duration::from_secs(86_400)).into()
    }

    /// The thread is at `stage` with a request of `route`.
    pub fn at(&self, stage: Stage, route: Option<RouteId>) {
        self.whereabouts.set(stage, route.map(|id| id.0));
    }

    /// Lets a lane look at what it may.
    pub(super) fn turn<T>(&self, listener: &ListenerState, crowded: bool, look: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let leave_at = self.leave_at.get().min(listener.leave_at.get());
        let ready = self.shared.ready.load(Ordering::Relaxed);
        look(&mut Turn {
            now: self.now(),
            date: &self.date.borrow().1,
            dice: &mut self.dice.borrow_mut(),
            shelf: &mut self.shelf.borrow_mut(),
            serving: &listener.serving.borrow(),
            listener: listener.index.get(),
            leave_at,
            leaving: leave_at != Moment::NEVER || !ready,
            ready,
            crowded,
        })
    }

    /// Lets somebody roll the thread's dice.
    pub fn with_dice<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.dice.borrow_mut())
    }

    /// What comes of `work`; none if its time is over before, for which the task must be one that news wake.
    pub fn unless_over<'a, F: Future>(&'a self, mut work: Pin<&'a mut F>) -> impl Future<Output = Option<F::Output>> {
        poll_fn(move |cx| if self.is_over.get() { Poll::Ready(None) } else { work.as_mut().poll(cx).map(Some) })
    }

    /// Makes the current task one that news wake, until the guard is dropped.
    pub async fn register(self: &Rc<Self>) -> Registered {
        let key = poll_fn(|cx| Poll::Ready(self.wakers.borrow_mut().insert(cx.waker().clone()))).await;
        Registered { thread: Rc::clone(self), key }
    }

    /// Changes whenever every connection must look at its deadline again.
    pub fn news(&self) -> u64 {
        self.news.get()
    }

    fn tell_news(&self) {
        self.news.set(self.news.get() + 1);
        for (_, waker) in self.wakers.borrow().iter() {
            waker.wake_by_ref();
        }
    }

    /// Counts a client that has shown to be slow, until the guard is dropped.
    pub fn slow(&self) -> Slow {
        self.slow.set(self.slow.get() + 1);
        Slow { count: Rc::clone(&self.slow) }
    }

    /// Tells every serving thread something.
    pub fn ask_all(&self, order: impl Fn() -> Order) {
        for thread in &self.threads.borrow().0 {
            // Threads live as long as the process; a failure to send means that it ends.
            let _ = thread.send(order());
        }
    }

    /// The text of `/metrics`, made on a thread of its own: with thousands of routes it takes long.
    pub async fn render_metrics(&self, form: Exposition) -> Vec<u8> {
        let shared = Arc::clone(&self.shared);
        let (sender, made) = oneshot::channel();
        let render = move || {
            let mut text = Vec::new();
            shared.elder.recount();
            shared.registry.render(&mut text, form);
            // Whoever asked may have gone.
            let _ = sender.send(text);
        };
        match std::thread::Builder::new().name("metrics".into()).spawn(render) {
            Ok(_) => made.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

/// A client that has shown to be slow: once it had no room for our bytes.
pub struct Slow {
    count: Rc<Cell<usize>>,
}

impl Slow {
    /// Whether there are so many such clients that each must do with less of the kernel's memory.
    pub fn is_crowd(&self) -> bool {
        self.count.get() > FREE
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

/// A task that news wake.
pub struct Registered {
    thread: Rc<Thread>,
    key: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.thread.wakers.borrow_mut().remove(self.key);
    }
}
