//! Receiving datagrams, as many as wait in one call (recvmmsg(2)), each with its sender, and with the address that it was
//! sent to where the socket tells it (ip(7), ipv6(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Most datagrams of one call. Fewer than that say that the socket is empty, which otherwise a second call would.
pub(crate) const MOST: usize = 16;

/// Longest datagram, in bytes: RFC 768 has 16 bits for its length.
const LONGEST: usize = 65_536;

/// Longest address: `sockaddr_in6`.
const NAME: usize = 28;

/// A header of a control message (cmsg(3)): its length, then level and type, each an `int`.
const HEADER: usize = size_of::<usize>() + 8;

/// The largest control message that comes: `in6_pktinfo` behind its header.
const CONTROL: usize = HEADER + 24;

const WITH_V4: (i32, i32) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
const WITH_V6: (i32, i32) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);

/// Bytes that the kernel reads as a structure.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

/// Room for the datagrams of one call, and what came in it.
pub(crate) struct Batch {
    bytes: Box<[u8]>,
    places: Box<[Place; MOST]>,
}

/// What is known of one datagram.
#[derive(Clone, Copy)]
struct Place {
    name: Aligned<NAME>,
    control: Aligned<CONTROL>,
    len: usize,
    control_len: usize,
}

/// One datagram.
pub(crate) struct Datagram<'a> {
    /// What it holds; it may be nothing.
    pub(crate) bytes: &'a [u8],
    /// Who sent it.
    pub(crate) from: Option<SocketAddr>,
    /// The address that it was sent to.
    pub(crate) to: Option<IpAddr>,
}

impl Default for Batch {
    /// Pages that no datagram reaches are never touched, so most of it takes no memory.
    fn default() -> Self {
        let place = Place { name: Aligned([0; NAME]), control: Aligned([0; CONTROL]), len: 0, control_len: 0 };
        Self { bytes: vec![0; MOST * LONGEST].into(), places: Box::new([place; MOST]) }
    }
}

impl Batch {
    /// Receives what waits, without waiting for more; fewer than [`MOST`] is all there was.
    #[expect(unsafe_code, reason = "recvmmsg has no safe binding")]
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST];
        // SAFETY: integers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
        let rooms = self.bytes.chunks_exact_mut(LONGEST);
        for (((header, part), place), room) in headers.iter_mut().zip(&mut parts).zip(&mut *self.places).zip(rooms) {
            (part.iov_base, part.iov_len) = (room.as_mut_ptr().cast(), room.len());
            let header = &mut header.msg_hdr;
            (header.msg_iov, header.msg_iovlen) = (part, 1);
            (header.msg_name, header.msg_namelen) = (place.name.0.as_mut_ptr().cast(), NAME as libc::socklen_t);
            (header.msg_control, header.msg_controllen) = (place.control.0.as_mut_ptr().cast(), CONTROL as _);
        }
        let count = MOST as libc::c_uint;
        // SAFETY: each header points to one part, a name and a control buffer, each part to a room of its own, with their
        // true lengths; all of them outlive the call, nobody else looks at them meanwhile, and the descriptor is open.
        let came = unsafe {
            libc::recvmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let Ok(came) = usize::try_from(came) else { return Err(io::Error::last_os_error()) };
        for (place, header) in self.places.iter_mut().zip(&headers).take(came) {
            (place.len, place.control_len) = (header.msg_len as usize, header.msg_hdr.msg_controllen);
        }
        Ok(came)
    }

    /// One of those that came, by its place.
    pub(crate) fn get(&self, at: usize) -> Option<Datagram<'_>> {
        let place = self.places.get(at)?;
        let bytes = self.bytes.chunks_exact(LONGEST).nth(at)?.get(..place.len)?;
        let control = place.control.0.get(..place.control_len).unwrap_or_default();
        Some(Datagram { bytes, from: address(&place.name.0), to: destination(control) })
    }
}

