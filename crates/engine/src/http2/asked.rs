//! A stream that a client opened: its lane reads the request and writes the answer as over a connection of HTTP/1.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Request;
use tidegate_core::framing::{BodyLength, HeadReader, Progress, judge_response};
use tidegate_core::head::{Method, ResponseHead};

use super::answers::read_answer;
use super::incoming::{Incoming, broken};
use super::outgoing::{self, NO_LIMITS, Outgoing, Writes, misled};
use super::requests::write_request;
use crate::pool::stream::Multiplexed;

/// A stream that a client opened.
#[derive(Debug)]
pub(super) struct Asked {
    incoming: Incoming,
    outgoing: Outgoing,
    respond: SendResponse<Bytes>,
    method: Method,
    /// A WebSocket was asked for.
    wants_tunnel: bool,
}

impl Asked {
    /// A request that has come over a connection that is secured, or is not. `key` makes the nonce of a WebSocket.
    pub(super) fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        is_secure: bool,
        key: impl FnOnce() -> String,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, ());
        let protocol = request.extensions().get::<h2::ext::Protocol>();
        let key = protocol.filter(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket")).map(|_| key());
        let wants_tunnel = key.is_some();
        let mut head = Vec::with_capacity(512);
        let has_body = !body.is_end_stream();
        let framing = write_request(&request, is_secure, has_body, key.as_deref(), &mut head);
        let method = if request.method() == http::Method::HEAD { Method::Head } else { Method::Get };
        let body = has_body.then_some(body);
        Self { incoming: Incoming::new(head, body, framing), outgoing: Outgoing::new(), respond, method, wants_tunnel }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let reset = match self.outgoing.stream() {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(|_| io::ErrorKind::ConnectionReset.into())
    }
}

impl Writes for Asked {
    fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    fn send_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut head = ResponseHead::default();
        match HeadReader::default().read_response(bytes, &NO_LIMITS, &mut head) {
            Ok(Progress::Complete) => {}
            Ok(Progress::Partial) | Err(_) => return Err(misled()),
        }
        let facts = judge_response(bytes, &head, self.method).map_err(|_| misled())?;
        let len = head.len as usize;
        let bytes = bytes.get(..len).unwrap_or_default();
        let response = read_answer(bytes, &head, self.wants_tunnel).ok_or_else(misled)?;
        if facts.is_informational {
            self.respond.send_informational(response).map_err(broken)?;
            return Ok(len);
        }
        self.wants_tunnel = head.status == 101;
        let body = if self.wants_tunnel { BodyLength::UntilClose } else { facts.body };
        let is_last = matches!(body, BodyLength::None | BodyLength::Length(0));
        let stream = self.respond.send_response(response, is_last).map_err(broken)?;
        self.outgoing.begin(stream, if is_last { BodyLength::None } else { body });
        Ok(len)
    }
}

impl Multiplexed for Asked {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.incoming.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_writable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.outgoing.is_over() {
            return Poll::Ready(Ok(0));
        }
        if !self.incoming.is_over() {
            let read = ready!(self.incoming.poll_read(cx, room))?;
            if read > 0 {
                return Poll::Ready(Ok(read));
            }
        }
        if self.wants_tunnel {
            return Poll::Ready(Ok(0));
        }
        // The request is whole: whoever asked waits for the answer, or goes.
        self.poll_reset(cx).map(Err)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 3]) -> Poll<io::Result<usize>> {
        outgoing::poll_write(self, cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_end(cx)
    }

    fn is_broken(&mut self) -> bool {
        self.poll_reset(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl Drop for Asked {
    /// A cut answer must not look like a whole one.
    fn drop(&mut self) {
        if !self.outgoing.is_over() {
            let reason = if self.wants_tunnel { Reason::CANCEL } else { Reason::INTERNAL_ERROR };
            self.respond.send_reset(reason);
        }
    }
}
