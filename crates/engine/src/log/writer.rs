//! The thread named `log`: it alone writes the access log and the program log, and is the only one that a slow disk or
//! a blocked pipe can hold up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use super::program::{Level, ProgramLog};
use super::sink::{Fate, Outcome, Sink};
use crate::metrics::registry::LogCounts;

/// Most bytes of the access log that wait to be written.
const MOST_ACCESS: usize = 8 * 1024 * 1024;
/// Most bytes of the program log that wait to be written.
const MOST_PROGRAM: usize = 256 * 1024;
/// Most buffers in the channel.
const MOST_MESSAGES: usize = 1024;
/// Most empty buffers kept.
const MOST_SPARE: usize = 64;
/// How often an error is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Descriptor 1.
    Stdout,
    /// A file, made if need be, appended to.
    File(PathBuf),
}

impl Target {
    /// Reads `to` of the snapshot's access log.
    pub fn of(to: &str) -> Self {
        if to == "stdout" { Self::Stdout } else { Self::File(PathBuf::from(to)) }
    }
}

/// Whole lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

enum Message {
    Access(Lines),
    Program(Lines),
    /// Where the access log goes from now on; the answer says whether it can.
    To(Option<Target>, SyncSender<io::Result<()>>),
    /// Opens the access log's file anew.
    Reopen(SyncSender<io::Result<()>>),
    /// The process's stdout and stderr are these from now on.
    Streams([OwnedFd; 2], SyncSender<io::Result<()>>),
    /// Answered when all that came before is written.
    Flush(SyncSender<()>),
}

/// A handle on the thread that writes; clones are handles on the same one. It ends with the last of them.
#[derive(Clone, Debug)]
pub struct LogWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sender: SyncSender<Message>,
    books: Arc<Books>,
}

/// What the handles and the thread both read.
#[derive(Debug)]
struct Books {
    on: AtomicBool,
    access_waiting: AtomicUsize,
    program_waiting: AtomicUsize,
    access: Arc<LogCounts>,
    program: Arc<LogCounts>,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl LogWriter {
    /// Starts the thread. The program log goes to stderr, the access log nowhere until [`LogWriter::access_to`].
    pub fn start(access: Arc<LogCounts>, program: Arc<LogCounts>) -> io::Result<(Self, ProgramLog)> {
        let mut sink = Sink::nowhere();
        // A process without stderr has nobody to tell: its words are dropped and counted.
        let _ = sink.open_stream(io::stderr().as_fd());
        Self::start_with(access, program, sink)
    }

    fn start_with(access: Arc<LogCounts>, program: Arc<LogCounts>, stderr: Sink) -> io::Result<(Self, ProgramLog)> {
        let (sender, receiver) = sync_channel(MOST_MESSAGES);
        let books = Arc::new(Books {
            on: AtomicBool::new(false),
            access_waiting: AtomicUsize::new(0),
            program_waiting: AtomicUsize::new(0),
            access,
            program,
            spare: Mutex::default(),
        });
        let writer = Self(Arc::new(Shared { sender, books: Arc::clone(&books) }));
        let log = ProgramLog::new(writer.clone());
        let desk = Desk {
            receiver,
            books,
            target: None,
            access: Sink::nowhere(),
            program: stderr,
            waiters: Vec::new(),
            told: None,
            voice: log.voice(),
        };
        thread::Builder::new().name("log".into()).spawn(move || desk.run())?;
        Ok((writer, log))
    }

    /// The access log goes to `target` from now on; on an error nothing has changed. Waits for the thread: not for a
    /// serving thread to call.
    pub fn access_to(&self, target: Option<Target>) -> io::Result<()> {
        self.ask(|answer| Message::To(target, answer))
    }

    /// Opens the file of the access log anew by its path; on an error the old one stays. Waits for the thread: not for
    /// a serving thread to call.
    pub fn reopen(&self) -> io::Result<()> {
        self.ask(Message::Reopen)
    }

    /// The process's stdout and stderr are these from now on, for whoever writes to them; what could not be written to the
    /// old ones goes there. Waits for the thread: not for a serving thread to call.
    pub fn take_streams(&self, stdout: OwnedFd, stderr: OwnedFd) -> io::Result<()> {
        self.ask(|answer| Message::Streams([stdout, stderr], answer))
    }

    /// Waits until all that was handed over is written, at most for `within`; whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        let (answer, done) = sync_channel(1);
        self.0.sender.try_send(Message::Flush(answer)).is_ok() && done.recv_timeout(within).is_ok()
    }

