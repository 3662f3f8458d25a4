//! How a lane comes by a connection to an endpoint, and what becomes of it: kept for its client, pooled, or handed on.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use tidegate_core::failure::Kind;
use tidegate_core::lane::{Event, Fresh, Keep, Lane, Lease};
use tidegate_core::snapshot::compiled::{Endpoint, Http2Out, Upstream};
use tidegate_core::snapshot::document::ProxyProtocolOut;
use tokio::sync::oneshot;

use super::sides::{Load, Sides};
use crate::http2::lines;
use crate::pool::gate::{Asked, Grant, Permit};
use crate::pool::stream::Stream;
use crate::pool::{Connection, Idle};
use crate::threads::thread::{Order, Thread};

/// How long a request that cannot be repeated lets a pooled connection have been idle.
const RECENT: Duration = Duration::from_secs(1);

/// An endpoint closes an idle connection when it has announced to; ours ends so much earlier, so that its end never
/// meets our next request.
pub(super) const MARGIN: Duration = Duration::from_millis(500);

/// A connection that is on its way to a lane.
pub enum Leasing {
    /// It waits for one to become free.
    Waiting(oneshot::Receiver<Grant>),
    /// It was given one, or leave to make one.
    Granted(Grant),
    /// It is being made.
    Connecting(Pin<Box<dyn Future<Output = io::Result<Stream>>>>, Option<Permit>),
    /// It was made, or could not be, while nobody looked.
    Made(io::Result<Stream>, Option<Permit>),
}

impl Leasing {
    /// Ready once it has arrived; what came is kept for [`poll`].
    pub fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let arrived = match self {
            Self::Granted(_) | Self::Made(..) => return Poll::Ready(()),
            // The gate lives as long as the process: without it, as if there were no connection.
            Self::Waiting(waiting) => Pin::new(waiting).poll(cx).map(|granted| {
                granted.map_or_else(|_| Self::Made(Err(io::ErrorKind::Other.into()), None), Self::Granted)
            }),
            Self::Connecting(connecting, permit) => {
                connecting.as_mut().poll(cx).map(|made| Self::Made(made, permit.take()))
            }
        };
        arrived.map(|arrived| *self = arrived)
    }
}

/// A kept connection, or the beginning of a new one, or a place in the queue.
pub fn take<'a>(
    sides: &'a mut Sides,
    lane: &'a Lane,
    thread: &'a Thread,
    lease: Lease,
) -> impl Future<Output = Event> + 'a {
    poll_fn(move |cx| {
        sides.drop_upstream();
        sides.fresh = lease.fresh;
        Poll::Ready(begin(sides, lane, thread, lease, cx))
    })
}

fn begin(sides: &mut Sides, lane: &Lane, thread: &Thread, lease: Lease, cx: &mut Context<'_>) -> Event {
    let Some((upstream, _)) = named(lane) else { return Event::LeaseFailed(Kind::Internal) };
    if let Some(policy) = upstream.http2 {
        return begin_stream(sides, lane, thread, lease, policy);
    }
    let is_bounded = upstream.connections > 0;
    if let Some((id, mut kept)) = sides.kept.take().map(|kept| *kept)
        && id == lease.to.id
        && thread.now().since(kept.since) <= most_idle(lease.fresh)
        && kept.is_good(thread.now(), cx)
    {
        return lend(sides, lane, thread, kept);
    }
    let accepts = if is_bounded { lane.acceptable(thread.now()) } else { Vec::new() };
    if lease.fresh != Fresh::New && upstream.proxy_protocol == ProxyProtocolOut::Off {
        let ids = if is_bounded { accepts.as_slice() } else { &[lease.to.id] };
        for id in ids {
            let taken = thread.pool.borrow_mut().take(*id, most_idle(lease.fresh), thread.now(), cx);
            // One that was made before the pool was bounded has no permit, and so goes.
            let Some(idle) = taken.filter(|it| it.connection.permit.is_some() == is_bounded) else { continue };
            if *id == lease.to.id {
                return lend(sides, lane, thread, idle);
            }
            sides.leasing = Some(Box::new(Leasing::Granted(Grant::Connection(idle, thread.index))));
            return Event::Moved(*id);
        }
    }
    if !is_bounded {
        return connect(sides, lane, thread, None);
    }
    match thread.shared.gate(&upstream.name).ask(accepts.clone()) {
        Asked::Full => Event::LeaseFailed(Kind::QueueFull),
        Asked::Granted(permit) => granted(sides, lane, thread, Grant::Permit(permit)),
        Asked::Waits { grant, rests } => {
            sides.leasing = Some(Box::new(Leasing::Waiting(grant)));
            if rests {
                thread.ask_all(|| Order::Spare(accepts.clone()));
            }
            Event::Queued
        }
    }
}

