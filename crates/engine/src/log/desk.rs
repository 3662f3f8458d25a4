//! The thread named `log`: it alone writes the access log and the program log, and is the only one that a slow disk or
//! a blocked pipe can hold up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use super::outlet::Outlets;
use super::program::{Level, Voice};
use super::sink::{Fate, Outcome, Sink};
use super::writer::{Books, Lines, MOST_MESSAGES, Message};
use crate::metrics::registry::LogCounts;

/// Most empty buffers kept.
const MOST_SPARE: usize = 64;
/// How often an error is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The thread's side.
pub(super) struct Desk {
    receiver: Receiver<Message>,
    books: Arc<Books>,
    access: Outlets,
    program: Sink,
    waiters: Vec<SyncSender<()>>,
    told: Option<Instant>,
    /// How many lines had found no room when that was told last.
    told_full: u64,
    voice: Voice,
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
    pub(super) fn new(receiver: Receiver<Message>, books: Arc<Books>, program: Sink, voice: Voice) -> Self {
        let (access, waiters) = (Outlets::default(), Vec::new());
        Self { receiver, books, access, program, waiters, told: None, told_full: 0, voice }
    }

    pub(super) fn run(mut self) {
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
            Message::Access(outlet, lines) => match self.access.push(outlet, lines) {
                Ok(empty) => self.keep_spare(empty),
                Err(lines) => count(&self.books.access, &self.books.access_waiting, &lines, Fate::Refused),
            },
            Message::Program(lines) => drop(self.program.push(lines)),
            Message::Open(target, answer) => drop(answer.try_send(self.access.open(target))),
            Message::Settle(outlet, answer) => {
                let books = &self.books;
                let done = |lines: Lines, fate| count(&books.access, &books.access_waiting, &lines, fate);
                let torn = self.access.settle(outlet, Instant::now(), done);
                self.books.access.torn.fetch_add(torn, Ordering::Relaxed);
                self.told = None;
                drop(answer.try_send(Ok(())));
            }
            Message::Reopen(answer) => drop(answer.try_send(self.reopen())),
            Message::Streams([stdout, stderr], answer) => drop(answer.try_send(self.take_streams(&stdout, &stderr))),
            Message::Flush(waiter) => self.waiters.push(waiter),
        }
    }

    /// What waits is offered to the old file first: lines of before a rename belong to the renamed file.
    fn reopen(&mut self) -> io::Result<()> {
        self.access.try_again();
        self.write();
        let torn = self.access.reopen()?;
        self.books.access.torn.fetch_add(torn, Ordering::Relaxed);
        Ok(())
    }

    fn take_streams(&mut self, stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<()> {
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        self.program.open_stream(stderr.as_fd())?;
        self.books.program.torn.fetch_add(u64::from(self.program.skip_torn_line()), Ordering::Relaxed);
        let torn = self.access.take_stdout(stdout.as_fd())?;
        self.books.access.torn.fetch_add(torn, Ordering::Relaxed);
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
        for (name, outcome) in &access {
            if let Outcome::Failed(error) = outcome {
                self.tell(now, name, &error.to_string());
            }
        }
        self.tell_of_drops(now);
        let books = &self.books;
        let program =
            self.program.write(now, |lines, fate| count(&books.program, &books.program_waiting, &lines, fate));
        if self.access.is_empty() && self.program.is_empty() {
            for waiter in self.waiters.drain(..) {
                let _ = waiter.try_send(());
            }
        }
        pause_after(now, access.iter().map(|(_, outcome)| outcome).chain([&program]))
    }

    fn tell_of_drops(&mut self, now: Instant) {
        let full = self.books.access.full.load(Ordering::Relaxed);
        if full > self.told_full {
            let name = self.access.name();
            if self.tell(now, &name, "it takes nothing") {
                self.told_full = full;
            }
        }
    }

    /// Tells that a destination takes no lines, at most once in [`TOLD_EVERY`]; whether it was told.
    fn tell(&mut self, now: Instant, to: &str, why: &str) -> bool {
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return false;
        }
        self.told = Some(now);
        let dropped = self.books.access.dropped();
        let says = format!("cannot write the access log to {to}: {why}; {dropped} lines dropped so far");
        if let Some(bytes) = self.voice.line(Level::Error, "access_log", &says) {
            self.books.program_waiting.fetch_add(bytes.len(), Ordering::Relaxed);
            drop(self.program.push(Lines { bytes, count: 1 }));
        }
        true
    }

    fn wait_for_room(&self) {
        let program = Some(&self.program).filter(|sink| !sink.is_empty());
        let fds: Vec<_> = self.access.waiting().chain(program).filter_map(Sink::fd).collect();
        let mut asked: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
        // Messages are not heard meanwhile, so the wait is short. An interrupted one is only shorter.
        let _ = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }

    fn keep_spare(&self, buffer: Option<Vec<u8>>) {
        let Some(mut buffer) = buffer else { return };
        if let Ok(mut spare) = self.books.spare.lock()
            && spare.len() < MOST_SPARE
            && (1..=128 * 1024).contains(&buffer.capacity())
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
        Fate::Refused => &counts.refused,
    };
    counter.fetch_add(lines.count, Ordering::Relaxed);
}

fn pause_after<'a>(now: Instant, outcomes: impl Iterator<Item = &'a Outcome>) -> Pause {
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
