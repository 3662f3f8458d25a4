//! Who is the supervisor now: the rules of generations, and what it is told.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::frame;
use super::machine::{Beat, Machine};
use super::request::{Named, PROTOCOL, Request};

/// What all connections of supervisors share.
pub(super) struct Desk {
    machine: Arc<dyn Machine>,
    since: f64,
    chair: Mutex<Chair>,
    /// Held while a request is done: one at a time, whoever asks.
    turn: Mutex<()>,
}

/// Who sits here.
#[derive(Default)]
struct Chair {
    /// The highest generation that said hello.
    generation: u64,
    sitting: Option<Arc<Sitting>>,
}

/// The supervisor whose requests are done.
pub(super) struct Sitting {
    stream: UnixStream,
    writing: Mutex<()>,
}

/// What becomes of a connection after its hello.
pub(super) enum Welcome {
    /// Its requests are done from now on.
    Seated(Arc<Sitting>, Value),
    /// Why not; the connection is closed.
    Refused(String),
}

impl Desk {
    /// An empty desk before `machine`.
    pub(super) fn new(machine: Arc<dyn Machine>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { machine, since, chair: Mutex::default(), turn: Mutex::default() }
    }

    /// Takes a hello: a higher generation takes over, an equal one when nobody sits here, a lower one never.
    pub(super) fn welcome(&self, stream: &UnixStream, protocol: u32, generation: u64) -> io::Result<Welcome> {
        if protocol != PROTOCOL {
            return Ok(Welcome::Refused(format!("protocol {protocol} is not spoken here, but {PROTOCOL}")));
        }
        let sitting = Arc::new(Sitting { stream: stream.try_clone()?, writing: Mutex::default() });
        let mut chair = lock(&self.chair);
        if generation < chair.generation {
            let last = chair.generation;
            return Ok(Welcome::Refused(format!("generation {generation} is over, generation {last} was here")));
        }
        if let Some(other) = &chair.sitting {
            if generation == chair.generation {
                return Ok(Welcome::Refused(format!("generation {generation} is here already")));
            }
            // Its reader finds the end and goes; what it had asked for is done to the end first (`turn`).
            drop(other.stream.shutdown(Shutdown::Both));
        }
        chair.generation = generation;
        chair.sitting = Some(Arc::clone(&sitting));
        drop(chair);
        let _turn = lock(&self.turn);
        let ids: Vec<u32> = self.machine.sockets().into_iter().map(|(id, _, _)| id).collect();
        let says = json!({
            "protocol": PROTOCOL,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "generation": generation,
            "since": self.since,
            "snapshot": self.machine.snapshot_number(),
            "socket_ids": ids,
        });
        Ok(Welcome::Seated(sitting, says))
    }

    /// Forgets a supervisor that is gone. The worker goes on.
    pub(super) fn leave(&self, who: &Arc<Sitting>) {
        let mut chair = lock(&self.chair);
        if chair.sitting.as_ref().is_some_and(|sitting| Arc::ptr_eq(sitting, who)) {
            chair.sitting = None;
        }
    }

    /// Does what was asked and answers. An error means that the connection is of no more use.
    pub(super) fn obey(&self, who: &Sitting, id: u64, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let turn = lock(&self.turn);
        let sits = lock(&self.chair).sitting.as_ref().is_some_and(|sitting| std::ptr::eq(&raw const **sitting, who));
        if !sits {
            return Err(io::ErrorKind::ConnectionAborted.into()); // another took over while this one waited
        }
        // A panic in the engine must not end control: the supervisor is told, and decides.
        let done = catch_unwind(AssertUnwindSafe(|| self.done(who, request, descriptors)));
        drop(turn);
        match done {
            Ok(Ok(Some(says))) => who.answer(id, says),
            Ok(Ok(None)) => who.answer(id, Map::new()),
            Ok(Err(says)) => who.refuse(Some(id), &says),
            Err(_) => who.refuse(Some(id), "the worker made a mistake: its log says where"),
        }
    }

