//! The elder's side: telling the heir all that it is to go on from.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use tidegate_core::layer4::Flow;
use tidegate_core::snapshot::compiled::{Compiled, Inheritance};

use super::line::Line;
use super::word::{Call, Word, hear, say};
use super::{FORMAT, held};
use crate::metrics::handover::Told;
use crate::threads::shared::Shared;

/// How often the heir is told what has changed.
const TICK: Duration = Duration::from_millis(200);

/// What was counted is told every so many ticks: looking through the counters of 100,000 routes takes some 20 ms.
const COUNTS_EVERY: u32 = 5;

/// How long the heir may leave us waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Endpoints of one word: each has at most 100 changes of 300 bytes.
const MOST_ENDPOINTS: usize = 50;

/// Routes of one word: each has at most 400 numbers.
const MOST_ROUTES: usize = 100;

/// Flows of one word.
const MOST_FLOWS: usize = 10_000;

/// Bounds of one word.
const MOST_LIMITS: usize = 1000;

/// The worker that is to take our place, until it is dropped.
#[derive(Debug)]
pub struct Heir {
    stream: UnixStream,
    errands: Sender<Errand>,
    /// Comes to its end when the heir passes no more datagrams.
    passing: Receiver<()>,
}

/// What the teller is to say besides what has changed.
#[derive(Debug)]
enum Errand {
    /// Tell all.
    Begin,
    /// Tell what was counted up to now.
    Recount,
    /// We read no more datagrams, and have the sessions of these flows.
    Rests(Vec<Flow>),
    /// All of it for the last time; whoever waits for that is told, and whether the heir passes datagrams.
    Last(SyncSender<bool>),
}

impl Heir {
    /// Begins to tell it all over one socket, and to take its datagrams over the other, on threads of their own.
    pub fn tell(
        words: OwnedFd,
        line: OwnedFd,
        shared: &Arc<Shared>,
        compiled: Option<Arc<Compiled>>,
    ) -> io::Result<Self> {
        let stream = UnixStream::from(words);
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (errands, received) = channel();
        let (passes, passing) = sync_channel(0);
        let ear = Ear { stream: stream.try_clone()?, line: Arc::new(Line::new(line)), shared: Arc::clone(shared) };
        let (teller, told) = (stream.try_clone()?, Told::default());
        let shared = Arc::clone(shared);
        let mut teller = Teller { stream: teller, shared, compiled, told, held: held::Told::default() };
        Builder::new().name("heir".into()).spawn(move || {
            // An heir that is gone, or does not listen, hears no more; the supervisor knows what becomes of it.
            let _ = teller.tell(&received);
        })?;
        let to_teller = errands.clone();
        Builder::new().name("heir-ear".into()).spawn(move || ear.listen(&to_teller, passes))?;
        Ok(Self { stream, errands, passing })
    }

