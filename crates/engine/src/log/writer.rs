//! A handle on the thread named `log`: what serving threads give it, and what the control thread asks of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::desk::Desk;
use super::outlet::OutletId;
use super::program::ProgramLog;
use super::sink::Sink;
use super::target::Target;
use crate::metrics::registry::LogCounts;

/// Most bytes of the access log that wait to be written.
const MOST_ACCESS: usize = 8 * 1024 * 1024;
/// Most bytes of the program log that wait to be written.
const MOST_PROGRAM: usize = 256 * 1024;
/// Most buffers in the channel.
pub(super) const MOST_MESSAGES: usize = 1024;

/// Whole lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

/// What the thread is told.
pub(super) enum Message {
    Access(OutletId, Lines),
    Program(Lines),
    /// Open this, for lines that may come from now on; the answer names it.
    Open(Target, SyncSender<io::Result<OutletId>>),
    /// Lines come for this one alone from now on.
    Settle(Option<OutletId>, SyncSender<io::Result<()>>),
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
pub(super) struct Books {
    pub(super) access_waiting: AtomicUsize,
    pub(super) program_waiting: AtomicUsize,
    pub(super) access: Arc<LogCounts>,
    pub(super) program: Arc<LogCounts>,
    pub(super) spare: Mutex<Vec<Vec<u8>>>,
}

impl LogWriter {
    /// Starts the thread. The program log goes to stderr, the access log nowhere until [`LogWriter::open`].
    pub fn start(access: Arc<LogCounts>, program: Arc<LogCounts>) -> io::Result<(Self, ProgramLog)> {
        let mut stderr = Sink::default();
        // A process without stderr has nobody to tell: its words are dropped and counted.
        let _ = stderr.open_stream(io::stderr().as_fd());
        let (sender, receiver) = sync_channel(MOST_MESSAGES);
        let books = Arc::new(Books {
            access_waiting: AtomicUsize::new(0),
            program_waiting: AtomicUsize::new(0),
            access,
            program,
            spare: Mutex::default(),
        });
        let writer = Self(Arc::new(Shared { sender, books: Arc::clone(&books) }));
        let log = ProgramLog::new(writer.clone());
        let desk = Desk::new(receiver, books, stderr, log.voice());
        thread::Builder::new().name("log".into()).spawn(move || desk.run())?;
        Ok((writer, log))
    }

    /// Opens `target`, so that lines of the access log may go there; on an error nothing has changed. A socket need not
    /// be there. Waits for the thread, as do the next three: not for a serving thread to call.
    pub fn open(&self, target: Target) -> io::Result<OutletId> {
        self.ask(|answer| Message::Open(target, answer))
    }

    /// Lines come for `outlet` alone from now on: what waits for others is still written there, for a while.
    pub fn settle(&self, outlet: Option<OutletId>) -> io::Result<()> {
        self.ask(|answer| Message::Settle(outlet, answer))
    }

    /// Opens the file of the access log anew by its path; on an error the old one stays.
    pub fn reopen(&self) -> io::Result<()> {
        self.ask(Message::Reopen)
    }

    /// The process's stdout and stderr are these from now on, for whoever writes to them; what could not be written to
    /// the old ones goes there.
    pub fn take_streams(&self, stdout: OwnedFd, stderr: OwnedFd) -> io::Result<()> {
        self.ask(|answer| Message::Streams([stdout, stderr], answer))
    }

    /// Waits until all that was handed over is written, at most for `within`; whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        let (answer, done) = sync_channel(1);
        self.0.sender.try_send(Message::Flush(answer)).is_ok() && done.recv_timeout(within).is_ok()
    }

    /// Takes `lines`, or drops and counts them; never blocks.
    pub(super) fn take(&self, outlet: OutletId, lines: Lines) {
        let books = &self.0.books;
        let message = |lines| Message::Access(outlet, lines);
        self.send(lines, &books.access_waiting, MOST_ACCESS, &books.access.full, message);
    }

    /// Takes one line of the program log, or drops and counts it; never blocks.
    pub(super) fn take_program_line(&self, bytes: Vec<u8>) {
        let (books, line) = (&self.0.books, Lines { bytes, count: 1 });
        self.send(line, &books.program_waiting, MOST_PROGRAM, &books.program.full, Message::Program);
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
        dropped: &AtomicU64,
        message: impl FnOnce(Lines) -> Message,
    ) {
        let (size, count) = (lines.bytes.len(), lines.count);
        let fits = waiting.fetch_add(size, Ordering::Relaxed) + size <= most;
        if !fits || self.0.sender.try_send(message(lines)).is_err() {
            waiting.fetch_sub(size, Ordering::Relaxed);
            dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn ask<T>(&self, message: impl FnOnce(SyncSender<io::Result<T>>) -> Message) -> io::Result<T> {
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
