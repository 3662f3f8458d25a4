//! A bound socket of a UDP listener: what answers go out through.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use socket2::{MsgHdr, SockAddr, SockRef};
use tidegate_core::layer4::Flow;
use tokio::io::unix::AsyncFd;

use crate::sys::datagrams::Source;
use crate::sys::readiness::readable;

/// A bound socket.
pub(super) struct Port {
    /// The supervisor's id of it.
    pub(super) id: u32,
    fd: Arc<OwnedFd>,
    bound: SocketAddr,
}

impl Port {
    /// The socket with this id.
    pub(super) fn new(id: u32, fd: &Arc<OwnedFd>) -> io::Result<Self> {
        let socket = SockRef::from(fd);
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { id, fd: Arc::clone(fd), bound })
    }

    /// A duplicate that is registered with the current thread's event loop.
    pub(super) fn reading(&self) -> io::Result<AsyncFd<OwnedFd>> {
        readable(self.fd.try_clone()?)
    }

    /// The address that a datagram was sent to: the bound one, unless that is all of the machine's.
    pub(super) fn local(&self, to: Option<IpAddr>) -> SocketAddr {
        match to {
            Some(ip) if self.bound.ip().is_unspecified() => SocketAddr::new(ip, self.bound.port()),
            Some(_) | None => self.bound,
        }
    }

    /// Sends an answer, from the address that the client wrote to.
    pub(super) fn answer(&self, flow: &Flow, bytes: &[u8]) -> io::Result<()> {
        if flow.local == self.bound {
            rustix::net::sendto(self.fd.as_fd(), bytes, rustix::net::SendFlags::DONTWAIT, &flow.client)?;
            return Ok(());
        }
        let (to, from) = (SockAddr::from(flow.client), Source::new(flow.local.ip()));
        let parts = [IoSlice::new(bytes)];
        let message = MsgHdr::new().with_addr(&to).with_buffers(&parts).with_control(from.bytes());
        SockRef::from(&self.fd).sendmsg(&message, 0).map(|_| ())
    }
}
