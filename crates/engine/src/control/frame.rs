//! One frame: a length of four bytes, big-endian, then that many bytes of JSON. Descriptors ride on its first byte.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Most bytes of a frame from the supervisor.
pub(super) const MOST_FROM_SUPERVISOR: usize = 256 << 20;

/// Most bytes of a frame to the supervisor.
pub(super) const MOST_FROM_WORKER: usize = 4 << 20;

/// Most descriptors on a frame; the kernel takes 253 (SCM_MAX_FD).
pub(super) const MOST_DESCRIPTORS: usize = 200;

const SCM_MAX_FD: usize = 253;

/// What came in: the JSON text, and the descriptors that rode on it.
#[derive(Debug)]
pub(crate) struct Frame {
    /// JSON, not looked at yet.
    pub(crate) body: Vec<u8>,
    /// In the order in which they were sent.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer closed between two frames.
    Closed,
    /// The peer closed within a frame, or the socket failed.
    Cut,
    /// The peer does not keep the rules; in its own words, for the answer.
    Wrong(String),
}

/// Reads one frame of at most `most` bytes.
pub(crate) fn read(stream: &UnixStream, most: usize) -> Result<Frame, Broken> {
    let mut descriptors = Vec::new();
    let mut length = [0_u8; 4];
    let mut have = 0;
    while have < length.len() {
        let rest = length.get_mut(have..).unwrap_or_default();
        match receive(stream, rest, &mut descriptors)? {
            0 if have == 0 => return Err(Broken::Closed),
            0 => return Err(Broken::Cut),
            got => have += got,
        }
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length == 0 || length > most {
        return Err(Broken::Wrong(format!("a frame of {length} bytes: it must have 1 to {most}")));
    }
    // Grows as the bytes come: a length that is only claimed costs nothing.
    let mut body = Vec::new();
    let wanted = u64::try_from(length).unwrap_or(u64::MAX);
    let got = stream.take(wanted).read_to_end(&mut body).map_err(|_| Broken::Cut)?;
    if got < length {
        return Err(Broken::Cut);
    }
    Ok(Frame { body, descriptors })
}

/// One `recvmsg` into `space`; what descriptors came are pushed. 0 is the end.
fn receive(stream: &UnixStream, space: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<usize, Broken> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SCM_MAX_FD))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let got = loop {
        match rustix::net::recvmsg(stream, &mut [IoSliceMut::new(space)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(Broken::Cut),
            Ok(got) => break got,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            descriptors.extend(came);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Broken::Wrong("descriptors were lost on the way: are there too many open files?".to_owned()));
    }
    if descriptors.len() > MOST_DESCRIPTORS {
        return Err(Broken::Wrong(format!("more than {MOST_DESCRIPTORS} descriptors on a frame")));
    }
    Ok(got.bytes)
}

/// Writes one frame. Not for two threads at once: the caller holds the stream's lock.
pub(crate) fn write(stream: &UnixStream, body: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if body.len() > MOST_FROM_SUPERVISOR || descriptors.len() > MOST_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut whole = Vec::with_capacity(body.len() + 4);
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(body);
    let sent = send(stream, &whole, descriptors)?;
    let mut stream = stream;
    stream.write_all(whole.get(sent..).unwrap_or_default())
}

/// One `sendmsg`; says how many bytes went.
fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match rustix::net::sendmsg(stream.as_fd(), &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(sent) => return Ok(sent),
        }
    }
}

/// Writes a small frame whole or not at all, without waiting: for events to a supervisor that may be stopped. `false`
/// when there was no room for it.
pub(super) fn write_if_room(stream: &UnixStream, body: &[u8]) -> io::Result<bool> {
    let length = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(body);
    match rustix::net::send(stream, &whole, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(sent) if sent == whole.len() => Ok(true),
        // The kernel takes what fits one buffer whole or not at all; a part would leave the border between frames lost.
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("a socket pair")
    }

    #[test]
    fn a_frame_arrives_with_its_descriptors() {
        let (here, there) = pair();
        let (one, two) = pair();
        write(&here, b"{}", &[one.as_fd(), two.as_fd()]).expect("written");
        let frame = read(&there, 10).expect("a frame");
        assert_eq!((frame.body.as_slice(), frame.descriptors.len()), (b"{}".as_slice(), 2));
    }

    #[test]
    fn a_frame_that_comes_byte_by_byte_is_whole() {
        let (mut here, there) = pair();
        let writer = std::thread::spawn(move || {
            for byte in [0, 0, 0, 2, b'{', b'}'] {
                here.write_all(&[byte]).expect("written");
            }
        });
        assert_eq!(read(&there, 10).expect("a frame").body, b"{}");
        writer.join().expect("the writer");
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_a_byte_is_kept() {
        let (mut here, there) = pair();
        here.write_all(&u32::MAX.to_be_bytes()).expect("written");
        assert!(matches!(read(&there, 10), Err(Broken::Wrong(says)) if says.contains("4294967295 bytes")));
    }

    #[test]
    fn an_empty_frame_is_refused() {
        let (mut here, there) = pair();
        here.write_all(&[0; 4]).expect("written");
        assert!(matches!(read(&there, 10), Err(Broken::Wrong(_))));
    }

    #[test]
    fn the_end_between_frames_is_not_the_end_within_one() {
        let (here, there) = pair();
        drop(here);
        assert!(matches!(read(&there, 10), Err(Broken::Closed)));
        for part in [&[0_u8, 0][..], &[0, 0, 0, 9, b'{'][..]] {
            let (mut here, there) = pair();
            here.write_all(part).expect("written");
            drop(here);
            assert!(matches!(read(&there, 10), Err(Broken::Cut)));
        }
    }

    #[test]
    fn an_event_waits_for_nobody() {
        let (here, _there) = pair();
        let mut written = 0;
        while write_if_room(&here, b"{\"kind\":\"beat\",\"tick\":1}").expect("no error") {
            written += 1;
            assert!(written < 1_000_000, "the kernel's buffer has an end");
        }
        assert!(written > 0);
    }
}
