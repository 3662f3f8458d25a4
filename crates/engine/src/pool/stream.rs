//! A connection, over TCP or a Unix socket, or a stream within one.

use std::fmt;
use std::future::pending;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Most unsent bytes that the kernel holds for a slow peer.
const UNSENT: u32 = 64 * 1024;

/// A stream of a connection that carries many: a lane reads and writes HTTP/1 over it, whatever goes over the wire.
pub trait Multiplexed: fmt::Debug + Send {
    /// Ready once bytes, or the end, have come.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready once there is room for bytes.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Reads into `room`; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Writes what the slices hold, as much as there is room for; to be called with the same bytes until it is ready.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 3]) -> Poll<io::Result<usize>>;
    /// Tells the other side that nothing more comes.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Whether the other side has reset it.
    fn is_broken(&mut self) -> bool;
}

/// The endpoint says that it has not looked at what was sent on a stream, so that it may be sent again.
#[derive(Clone, Copy, Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream was refused")
    }
}

impl std::error::Error for Refused {}

/// Whether a stream broke because it was refused.
pub fn is_refused(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Refused>())
}

/// A connection, over TCP or a Unix socket, or a stream within one.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// A stream of a connection that carries many.
    Multiplexed(Box<dyn Multiplexed>),
}

impl Stream {
    /// Connects to `10.0.0.1:80`, `[::1]:80` or `unix:/path`.
    pub async fn connect(address: String) -> io::Result<Self> {
        if let Some(path) = address.strip_prefix("unix:") {
            return UnixStream::connect(path).await.map(Self::Unix);
        }
        let address: std::net::SocketAddr = address
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("`{address}` is no address")))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Registers a connection that another thread has used with the current thread's event loop.
    pub fn move_here(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream.into_std()?).map(Self::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream.into_std()?).map(Self::Unix),
            Self::Multiplexed(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Ready once bytes, or the end, have come.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Multiplexed(stream) => stream.poll_readable(cx),
        }
    }

    /// Whether nothing has come, not even the end: asks the kernel.
    pub fn is_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let seen = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut byte),
            Self::Multiplexed(_) => return false,
        };
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Has the event loop know whether more has come. A read that took no more than it was to take leaves the
    /// connection marked as readable, and a kept connection is judged by that mark.
    pub fn settle(&self) {
        let _ = self.peek();
    }

    /// Whether something has come: 0 is the end. If nothing has, that is remembered.
    fn peek(&self) -> io::Result<usize> {
        let mut byte = [MaybeUninit::uninit()];
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || SockRef::from(stream).peek(&mut byte)),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || SockRef::from(stream).peek(&mut byte)),
            Self::Multiplexed(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Ready once the other side has ended what it sends without having sent anything; never where it has.
    pub async fn ended_silently(&self) {
        while self.ready(Interest::READABLE).await {
            match self.peek() {
                Ok(0) => return,
                Ok(_) => pending().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Ready once the connection is broken, though nothing is read from it.
    pub async fn broken(&self) {
        self.ready(Interest::ERROR).await;
    }

    /// Waits until the kernel tells that; false where it never will.
    async fn ready(&self, interest: Interest) -> bool {
        let told = match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
            Self::Multiplexed(_) => pending().await,
        };
        told.is_ok()
    }

    /// Whether the other side has reset it; that is told once.
    pub fn is_broken(&mut self) -> bool {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
            Self::Multiplexed(stream) => return stream.is_broken(),
        };
        !matches!(error, Ok(None))
    }

    /// Ready once there is room for bytes.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Multiplexed(stream) => stream.poll_writable(cx),
        }
    }

    /// Whether it is one of many of its connection, and so of no use to anybody else.
    pub fn is_multiplexed(&self) -> bool {
        matches!(self, Self::Multiplexed(_))
    }

    /// Whether it is TCP.
    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Lets `read` at the descriptor of a readable connection; if it would block, that is remembered.
    pub fn try_read<T>(&self, read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || read(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || read(stream.as_fd())),
            Self::Multiplexed(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Lets `write` at the descriptor of a writable connection; if it would block, that is remembered.
    pub fn try_write<T>(&self, write: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::WRITABLE, || write(stream.as_fd())),
            Self::Unix(stream) => stream.try_io(Interest::WRITABLE, || write(stream.as_fd())),
            Self::Multiplexed(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Reads into `room`; 0 is the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        let done = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Multiplexed(stream) => return stream.poll_read(cx, room),
        };
        done.map_ok(|()| buffer.filled().len())
    }

    /// Writes what the slices hold, as much as there is room for.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 3]) -> Poll<io::Result<usize>> {
        match slices {
            [bytes, [], []] | [[], bytes, []] => match self {
                Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
                Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
                Self::Multiplexed(stream) => stream.poll_write(cx, slices),
            },
            all => {
                let vectors = all.map(IoSlice::new);
                match self {
                    Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, &vectors),
                    Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, &vectors),
                    Self::Multiplexed(stream) => stream.poll_write(cx, all),
                }
            }
        }
    }

    /// Tells the other side that nothing more comes.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Multiplexed(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Bounds the unsent bytes that the kernel holds for a peer that reads slowly (TCP_NOTSENT_LOWAT). Only for such a
    /// peer: on every connection it cost 2 µs of kernel time a request, measured with 1 KiB answers.
    pub fn bound_unsent(&self) {
        if let Self::Tcp(stream) = self {
            // Where the option cannot be set the kernel's own bound holds.
            let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
        }
    }

    /// Makes the close that follows a reset.
    pub fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            // Where the option cannot be set the connection has no peer any more that could be misled.
            let _ = stream.set_zero_linger();
        }
    }
}
