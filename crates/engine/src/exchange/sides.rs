//! The two connections of a lane, the connection that is being made, and the one timer, waited for at once.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_core::lane::{Event, Fresh, Interest, Lane, Side};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Endpoint, Upstream};

use super::lease::{self, Leasing};
use crate::metrics::counted::EndpointMetrics;
use crate::pool::pipe::Pipe;
use crate::pool::stream::{Stream, is_refused};
use crate::pool::{Connection, Idle};
use crate::threads::thread::{Slow, Thread};
use crate::threads::timer::Timer;

/// While we neither listen nor speak to a client, since what it has sent is enough for now, its reset shows only where it
/// is looked for: so often.
const LOOK: Duration = Duration::from_secs(1);

/// An exchange with an endpoint, counted as open until it is dropped.
pub struct Load(pub Arc<EndpointMetrics>);

impl Load {
    /// Counts work for an endpoint, as open until it is dropped.
    pub fn begin(thread: &Thread, upstream: &Upstream, endpoint: &Endpoint) -> Self {
        let metrics = thread.counters.of_endpoint(endpoint.id, &upstream.name, &endpoint.address);
        metrics.requests.one();
        metrics.exchanges.up();
        Self(metrics)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.exchanges.down();
    }
}

/// The side of a second endpoint that is asked at once, while the lane looks at the other one.
#[derive(Default)]
struct Behind {
    up: Option<Connection>,
    leasing: Option<Box<Leasing>>,
    fresh: Fresh,
    load: Option<Load>,
}

/// The two connections of a lane, and what it waits for besides. What an idle connection does not need is boxed.
pub struct Sides {
    /// The client's.
    pub down: Stream,
    /// The endpoint's.
    pub up: Option<Connection>,
    /// The one that is on its way.
    pub leasing: Option<Box<Leasing>>,
    /// How fresh it must be.
    pub fresh: Fresh,
    /// One that is kept for this client alone, and the id of its endpoint.
    pub kept: Option<Box<(u32, Idle)>>,
    /// Counts the exchange with the endpoint as open.
    pub load: Option<Load>,
    behind: Option<Box<Behind>>,
    timer: Timer,
    news: u64,
    /// Bytes on their way from the endpoint to the client without us.
    pipe: Option<Box<Pipe>>,
    /// Held once the client has had no room for our bytes.
    slow: Option<Slow>,
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
            behind: None,
            timer: Timer::default(),
            news: thread.news(),
            pipe: None,
            slow: None,
        }
    }

    /// The connection to the endpoint, or the way to one, has no further use.
    pub fn drop_upstream(&mut self) -> Event {
        self.up = None;
        self.leasing = None;
        self.load = None;
        Event::Done
    }

    /// The endpoint's side steps back, and the one behind it, which may be none yet, takes its place.
    pub fn swap(&mut self) -> Event {
        let behind = self.behind.get_or_insert_default();
        std::mem::swap(&mut self.up, &mut behind.up);
        std::mem::swap(&mut self.leasing, &mut behind.leasing);
        std::mem::swap(&mut self.fresh, &mut behind.fresh);
        std::mem::swap(&mut self.load, &mut behind.load);
        Event::Done
    }

    /// The side behind has no further use.
    pub fn drop_behind(&mut self) -> Event {
        self.behind = None;
        Event::Done
    }

    /// Waits for the first of what the lane is interested in.
    pub fn first_of<'a>(
        &'a mut self,
        interest: Interest,
        lane: &'a mut Lane,
        thread: &'a Thread,
    ) -> impl Future<Output = Event> + 'a {
        let mut woken = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut woken, true) {
                thread.look_at_clock();
            }
            self.poll(interest, lane, thread, cx)
        })
    }

    fn poll(&mut self, interest: Interest, lane: &mut Lane, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
        if interest.write_downstream {
            let wrote = match &mut self.pipe {
                Some(pipe) if pipe.held() > 0 => splice_out(pipe, &mut self.down, interest.splice > 0, cx),
                Some(_) | None => write(Side::Downstream, &mut self.down, lane, cx),
            };
            if wrote.is_ready() {
                return wrote;
            }
            if self.slow.is_none() {
                let slow = thread.slow();
                if slow.is_crowd() {
                    self.down.bound_unsent();
                }
                self.slow = Some(slow);
            }
        }
        if let Some(Connection { stream: up, .. }) = &mut self.up {
            if interest.write_upstream
                && let Poll::Ready(event) = write(Side::Upstream, up, lane, cx)
            {
                return Poll::Ready(event);
            }
            if interest.read_upstream {
                let came = match pipe_for(interest, &mut self.pipe, up, &self.down, thread) {
                    Some(pipe) => splice_in(pipe, up, interest.splice, cx),
                    None => read(Side::Upstream, up, lane, thread, cx),
                };
                if came.is_ready() {
                    return came;
                }
            }
        }
        if interest.lease
            && let Poll::Ready(event) = lease::poll(self, lane, thread, cx)
        {
            return Poll::Ready(event);
        }
        if interest.behind
            && let Some(behind) = &mut self.behind
            && behind.has_something(interest.write_behind, cx)
        {
            return Poll::Ready(Event::Behind);
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
        let now = thread.now();
        let mut deadline = self.watch_kept(interest.deadline, now, cx);
        if !interest.read_downstream && !interest.write_downstream {
            if self.timer.is_due(now) && self.down.is_broken() {
                return Poll::Ready(Event::Broke(Side::Downstream));
            }
            deadline = deadline.min(now.after(LOOK));
        }
        self.timer.poll(deadline, thread, cx).map(|()| Event::Woken)
    }

    /// Closes the connection that is kept for this client once its time is over or something has come on it.
    fn watch_kept(&mut self, deadline: Moment, now: Moment, cx: &mut Context<'_>) -> Moment {
        let Some(kept) = &mut self.kept else { return deadline };
        if kept.1.is_good(now, cx) {
            return deadline.min(kept.1.until);
        }
        self.kept = None;
        deadline
    }
}