    pub(super) fn takes_access_lines(&self) -> bool {
        self.0.books.on.load(Ordering::Relaxed)
    }

    /// Takes `lines`, or drops and counts them; never blocks.
    pub(super) fn take(&self, lines: Lines) {
        let books = &self.0.books;
        self.send(lines, &books.access_waiting, MOST_ACCESS, &books.access, Message::Access);
    }

    /// Takes one line of the program log, or drops and counts it; never blocks.
    pub(super) fn take_program_line(&self, bytes: Vec<u8>) {
        let books = &self.0.books;
        self.send(Lines { bytes, count: 1 }, &books.program_waiting, MOST_PROGRAM, &books.program, Message::Program);
    }

    /// An empty buffer that has been written before, if there is one.
    pub(super) fn spare_buffer(&self) -> Vec<u8> {
        self.0.books.spare.try_lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    fn send(
        &self,
        lines: Lines,
        waiting: &AtomicUsize,
        most: usize,
        counts: &LogCounts,
        message: fn(Lines) -> Message,
    ) {
        let (size, count) = (lines.bytes.len(), lines.count);
        let fits = waiting.fetch_add(size, Ordering::Relaxed) + size <= most;
        if !fits || self.0.sender.try_send(message(lines)).is_err() {
            waiting.fetch_sub(size, Ordering::Relaxed);
            counts.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn ask(&self, message: impl FnOnce(SyncSender<io::Result<()>>) -> Message) -> io::Result<()> {
        let (answer, done) = sync_channel(1);
        match self.0.sender.try_send(message(answer)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(io::Error::other("the log thread does not keep up")),
            Err(TrySendError::Disconnected(_)) => return Err(io::Error::other("the log thread has ended")),
        }
        let silent = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the log thread waits for its disk"));
        done.recv_timeout(Duration::from_secs(5)).unwrap_or_else(silent)
    }
}

/// The thread's side.
struct Desk {
    receiver: Receiver<Message>,
    books: Arc<Books>,
    target: Option<Target>,
    access: Sink,
    program: Sink,
    waiters: Vec<SyncSender<()>>,
    told: Option<Instant>,
    voice: super::program::Voice,
}

/// What to do before the next look at the channel.
enum Pause {
    /// Wait for a message.
    Message,
    /// Wait for a message, or until then.
    Until(Instant),
    /// A destination is full: wait until one is not.
    Room,
}

impl Desk {
    fn run(mut self) {
        let mut pause = Pause::Message;
        loop {
            let first = match pause {
                Pause::Message => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Pause::Until(then) => self.receiver.recv_timeout(then.saturating_duration_since(Instant::now())),
                Pause::Room => {
                    self.wait_for_room();
                    self.receiver.recv_timeout(Duration::ZERO)
                }
            };
            match first {
                Ok(message) => self.obey(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
            }
            // Bounded, so that under a flood of messages writing has its turn.
            for message in self.receiver.try_iter().take(MOST_MESSAGES / 4).collect::<Vec<_>>() {
                self.obey(message);
            }
            pause = self.write();
        }
    }

    fn obey(&mut self, message: Message) {
        // Whoever asked may have stopped waiting: then the answer is for nobody.
        match message {
            Message::Access(lines) => {
                let empty = self.access.push(lines);
                self.keep_spare(empty);
            }
            Message::Program(lines) => drop(self.program.push(lines)),
            Message::To(target, answer) => drop(answer.try_send(self.open(target))),
            Message::Reopen(answer) => {
                let same = self.target.clone();
                drop(answer.try_send(if matches!(same, Some(Target::File(_))) { self.open(same) } else { Ok(()) }));
            }
            Message::Streams([stdout, stderr], answer) => drop(answer.try_send(self.take_streams(&stdout, &stderr))),
            Message::Flush(waiter) => self.waiters.push(waiter),
        }
    }

    fn take_streams(&mut self, stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<()> {
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        self.program.open_stream(stderr.as_fd())?;
        self.books.program.dropped.fetch_add(u64::from(self.program.skip_torn_line()), Ordering::Relaxed);
        if self.target == Some(Target::Stdout) { self.open(self.target.clone()) } else { Ok(()) }
    }

    /// What waits is offered to the old destination first: lines of before a rename belong to the renamed file.
    fn open(&mut self, target: Option<Target>) -> io::Result<()> {
        self.access.try_again();
        self.write();
        match &target {
            None => self.access.close(),
            Some(Target::Stdout) => self.access.open_stream(io::stdout().as_fd())?,
            Some(Target::File(path)) => self.access.open_file(path)?,
        }
        if self.access.skip_torn_line() {
            self.books.access.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.books.on.store(target.is_some(), Ordering::Relaxed);
        self.target = target;
        Ok(())
    }

    fn write(&mut self) -> Pause {
        let now = Instant::now();
        let mut spare = Vec::new();
        let books = &self.books;
        let access = self.access.write(now, |lines, fate| {
            count(&books.access, &books.access_waiting, &lines, fate);
            spare.push(lines.bytes);
        });
        spare.into_iter().for_each(|buffer| self.keep_spare(Some(buffer)));
        if let Outcome::Failed(error) = &access {
            self.tell(now, error);
        }
        let books = &self.books;
        let program =
            self.program.write(now, |lines, fate| count(&books.program, &books.program_waiting, &lines, fate));
        if self.access.is_empty() && self.program.is_empty() {
            for waiter in self.waiters.drain(..) {
                let _ = waiter.try_send(());
            }
        }
        pause_after(now, [&access, &program])
    }

    /// Tells of an error, at most once in [`TOLD_EVERY`].
    fn tell(&mut self, now: Instant, error: &io::Error) {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return;
        }
        self.told = Some(now);
        let to = match &self.target {
            Some(Target::File(path)) => path.display().to_string(),
            Some(Target::Stdout) | None => "stdout".to_owned(),
        };
        let dropped = self.books.access.dropped.load(Ordering::Relaxed);
        let says = format!("cannot write the access log to {to}: {error}; {dropped} lines dropped so far");
        if let Some(bytes) = self.voice.line(Level::Error, "access_log", &says) {
            self.books.program_waiting.fetch_add(bytes.len(), Ordering::Relaxed);
            drop(self.program.push(Lines { bytes, count: 1 }));
        }
    }

    fn wait_for_room(&self) {
        let sinks = [&self.access, &self.program].into_iter().filter(|sink| !sink.is_empty());
        let fds: Vec<_> = sinks.filter_map(Sink::fd).collect();
        let mut asked: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
        // Messages are not heard meanwhile, so the wait is short. An interrupted one is only shorter.
        let _ = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }

    fn keep_spare(&self, buffer: Option<Vec<u8>>) {
        let Some(mut buffer) = buffer else { return };
        if let Ok(mut spare) = self.books.spare.lock()
            && spare.len() < MOST_SPARE
            && buffer.capacity() <= 128 * 1024
        {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

fn count(counts: &LogCounts, waiting: &AtomicUsize, lines: &Lines, fate: Fate) {
    waiting.fetch_sub(lines.bytes.len(), Ordering::Relaxed);
    let counter = match fate {
        Fate::Written => &counts.written,
        Fate::Dropped => &counts.dropped,
    };
    counter.fetch_add(lines.count, Ordering::Relaxed);
}

fn pause_after(now: Instant, outcomes: [&Outcome; 2]) -> Pause {
    let mut soonest = None;
    for outcome in outcomes {
        let then = match outcome {
            Outcome::Done => continue,
            Outcome::Full => return Pause::Room,
            Outcome::Resting(until) => *until,
            Outcome::Failed(_) => now + Duration::from_secs(1),
        };
        soonest = Some(soonest.map_or(then, |other: Instant| other.min(then)));
    }
    soonest.map_or(Pause::Message, Pause::Until)
}
