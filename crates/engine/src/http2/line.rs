//! A connection to an endpoint: one task writes what its streams have to say and takes what comes for them.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tidegate_core::http2::Watch;
use tidegate_core::snapshot::compiled::Http2Out;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::HELD;
use super::asking::Asking;
use super::incoming::broken;
use super::wire::{Io, Wire};
use crate::pool::stream::Stream;

/// How often a connection looks at its age, and whether it has work.
const TICK: Duration = Duration::from_secs(1);

/// Most bytes of an answer's head, as the codec counts them.
const MOST_HEAD: u32 = 128 * 1024;

/// A connection to an endpoint, as its streams see it.
#[derive(Debug)]
pub(super) struct Line {
    /// None once nothing may begin on it.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    streams: Arc<AtomicUsize>,
}

/// A stream that is counted as open until it is dropped. It never leaves its thread, but its type must be able to.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    /// Connects, and has a task of its own serve the connection.
    pub(super) async fn connect(address: String, policy: Http2Out) -> io::Result<Rc<Self>> {
        let stream = Stream::connect(address).await?;
        let wire = Rc::new(RefCell::new(Wire::new(stream, Vec::new(), Watch::of_server())));
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(policy.streams as usize)
            .initial_window_size(policy.window)
            .initial_connection_window_size(policy.connection_window)
            .max_header_list_size(MOST_HEAD)
            .max_send_buffer_size(HELD);
        let (sender, mut codec) = builder.handshake(Io(Rc::clone(&wire))).await.map_err(broken)?;
        // Whoever speaks HTTP/2 says first how many streams it takes, and of which kinds.
        poll_fn(|cx| {
            let ended = Pin::new(&mut codec).poll(cx);
            let mut wire = wire.borrow_mut();
            match (ended, wire.poll_flush(cx)) {
                (Poll::Ready(_), _) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (Poll::Pending, _) if wire.has_read => Poll::Ready(Ok(())),
                (Poll::Pending, _) => Poll::Pending,
            }
        })
        .await?;
        let line = Rc::new(Self { sender: RefCell::new(Some(sender)), streams: Arc::default() });
        let mut driver = Driver::new(codec, wire, Rc::clone(&line), policy);
        tokio::task::spawn_local(async move {
            poll_fn(|cx| driver.poll(cx)).await;
            driver.line.close();
        });
        Ok(line)
    }

    /// A new stream, of at most so many at once, if one may begin.
    pub(super) fn begin(&self, most: usize) -> Option<Stream> {
        let mut sender = self.sender.borrow().clone()?;
        if self.streams.load(Ordering::Relaxed) >= most.min(sender.current_max_send_streams()) {
            return None;
        }
        match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                self.streams.fetch_add(1, Ordering::Relaxed);
                Some(Stream::Multiplexed(Box::new(Asking::new(sender, Open(Arc::clone(&self.streams))))))
            }
            // It was told to go.
            Poll::Ready(Err(_)) => {
                self.close();
                None
            }
            Poll::Pending => None,
        }
    }

    /// Whether nothing may begin on it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Lets nothing begin any more: it ends with its last stream.
    pub(super) fn close(&self) {
        drop(self.sender.take());
    }
}

/// What the task of a connection keeps.
struct Driver {
    codec: Connection<Io, Bytes>,
    wire: Rc<RefCell<Wire>>,
    line: Rc<Line>,
    policy: Http2Out,
    pings: Option<PingPong>,
    ticks: Interval,
    age: Duration,
    idle: Duration,
    /// Since the last ping; none was answered as long as `awaits_pong`.
    silent: Duration,
    awaits_pong: bool,
}

impl Driver {
    fn new(mut codec: Connection<Io, Bytes>, wire: Rc<RefCell<Wire>>, line: Rc<Line>, policy: Http2Out) -> Self {
        let pings = codec.ping_pong().filter(|_| !policy.ping.is_zero());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (age, idle, silent) = Default::default();
        Self { codec, wire, line, policy, pings, ticks, age, idle, silent, awaits_pong: false }
    }

    /// Ready once the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.ticks.poll_tick(cx).is_ready() {
            if self.tick() {
                return Poll::Ready(());
            }
        }
        if let Some(pings) = &mut self.pings
            && self.awaits_pong
            && pings.poll_pong(cx).is_ready()
        {
            self.awaits_pong = false;
        }
        let ended = Pin::new(&mut self.codec).poll(cx).is_ready();
        let flushed = self.wire.borrow_mut().poll_flush(cx);
        if ended || matches!(flushed, Poll::Ready(Err(_))) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A second has passed; true once the connection is of no use.
    fn tick(&mut self) -> bool {
        let Http2Out { idle, max_age, ping, .. } = self.policy;
        self.age += TICK;
        self.idle = if self.line.streams.load(Ordering::Relaxed) > 0 { Duration::ZERO } else { self.idle + TICK };
        self.silent += TICK;
        if self.idle > Duration::ZERO {
            self.wire.borrow_mut().rest();
        }
        if (!max_age.is_zero() && self.age >= max_age) || self.idle >= idle {
            self.line.close();
        }
        let Some(pings) = self.pings.as_mut().filter(|_| self.silent >= ping) else { return false };
        self.silent = Duration::ZERO;
        if self.awaits_pong {
            return true;
        }
        self.awaits_pong = pings.send_ping(Ping::opaque()).is_ok();
        false
    }
}
