//! Waiting until a descriptor of ours can be read, on the current thread's event loop.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers `fd` for reading.
pub(crate) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor as long as it lives, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(Into::into)
}

/// What a connected socket of datagrams is waited for: datagrams, and word that nobody is there, which comes alone.
pub(crate) const DATAGRAMS: Interest = Interest::READABLE.add(Interest::ERROR);

/// Registers a socket of datagrams, to be waited for with [`DATAGRAMS`].
pub(crate) fn datagrams(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: as above.
    unsafe { AsyncFd::register_with_interest(fd, DATAGRAMS) }.map_err(Into::into)
}
