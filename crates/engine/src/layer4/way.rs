//! Bytes one way: from one side to the other, through a box or a pipe.
//!
//! A box is taken when bytes come and given back when none wait, so a connection at rest holds none. Who fills boxes gets
//! a larger one, then a pipe inside the kernel (splice(2)), until little comes again. Whose bytes came in such a crowd the
//! last time begins with the pipe the next time: figures are in `docs/layer4.md`.

use std::io;
use std::task::{Context, Poll, ready};

use tidegate_core::lane::buffer::{Buffer, LARGE, SMALL};

use crate::pool::pipe::Pipe;
use crate::pool::stream::Stream;
use crate::threads::thread::Thread;

/// So often bytes are moved before other connections have their turn.
const ROUNDS: usize = 16;

/// A pipe that brought less goes back: through a box it costs less.
const WORTH_A_PIPE: usize = SMALL;

/// A burst of so many bytes makes the next one begin with a pipe.
const LARGE_BURST: usize = 64 * 1024;

/// What became of a way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// The side that sends has ended, and the other has all of it.
    Ended,
    /// The side that sends broke.
    Broke,
}

/// How bytes are moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum By {
    #[default]
    Small,
    Large,
    Pipe,
}

/// Bytes one way.
#[derive(Default)]
pub(super) struct Way {
    /// What is written before anything else.
    head: Vec<u8>,
    buffer: Buffer,
    pipe: Option<Box<Pipe>>,
    by: By,
    /// Bytes that came since there were none.
    burst: usize,
    ended: bool,
    /// The side that receives takes no more; what it has sent may still lie there.
    refused: bool,
    over: bool,
    moved: u64,
}

impl Way {
    /// A way that begins with these bytes, which do not count, and those that wait in `buffer`.
    pub(super) fn with(head: Vec<u8>, buffer: Buffer) -> Self {
        Self { head, buffer, ..Self::default() }
    }

    /// How many bytes the receiving side took.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether the receiving side takes no more.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Moves bytes until there are none, or no room for them; ready, once, when it is over.
    pub(super) fn poll(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        thread: &Thread,
        cx: &mut Context<'_>,
    ) -> Poll<Over> {
        if self.over || self.refused {
            return Poll::Pending;
        }
        for _ in 0..ROUNDS {
            if self.waits() {
                match ready!(self.poll_write(to, cx)) {
                    Ok(n) if n > 0 => {}
                    Ok(_) | Err(_) => {
                        self.clear(thread);
                        self.refused = true;
                        return Poll::Pending;
                    }
                }
            } else if self.ended {
                self.clear(thread);
                self.over = true;
                return Poll::Ready(Over::Ended);
            } else {
                match self.poll_read(from, to, thread, cx) {
                    Poll::Ready(Ok(n)) => {
                        self.ended = n == 0;
                        self.burst = self.burst.saturating_add(n);
                    }
                    Poll::Ready(Err(_)) => {
                        self.clear(thread);
                        self.over = true;
                        return Poll::Ready(Over::Broke);
                    }
                    Poll::Pending => {
                        self.pause(thread);
                        return Poll::Pending;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn waits(&self) -> bool {
        !self.head.is_empty() || !self.buffer.is_empty() || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
    }

    fn poll_write(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
            let wrote = ready!(pipe.poll_empty(to, false, cx))?;
            self.moved += wrote as u64;
            return Poll::Ready(Ok(wrote));
        }
        let wrote = ready!(to.poll_write(cx, [&self.head, self.buffer.filled(), &[]]))?;
        let of_head = wrote.min(self.head.len());
        if of_head == self.head.len() {
            self.head = Vec::new();
        } else {
            self.head.drain(..of_head);
        }
        self.buffer.consume(wrote - of_head);
        self.moved += (wrote - of_head) as u64;
        Poll::Ready(Ok(wrote))
    }

    fn poll_read(
        &mut self,
        from: &mut Stream,
        to: &Stream,
        thread: &Thread,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.by == By::Pipe && self.pipe.is_none() && from.is_tcp() && to.is_tcp() {
            self.rest(thread);
            self.pipe = thread.pipes.take().map(Box::new);
        }
        if let Some(pipe) = &mut self.pipe {
            let came = ready!(pipe.poll_fill(from, usize::MAX, cx))?;
            if came < WORTH_A_PIPE {
                self.by = By::Small;
            }
            return Poll::Ready(Ok(came));
        }
        let size = if self.by == By::Small { SMALL } else { LARGE };
        let mut shelf = thread.shelf.borrow_mut();
        if self.buffer.capacity() < size {
            shelf.give_back(&mut self.buffer);
            self.buffer = shelf.take_up_to(size);
        }
        let came = ready!(from.poll_read(cx, self.buffer.room()))?;
        self.buffer.fill(came);
        if self.buffer.room_len() == 0 {
            self.by = if size == SMALL { By::Large } else { By::Pipe };
        } else if came < SMALL {
            self.by = By::Small;
        }
        Poll::Ready(Ok(came))
    }

    /// Gives back the box, if nothing waits in it, and the pipe.
    fn rest(&mut self, thread: &Thread) {
        if self.buffer.capacity() > 0 {
            thread.shelf.borrow_mut().give_back(&mut self.buffer);
        }
    }

    /// Nothing waits: box and pipe go back.
    fn pause(&mut self, thread: &Thread) {
        self.clear(thread);
        if self.burst > 0 {
            self.by = if self.burst >= LARGE_BURST { By::Pipe } else { By::Small };
            self.burst = 0;
        }
    }

    /// Nothing waits, or what waits has no taker: box and pipe go back.
    pub(super) fn clear(&mut self, thread: &Thread) {
        self.rest(thread);
        self.pipe = None;
    }
}
