//! The line over which two workers pass datagrams of clients: each as one packet, kept whole by the kernel.
//!
//! The heir reads from the sockets; what belongs to a session of the elder it passes on. Where that has just ended the elder
//! gives the datagram back, with the place where it was read, and it begins a session at the heir.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};
use tidegate_core::layer4::Flow;

/// Longest packet: a datagram (RFC 768) and what is said of it.
const LONGEST: usize = 65_536 + 128;

/// Our side of the line.
#[derive(Debug)]
pub struct Line(OwnedFd);

/// Where a datagram was read: on this thread, from the socket with this id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadAt {
    /// The thread's number.
    pub thread: u32,
    /// The supervisor's id of the socket.
    pub port: u32,
}

/// A datagram that another worker passes on.
#[derive(Debug)]
pub struct Passed<'a> {
    /// It comes back: its session has ended.
    pub is_back: bool,
    /// Where it was read.
    pub read_at: ReadAt,
    /// Whose it is.
    pub flow: Flow,
    /// What it holds.
    pub bytes: &'a [u8],
}

impl Line {
    /// Our side, a socket that keeps packets whole.
    pub fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Passes a datagram on, if there is room for it now.
    pub fn pass(&self, passed: &Passed<'_>) -> io::Result<()> {
        let head = head(passed);
        let parts = [IoSlice::new(&head), IoSlice::new(passed.bytes)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(&self.0, &parts, &mut SendAncillaryBuffer::default(), flags)?;
        Ok(())
    }

    /// Passes no more; what was passed still comes to the other side, and what that passes to us.
    pub fn end(&self) {
        // It fails where the other side has ended already.
        let _ = shutdown(&self.0, Shutdown::Write);
    }

    /// Gives each datagram that comes to `take`, until that has had enough or the other side passes no more.
    pub fn listen(&self, mut take: impl FnMut(Passed<'_>) -> bool) {
        let mut room = vec![0; LONGEST];
        loop {
            match recv(&self.0, &mut *room, RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                Ok((0, _)) | Err(_) => return,
                Ok((came, _)) => {
                    if room.get(..came).and_then(read).is_some_and(|passed| !take(passed)) {
                        return;
                    }
                }
            }
        }
    }
}

fn head(passed: &Passed<'_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(80);
    head.push(u8::from(passed.is_back));
    head.extend_from_slice(&passed.read_at.thread.to_be_bytes());
    head.extend_from_slice(&passed.read_at.port.to_be_bytes());
    write(&mut head, passed.flow.client);
    write(&mut head, passed.flow.local);
    head
}

fn write(head: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            head.push(4);
            head.extend_from_slice(&v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            head.push(6);
            head.extend_from_slice(&v6.ip().octets());
            head.extend_from_slice(&v6.flowinfo().to_be_bytes());
            head.extend_from_slice(&v6.scope_id().to_be_bytes());
        }
    }
    head.extend_from_slice(&address.port().to_be_bytes());
}

/// Reads a packet; none where it is not one of ours.
fn read(packet: &[u8]) -> Option<Passed<'_>> {
    let (kind, rest) = packet.split_first()?;
    let (thread, rest) = rest.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let (client, rest) = read_address(rest)?;
    let (local, bytes) = read_address(rest)?;
    let read_at = ReadAt { thread: u32::from_be_bytes(*thread), port: u32::from_be_bytes(*port) };
    Some(Passed { is_back: *kind == 1, read_at, flow: Flow { client, local }, bytes })
}

fn read_address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (family, rest) = bytes.split_first()?;
    match family {
        4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            let (port, rest) = rest.split_first_chunk()?;
            Some((SocketAddr::new(IpAddr::V4(Ipv4Addr::from(*ip)), u16::from_be_bytes(*port)), rest))
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let (flowinfo, rest) = rest.split_first_chunk()?;
            let (scope, rest) = rest.split_first_chunk()?;
            let (port, rest) = rest.split_first_chunk()?;
            let (flowinfo, scope) = (u32::from_be_bytes(*flowinfo), u32::from_be_bytes(*scope));
            Some((SocketAddrV6::new(Ipv6Addr::from(*ip), u16::from_be_bytes(*port), flowinfo, scope).into(), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn flow(client: &str, local: &str) -> Flow {
        Flow { client: client.parse().expect("an address"), local: local.parse().expect("an address") }
    }

    #[test]
    fn a_datagram_comes_whole_with_whose_it_is_and_where_it_was_read() {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (one, two) = pair.expect("a pair");
        let (here, there) = (Line::new(one), Line::new(two));
        let flows = [flow("192.0.2.1:7", "192.0.2.9:53"), flow("[2001:db8::1%3]:7", "[::1]:53")];
        let sent: Vec<Vec<u8>> = vec![b"one".to_vec(), Vec::new(), vec![7; 65_507]];
        for (number, bytes) in (0..).zip(&sent) {
            for flow in flows {
                let read_at = ReadAt { thread: number, port: 70_000 };
                here.pass(&Passed { is_back: number == 1, read_at, flow, bytes }).expect("there is room");
            }
        }
        drop(here);
        let mut came = Vec::new();
        there.listen(|passed| {
            came.push((passed.is_back, passed.read_at, passed.flow, passed.bytes.to_vec()));
            true
        });
        let wanted = (0..).zip(sent).flat_map(|(number, bytes)| {
            flows.map(|flow| (number == 1, ReadAt { thread: number, port: 70_000 }, flow, bytes.clone()))
        });
        assert_eq!(came, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn a_packet_that_is_none_of_ours_is_passed_over() {
        let whole = head(&Passed {
            is_back: false,
            read_at: ReadAt { thread: 1, port: 2 },
            flow: flow("192.0.2.1:7", "[::1]:53"),
            bytes: b"",
        });
        assert!(read(&whole).is_some());
        assert!((0..whole.len()).all(|end| read(&whole[..end]).is_none()));
        assert!(read(&[9; 60]).is_none());
    }
}
