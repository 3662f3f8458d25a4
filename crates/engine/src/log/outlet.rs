//! The destinations of the access log: the one of now, and those that a reload has left but whose lines still wait.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::sink::{Fate, Outcome, Sink};
use super::target::Target;
use super::writer::Lines;

/// How long a destination that was left may take for the lines that it was meant to get.
const LEFT: Duration = Duration::from_secs(10);

/// Names a destination for as long as lines may be on their way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutletId(u64);

/// The destinations of the access log.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    all: Vec<Outlet>,
    next: u64,
}

#[derive(Debug)]
struct Outlet {
    id: OutletId,
    target: Target,
    sink: Sink,
    /// When it is given up; none: it is in use, or will be.
    until: Option<Instant>,
}

impl Outlets {
    /// Opens `target`, unless it is open. On an error nothing has changed.
    pub(super) fn open(&mut self, target: Target) -> io::Result<OutletId> {
        if let Some(known) = self.all.iter_mut().find(|outlet| outlet.target == target) {
            known.until = None;
            return Ok(known.id);
        }
        let mut sink = Sink::default();
        sink.open(&target)?;
        let id = OutletId(self.next);
        self.next += 1;
        self.all.push(Outlet { id, target, sink, until: None });
        Ok(id)
    }

    /// Leaves all destinations but `kept`: no more lines come for them. What waits there since they gave an error goes to
    /// `kept`, where both take plain lines. How many lines were torn.
    pub(super) fn settle(&mut self, kept: Option<OutletId>, now: Instant, mut done: impl FnMut(Lines, Fate)) -> u64 {
        let mut torn = 0;
        let mut kept =
            kept.and_then(|id| self.all.iter().position(|outlet| outlet.id == id)).map(|at| self.all.remove(at));
        for left in &mut self.all {
            left.until.get_or_insert(now + LEFT);
            left.sink.try_again();
            if let Outcome::Failed(_) = left.sink.write(now, &mut done)
                && let Some(kept) = &mut kept
                && !left.target.is_socket()
                && !kept.target.is_socket()
            {
                torn += u64::from(kept.sink.take_over(&mut left.sink, &mut done));
            }
        }
        self.all.extend(kept);
        torn
    }

    /// Puts lines on their way; those of an unknown destination, which was left long ago, go to the one of now.
    pub(super) fn push(&mut self, id: OutletId, lines: Lines) -> Result<Option<Vec<u8>>, Lines> {
        let at = self.all.iter().position(|outlet| outlet.id == id).or(self.all.len().checked_sub(1));
        match at.and_then(|at| self.all.get_mut(at)) {
            Some(outlet) => Ok(outlet.sink.push(lines)),
            None => Err(lines),
        }
    }

    /// Gives every destination a turn at writing. What came of each that is not done, with its name.
    pub(super) fn write(&mut self, now: Instant, mut done: impl FnMut(Lines, Fate)) -> Vec<(String, Outcome)> {
        let mut outcomes = Vec::new();
        self.all.retain_mut(|outlet| {
            let outcome = outlet.sink.write(now, &mut done);
            let is_over = outlet.until.is_some_and(|until| until <= now || outlet.sink.is_empty());
            if is_over {
                outlet.sink.forget(&mut done);
            } else if !matches!(outcome, Outcome::Done) {
                outcomes.push((outlet.target.to_string(), outcome));
            }
            !is_over
        });
        outcomes
    }

    /// Opens the files anew by their paths, and connects anew; the number of lines that were torn. On an error the old
    /// one stays.
    pub(super) fn reopen(&mut self) -> io::Result<u64> {
        let (mut torn, mut came) = (0, Ok(()));
        for outlet in self.all.iter_mut().filter(|outlet| outlet.until.is_none() && outlet.target != Target::Stdout) {
            match outlet.sink.open(&outlet.target) {
                Ok(()) => torn += u64::from(outlet.sink.skip_torn_line()),
                Err(error) => came = Err(error),
            }
        }
        came.map(|()| torn)
    }

    /// What goes to stdout goes to `stdout` from now on; the number of lines that were torn.
    pub(super) fn take_stdout(&mut self, stdout: BorrowedFd<'_>) -> io::Result<u64> {
        let mut torn = 0;
        for outlet in self.all.iter_mut().filter(|outlet| outlet.target == Target::Stdout) {
            outlet.sink.open_stream(stdout)?;
            torn += u64::from(outlet.sink.skip_torn_line());
        }
        Ok(torn)
    }

    /// Lets the next turn at writing try, also soon after an error.
    pub(super) fn try_again(&mut self) {
        self.all.iter_mut().for_each(|outlet| outlet.sink.try_again());
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.all.iter().all(|outlet| outlet.sink.is_empty())
    }

    /// Where something waits to be written, to be polled.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Sink> {
        self.all.iter().map(|outlet| &outlet.sink).filter(|sink| !sink.is_empty())
    }

    /// The destination of now.
    pub(super) fn name(&self) -> String {
        self.all.last().map_or_else(|| "nowhere".to_owned(), |outlet| outlet.target.to_string())
    }
}