impl Behind {
    /// Whether a connection is there that was asked for, or bytes can be read, or `writes` and they can be written.
    fn has_something(&mut self, writes: bool, cx: &mut Context<'_>) -> bool {
        if let Some(leasing) = &mut self.leasing {
            return leasing.poll_arrived(cx).is_ready();
        }
        self.up.as_mut().is_some_and(|Connection { stream, .. }| {
            stream.poll_readable(cx).is_ready() || (writes && stream.poll_writable(cx).is_ready())
        })
    }
}

/// The pipe for a large body, if both sides are plain TCP and the thread has a pipe to spare.
fn pipe_for<'a>(
    interest: Interest,
    pipe: &'a mut Option<Box<Pipe>>,
    up: &Stream,
    down: &Stream,
    thread: &Thread,
) -> Option<&'a mut Pipe> {
    if interest.splice == 0 || !(up.is_tcp() && down.is_tcp()) {
        // What is left of the body, or the next answer, is too small: another connection may have the pipe.
        *pipe = None;
        return None;
    }
    if pipe.is_none() {
        *pipe = thread.pipes.take().map(Box::new);
    }
    pipe.as_deref_mut()
}

fn splice_in(pipe: &mut Pipe, up: &mut Stream, most: usize, cx: &mut Context<'_>) -> Poll<Event> {
    pipe.poll_fill(up, most, cx).map(|moved| match moved {
        Ok(0) => Event::Read(Side::Upstream, 0),
        Ok(n) => Event::Spliced(n),
        Err(_) => Event::Broke(Side::Upstream),
    })
}

fn splice_out(pipe: &mut Pipe, down: &mut Stream, more: bool, cx: &mut Context<'_>) -> Poll<Event> {
    pipe.poll_empty(down, more, cx).map(|moved| match moved {
        Ok(0) | Err(_) => Event::Broke(Side::Downstream),
        Ok(n) => Event::Wrote(Side::Downstream, n),
    })
}

fn write(side: Side, stream: &mut Stream, lane: &Lane, cx: &mut Context<'_>) -> Poll<Event> {
    stream.poll_write(cx, lane.waiting(side)).map(|wrote| match (wrote, side) {
        (Ok(n), _) if n > 0 => Event::Wrote(side, n),
        (Ok(_) | Err(_), Side::Downstream) => Event::Broke(side),
        // An endpoint that answers early and closes breaks our write: what it said can still be read.
        (Ok(_) | Err(_), Side::Upstream) => Event::Wrote(side, 0),
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
        Poll::Ready(Err(error)) if side == Side::Upstream && is_refused(&error) => Poll::Ready(Event::Refused),
        Poll::Ready(Err(_)) => Poll::Ready(Event::Broke(side)),
        Poll::Pending => {
            lane.rest(side, &mut shelf);
            Poll::Pending
        }
    }
}
