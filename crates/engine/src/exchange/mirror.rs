//! Copies of requests: each is sent by a task of its own, so that no client waits for one, or hears of it. A process that
//! ends does not wait for them either.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tidegate_core::balance::Held;
use tidegate_core::failure::Kind;
use tidegate_core::health::Outcome;
use tidegate_core::lane::buffer::{Buffer, SMALL};
use tidegate_core::lane::{Chosen, Copy, Lane};
use tidegate_core::mirror::{Came, Discard, Fate};
use tidegate_core::moment::Moment;
use tidegate_core::proxy_protocol;
use tidegate_core::snapshot::compiled::{Endpoint, Upstream};
use tidegate_core::snapshot::document::ProxyProtocolOut;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::lease::{MARGIN, kind_of};
use super::sides::Load;
use crate::http2::lines;
use crate::pool::gate::{Asked, Grant, Permit};
use crate::pool::stream::Stream;
use crate::pool::{Connection, Idle};
use crate::threads::thread::{Order, Thread};

/// Sends the copy that the lane has, if there is room for one more.
pub fn send(lane: &Lane, thread: &Rc<Thread>) {
    let Some(copy) = lane.copy() else { return };
    let thread = Rc::clone(thread);
    tokio::task::spawn_local(async move {
        let sending = Sending { copy: &copy, thread: &thread, asked: Cell::default() };
        let became = timeout(copy.timeout, sending.talk()).await.unwrap_or(Err(Kind::ResponseTimeout));
        thread.look_at_clock();
        sending.settle(became);
        copy.under_way.end(match became {
            Ok(_) => Fate::Answered,
            Err(Kind::ResponseTimeout) => Fate::Late,
            Err(_) => Fate::Failed,
        });
    });
}

/// A copy on its way.
struct Sending<'a> {
    copy: &'a Copy,
    thread: &'a Thread,
    /// The endpoint that has got it.
    asked: Cell<Option<Chosen>>,
}