    fn done(
        &self,
        who: &Sitting,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Option<Map<String, Value>>, String> {
        let machine = &self.machine;
        match request {
            Request::Hello { .. } => return Err("hello was said already".to_owned()),
            Request::Sockets(named) => machine.add_sockets(pair_up(named, descriptors)?),
            Request::GiveSockets => return self.give_sockets(who).map(Some),
            Request::Secrets(secrets) => machine.keep_secrets(secrets),
            Request::Sets(sets) => machine.keep_sets(sets)?,
            Request::Database(digest) => {
                let [file] = the_ones("a database is", descriptors)?;
                machine.keep_database(digest, file)?;
            }
            Request::Snapshot(document) => machine.apply(*document)?,
            Request::Upstream(upstream) => machine.change_upstream(*upstream)?,
            Request::Route { name, to } => machine.change_route(&name, *to)?,
            Request::Providers(good) => machine.keep_providers(good),
            Request::Challenges(answers) => machine.keep_challenges(answers)?,
            Request::Targets(route) => return page(machine.targets(&route)).map(Some),
            Request::Drain { delay, timeout, succeeded } => machine.drain(delay, timeout, succeeded),
            Request::Heir if descriptors.is_empty() => machine.name_heir(None)?,
            Request::Heir => machine.name_heir(Some(the_ones("an heir is", descriptors)?))?,
            Request::Elder => machine.meet_elder(the_ones("an elder is", descriptors)?)?,
            Request::Reopen => machine.reopen_logs(),
            Request::Streams => {
                let [stdout, stderr] = the_ones("stdout and stderr are", descriptors)?;
                machine.take_streams(stdout, stderr)?;
            }
            Request::Upstreams { first, brief } => return page(machine.upstreams(first, brief)).map(Some),
            Request::Routes(first) => return page(machine.routes(first)).map(Some),
            Request::Status => return Ok(Some(Map::from_iter([("status".to_owned(), machine.status())]))),
        }
        Ok(None)
    }

    /// Sends all sockets in frames of their own, as many as ride on one; the answer that follows says how many there were.
    fn give_sockets(&self, who: &Sitting) -> Result<Map<String, Value>, String> {
        let sockets = self.machine.sockets();
        for lot in sockets.chunks(frame::MOST_DESCRIPTORS) {
            let named: Vec<Named> =
                lot.iter().map(|(id, address, _)| Named { id: *id, address: address.clone() }).collect();
            let descriptors: Vec<BorrowedFd<'_>> = lot.iter().map(|(_, _, socket)| socket.as_fd()).collect();
            who.tell(&json!({"kind": "sockets", "sockets": named}), &descriptors).map_err(|error| error.to_string())?;
        }
        Ok(Map::from_iter([("count".to_owned(), Value::from(sockets.len()))]))
    }

    /// Tells the supervisor, if one is here and has room; never waits. Whether it was told.
    pub(super) fn event(&self, event: &Value) -> bool {
        let Some(sitting) = lock(&self.chair).sitting.clone() else { return false };
        let Ok(_writing) = sitting.writing.try_lock() else { return false };
        frame::write_if_room(&sitting.stream, event.to_string().as_bytes()).unwrap_or_else(|_| {
            drop(sitting.stream.shutdown(Shutdown::Both));
            false
        })
    }

    /// Says what an operator should look at.
    pub(super) fn warn(&self, says: &str) {
        self.machine.warn(says);
    }

    /// The words about a thread that is stuck, for the supervisor's log.
    pub(super) fn last_words(&self, stuck: &Beat) {
        self.event(&json!({"kind": "stuck", "thread": stuck.thread, "route": stuck.route, "stage": stuck.stage}));
    }
}

impl Sitting {
    /// Answers a request that was done.
    pub(super) fn answer(&self, id: u64, mut says: Map<String, Value>) -> io::Result<()> {
        says.insert("kind".to_owned(), Value::from("answer"));
        says.insert("id".to_owned(), Value::from(id));
        says.insert("ok".to_owned(), Value::from(true));
        self.tell(&Value::Object(says), &[])
    }

    /// Answers a request that was not.
    pub(super) fn refuse(&self, id: Option<u64>, says: &str) -> io::Result<()> {
        self.tell(&refusal(id, says), &[])
    }

    fn tell(&self, says: &Value, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let _writing = lock(&self.writing);
        let mut body = says.to_string().into_bytes();
        if body.len() > frame::MOST_FROM_WORKER {
            let id = says.get("id").and_then(Value::as_u64);
            body = refusal(id, "the answer is larger than a frame may be").to_string().into_bytes();
        }
        frame::write(&self.stream, &body, descriptors)
    }
}

/// The answer to a request that was not done.
pub(super) fn refusal(id: Option<u64>, says: &str) -> Value {
    json!({"kind": "answer", "id": id, "ok": false, "error": says})
}

fn page(page: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(page) = page else { return Err("the engine made no page".to_owned()) };
    Ok(page)
}

fn the_ones<const MANY: usize>(what: &str, descriptors: Vec<OwnedFd>) -> Result<[OwnedFd; MANY], String> {
    let s = if MANY == 1 { "" } else { "s" };
    <[OwnedFd; MANY]>::try_from(descriptors).map_err(|came| format!("{what} {MANY} descriptor{s}, {} came", came.len()))
}

fn pair_up(named: Vec<Named>, descriptors: Vec<OwnedFd>) -> Result<Vec<(u32, String, OwnedFd)>, String> {
    if named.len() != descriptors.len() {
        return Err(format!("{} sockets are named, {} descriptors came", named.len(), descriptors.len()));
    }
    let mut ids: HashMap<u32, ()> = HashMap::new();
    for Named { id, .. } in &named {
        if ids.insert(*id, ()).is_some() {
            return Err(format!("socket {id} is named twice"));
        }
    }
    Ok(named.into_iter().zip(descriptors).map(|(Named { id, address }, socket)| (id, address, socket)).collect())
}

/// A lock whose holder panicked is still a lock: what it guards is replaced whole, never half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