    /// Tells it the last, and gives back what it passes on meanwhile. Nothing is told after that.
    pub fn tell_last(&self) {
        let (done, said) = sync_channel(1);
        // The teller ends with the heir; then there is nobody to tell.
        if self.errands.send(Errand::Last(done)).is_ok() && said.recv_timeout(PATIENCE) == Ok(true) {
            let _ = self.passing.recv_timeout(PATIENCE);
        }
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // It fails where the heir has gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Hears the heir, until it has gone.
struct Ear {
    stream: UnixStream,
    line: Arc<Line>,
    shared: Arc<Shared>,
}

impl Ear {
    /// `passes` is dropped when no more datagrams come.
    fn listen(self, teller: &Sender<Errand>, passes: SyncSender<()>) {
        let mut passes = Some(passes);
        while let Ok(Some(call)) = hear(&self.stream) {
            let errand = match call {
                Call::Listens => Errand::Begin,
                Call::Counted => Errand::Recount,
                Call::Serves => match passes.take().map(|passes| self.rest(passes)) {
                    Some(Ok(flows)) => Errand::Rests(flows),
                    Some(Err(_)) => break,
                    None => continue,
                },
                Call::Unknown => continue,
            };
            // Without a teller the heir has gone.
            if teller.send(errand).is_err() {
                break;
            }
        }
        self.shared.owners.read_again();
    }

    /// Has our threads rest, and takes what the heir reads of our sessions.
    fn rest(&self, passes: SyncSender<()>) -> io::Result<Vec<Flow>> {
        let (owners, line) = (Arc::clone(&self.shared.owners), Arc::clone(&self.line));
        let flows = owners.rest(Arc::clone(&line));
        Builder::new().name("heir-line".into()).spawn(move || {
            line.listen(|passed| {
                owners.take_from_heir(&passed);
                true
            });
            drop(passes);
        })?;
        Ok(flows)
    }
}

struct Teller {
    stream: UnixStream,
    shared: Arc<Shared>,
    compiled: Option<Arc<Compiled>>,
    told: Told,
    held: held::Told,
}

impl Teller {
    fn tell_all(&mut self) -> io::Result<()> {
        self.say(&Word::Hello { format: FORMAT })?;
        if let Some(compiled) = &self.compiled {
            self.tell_standing(compiled.tell(self.shared.now()))?;
        }
        self.tell_counts()?;
        self.tell_held()?;
        self.say(&Word::Whole)
    }

    fn tell_standing(&self, told: Inheritance) -> io::Result<()> {
        let Inheritance { endpoints, routes, limits } = told;
        let endpoints = endpoints.into_iter().map(|((upstream, address), told)| (upstream, address, told));
        self.tell_rows(endpoints, MOST_ENDPOINTS, |rows| Word::Endpoints { rows })?;
        self.tell_rows(routes.into_iter(), MOST_ROUTES, |rows| Word::Routes { rows })?;
        self.tell_rows(limits.into_iter(), MOST_LIMITS, |rows| Word::Limits { rows })
    }

    fn tell_rows<T>(
        &self,
        mut all: impl Iterator<Item = T>,
        most: usize,
        word: impl Fn(Vec<T>) -> Word,
    ) -> io::Result<()> {
        loop {
            let rows: Vec<T> = all.by_ref().take(most).collect();
            if rows.is_empty() {
                return Ok(());
            }
            self.say(&word(rows))?;
        }
    }

    fn tell_counts(&mut self) -> io::Result<()> {
        for counts in self.shared.registry.tell(&mut self.told) {
            self.say(&Word::Counts { counts })?;
        }
        Ok(())
    }

    fn tell_held(&mut self) -> io::Result<()> {
        let Some(compiled) = &self.compiled else { return Ok(()) };
        if let Some(held) = self.held.held(&self.shared, compiled) {
            say(&self.stream, &Word::Held { held })?;
        }
        for clients in self.held.clients(&self.shared, compiled, self.shared.now()) {
            say(&self.stream, &Word::Clients { clients })?;
        }
        Ok(())
    }

    fn tell_flows(&self, flows: Vec<Flow>, word: impl Fn(Vec<(SocketAddr, SocketAddr)>) -> Word) -> io::Result<()> {
        self.tell_rows(flows.into_iter().map(|flow| (flow.client, flow.local)), MOST_FLOWS, word)
    }

    fn tell_ended(&self) -> io::Result<()> {
        self.tell_flows(self.shared.owners.ended(), |rows| Word::Ended { rows })
    }

    /// Tells all once it is asked for, then what changes, until it is the last time.
    fn tell(&mut self, errands: &Receiver<Errand>) -> io::Result<()> {
        match errands.recv() {
            Ok(Errand::Begin) => self.tell_all()?,
            // It never listened.
            Ok(Errand::Recount | Errand::Rests(_) | Errand::Last(_)) | Err(_) => return Ok(()),
        }
        self.go_on(errands)
    }

    fn go_on(&mut self, errands: &Receiver<Errand>) -> io::Result<()> {
        let (mut ticks, mut rests) = (0_u32, false);
        loop {
            match errands.recv_timeout(TICK) {
                Ok(Errand::Begin) => continue,
                Ok(Errand::Recount) => {
                    self.tell_counts()?;
                    self.say(&Word::Recounted)?;
                    continue;
                }
                Ok(Errand::Rests(flows)) => {
                    self.tell_flows(flows, |rows| Word::Flows { rows })?;
                    self.say(&Word::Rests)?;
                    rests = true;
                    continue;
                }
                Ok(Errand::Last(done)) => {
                    self.tell_counts()?;
                    self.tell_held()?;
                    self.tell_ended()?;
                    self.say(&Word::Bye)?;
                    // Whoever ends may not wait any longer.
                    let _ = done.send(rests);
                    return Ok(());
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tell_held()?;
            self.tell_ended()?;
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(COUNTS_EVERY) {
                self.tell_counts()?;
            }
        }
    }

    fn say(&self, word: &Word) -> io::Result<()> {
        say(&self.stream, word)
    }
}
