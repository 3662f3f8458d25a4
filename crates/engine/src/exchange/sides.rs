//! The two connections of a lane, the connection that is being made, and the one timer, waited for at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_core::lane::{Event, Fresh, Interest, Lane, Side};
use tidegate_core::moment::Moment;
use tokio::time::Sleep;

use super::lease::{self, Leasing};
use crate::metrics::counted::EndpointMetrics;
use crate::pool::stream::Stream;
use crate::pool::{Connection, Idle};
use crate::threads::thread::Thread;

/// An exchange with an endpoint, counted as open until it is dropped.
pub struct Load(pub Arc<EndpointMetrics>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.exchanges.down();
    }
}

/// The two connections of a lane, and what it waits for besides.
pub struct Sides {
    /// The client's.
    pub down: Stream,
    /// The endpoint's.
    pub up: Option<Connection>,
    /// The one that is on its way.
    pub leasing: Option<Leasing>,
    /// How fresh it must be.
    pub fresh: Fresh,
    /// One that is kept for this client alone, and the id of its endpoint.
    pub kept: Option<(u32, Idle)>,
    /// Counts the exchange with the endpoint as open.
    pub load: Option<Load>,
    timer: Option<Pin<Box<Sleep>>>,
    armed: Moment,
    news: u64,
    /// Whether the client has once had no room for our bytes.
    is_slow: bool,
}

impl Sides {
    /// The sides of a new connection.
    pub fn new(down: Stream, thread: &Thread) -> Self {
        Self {
            down,
            up: None,
            leasing: None,
            fresh: Fresh::Any,
            kept: None,
            load: None,
            timer: None,
            armed: Moment::NEVER,
            news: thread.news(),
            is_slow: false,
        }
    }

    /// Waits for the first of what the lane is interested in.
    pub async fn first_of(&mut self, interest: Interest, lane: &mut Lane, thread: &Thread) -> Event {
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                thread.look_at_clock();
            }
            self.poll(interest, lane, thread, cx)
        })
        .await
    }

    fn poll(&mut self, interest: Interest, lane: &mut Lane, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
        if interest.write_downstream {
            if let Poll::Ready(event) = write(Side::Downstream, &mut self.down, lane, cx) {
                return Poll::Ready(event);
            }
            if !self.is_slow {
                self.is_slow = true;
                self.down.bound_unsent();
            }
        }
        if let Some(Connection { stream: up, .. }) = &mut self.up {
            if interest.write_upstream
                && let Poll::Ready(event) = write(Side::Upstream, up, lane, cx)
            {
                return Poll::Ready(event);
            }
            if interest.read_upstream
                && let Poll::Ready(event) = read(Side::Upstream, up, lane, thread, cx)
            {
                return Poll::Ready(event);
            }
        }
        if interest.lease
            && let Poll::Ready(event) = lease::poll(self, lane, thread, cx)
        {
            return Poll::Ready(event);
        }
        if interest.read_downstream
            && let Poll::Ready(event) = read(Side::Downstream, &mut self.down, lane, thread, cx)
        {
            return Poll::Ready(event);
        }
        if self.news != thread.news() {
            self.news = thread.news();
            return Poll::Ready(Event::Woken);
        }
        let deadline = self.watch_kept(interest.deadline, thread.now(), cx);
        self.poll_timer(deadline, thread, cx)
    }

    /// Closes the connection that is kept for this client once its time is over or something has come on it.
    fn watch_kept(&mut self, deadline: Moment, now: Moment, cx: &mut Context<'_>) -> Moment {
        match &self.kept {
            None => deadline,
            Some((_, kept)) if kept.is_good(now, cx) => deadline.min(kept.until),
            Some(_) => {
                self.kept = None;
                deadline
            }
        }
    }

    /// A later deadline only writes a number; a timer that fires too early is set again.
    fn poll_timer(&mut self, deadline: Moment, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
        if deadline == Moment::NEVER {
            return Poll::Pending;
        }
        let now = thread.now();
        if now >= deadline {
            self.armed = Moment::NEVER;
            return Poll::Ready(Event::Woken);
        }
        if self.armed <= deadline && self.armed > now {
            return Poll::Pending;
        }
        self.armed = deadline;
        let at = thread.instant(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        timer.as_mut().reset(at);
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.armed = Moment::NEVER;
                Poll::Ready(Event::Woken)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

fn write(side: Side, stream: &mut Stream, lane: &Lane, cx: &mut Context<'_>) -> Poll<Event> {
    stream.poll_write(cx, lane.waiting(side)).map(|wrote| match wrote {
        Ok(0) | Err(_) => Event::Broke(side),
        Ok(n) => Event::Wrote(side, n),
    })
}

fn read(side: Side, stream: &mut Stream, lane: &mut Lane, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
    let mut shelf = thread.shelf.borrow_mut();
    let room = lane.room(side, &mut shelf);
    if room.is_empty() {
        return Poll::Pending;
    }
    match stream.poll_read(cx, room) {
        Poll::Ready(Ok(n)) => Poll::Ready(Event::Read(side, n)),
        Poll::Ready(Err(_)) => Poll::Ready(Event::Broke(side)),
        Poll::Pending => {
            lane.rest(side, &mut shelf);
            Poll::Pending
        }
    }
}
