//! A client's connection: one task takes streams off it and writes what their lanes have to say; each stream has a lane,
//! and a task of its own.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tidegate_core::filter::forwarded::Peer;
use tidegate_core::head::Version;
use tidegate_core::http2::{Farewell, Watch};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::Listener;

use super::HELD;
use super::asked::Asked;
use super::nonce::nonce;
use super::wire::{Io, Wire};
use crate::exchange::serve::{linger, serve_stream};
use crate::log::program::Level;
use crate::pool::stream::Stream;
use crate::threads::open::Open;
use crate::threads::timer::Timer;

/// How long a connection that is to go may stay without work until its client has noticed.
const GRACE: Duration = Duration::from_secs(5);

/// Over how long floods are counted.
const PAGE: Duration = Duration::from_secs(10);

/// Most bytes of a head, as the codec counts them, whatever the listener says.
const MOST_HEAD: u32 = 16 * 1024 * 1024;

/// A client's connection.
struct Client {
    codec: Connection<Io, Bytes>,
    wire: Rc<RefCell<Wire>>,
    open: Rc<Open>,
    peer: Peer,
    began: Moment,
    /// There was a stream.
    busy: Moment,
    /// It was told to go.
    going: Option<Moment>,
    page: Moment,
    farewell: Option<Farewell>,
    timer: Timer,
}

/// Serves a connection that speaks HTTP/2, of which `before` was read already.
pub async fn serve(stream: Stream, before: Vec<u8>, peer: Peer, open: Open) {
    let Some(listener) = open.listener.look(Arc::clone) else { return };
    let thread = Rc::clone(&open.thread);
    let _waker = thread.register().await;
    let watch = Watch::of_client(listener.http2.map_or(0, |policy| policy.resets));
    let wire = Rc::new(RefCell::new(Wire::new(stream, before, watch)));
    let Some(codec) = shake_hands(&wire, &listener, &open).await else { return };
    drop(listener);
    let now = thread.now();
    let mut client = Client {
        codec,
        wire,
        open: Rc::new(open),
        peer,
        began: now,
        busy: now,
        going: None,
        page: now.after(PAGE),
        farewell: None,
        timer: Timer::default(),
    };
    // Where the proxy ends before, each stream tells of itself.
    thread.unless_over(pin!(poll_fn(|cx| client.poll(cx)))).await;
    if let Some(farewell) = client.farewell {
        client.report(farewell);
        let Client { codec, wire, open: _open, .. } = client;
        drop(codec);
        if let Some(wire) = Rc::into_inner(wire) {
            linger(&mut wire.into_inner().stream).await;
        }
    }
}

/// Waits for the client's preface; none where it does not come in time.
async fn shake_hands(wire: &Rc<RefCell<Wire>>, listener: &Listener, open: &Open) -> Option<Connection<Io, Bytes>> {
    let policy = listener.http2?;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(policy.streams)
        .initial_window_size(policy.window)
        .initial_connection_window_size(policy.connection_window)
        .max_header_list_size(listener.head.bytes.min(MOST_HEAD))
        .max_send_buffer_size(HELD)
        .enable_connect_protocol();
    let mut shaking = Box::pin(builder.handshake(Io(Rc::clone(wire))));
    let (mut timer, late) = (Timer::default(), open.thread.now().after_unless_zero(listener.header));
    poll_fn(|cx| {
        open.thread.look_at_clock();
        if let Poll::Ready(shaken) = shaking.as_mut().poll(cx) {
            return Poll::Ready(shaken.ok());
        }
        let flushed = wire.borrow_mut().poll_flush(cx);
        let is_over = matches!(flushed, Poll::Ready(Err(_))) || timer.poll(late, &open.thread, cx).is_ready();
        if is_over { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

impl Client {
    /// Ready once the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.open.thread.look_at_clock();
        loop {
            if self.is_over() || self.take_streams(cx) {
                return Poll::Ready(());
            }
            let flushed = self.wire.borrow_mut().poll_flush(cx);
            if matches!(flushed, Poll::Ready(Err(_))) {
                return Poll::Ready(());
            }
            let deadline = self.deadline();
            if self.timer.poll(deadline, &self.open.thread, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Serves the streams that have come; true once none will come any more.
    fn take_streams(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.codec.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    self.farewell = self.farewell.or_else(|| farewell(&error));
                    return true;
                }
                Poll::Ready(None) => return true,
                Poll::Pending => {
                    let flood = self.wire.borrow().watch.flood();
                    if self.farewell.is_some() || flood.is_none() {
                        return false;
                    }
                    self.farewell = flood;
                    self.codec.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
            }
        }
    }

    fn begin(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let thread = &self.open.thread;
        let asked = Asked::new(request, respond, self.peer.secure, || thread.with_dice(nonce));
        let stream = Stream::Multiplexed(Box::new(asked));
        tokio::task::spawn_local(serve_stream(stream, self.peer.clone(), Version::Http2, Rc::clone(&self.open)));
    }

    /// Tells the client to go when it is time; true once it had its time to.
    fn is_over(&mut self) -> bool {
        let now = self.open.thread.now();
        if now >= self.page {
            self.page = now.after(PAGE);
            self.wire.borrow_mut().watch.turn_page();
        }
        if self.codec.has_streams() {
            self.busy = now;
        } else {
            self.wire.borrow_mut().rest();
        }
        let is_due = now >= self.deadline();
        if self.going.is_none() && (is_due || self.open.turn(|turn| turn.leaving || turn.crowded)) {
            self.going = Some(now);
            self.codec.graceful_shutdown();
            return false;
        }
        is_due
    }

    /// When it is told to go; once it was, when it has had its time to.
    fn deadline(&self) -> Moment {
        if let Some(since) = self.going {
            return since.max(self.busy).after(GRACE);
        }
        let times = self.open.listener.look(|listener| (listener.idle, listener.max_age));
        let (idle, max_age) = times.unwrap_or_default();
        self.busy.after_unless_zero(idle).min(self.began.after_unless_zero(max_age))
    }

    fn report(&self, farewell: Farewell) {
        self.open.listener.metrics.sent_away(farewell);
        let from = std::str::from_utf8(self.peer.ip_text()).unwrap_or_default();
        let says = farewell.says();
        let says = format_args!("listener {}: {from} is sent away with GOAWAY: {says}", self.open.listener.name);
        self.open.thread.shared.program.say(Level::Warning, "http2", says);
    }
}

/// Why the codec has sent a client away, if it has.
fn farewell(error: &h2::Error) -> Option<Farewell> {
    let reason = error.reason().filter(|_| error.is_go_away() && error.is_library())?;
    Some(if reason == Reason::ENHANCE_YOUR_CALM { Farewell::Burden } else { Farewell::Protocol })
}
