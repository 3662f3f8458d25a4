//! A file, pipe, socket or terminal that takes lines and is never waited for.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::net::SendFlags;

use super::writer::Lines;

/// Up to so many bytes a pipe takes whole or not at all (PIPE_BUF on Linux, pipe(7)), so lines are never torn there.
const ATOMIC: usize = 4096;
/// Buffers are joined while they are not larger than this together.
const JOINED: usize = 64 * 1024;
/// How long to leave a destination alone that gave an error.
const RETRY: Duration = Duration::from_secs(1);

/// How a destination is kept from making us wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A file: its writes end when the kernel has copied the bytes.
    File,
    /// A pipe or terminal: asked first, then given no more than it surely takes.
    Pipe,
    /// A socket: each write says that it does not wait.
    Socket,
}

/// Lines on their way to one destination.
#[derive(Debug)]
pub(super) struct Sink {
    to: Option<(OwnedFd, Way)>,
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

impl Sink {
    /// A sink without a destination: it forgets what it is given.
    pub(super) fn nowhere() -> Self {
        Self { to: None, pending: VecDeque::new(), written: 0, rest_until: None }
    }

    /// Lines go to `path` from now on, appended.
    pub(super) fn open_file(&mut self, path: &Path) -> io::Result<()> {
        // Nonblocking for the open itself: a FIFO without a reader would make it wait.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        let file: File = options.append(true).create(true).mode(0o640).custom_flags(nonblocking).open(path)?;
        let way = way_of(file.as_fd())?;
        self.to = Some((file.into(), way));
        self.rest_until = None;
        Ok(())
    }

    /// Lines go to the open descriptor `fd`, stdout or stderr, from now on.
    pub(super) fn open_stream(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let way = way_of(fd)?;
        // O_NONBLOCK on the descriptor itself would be seen by every process that shares it: a pipe or terminal is
        // opened once more instead, where permissions allow; where not, asking first has to do.
        let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = if way == Way::Pipe { rustix::fs::open(again, flags, Mode::empty()).ok() } else { None };
        let owned = opened.map_or_else(|| fd.try_clone_to_owned(), Ok)?;
        self.to = Some((owned, way));
        self.rest_until = None;
        Ok(())
    }

    /// Lines go nowhere from now on.
    pub(super) fn close(&mut self) {
        self.to = None;
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
        while let Some(first) = self.pending.front() {
            let Some((fd, way)) = &self.to else {
                done(self.pending.pop_front().unwrap_or_default(), Fate::Dropped);
                self.written = 0;
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
                Err(error) => return self.failed(now, error),
            }
        }
        Outcome::Done
    }

    /// Forgets the rest of a line that is half written, as it goes on in another file. Whether there was one.
    pub(super) fn skip_torn_line(&mut self) -> bool {
        let Some(first) = self.pending.front_mut() else { return false };
        let (before, rest) = first.bytes.split_at(self.written.min(first.bytes.len()));
        if before.last().is_none_or(|last| *last == b'\n') {
            return false;
        }
        let line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        self.written += line;
        first.count = first.count.saturating_sub(1);
        true
    }

    /// Lets the next turn at writing try, also soon after an error.
    pub(super) fn try_again(&mut self) {
        self.rest_until = None;
    }

    /// The destination, to be polled.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().map(|(fd, _)| fd.as_fd())
    }

    fn failed(&mut self, now: Instant, error: io::Error) -> Outcome {
        self.rest_until = Some(now + RETRY);
        Outcome::Failed(error)
    }
}

/// What became of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It reached the destination.
    Written,
    /// There is no destination.
    Dropped,
}

fn way_of(fd: BorrowedFd<'_>) -> io::Result<Way> {
    Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Fifo | FileType::CharacterDevice => Way::Pipe,
        FileType::Socket => Way::Socket,
        FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::BlockDevice | FileType::Unknown => {
            Way::File
        }
    })
}

fn write_some(fd: BorrowedFd<'_>, way: Way, bytes: &[u8]) -> io::Result<usize> {
    Ok(match way {
        Way::File => rustix::io::write(fd, bytes)?,
        Way::Socket => rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?,
        Way::Pipe => {
            let mut ask = [PollFd::new(&fd, PollFlags::OUT)];
            if poll(&mut ask, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            rustix::io::write(fd, whole_lines(bytes))?
        }
    })
}

/// As many whole lines as a pipe takes at once; of a line that is longer, as much as it takes.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let most = bytes.get(..ATOMIC).unwrap_or(bytes);
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |last| last + 1);
    most.get(..end).unwrap_or(most)
}
