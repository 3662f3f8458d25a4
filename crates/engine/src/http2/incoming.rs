//! What comes on a stream, as the bytes of HTTP/1 that a lane reads: a head, then a body by its length or in chunks, and
//! trailers behind the last chunk.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;

use super::fields::write_lines;

/// How the body's end is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// By what the head says, or by the end of the stream.
    AsItIs,
    /// By chunks.
    Chunked,
}

/// What comes on a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    /// What comes next, of ours: the head, the size of a chunk, what ends the chunks.
    ours: Vec<u8>,
    taken: usize,
    /// What comes then, of theirs.
    data: Bytes,
    body: Option<RecvStream>,
    framing: Framing,
    has_begun: bool,
}

impl Incoming {
    /// A message whose head is `head`; `body` is none where nothing follows.
    pub(super) fn new(head: Vec<u8>, body: Option<RecvStream>, framing: Framing) -> Self {
        Self { ours: head, taken: 0, data: Bytes::new(), body, framing, has_begun: false }
    }

    /// Nothing, yet.
    pub(super) fn nothing() -> Self {
        Self::new(Vec::new(), None, Framing::AsItIs)
    }

    /// More of a head comes next.
    pub(super) fn say(&mut self, head: &[u8]) {
        self.ours.extend_from_slice(head);
    }

    /// Whether all of it was read.
    pub(super) fn is_over(&self) -> bool {
        !self.has_some() && self.body.is_none()
    }

    /// Whether something of it lies here.
    pub(super) fn has_some(&self) -> bool {
        self.taken < self.ours.len() || !self.data.is_empty()
    }

    /// Ready once bytes, or the end, have come.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_some() {
            return Poll::Ready(Ok(()));
        }
        self.poll_more(cx)
    }

    /// Reads into `room`; 0 is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        loop {
            filled += self.take(room.get_mut(filled..).unwrap_or_default());
            if filled == room.len() || self.is_over() {
                return Poll::Ready(Ok(filled));
            }
            match self.poll_more(cx) {
                Poll::Ready(Ok(())) => {}
                // What is broken stays so, and is told with the next call.
                Poll::Ready(Err(_)) | Poll::Pending if filled > 0 => return Poll::Ready(Ok(filled)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn take(&mut self, room: &mut [u8]) -> usize {
        let ours = self.ours.get(self.taken..).unwrap_or_default();
        let n = ours.len().min(room.len());
        let (first, rest) = room.split_at_mut(n);
        first.copy_from_slice(ours.get(..n).unwrap_or_default());
        self.taken += n;
        if self.taken == self.ours.len() && self.taken > 0 {
            self.ours.clear();
            self.taken = 0;
        }
        let m = self.data.len().min(rest.len());
        if m > 0 {
            let data = self.data.split_to(m);
            rest.get_mut(..m).unwrap_or_default().copy_from_slice(&data);
        }
        n + m
    }

    /// Asks the stream for more, which is then there, unless that was all.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.has_some()
            && let Some(body) = &mut self.body
        {
            match ready!(body.poll_data(cx)) {
                Some(data) => {
                    self.data = data.map_err(broken)?;
                    // What cannot be given back was of a stream that is gone.
                    let _ = body.flow_control().release_capacity(self.data.len());
                    if self.framing == Framing::Chunked && !self.data.is_empty() {
                        self.begin_chunk();
                    }
                }
                None if self.framing == Framing::Chunked => {
                    let trailers = ready!(body.poll_trailers(cx)).map_err(broken)?;
                    self.body = None;
                    self.ours.extend_from_slice(if self.has_begun { b"\r\n0\r\n" } else { b"0\r\n" });
                    if let Some(trailers) = trailers {
                        write_lines(&trailers, &mut self.ours);
                    }
                    self.ours.extend_from_slice(b"\r\n");
                }
                None => self.body = None,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn begin_chunk(&mut self) {
        use std::io::Write as _;
        let end: &str = if std::mem::replace(&mut self.has_begun, true) { "\r\n" } else { "" };
        // A vector takes all.
        let _ = write!(self.ours, "{end}{:x}\r\n", self.data.len());
    }
}

/// An error of the codec, as one of a connection.
pub(super) fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