/// A stream on a connection that is there, or that somebody makes. Who wants a new one, since a stream has just failed, may
/// have one on a connection that still stands, and is not told that it was used before.
fn begin_stream(sides: &mut Sides, lane: &Lane, thread: &Thread, lease: Lease, policy: Http2Out) -> Event {
    let Some((_, endpoint)) = named(lane) else { return Event::LeaseFailed(Kind::Internal) };
    sides.load = load(lane, thread);
    if let Some(stream) = thread.lines.borrow_mut().begin(endpoint.id, policy.streams) {
        if let Some(load) = &sides.load {
            load.0.reused.one();
        }
        sides.up = Some(Connection { stream, permit: None });
        return Event::Leased { reused: (lease.fresh != Fresh::New).then_some(Duration::ZERO) };
    }
    let opening = lines::open(Rc::clone(&thread.lines), endpoint.id, endpoint.address.clone(), policy);
    sides.leasing = Some(Box::new(Leasing::Connecting(Box::pin(opening), None)));
    Event::Connecting
}

/// Looks whether a connection on its way has arrived.
pub fn poll(sides: &mut Sides, lane: &Lane, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
    match sides.leasing.take().map(|leasing| *leasing) {
        None => Poll::Pending,
        Some(Leasing::Made(made, permit)) => Poll::Ready(connected(sides, made, permit)),
        Some(Leasing::Granted(grant)) => Poll::Ready(granted(sides, lane, thread, grant)),
        Some(Leasing::Waiting(mut waiting)) => match Pin::new(&mut waiting).poll(cx) {
            Poll::Ready(Ok(grant)) => Poll::Ready(granted(sides, lane, thread, grant)),
            // The gate lives as long as the process.
            Poll::Ready(Err(_)) => Poll::Ready(Event::LeaseFailed(Kind::Internal)),
            Poll::Pending => {
                sides.leasing = Some(Box::new(Leasing::Waiting(waiting)));
                Poll::Pending
            }
        },
        Some(Leasing::Connecting(mut connecting, permit)) => match connecting.as_mut().poll(cx) {
            Poll::Ready(made) => Poll::Ready(connected(sides, made, permit)),
            Poll::Pending => {
                sides.leasing = Some(Box::new(Leasing::Connecting(connecting, permit)));
                Poll::Pending
            }
        },
    }
}

/// The connection is clean: it is kept for its client, handed to whoever waits, or pooled.
pub fn give_back(sides: &mut Sides, lane: &Lane, thread: &Thread, keep: Keep) -> Event {
    let load = sides.load.take();
    let chosen = lane.exchange().and_then(|exchange| exchange.chosen);
    let (Some(connection), Some(chosen), Some((upstream, _)), Some(load)) =
        (sides.up.take(), chosen, named(lane), &load)
    else {
        return Event::Done;
    };
    let since = thread.now();
    let announced = keep.idle.map_or(Duration::MAX, |idle| idle.saturating_sub(MARGIN));
    let idle = Idle { connection, since, until: since.after(upstream.idle.min(announced)) };
    if keep.private && !idle.connection.stream.is_multiplexed() {
        sides.kept = Some(Box::new((chosen.id, idle)));
    } else if idle.connection.permit.is_some() == (upstream.connections > 0) {
        thread.pool.borrow_mut().keep(chosen.id, &load.0, idle, thread.index);
    }
    Event::Done
}

fn most_idle(fresh: Fresh) -> Duration {
    match fresh {
        Fresh::Any => Duration::MAX,
        Fresh::Recent => RECENT,
        Fresh::New => Duration::ZERO,
    }
}

