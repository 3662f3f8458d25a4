//! Taking connections off listening sockets.
//!
//! May use: tokio, core, exchange, threads. Must not know: control, Python.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use tidegate_core::filter::forwarded::Peer;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::exchange::serve::serve;
use crate::log::program::Level;
use crate::pool::stream::Stream;
use crate::threads::places::Place;
use crate::threads::thread::{ListenerState, Order, Thread};

/// How long accepting pauses when a limit is reached or descriptors run out.
const PAUSE: Duration = Duration::from_millis(20);

/// A listening socket, registered with the thread's event loop.
pub enum Listening {
    /// TCP, and the address that its connections came to, unless it is bound to all of the machine's.
    Tcp(TcpListener, Option<SocketAddr>),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A connection, who it is from, and the address it came to.
struct Accepted {
    stream: Stream,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

/// A connection that no thread's event loop knows yet.
pub enum Fresh {
    /// TCP, and who it is from.
    Tcp(std::net::TcpStream, SocketAddr),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Listening {
    /// Registers a duplicate of `fd` with the current thread's event loop.
    pub fn new(fd: &OwnedFd) -> io::Result<Self> {
        let fd = fd.try_clone()?;
        let socket = socket2::Socket::from(fd);
        socket.set_nonblocking(true)?;
        if socket.local_addr()?.is_unix() {
            let listener = std::os::unix::net::UnixListener::from(OwnedFd::from(socket));
            return UnixListener::from_std(listener).map(Self::Unix);
        }
        let local = socket.local_addr()?.as_socket().filter(|local| !local.ip().is_unspecified());
        TcpListener::from_std(socket.into()).map(|listener| Self::Tcp(listener, local))
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, local) => {
                let (stream, peer) = listener.accept().await?;
                let local = local.or_else(|| stream.local_addr().ok());
                Ok(Accepted { stream: Stream::Tcp(stream), peer: Some(peer), local })
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted { stream: Stream::Unix(stream), peer: None, local: None })
            }
        }
    }
}

/// Accepts until the task is aborted. A limit or a lack of descriptors pauses it; it never spins.
pub async fn accept(listening: Listening, thread: Rc<Thread>, listener: Rc<ListenerState>, single: bool) {
    loop {
        match listening.accept().await {
            Ok(accepted) => {
                // One that is one too many waits here, those behind it in the kernel's queue.
                let place = loop {
                    match listener.admit() {
                        Some(place) => break place,
                        None => tokio::time::sleep(PAUSE).await,
                    }
                };
                thread.look_at_clock();
                spread(&thread, &listener, accepted, place, single);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                let says = format_args!("listener {} pauses: {error}; raise the file limit", listener.name);
                thread.shared.program.say(Level::Warning, "accept", says);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether it was the connection that failed, and not the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR | Errno::PROTO | Errno::PERM)
    )
}

/// A single socket's connections go to all threads in turn; where there are several, each thread has its own.
fn spread(thread: &Rc<Thread>, listener: &Rc<ListenerState>, accepted: Accepted, place: Place, single: bool) {
    let Accepted { stream, peer, local } = accepted;
    if single {
        let mut threads = thread.threads.borrow_mut();
        let (all, next) = &mut *threads;
        if all.len() > 1 {
            *next = (*next + 1) % all.len();
            if let (Some(other), Some(fresh)) = (all.get(*next), into_fresh(stream, peer)) {
                // Threads live as long as the process; a failure to send means that it ends.
                let _ = other.send(Order::Take(fresh, listener.name.clone(), place));
            }
            return;
        }
    }
    tokio::task::spawn_local(serve(stream, Peer::new(peer, local), Rc::clone(listener), place, Rc::clone(thread)));
}

fn into_fresh(stream: Stream, peer: Option<SocketAddr>) -> Option<Fresh> {
    match stream {
        Stream::Tcp(stream) => Some(Fresh::Tcp(stream.into_std().ok()?, peer?)),
        Stream::Unix(stream) => stream.into_std().ok().map(Fresh::Unix),
    }
}

/// Begins to serve a connection that another thread accepted.
pub fn begin(thread: &Rc<Thread>, listener: &Rc<ListenerState>, fresh: Fresh, place: Place) {
    let made = match fresh {
        Fresh::Tcp(stream, peer) => TcpStream::from_std(stream).map(|stream| (Stream::Tcp(stream), Some(peer))),
        Fresh::Unix(stream) => UnixStream::from_std(stream).map(|stream| (Stream::Unix(stream), None)),
    };
    // What cannot be registered is closed; there is nobody to tell but the client, and no way to.
    if let Ok((stream, peer)) = made {
        let local = local_of(&stream);
        tokio::task::spawn_local(serve(stream, Peer::new(peer, local), Rc::clone(listener), place, Rc::clone(thread)));
    }
}

fn local_of(stream: &Stream) -> Option<SocketAddr> {
    match stream {
        Stream::Tcp(stream) => stream.local_addr().ok(),
        Stream::Unix(_) => None,
    }
}
