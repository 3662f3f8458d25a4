//! Where the access log may go, and how each of these is opened so that it never makes us wait.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, SockAddr, Socket, Type};
use tidegate_core::snapshot::document::{LogPeer, LogTarget};

/// Up to so many bytes a pipe takes whole or not at all (PIPE_BUF on Linux, pipe(7)), so lines are never torn there.
const ATOMIC: usize = 4096;
/// Most bytes of a datagram; a line that is longer is cut there. UDP takes 65,507 (RFC 768, with 8 bytes of header).
const DATAGRAM: usize = 65_000;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Descriptor 1.
    Stdout,
    /// A file, made if need be, appended to; or a FIFO or device.
    File(PathBuf),
    /// A Unix socket: of datagrams, one for each line, or of a stream.
    Unix(PathBuf),
    /// A datagram for each line.
    Udp(Peer),
    /// A stream of lines.
    Tcp(Peer),
}

/// A peer over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As the configuration names it.
    name: String,
    /// None where the name does not resolve.
    address: Option<SocketAddr>,
}

/// How a destination is kept from making us wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A file: its writes end when the kernel has copied the bytes.
    File,
    /// A pipe or terminal: asked first, then given no more than it surely takes.
    Pipe,
    /// A stream socket: each write says that it does not wait.
    Stream,
    /// A socket that takes one line at a time, whole or not at all.
    Datagram,
}

impl Target {
    /// Reads `to` of the snapshot's access log. Fails with a sentence.
    pub fn of(to: &LogTarget) -> Result<Self, String> {
        Ok(match to {
            LogTarget::Stdout => Self::Stdout,
            LogTarget::File(path) => Self::File(path.into()),
            LogTarget::Unix(path) => Self::Unix(path.into()),
            LogTarget::Udp(peer) => Self::Udp(Peer::of(peer)?),
            LogTarget::Tcp(peer) => Self::Tcp(Peer::of(peer)?),
        })
    }

    /// Whether it is connected to when there is something to write, and again after an error.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Udp(_) | Self::Tcp(_))
    }

    /// Opens it. A stream may still be connecting then: it takes nothing until it is connected.
    pub(super) fn open(&self) -> io::Result<(OwnedFd, Way)> {
        match self {
            Self::Stdout => open_stream(io::stdout().as_fd()),
            Self::File(path) => open_file(path),
            Self::Unix(path) => {
                let address = SockAddr::unix(path)?;
                match connect(&address, Type::DGRAM) {
                    // The socket there is of a stream.
                    Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
                        connect(&address, Type::STREAM)
                    }
                    connected => connected,
                }
            }
            Self::Udp(peer) => connect(&peer.address()?, Type::DGRAM),
            Self::Tcp(peer) => connect(&peer.address()?, Type::STREAM),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Udp(peer) => write!(f, "{} (UDP)", peer.name),
            Self::Tcp(peer) => write!(f, "{} (TCP)", peer.name),
        }
    }
}

impl Peer {
    fn of(peer: &LogPeer) -> Result<Self, String> {
        let read = |text: &String| text.parse().map_err(|_| format!("access_log: {text} is no address"));
        Ok(Self { name: peer.name.clone(), address: peer.address.as_ref().map(read).transpose()? })
    }

    fn address(&self) -> io::Result<SockAddr> {
        self.address.map(Into::into).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

fn open_file(path: &Path) -> io::Result<(OwnedFd, Way)> {
    // Nonblocking for the open itself: a FIFO without a reader would make it wait.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o640).custom_flags(nonblocking).open(path)?;
    let way = way_of(file.as_fd())?;
    Ok((file.into(), way))
}

/// An open descriptor, stdout or stderr, as a destination.
pub(super) fn open_stream(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Way)> {
    let way = way_of(fd)?;
    // O_NONBLOCK on the descriptor itself would be seen by every process that shares it: a pipe or terminal is
    // opened once more instead, where permissions allow; where not, asking first has to do.
    let again = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = if way == Way::Pipe { rustix::fs::open(again, flags, Mode::empty()).ok() } else { None };
    Ok((opened.map_or_else(|| fd.try_clone_to_owned(), Ok)?, way))
}

fn connect(address: &SockAddr, kind: Type) -> io::Result<(OwnedFd, Way)> {
    let domain = Domain::from(i32::from(address.family()));
    let socket = Socket::new(domain, kind.nonblocking(), None)?;
    match socket.connect(address) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    Ok((socket.into(), if kind == Type::DGRAM { Way::Datagram } else { Way::Stream }))
}

fn way_of(fd: BorrowedFd<'_>) -> io::Result<Way> {
    Ok(match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Fifo | FileType::CharacterDevice => Way::Pipe,
        FileType::Socket => Way::Stream,
        FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::BlockDevice | FileType::Unknown => {
            Way::File
        }
    })
}

/// Writes some of `bytes`, which are whole lines but for the first; how many of them are done with.
pub(super) fn write_some(fd: BorrowedFd<'_>, way: Way, bytes: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(match way {
        Way::File => rustix::io::write(fd, bytes)?,
        Way::Stream => rustix::net::send(fd, bytes, flags)?,
        Way::Datagram => {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
            rustix::net::send(fd, bytes.get(..end.min(DATAGRAM)).unwrap_or(bytes), flags)?;
            bytes.len().min(end + 1)
        }
        Way::Pipe => {
            let mut ask = [PollFd::new(&fd, PollFlags::OUT)];
            if poll(&mut ask, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            rustix::io::write(fd, whole_lines(bytes))?
        }
    })
}

/// Fails where the peer of a stream has closed it: what would be sent then is lost without an error. What the peer says
/// is thrown away.
pub(super) fn check_peer(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut words = [0u8; 512];
    loop {
        match rustix::net::recv(fd, &mut words, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// As many whole lines as a pipe takes at once; of a line that is longer, as much as it takes.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let most = bytes.get(..ATOMIC).unwrap_or(bytes);
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |last| last + 1);
    most.get(..end).unwrap_or(most)
}
