//! The socket as the codec sees it. The codec flushes after each larger frame; here what it writes is gathered until the
//! connection's task has nothing left to do, so that the answers of many streams leave in one write.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tidegate_core::http2::Watch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::pool::stream::Stream;

/// So many bytes are written before more is taken.
const GATHERED: usize = 64 * 1024;

/// A connection without work keeps no more room than this for what it writes.
const ENOUGH: usize = 4 * 1024;

/// A socket, what was read of it before it spoke HTTP/2, and what waits to be written.
pub(super) struct Wire {
    /// The socket.
    pub(super) stream: Stream,
    /// Bytes that came before.
    before: Vec<u8>,
    taken: usize,
    waiting: Vec<u8>,
    written: usize,
    /// Whether anything has come.
    pub(super) has_read: bool,
    /// Looks at the frames that come.
    pub(super) watch: Watch,
}

impl Wire {
    /// A socket of which `before` was read already.
    pub(super) fn new(stream: Stream, before: Vec<u8>, watch: Watch) -> Self {
        Self { stream, before, taken: 0, waiting: Vec::new(), written: 0, has_read: false, watch }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.before.get(self.taken..).unwrap_or_default();
        let came = if left.is_empty() {
            self.before = Vec::new();
            ready!(self.stream.poll_read(cx, room.initialize_unfilled()))?
        } else {
            let n = left.len().min(room.remaining());
            let (now, _) = left.split_at(n);
            room.initialize_unfilled_to(n).copy_from_slice(now);
            self.taken += n;
            n
        };
        room.advance(came);
        self.has_read |= came > 0;
        let filled = room.filled();
        self.watch.see(filled.get(filled.len().saturating_sub(came)..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    /// Writes what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(self.stream.poll_write(cx, [rest, &[], &[]]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        self.watch.wrote(self.written);
        self.waiting.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Nothing is under way: what took room gives it back.
    pub(super) fn rest(&mut self) {
        if self.waiting.is_empty() {
            self.waiting.shrink_to(ENOUGH);
        }
    }
}

/// What the codec reads and writes.
pub(super) struct Io(pub(super) Rc<RefCell<Wire>>);

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, room)
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        if wire.waiting.len() >= GATHERED {
            ready!(wire.poll_flush(cx))?;
        }
        wire.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// The codec flushes for each frame; whoever polls it does so once.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        ready!(wire.poll_flush(cx))?;
        wire.stream.poll_shutdown(cx)
    }
}
