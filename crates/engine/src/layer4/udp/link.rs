//! A session's socket, connected to its endpoint, so that the kernel tells answers apart and says when nobody is there.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::net::{SendFlags, send};
use socket2::{Domain, Socket, Type};
use tidegate_core::failure::Kind;
use tidegate_core::lane::Chosen;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use super::hub::Session;
use crate::exchange::lease::kind_of;
use crate::exchange::sides::Load;
use crate::pool::gate::{Asked, Permit};
use crate::sys::readiness::datagrams;
use crate::threads::thread::Thread;

/// A socket that is connected to an endpoint; who reads from it ends with it.
pub(super) struct Link {
    socket: Rc<AsyncFd<OwnedFd>>,
    /// Counts the session as open with the endpoint.
    pub(super) load: Load,
    _permit: Option<Permit>,
    answers: Option<AbortHandle>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(answers) = &self.answers {
            answers.abort();
        }
    }
}

impl Link {
    /// Connects a socket to the endpoint that was chosen, or to another one where only that has room.
    pub(super) fn open(session: &mut Session, chosen: Chosen, thread: &Thread) -> Result<Self, Kind> {
        let permit = permit_for(session, chosen, thread)?;
        let known = session.life.known();
        let (Some(upstream), Some(endpoint)) = (&known.upstream, &known.endpoint) else { return Err(Kind::Internal) };
        let load = Load::begin(thread, upstream, endpoint);
        match connect(&endpoint.address) {
            Ok(socket) => {
                load.0.connects.one();
                Ok(Self { socket: Rc::new(socket), load, _permit: permit, answers: None })
            }
            Err(error) => {
                let kind = kind_of(&error);
                unreachable(&load, kind);
                Err(kind)
            }
        }
    }

    /// Answers are read by this task from now on.
    pub(super) fn read_by(&mut self, answers: AbortHandle) {
        self.answers = Some(answers);
    }

    /// The socket, for who reads.
    pub(super) fn socket(&self) -> Rc<AsyncFd<OwnedFd>> {
        Rc::clone(&self.socket)
    }

    /// Sends a datagram to the endpoint. An error may tell of an earlier one; this one was not sent then.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.socket.get_ref().as_fd(), bytes, SendFlags::DONTWAIT)?;
        Ok(())
    }
}

/// Counts an endpoint that could not be reached.
pub(super) fn unreachable(load: &Load, kind: Kind) {
    load.0.connect_failures.one();
    if kind.is_unreachable() {
        load.0.passed_over.one();
    }
}

/// A permit where pools are bounded. Nobody waits for one: a datagram that is late is as good as lost.
fn permit_for(session: &mut Session, chosen: Chosen, thread: &Thread) -> Result<Option<Permit>, Kind> {
    let Some(upstream) = session.life.known().upstream.as_ref().filter(|upstream| upstream.connections > 0) else {
        return Ok(None);
    };
    match thread.shared.gate(&upstream.name).ask(session.life.acceptable(thread.now())) {
        Asked::Granted(permit) => {
            if permit.endpoint() != chosen.id {
                session.life.moved(permit.endpoint());
            }
            Ok(Some(permit))
        }
        Asked::Full | Asked::Waits { .. } => Err(Kind::QueueFull),
    }
}

fn connect(address: &str) -> io::Result<AsyncFd<OwnedFd>> {
    let address: SocketAddr = address.parse().map_err(|_| io::ErrorKind::Unsupported)?;
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), None)?;
    socket.connect(&address.into())?;
    datagrams(socket.into())
}
