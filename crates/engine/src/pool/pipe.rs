//! Pipes: bytes of a large body go from socket to socket inside the kernel (splice(2)), and are never copied to us.
//!
//! Measured over loopback: of an answer of 100 KiB, CPU time was 0.65 to 0.75 of what it is through boxes, of one of
//! 64 KiB the same; 64 MiB are in `bench/RESULTS.md`.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::stream::Stream;

/// Size of a pipe, in bytes.
const SIZE: usize = 256 * 1024;

/// Most pipes of a thread. Whoever gets none is served through a box: slower, and not a byte less.
const MOST: usize = 64;

/// A thread's pipes.
#[derive(Default)]
pub struct Pipes {
    idle: RefCell<Vec<Ends>>,
    made: Cell<usize>,
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe on loan. An empty one goes back when it is dropped, one that holds bytes is closed.
pub struct Pipe {
    ends: Option<Ends>,
    held: usize,
    of: Rc<Pipes>,
}

impl Pipes {
    /// A pipe, unless all are on loan or the machine refuses one.
    pub fn take(self: &Rc<Self>) -> Option<Pipe> {
        let kept = self.idle.borrow_mut().pop();
        let ends = kept.or_else(|| self.make())?;
        Some(Pipe { ends: Some(ends), held: 0, of: Rc::clone(self) })
    }

    fn make(&self) -> Option<Ends> {
        if self.made.get() >= MOST {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A user's pipes have a bound in all; beyond it they stay as small as they are made.
        let _ = fcntl_setpipe_size(&write, SIZE);
        self.made.set(self.made.get() + 1);
        Some(Ends { read, write })
    }
}

impl Pipe {
    /// How many bytes are in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `most` bytes from `stream`; 0 is the end. Only while the pipe is empty, so that want of bytes is
    /// never mistaken for want of room.
    pub fn poll_fill(&mut self, stream: &mut Stream, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(stream.poll_readable(cx))?;
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            let moved = stream.try_read(|fd| Ok(splice(fd, None, &ends.write, None, most.min(SIZE), flags)?));
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(n) => {
                    self.held += n;
                    if n == most {
                        stream.settle();
                    }
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }

    /// Moves what is in it to `stream`; `more`: more will follow at once.
    pub fn poll_empty(&mut self, stream: &mut Stream, more: bool, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(stream.poll_writable(cx))?;
            let mut flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            flags.set(SpliceFlags::MORE, more);
            match stream.try_write(|fd| Ok(splice(&ends.read, None, fd, None, self.held, flags)?)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(n) => {
                    self.held -= n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        match self.ends.take() {
            Some(ends) if self.held == 0 => self.of.idle.borrow_mut().push(ends),
            Some(_) | None => self.of.made.set(self.of.made.get().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        (near, Stream::Tcp(listener.accept().await.expect("accepts").0))
    }

    #[tokio::test]
    async fn bytes_go_from_socket_to_socket_in_order_and_no_more_than_asked_for() {
        let ((mut origin, mut up), (mut client, mut down)) = (pair().await, pair().await);
        let mut pipe = Rc::new(Pipes::default()).take().expect("a pipe");
        origin.write_all(b"of the body, of the next answer").await.expect("sends");
        let filled = poll_fn(|cx| pipe.poll_fill(&mut up, 11, cx)).await.expect("moves");
        assert_eq!((filled, pipe.held()), (11, 11));
        assert_eq!(poll_fn(|cx| pipe.poll_empty(&mut down, false, cx)).await.expect("moves"), 11);
        let mut seen = [0; 11];
        client.read_exact(&mut seen).await.expect("comes");
        assert_eq!((&seen, pipe.held()), (b"of the body", 0));
    }

    #[tokio::test]
    async fn a_connection_from_which_all_was_taken_counts_as_silent() {
        let (mut origin, mut up) = pair().await;
        let mut pipe = Rc::new(Pipes::default()).take().expect("a pipe");
        origin.write_all(b"of the body").await.expect("sends");
        poll_fn(|cx| pipe.poll_fill(&mut up, 11, cx)).await.expect("moves");
        let is_silent = poll_fn(|cx| Poll::Ready(up.poll_readable(cx).is_pending())).await;
        assert!(is_silent, "it may serve another request");
        origin.write_all(b"!").await.expect("sends");
        poll_fn(|cx| up.poll_readable(cx)).await.expect("is told");
    }

    #[tokio::test]
    async fn the_end_of_the_endpoint_is_told() {
        let ((origin, mut up), _) = (pair().await, ());
        let mut pipe = Rc::new(Pipes::default()).take().expect("a pipe");
        drop(origin);
        assert_eq!(poll_fn(|cx| pipe.poll_fill(&mut up, 11, cx)).await.expect("ends"), 0);
    }

    #[tokio::test]
    async fn an_empty_pipe_is_used_again_and_one_that_holds_bytes_is_closed() {
        let (mut origin, mut up) = pair().await;
        let pipes = Rc::new(Pipes::default());
        drop(pipes.take());
        assert_eq!((pipes.idle.borrow().len(), pipes.made.get()), (1, 1));
        let mut pipe = pipes.take().expect("a pipe");
        origin.write_all(b"stuck").await.expect("sends");
        poll_fn(|cx| pipe.poll_fill(&mut up, 5, cx)).await.expect("moves");
        drop(pipe);
        assert_eq!((pipes.idle.borrow().len(), pipes.made.get()), (0, 0));
    }

    #[test]
    fn a_thread_has_no_more_pipes_than_it_may() {
        let pipes = Rc::new(Pipes::default());
        let taken: Vec<_> = (0..MOST).map(|_| pipes.take()).collect();
        assert!(taken.iter().all(Option::is_some) && pipes.take().is_none());
    }
}
