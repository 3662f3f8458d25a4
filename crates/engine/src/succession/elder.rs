//! The heir's side: hearing all that the elder knows before anything is served, and what becomes of it after that.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use tidegate_core::layer4::Flow;
use tidegate_core::snapshot::compiled::Inheritance;

use super::FORMAT;
use super::line::Line;
use super::word::{Call, Word, hear, say};
use crate::accept::seats::Bell;
use crate::log::Level;
use crate::metrics::handover::Places;
use crate::threads::shared::Shared;

/// How long the elder may take for each word of what it knows in the beginning.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the elder may take to read no more datagrams, or to tell what it has counted.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The worker whose place we take, if there is one and it has not ended.
#[derive(Debug, Default)]
pub struct Elder {
    is_there: AtomicBool,
    gone: Bell,
    /// Where it hears us.
    stream: Mutex<Option<UnixStream>>,
    heard: Mutex<Heard>,
    news: Condvar,
}

/// What it has answered.
#[derive(Debug, Default)]
struct Heard {
    /// How many of the two ways to us it has closed.
    closed: u32,
    rests: bool,
    /// How often it has told on demand what it had counted.
    recounted: u64,
    /// How often that was asked for.
    asked: u64,
}

impl Elder {
    /// Waits until there is none, or none any more.
    pub async fn gone(&self) {
        self.gone.until(|| (!self.is_there.load(Ordering::SeqCst)).then_some(())).await;
    }

    /// Hears all that it knows; what it tells later is heard on a thread of its own.
    pub fn meet(words: OwnedFd, line: OwnedFd, shared: &Arc<Shared>) -> Result<Inheritance, String> {
        let stream = UnixStream::from(words);
        let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        ready.map_err(|error| error.to_string())?;
        let line = Arc::new(Line::new(line));
        let mut ear = Ear { stream, line: Arc::clone(&line), shared: Arc::clone(shared), places: Places::default() };
        say(&ear.stream, &Call::Listens).map_err(|error| error.to_string())?;
        let inheritance = ear.hear_all()?;
        shared.elder.begin(ear, line).map_err(|error| error.to_string())?;
        Ok(inheritance)
    }

    fn begin(&self, ear: Ear, line: Arc<Line>) -> io::Result<()> {
        ear.stream.set_read_timeout(None)?;
        *lock(&self.stream) = Some(ear.stream.try_clone()?);
        self.is_there.store(true, Ordering::SeqCst);
        let shared = Arc::clone(&ear.shared);
        Builder::new().name("elder-line".into()).spawn(move || {
            line.listen(|passed| {
                shared.owners.take_back(&passed);
                true
            });
            shared.elder.close();
        })?;
        Builder::new().name("elder".into()).spawn(move || ear.go_on()).map(drop)
    }

    /// Has the elder read no more datagrams and tell no more counters, since this worker does from now on, and learns which
    /// sessions it has. Returns once that is so, or nothing came of it.
    pub fn serve_instead(&self) {
        if self.say(&Call::Serves) {
            // Without an answer both read for a while, and a session may begin twice.
            self.wait_while(|heard| !heard.rests);
        }
    }

    /// Learns what the elder has counted up to now, as far as it says so in time.
    pub fn recount(&self) {
        let asked = {
            let mut heard = lock(&self.heard);
            heard.asked += 1;
            heard.asked
        };
        if self.say(&Call::Counted) {
            self.wait_while(|heard| heard.recounted < asked);
        }
    }

    fn say(&self, call: &Call) -> bool {
        lock(&self.stream).as_ref().is_some_and(|stream| say(stream, call).is_ok())
    }

    fn wait_while(&self, waits: impl Fn(&Heard) -> bool) {
        let goes_on = |heard: &mut Heard| heard.closed == 0 && waits(heard);
        drop(self.news.wait_timeout_while(lock(&self.heard), ANSWERS_WITHIN, goes_on));
    }

    fn hear(&self, take: impl FnOnce(&mut Heard)) {
        take(&mut lock(&self.heard));
        self.news.notify_all();
    }

    /// One of the two ways to us is closed. Once both are it has ended.
    fn close(&self) {
        *lock(&self.stream) = None;
        self.hear(|heard| heard.closed += 1);
        if lock(&self.heard).closed == 2 {
            self.is_there.store(false, Ordering::SeqCst);
            self.gone.ring();
        }
    }
}

struct Ear {
    stream: UnixStream,
    line: Arc<Line>,
    shared: Arc<Shared>,
    places: Places,
}

impl Ear {
    fn hear_all(&mut self) -> Result<Inheritance, String> {
        match hear(&self.stream)? {
            Some(Word::Hello { format: FORMAT }) => {}
            Some(Word::Hello { format }) => return Err(format!("format {format} is not {FORMAT}, the one heard here")),
            Some(_) | None => return Err("it did not say hello".to_owned()),
        }
        let mut all = Inheritance::default();
        loop {
            match hear(&self.stream)? {
                Some(Word::Whole) => return Ok(all),
                Some(word) => self.take(word, &mut all),
                None => return Err("it ended before it had told all".to_owned()),
            }
        }
    }

    fn take(&mut self, word: Word, all: &mut Inheritance) {
        match word {
            Word::Endpoints { rows } => {
                all.endpoints.extend(rows.into_iter().map(|(upstream, address, told)| ((upstream, address), told)));
            }
            Word::Routes { rows } => all.routes.extend(rows),
            Word::Limits { rows } => all.limits.extend(rows),
            Word::Counts { counts } => self.shared.registry.inherit(&counts, &mut self.places),
            Word::Held { held } => self.shared.count_elsewhere(held),
            Word::Clients { clients } => self.shared.count_clients_elsewhere(&clients),
            Word::Flows { rows } => self.shared.owners.know_elder(&self.line, flows(rows)),
            Word::Rests => self.shared.elder.hear(|heard| heard.rests = true),
            Word::Recounted => self.shared.elder.hear(|heard| heard.recounted += 1),
            Word::Ended { rows } => self.shared.owners.forget_flows(&flows(rows)),
            Word::Bye => self.forget_sessions(),
            Word::Hello { .. } | Word::Whole | Word::Unknown => {}
        }
    }

    /// It has no sessions any more: what was passed to it comes back.
    fn forget_sessions(&self) {
        self.shared.owners.forget_elder();
        self.line.end();
    }

    /// Hears what it tells until it has ended.
    fn go_on(mut self) {
        let mut late = Inheritance::default(); // what is told of endpoints once all was: we know better by now
        loop {
            match hear(&self.stream) {
                Ok(Some(word)) => self.take(word, &mut late),
                Ok(None) => break,
                Err(says) => {
                    let says = format_args!("the worker before this one is heard no more: {says}");
                    self.shared.program.say(Level::Warning, "succession", says);
                    break;
                }
            }
            late = Inheritance::default();
        }
        self.forget_sessions();
        self.shared.forget_elsewhere();
        self.shared.elder.close();
    }
}

fn flows(rows: Vec<(SocketAddr, SocketAddr)>) -> Vec<Flow> {
    rows.into_iter().map(|(client, local)| Flow { client, local }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
