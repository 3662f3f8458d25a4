//! Lines on their way to one destination, which is never waited for.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::target::{Target, Way, check_peer, open_stream, write_some};
use super::writer::Lines;

/// Buffers are joined while they are not larger than this together.
const JOINED: usize = 64 * 1024;
/// How long to leave a destination alone that gave an error.
const RETRY: Duration = Duration::from_secs(1);

/// Lines on their way to one destination.
#[derive(Debug, Default)]
pub(super) struct Sink {
    to: Option<(OwnedFd, Way)>,
    /// A socket, to be connected to when there is something to write.
    again: Option<Target>,
    pending: VecDeque<Lines>,
    /// Bytes of the first pending buffer that are written.
    written: usize,
    rest_until: Option<Instant>,
}

/// What came of a turn at writing.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is written.
    Done,
    /// The destination takes nothing now; poll it.
    Full,
    /// It gave an error lately; try again then.
    Resting(Instant),
    /// It gave an error now.
    Failed(io::Error),
}

/// What became of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They reached the destination.
    Written,
    /// There is no destination, or it never takes them.
    Refused,
}

impl Sink {
    /// Lines go to `target` from now on. On an error nothing has changed.
    pub(super) fn open(&mut self, target: &Target) -> io::Result<()> {
        if target.is_socket() {
            self.again = Some(target.clone());
            self.disconnect();
        } else {
            self.to = Some(target.open()?);
        }
        self.rest_until = None;
        Ok(())
    }

    /// Lines go to the open descriptor `fd`, stdout or stderr, from now on.
    pub(super) fn open_stream(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.to = Some(open_stream(fd)?);
        self.rest_until = None;
        Ok(())
    }

    /// Puts `lines` behind those that wait; gives a buffer back that is not needed any more.
    pub(super) fn push(&mut self, mut lines: Lines) -> Option<Vec<u8>> {
        match self.pending.back_mut() {
            Some(last) if last.bytes.len() + lines.bytes.len() <= JOINED => {
                last.bytes.extend_from_slice(&lines.bytes);
                last.count += lines.count;
                lines.bytes.clear();
                Some(lines.bytes)
            }
            _ => {
                self.pending.push_back(lines);
                None
            }
        }
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes what the destination takes now; `done` is given each buffer that is written whole, or forgotten.
    pub(super) fn write(&mut self, now: Instant, mut done: impl FnMut(Lines, Fate)) -> Outcome {
        if let Some(until) = self.rest_until.filter(|until| *until > now && !self.pending.is_empty()) {
            return Outcome::Resting(until);
        }
        self.rest_until = None;
        if let (Some((fd, Way::Stream)), Some(_), Some(_)) = (&self.to, &self.again, self.pending.front())
            && let Err(error) = check_peer(fd.as_fd())
        {
            return self.failed(now, error);
        }
        while let Some(first) = self.pending.front() {
            let Some((fd, way)) = &self.to else {
                match self.again.as_ref().map(Target::open) {
                    Some(Ok(opened)) => self.to = Some(opened),
                    Some(Err(error)) => return self.failed(now, error),
                    None => self.forget_first(&mut done),
                }
                continue;
            };
            let rest = first.bytes.get(self.written..).unwrap_or_default();
            match write_some(fd.as_fd(), *way, rest) {
                Ok(0) if !rest.is_empty() => return self.failed(now, io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count;
                    if count == rest.len() {
                        done(self.pending.pop_front().unwrap_or_default(), Fate::Written);
                        self.written = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Full,
                Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                    self.skip_line();
                    done(Lines { bytes: Vec::new(), count: 1 }, Fate::Refused);
                }
                Err(error) => return self.failed(now, error),
            }
        }
        Outcome::Done
    }

    /// Forgets all that waits.
    pub(super) fn forget(&mut self, mut done: impl FnMut(Lines, Fate)) {
        while !self.pending.is_empty() {
            self.forget_first(&mut done);
        }
    }

    /// Takes over what waits in `other`, before all that waits here; whether a line was torn. `done` is given what was
    /// written of it.
    pub(super) fn take_over(&mut self, other: &mut Self, mut done: impl FnMut(Lines, Fate)) -> bool {
        let torn = other.skip_torn_line();
        if let Some(first) = other.pending.front_mut() {
            let written = first.bytes.drain(..other.written.min(first.bytes.len())).collect();
            done(Lines { bytes: written, count: 0 }, Fate::Written);
        }
        other.written = 0;
        let mut theirs = std::mem::take(&mut other.pending);
        // What is half written here comes first.
        let half = if self.written > 0 { self.pending.pop_front() } else { None };
        theirs.append(&mut self.pending);
        if let Some(half) = half {
            theirs.push_front(half);
        }
        self.pending = theirs;
        torn
    }

    /// Forgets the rest of a line that is half written, as it goes on elsewhere. Whether there was one.
    pub(super) fn skip_torn_line(&mut self) -> bool {
        let Some(first) = self.pending.front() else { return false };
        let before = first.bytes.get(..self.written).unwrap_or(&first.bytes);
        if before.last().is_none_or(|last| *last == b'\n') {
            return false;
        }
        self.skip_line();
        true
    }

    /// Lets the next turn at writing try, also soon after an error.
    pub(super) fn try_again(&mut self) {
        self.rest_until = None;
    }

    /// The destination, to be polled, unless it is left alone for now.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().filter(|_| self.rest_until.is_none()).map(|(fd, _)| fd.as_fd())
    }

    fn forget_first(&mut self, done: &mut impl FnMut(Lines, Fate)) {
        done(self.pending.pop_front().unwrap_or_default(), Fate::Refused);
        self.written = 0;
    }

    /// Goes on behind the end of the line where it is.
    fn skip_line(&mut self) {
        let Some(first) = self.pending.front_mut() else { return };
        let rest = first.bytes.get(self.written..).unwrap_or_default();
        self.written += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        first.count = first.count.saturating_sub(1);
    }

    /// Lets a connection go. A line that was sent in part comes whole over the next one.
    fn disconnect(&mut self) {
        self.to = None;
        let before = self.pending.front().and_then(|first| first.bytes.get(..self.written)).unwrap_or_default();
        self.written = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    }

    fn failed(&mut self, now: Instant, error: io::Error) -> Outcome {
        if self.again.is_some() {
            self.disconnect();
        }
        self.rest_until = Some(now + RETRY);
        Outcome::Failed(error)
    }
}