impl Sending<'_> {
    /// Sends it, and reads the answer to its end; gives the status.
    async fn talk(&self) -> Result<u16, Kind> {
        let Self { copy, thread, .. } = *self;
        let now = thread.now();
        let (chosen, held) = thread.with_dice(|dice| copy.choose(now, dice)).ok_or(Kind::NothingEligible)?;
        let (upstream, endpoint) = copy.named(chosen).ok_or(Kind::Internal)?;
        let load = Load::begin(thread, upstream, endpoint);
        let (mut connection, is_reused) = self.connect(chosen, upstream, endpoint, &load).await?;
        self.asked.set(Some(chosen));
        thread.look_at_clock();
        let asked_at = thread.now();
        let first = self.converse(&mut connection.stream, upstream).await;
        // A kept connection may have been closed meanwhile: a copy is worth no second try, and says nothing of the endpoint.
        let (status, keep) = first.inspect_err(|_| self.asked.set(self.asked.get().filter(|_| !is_reused)))?;
        thread.look_at_clock();
        tell(held.as_ref(), status, thread.now().since(asked_at), thread.now());
        if let Some(announced) = keep.filter(|_| upstream.proxy_protocol == ProxyProtocolOut::Off) {
            let since = thread.now();
            let announced = if announced.is_zero() { Duration::MAX } else { announced.saturating_sub(MARGIN) };
            let idle = Idle { connection, since, until: since.after(upstream.idle.min(announced)) };
            thread.pool.borrow_mut().keep(chosen.id, &load.0, idle, thread.index);
        }
        Ok(status)
    }

    /// A pooled connection, or a new one; says which.
    async fn connect(
        &self,
        chosen: Chosen,
        upstream: &Upstream,
        endpoint: &Endpoint,
        load: &Load,
    ) -> Result<(Connection, bool), Kind> {
        let Self { copy, thread, .. } = *self;
        let now = thread.now();
        let is_bounded = upstream.connections > 0;
        if upstream.proxy_protocol == ProxyProtocolOut::Off {
            let take = |cx: &mut std::task::Context<'_>| {
                Poll::Ready(thread.pool.borrow_mut().take(chosen.id, Duration::MAX, now, cx))
            };
            let taken = poll_fn(take).await;
            if let Some(idle) = taken.filter(|idle| idle.connection.permit.is_some() == is_bounded) {
                load.0.reused.one();
                return Ok((idle.connection, true));
            }
        }
        let longest = if upstream.connect.is_zero() { copy.timeout } else { upstream.connect };
        if let Some(policy) = upstream.http2 {
            let opening = lines::open(Rc::clone(&thread.lines), endpoint.id, endpoint.address.clone(), policy);
            let made = timeout(longest, opening).await;
            return self.made(chosen, made, None, load);
        }
        let permit = if is_bounded { Some(self.permit(chosen, upstream).await?) } else { None };
        let made = timeout(longest, Stream::connect(endpoint.address.clone())).await;
        self.made(chosen, made, permit, load)
    }

    /// Counts a connection that was made, or could not be.
    fn made(
        &self,
        chosen: Chosen,
        made: Result<io::Result<Stream>, Elapsed>,
        permit: Option<Permit>,
        load: &Load,
    ) -> Result<(Connection, bool), Kind> {
        let Self { copy, thread, .. } = *self;
        let made = made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match made {
            Ok(stream) => {
                load.0.connects.one();
                Ok((Connection { stream, permit }, false))
            }
            Err(error) => {
                let kind = kind_of(&error);
                load.0.connect_failures.one();
                if kind.is_unreachable() {
                    load.0.passed_over.one();
                    thread.look_at_clock();
                    copy.pass_over(chosen, kind, thread.now());
                }
                Err(kind)
            }
        }
    }

    /// Leave to connect, where that is bounded.
    async fn permit(&self, chosen: Chosen, upstream: &Upstream) -> Result<Permit, Kind> {
        match self.thread.shared.gate(&upstream.name).ask(vec![chosen.id]) {
            Asked::Granted(permit) => Ok(permit),
            Asked::Full => Err(Kind::QueueFull),
            Asked::Waits { grant, rests } => {
                if rests {
                    self.thread.ask_all(|| Order::Spare(vec![chosen.id]));
                }
                match grant.await.map_err(|_| Kind::Internal)? {
                    Grant::Permit(permit) => Ok(permit),
                    // One that another thread may have used: its permit is what is wanted.
                    Grant::Connection(idle, _) => idle.connection.permit.ok_or(Kind::Internal),
                }
            }
        }
    }

    /// Writes the copy and reads its answer; gives the status, and how long the connection may be kept.
    async fn converse(&self, stream: &mut Stream, upstream: &Upstream) -> Result<(u16, Option<Duration>), Kind> {
        let mut header = Vec::new();
        proxy_protocol::write(&mut header, upstream.proxy_protocol, self.copy.peer.address, self.copy.peer.local);
        for bytes in [&header, &self.copy.bytes] {
            let mut sent = 0;
            while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
                match poll_fn(|cx| stream.poll_write(cx, [rest, &[], &[]])).await {
                    Ok(more) if more > 0 => sent += more,
                    Ok(_) | Err(_) => return Err(Kind::UpstreamReset),
                }
            }
        }
        poll_fn(|cx| stream.poll_readable(cx)).await.map_err(|_| Kind::UpstreamReset)?;
        let mut came = Lent::take(self.thread);
        let mut discard = Discard::to(self.copy.method);
        loop {
            came.buffer.compact();
            if came.buffer.room_len() == 0 {
                return Err(Kind::ResponseHeadTooLarge);
            }
            match poll_fn(|cx| stream.poll_read(cx, came.buffer.room())).await {
                Ok(0) if discard.ends_well() => return Ok((discard.status(), None)),
                Ok(0) => return Err(Kind::UpstreamClosed),
                Ok(n) => came.buffer.fill(n),
                Err(_) => return Err(Kind::UpstreamReset),
            }
            match discard.take(&mut came.buffer).map_err(|failure| failure.kind)? {
                Came::Part => {}
                Came::Enough { keep } => return Ok((discard.status(), keep)),
            }
        }
    }

    /// Tells the endpoint's counters and standing what became of the copy.
    fn settle(&self, became: Result<u16, Kind>) {
        let Some(chosen) = self.asked.get() else { return };
        let Some((upstream, endpoint)) = self.copy.named(chosen) else { return };
        let metrics = self.thread.counters.of_endpoint(endpoint.id, &upstream.name, &endpoint.address);
        let outcome = match became {
            Ok(status) => Outcome::Answered(status),
            Err(kind) => Outcome::Broken(kind.says()),
        };
        match outcome {
            Outcome::Answered(500..) => metrics.server_errors.one(),
            Outcome::Answered(_) | Outcome::Spoke => metrics.good.one(),
            Outcome::Broken(_) => metrics.failures.one(),
        }
        self.copy.observe(chosen, outcome, self.thread.now());
    }
}

/// Tells the balancer how soon an answer was whole.
fn tell(held: Option<&Held>, status: u16, took: Duration, now: Moment) {
    match held {
        Some(held) if status >= 500 => held.failed(took, now),
        Some(held) => held.answered(took, now),
        None => {}
    }
}

/// A box of the thread's shelf, given back when it is dropped.
struct Lent<'a> {
    buffer: Buffer,
    thread: &'a Thread,
}

impl<'a> Lent<'a> {
    fn take(thread: &'a Thread) -> Self {
        Self { buffer: thread.shelf.borrow_mut().take(SMALL), thread }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.thread.shelf.borrow_mut().give_back(&mut self.buffer);
    }
}