/// The upstream and the endpoint that were chosen.
fn named(lane: &Lane) -> Option<(&Upstream, &Endpoint)> {
    let exchange = lane.exchange()?;
    Some((exchange.upstream()?, exchange.endpoint()?))
}

fn granted(sides: &mut Sides, lane: &Lane, thread: &Thread, grant: Grant) -> Event {
    let permit = match &grant {
        Grant::Permit(permit) => Some(permit),
        Grant::Connection(idle, _) => idle.connection.permit.as_ref(),
    };
    let chosen = lane.exchange().and_then(|exchange| exchange.chosen).map(|chosen| chosen.id);
    if let Some(id) = permit.map(Permit::endpoint)
        && chosen != Some(id)
    {
        sides.leasing = Some(Box::new(Leasing::Granted(grant)));
        return Event::Moved(id);
    }
    match grant {
        Grant::Permit(permit) => connect(sides, lane, thread, Some(permit)),
        Grant::Connection(idle, of) => {
            let now = thread.now();
            let is_fresh = sides.fresh != Fresh::New && now.since(idle.since) <= most_idle(sides.fresh);
            // One that rested too long for this request has no time left.
            let until = if is_fresh { idle.until } else { now };
            match (Idle { until, ..idle }).bring_here(of != thread.index, now) {
                Ok(idle) => lend(sides, lane, thread, idle),
                Err(permit) => connect(sides, lane, thread, permit),
            }
        }
    }
}

fn lend(sides: &mut Sides, lane: &Lane, thread: &Thread, idle: Idle) -> Event {
    if let Some(load) = load(lane, thread) {
        load.0.reused.one();
        sides.load = Some(load);
    }
    sides.up = Some(idle.connection);
    Event::Leased { reused: Some(thread.now().since(idle.since)) }
}

fn connect(sides: &mut Sides, lane: &Lane, thread: &Thread, permit: Option<Permit>) -> Event {
    let Some((_, endpoint)) = named(lane) else { return Event::LeaseFailed(Kind::Internal) };
    sides.load = load(lane, thread);
    sides.leasing = Some(Box::new(Leasing::Connecting(Box::pin(Stream::connect(endpoint.address.clone())), permit)));
    Event::Connecting
}

fn connected(sides: &mut Sides, made: io::Result<Stream>, permit: Option<Permit>) -> Event {
    let metrics = sides.load.as_ref().map(|load| &load.0);
    match made {
        Ok(stream) => {
            if let Some(metrics) = metrics {
                metrics.connects.one();
            }
            sides.up = Some(Connection { stream, permit });
            Event::Leased { reused: None }
        }
        Err(error) => {
            if let Some(metrics) = metrics {
                metrics.connect_failures.one();
                metrics.passed_over.one();
            }
            Event::LeaseFailed(kind_of(&error))
        }
    }
}

/// Counts a request to the chosen endpoint, as open until it is dropped.
fn load(lane: &Lane, thread: &Thread) -> Option<Load> {
    let (upstream, endpoint) = named(lane)?;
    Some(Load::begin(thread, upstream, endpoint))
}

/// What went wrong with a connect.
pub(crate) fn kind_of(error: &io::Error) -> Kind {
    let kind = error.kind();
    if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL)) {
        // The endpoint is not to blame, and is not passed over.
        Kind::OutOfSockets
    } else if matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
        Kind::ConnectRefused
    } else if kind == io::ErrorKind::TimedOut {
        Kind::ConnectTimeout
    } else {
        Kind::ConnectFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_our_own_is_not_the_endpoints_fault() {
        for (errno, kind) in [
            (Errno::MFILE, Kind::OutOfSockets),
            (Errno::NFILE, Kind::OutOfSockets),
            (Errno::ADDRNOTAVAIL, Kind::OutOfSockets),
            (Errno::CONNREFUSED, Kind::ConnectRefused),
            (Errno::NOENT, Kind::ConnectRefused),
            (Errno::TIMEDOUT, Kind::ConnectTimeout),
            (Errno::HOSTUNREACH, Kind::ConnectFailed),
        ] {
            assert_eq!(kind_of(&io::Error::from(errno)), kind, "{errno}");
        }
    }
}