/// Reads `sockaddr_in` or `sockaddr_in6`.
fn address(name: &[u8; NAME]) -> Option<SocketAddr> {
    let [family @ .., p, q] = *name.first_chunk::<4>()?;
    let port = u16::from_be_bytes([p, q]);
    match i32::from(u16::from_ne_bytes(family)) {
        libc::AF_INET => Some((Ipv4Addr::from(*name.get(4..)?.first_chunk::<4>()?), port).into()),
        libc::AF_INET6 => {
            let flow = u32::from_be_bytes(*name.get(4..)?.first_chunk()?);
            let ip = Ipv6Addr::from(*name.get(8..)?.first_chunk::<16>()?);
            let scope = u32::from_ne_bytes(*name.get(24..)?.first_chunk()?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

/// Reads the address that a datagram was sent to, as the first control message has it; no other is asked for.
fn destination(control: &[u8]) -> Option<IpAddr> {
    let (head, data) = control.split_at_checked(HEADER)?;
    let (level, kind) = head.get(size_of::<usize>()..)?.split_first_chunk::<4>()?;
    match (i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind.first_chunk()?)) {
        // The interface, then the address to answer from, then the one in the datagram's head.
        WITH_V4 => Some(Ipv4Addr::from(*data.get(4..)?.first_chunk::<4>()?).into()),
        WITH_V6 => Some(Ipv6Addr::from(*data.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// The control message that has a datagram sent from an address of ours.
pub(crate) struct Source {
    bytes: Aligned<CONTROL>,
    len: usize,
}

impl Source {
    /// The message for an address, in the family of the socket.
    pub(crate) fn new(ip: IpAddr) -> Self {
        let mut made = Self { bytes: Aligned([0; CONTROL]), len: 0 };
        match ip {
            IpAddr::V4(ip) => made.write(WITH_V4, &[0; 4], &ip.octets(), &[0; 4]),
            IpAddr::V6(ip) => made.write(WITH_V6, &ip.octets(), &[0; 4], &[]),
        }
        made
    }

    fn write(&mut self, (level, kind): (i32, i32), one: &[u8], two: &[u8], three: &[u8]) {
        let len = HEADER + one.len() + two.len() + three.len();
        let head = [&len.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes()];
        let all = head.into_iter().chain([one, two, three]).flatten();
        self.bytes.0.iter_mut().zip(all).for_each(|(place, byte)| *place = *byte);
        self.len = len.next_multiple_of(size_of::<usize>());
    }

    /// Its bytes, aligned as the kernel wants them.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.0.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn as_many_come_in_one_call_as_wait_and_each_tells_its_sender() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (here, there) = (UdpSocket::bind(host).expect("bound"), UdpSocket::bind(host).expect("bound"));
            let mut batch = Batch::default();
            let nothing = batch.receive(here.as_fd()).expect_err("nothing waits");
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            let sent: [&[u8]; 3] = [b"one", b"", &[7; 60_000]];
            for bytes in sent {
                there.send_to(bytes, here.local_addr().expect("bound")).expect("sent");
            }
            assert_eq!(batch.receive(here.as_fd()).expect("they wait"), 3);
            for (at, bytes) in sent.iter().enumerate() {
                let datagram = batch.get(at).expect("it came");
                assert_eq!((datagram.bytes, datagram.from), (*bytes, there.local_addr().ok()));
            }
        }
    }

    #[test]
    fn what_tells_where_to_answer_from_is_read_as_it_is_written() {
        for ip in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            let ip: IpAddr = ip.parse().expect("an address");
            let source = Source::new(ip);
            assert_eq!(destination(source.bytes()), Some(ip));
            assert_eq!(source.bytes().as_ptr() as usize % align_of::<usize>(), 0);
        }
        assert_eq!(destination(b"short"), None);
        assert_eq!(address(&[0; NAME]), None);
    }
}
