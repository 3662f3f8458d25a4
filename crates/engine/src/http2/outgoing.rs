//! The bytes of HTTP/1 that a lane writes, as what leaves on a stream: DATA, and trailers as HEADERS. What a lane is told
//! was written has been taken by the stream's window, so that a slow peer shows where it always does.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use tidegate_core::framing::{BodyLength, ChunkLimits, ChunkReader, HeadLimits, Piece};

use super::fields::read_lines;
use super::incoming::broken;

/// No more is taken at once: whoever takes none of it within `timeouts.idle` stalls.
const PIECE: usize = 16 * 1024;

/// Heads of a lane's own need no bound.
pub(super) const NO_LIMITS: HeadLimits = HeadLimits { bytes: u32::MAX, fields: u32::MAX, line: u32::MAX };

/// Bounds on the chunks of a lane's own.
const CHUNKS: ChunkLimits = ChunkLimits { extension: 16, trailer: u32::MAX };

/// What of the message is yet to be written.
#[derive(Debug)]
enum Due {
    /// Its head.
    Head,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Box<ChunkReader>),
    /// Bytes of a tunnel, until it ends.
    Tunnel,
    /// Nothing.
    Nothing,
}

/// What leaves on a stream.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: Option<SendStream<Bytes>>,
    due: Due,
    /// What was taken and waits for the window.
    held: Bytes,
    /// How many bytes of HTTP/1 that were.
    taken: usize,
}

impl Outgoing {
    /// A message of which nothing was written.
    pub(super) fn new() -> Self {
        Self { stream: None, due: Due::Head, held: Bytes::new(), taken: 0 }
    }

    /// Whether its head comes next.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.due, Due::Head)
    }

    /// Whether all of it is written.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.due, Due::Nothing)
    }

    /// Whether it is a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.due, Due::Tunnel)
    }

    /// The head is sent, and a body follows.
    pub(super) fn begin(&mut self, stream: SendStream<Bytes>, body: BodyLength) {
        self.stream = Some(stream);
        self.due = match body {
            BodyLength::None => Due::Nothing,
            BodyLength::Length(length) => Due::Length(length),
            BodyLength::Chunked => Due::Chunks(Box::new(ChunkReader::of_response())),
            BodyLength::UntilClose => Due::Tunnel,
        };
    }

    /// The stream, once the head is sent.
    pub(super) fn stream(&mut self) -> Option<&mut SendStream<Bytes>> {
        self.stream.as_mut()
    }

    /// Ready once there is room for bytes.
    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_held(cx)
    }

    /// Writes the beginning of `bytes`, which are of the body; says how many. To be called again with the same ones.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            let now = bytes.get(..bytes.len().min(PIECE)).unwrap_or_default();
            self.taken = self.take(now)?;
        }
        ready!(self.poll_held(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }

    /// Nothing more comes: the end of a tunnel.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_tunnel() {
            ready!(self.poll_held(cx))?;
            self.due = Due::Nothing;
            if let Some(stream) = &mut self.stream {
                stream.send_data(Bytes::new(), true).map_err(broken)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.due {
            Due::Length(left) => {
                let n = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= n as u64;
                self.held = Bytes::copy_from_slice(bytes.get(..n).unwrap_or_default());
                if n == 0 { Err(misled()) } else { Ok(n) }
            }
            Due::Tunnel => {
                self.held = Bytes::copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Due::Chunks(reader) => match reader.advance(bytes, &CHUNKS).map_err(|_| misled())? {
                (_, Piece::Data { at, len }) => {
                    self.held = Bytes::copy_from_slice(bytes.get(at..at + len).unwrap_or_default());
                    Ok(at + len)
                }
                (used, Piece::NeedMore) => Ok(used),
                (used, Piece::End) => {
                    let trailers = read_lines(reader.trailers()).ok_or_else(misled)?;
                    if let Some(stream) = &mut self.stream {
                        if trailers.is_empty() {
                            stream.send_data(Bytes::new(), true)
                        } else {
                            stream.send_trailers(trailers)
                        }
                        .map_err(broken)?;
                    }
                    self.due = Due::Nothing;
                    Ok(used)
                }
            },
            Due::Head | Due::Nothing => Err(misled()),
        }
    }

    /// Sends what is held, as the window lets it.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        while !self.held.is_empty() {
            stream.reserve_capacity(self.held.len());
            let room = match stream.capacity() {
                0 => match ready!(stream.poll_capacity(cx)) {
                    Some(room) => room.map_err(broken)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                room => room,
            };
            let piece = self.held.split_to(room.min(self.held.len()));
            let is_last = self.held.is_empty() && matches!(self.due, Due::Length(0));
            stream.send_data(piece, is_last).map_err(broken)?;
            if is_last {
                self.due = Due::Nothing;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A side of a stream that a lane writes to.
pub(super) trait Writes {
    /// What leaves on it.
    fn outgoing(&mut self) -> &mut Outgoing;

    /// Sends the head which `bytes` begin with; says how long it was.
    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// Writes what the slices hold, heads and bodies, as much as there is room for.
pub(super) fn poll_write(side: &mut impl Writes, cx: &mut Context<'_>, slices: [&[u8]; 3]) -> Poll<io::Result<usize>> {
    let mut written = 0;
    for slice in slices {
        let mut rest = slice;
        while !rest.is_empty() {
            let wrote = if side.outgoing().awaits_head() {
                Poll::Ready(side.send_head(rest))
            } else {
                side.outgoing().poll_write(cx, rest)
            };
            match wrote {
                Poll::Ready(Ok(n)) => {
                    written += n;
                    rest = rest.get(n..).unwrap_or_default();
                }
                Poll::Ready(Err(_)) | Poll::Pending if written > 0 => return Poll::Ready(Ok(written)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
    Poll::Ready(Ok(written))
}

/// A lane wrote what it did not announce.
pub(super) fn misled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "bytes that are not of the message")
}
