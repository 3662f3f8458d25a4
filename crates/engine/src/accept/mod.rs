//! Taking connections off listening sockets.
//!
//! May use: tokio, core, exchange, layer4, threads. Must not know: control, Python.

pub mod seats; // how many connections there may be, and who waits for one to end
pub mod crowd; // who is connected to a listener

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tidegate_core::filter::forwarded::Peer;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

use crate::exchange::serve::serve;
use crate::layer4;
use crate::log::program::Level;
use crate::pool::stream::Stream;
use crate::sys::readiness::readable;
use crate::threads::listener::ListenerState;
use crate::threads::thread::{Order, Thread};
use seats::Seat;

/// How long accepting pauses when descriptors have run out, unless one of our own connections ends.
const PAUSE: Duration = Duration::from_millis(20);

/// A listening socket, registered with the thread's event loop.
pub struct Listening {
    fd: AsyncFd<OwnedFd>,
    is_unix: bool,
    /// The address that its connections come to, unless it is bound to all of the machine's.
    local: Option<SocketAddr>,
}

/// The seats of a connection: on its listener, and among all connections of clients, which the admin's are not.
pub type Taken = (Seat, Option<Seat>);

/// A connection that no thread's event loop knows yet.
pub struct Fresh {
    fd: OwnedFd,
    is_unix: bool,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    seats: Taken,
}

impl Listening {
    /// Registers a duplicate of `fd` with the current thread's event loop.
    pub fn new(fd: &OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(fd.try_clone()?);
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?;
        Ok(Self {
            fd: readable(socket.into())?,
            is_unix: bound.is_unix(),
            local: bound.as_socket().filter(|local| !local.ip().is_unspecified()),
        })
    }
}

/// Accepts until the task is aborted. A limit or a lack of descriptors pauses it; it never spins. Seats are taken once
/// somebody knocks and before he is let in, so that limits are exact and who waits does so in the kernel's queue.
pub async fn accept(listening: Listening, thread: Rc<Thread>, listener: Rc<ListenerState>, single: bool) {
    let mut accepted = false;
    // Readiness fails only when the event loop ends.
    while let Ok(mut ready) = listening.fd.readable().await {
        if std::mem::take(&mut accepted) && !is_knocked_at(ready.get_inner()) {
            ready.clear_ready();
            continue;
        }
        let seats = take_seats(&thread, &listener).await;
        match ready.try_io(|fd| Ok(acceptfrom_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?)) {
            Ok(Ok((fd, peer))) => {
                thread.look_at_clock();
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                let Listening { is_unix, local, .. } = listening;
                spread(&thread, &listener, Fresh { fd, is_unix, peer, local, seats }, single);
                accepted = true;
                // Who came is served before the next is let in: fewer are open at once, and what the kernel and we made
                // for one is still in the cache for the next. Letting all in at once cost 2 µs more for each.
                tokio::task::yield_now().await;
            }
            Ok(Err(error)) if is_of_the_connection(&error) => {}
            Ok(Err(error)) => {
                drop(seats);
                let says = format_args!("listener {} pauses: {error}; raise the file limit", listener.name);
                thread.shared.program.say(Level::Warning, "accept", says);
                let _ = tokio::time::timeout(PAUSE, thread.shared.ended.rung()).await;
            }
            Err(_nobody_knocks) => {}
        }
    }
}

/// Whether somebody waits to be let in. The kernel makes a socket and a file before it sees that there is nobody to
/// accept: a look first costs an eighth of that.
fn is_knocked_at(fd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
}

async fn take_seats(thread: &Thread, listener: &ListenerState) -> Taken {
    let own = listener.crowd.seats.take().await;
    let all = if listener.is_admin() { None } else { Some(thread.shared.seats.take().await) };
    (own, all)
}

/// Whether it was the connection that failed, and not the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR | Errno::PROTO | Errno::PERM)
    )
}

/// A single socket's connections go to all threads in turn; where there are several, each thread has its own.
fn spread(thread: &Rc<Thread>, listener: &Rc<ListenerState>, fresh: Fresh, single: bool) {
    if single {
        let mut threads = thread.threads.borrow_mut();
        let (all, next) = &mut *threads;
        if all.len() > 1 {
            *next = (*next + 1) % all.len();
            if let Some(other) = all.get(*next) {
                // Threads live as long as the process; a failure to send means that it ends.
                let _ = other.send(Order::Take(fresh, listener.name.clone()));
            }
            return;
        }
    }
    begin(thread, listener, fresh);
}

/// Begins to serve a connection, be it that another thread accepted it.
pub fn begin(thread: &Rc<Thread>, listener: &Rc<ListenerState>, fresh: Fresh) {
    let Fresh { fd, is_unix, peer, local, seats } = fresh;
    let made = if is_unix {
        UnixStream::from_std(fd.into()).map(|stream| (Stream::Unix(stream), None))
    } else {
        let local = local.or_else(|| socket2::SockRef::from(&fd.as_fd()).local_addr().ok()?.as_socket());
        TcpStream::from_std(fd.into()).map(|stream| (Stream::Tcp(stream), local))
    };
    // What cannot be registered is closed; there is nobody to tell but the client, and no way to.
    if let Ok((stream, local)) = made {
        let (peer, listener, thread) = (Peer::new(peer, local), Rc::clone(listener), Rc::clone(thread));
        if listener.is_layer4() {
            tokio::task::spawn_local(layer4::serve::serve(stream, peer, seats, listener, thread));
        } else {
            tokio::task::spawn_local(serve(stream, peer, seats, listener, thread));
        }
    }
}
