//! A stream that we open: a lane writes its request and reads the answer as over a connection of HTTP/1.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use tidegate_core::framing::{BodyLength, HeadReader, Progress, judge_request};
use tidegate_core::head::RequestHead;

use super::answers::write_answer;
use super::incoming::{Incoming, broken};
use super::line::Open;
use super::outgoing::{self, NO_LIMITS, Outgoing, Writes, misled};
use super::requests::{Wanted, read_request};
use crate::pool::stream::{Multiplexed, Refused};

/// A stream that we open.
#[derive(Debug)]
pub(super) struct Asking {
    sender: SendRequest<Bytes>,
    outgoing: Outgoing,
    /// The head of the answer is yet to come.
    response: Option<ResponseFuture>,
    incoming: Incoming,
    wanted: Wanted,
    _open: Open,
}

impl Asking {
    /// A stream on which nothing was sent.
    pub(super) fn new(sender: SendRequest<Bytes>, open: Open) -> Self {
        let (outgoing, incoming, wanted) = (Outgoing::new(), Incoming::nothing(), Wanted::default());
        Self { sender, outgoing, response: None, incoming, wanted, _open: open }
    }

    /// Waits for a head of the answer, interim or final.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(response) = self.response.as_mut().filter(|_| !self.incoming.has_some()) else {
            return Poll::Ready(Ok(()));
        };
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let (parts, ()) = interim.map_err(failed)?.into_parts();
            let mut head = Vec::new();
            write_answer(&parts, &self.wanted, true, &mut head);
            self.incoming.say(&head);
            return Poll::Ready(Ok(()));
        }
        let (parts, body) = ready!(Pin::new(response).poll(cx)).map_err(failed)?.into_parts();
        self.response = None;
        let mut head = Vec::with_capacity(512);
        let framing = write_answer(&parts, &self.wanted, body.is_end_stream(), &mut head);
        self.incoming = match framing {
            Some(framing) => Incoming::new(head, Some(body), framing),
            None => Incoming::new(head, None, super::incoming::Framing::AsItIs),
        };
        Poll::Ready(Ok(()))
    }
}

impl Writes for Asking {
    fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut head = RequestHead::default();
        match HeadReader::default().read_request(bytes, &NO_LIMITS, &mut head) {
            Ok(Progress::Complete) => {}
            Ok(Progress::Partial) | Err(_) => return Err(misled()),
        }
        let facts = judge_request(bytes, &head).map_err(|_| misled())?;
        let len = head.len as usize;
        let (request, wanted) = read_request(bytes.get(..len).unwrap_or_default(), &head).ok_or_else(misled)?;
        let wants_tunnel = wanted.key.is_some();
        if wants_tunnel && !self.sender.is_extended_connect_protocol_enabled() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the endpoint takes no extended CONNECT"));
        }
        let body = if wants_tunnel { BodyLength::UntilClose } else { facts.body };
        let is_last = matches!(body, BodyLength::None | BodyLength::Length(0));
        let (response, stream) = self.sender.send_request(request, is_last).map_err(failed)?;
        self.response = Some(response);
        self.wanted = wanted;
        self.outgoing.begin(stream, if is_last { BodyLength::None } else { body });
        Ok(len)
    }
}

impl Multiplexed for Asking {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        self.incoming.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_writable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.outgoing.awaits_head() {
            // Whoever writes it is polled again.
            return Poll::Pending;
        }
        ready!(self.poll_head(cx))?;
        self.incoming.poll_read(cx, room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 3]) -> Poll<io::Result<usize>> {
        outgoing::poll_write(self, cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_end(cx)
    }

    /// A stream that breaks is told when it is read.
    fn is_broken(&mut self) -> bool {
        false
    }
}

/// What became of a request without an answer: whether the endpoint says that it has not looked at it (RFC 9113,
/// section 8.7).
fn failed(error: h2::Error) -> io::Error {
    let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    if is_refused || (error.is_go_away() && error.is_remote()) {
        return io::Error::new(io::ErrorKind::ConnectionAborted, Refused);
    }
    broken(error)
}
