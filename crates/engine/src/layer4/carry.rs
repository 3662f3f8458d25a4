//! Both ways at once, until a side ends, breaks, or nothing comes for too long.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_core::lane::Side;
use tidegate_core::layer4::{Event, Relay};
use tidegate_core::moment::Moment;

use super::way::{Over, Way};
use crate::pool::stream::Stream;
use crate::threads::thread::Thread;
use crate::threads::timer::Timer;

/// The two ways of a connection that has an endpoint.
pub(super) struct Carry {
    to_upstream: Way,
    to_downstream: Way,
    idle: Duration,
    touched: Moment,
    timer: Timer,
    /// The first byte of the endpoint is to be told.
    listens: bool,
}

impl Carry {
    /// Begins with what the endpoint is sent first. `idle`: without a byte either way; zero is no limit.
    pub(super) fn new(relay: &mut Relay, idle: Duration, thread: &Thread) -> Self {
        let (head, buffer) = relay.opening();
        Self {
            listens: relay.listens(),
            to_upstream: Way::with(head, buffer),
            to_downstream: Way::default(),
            idle,
            touched: thread.now(),
            timer: Timer::default(),
        }
    }

    /// Bytes that the endpoint took, and that the client took.
    pub(super) fn moved(&self) -> (u64, u64) {
        (self.to_upstream.moved(), self.to_downstream.moved())
    }

    /// Carries bytes until something is to be told.
    pub(super) async fn go_on(&mut self, down: &mut Stream, up: &mut Stream, thread: &Thread) -> Event {
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                thread.look_at_clock();
            }
            self.poll(down, up, thread, cx)
        })
        .await
    }

    fn poll(&mut self, down: &mut Stream, up: &mut Stream, thread: &Thread, cx: &mut Context<'_>) -> Poll<Event> {
        let before = self.moved();
        // The endpoint's bytes first: where it takes no more, what it has said is still carried.
        let to_downstream = self.to_downstream.poll(up, down, thread, cx);
        let event = match to_downstream {
            Poll::Ready(over) => Poll::Ready(event(over, Side::Upstream, self.to_upstream.is_refused())),
            Poll::Pending => self
                .to_upstream
                .poll(down, up, thread, cx)
                .map(|over| event(over, Side::Downstream, self.to_downstream.is_refused())),
        };
        if self.moved() != before {
            self.touched = thread.now();
        }
        if event.is_ready() {
            return event;
        }
        if self.listens && self.to_downstream.moved() > 0 {
            self.listens = false;
            return Poll::Ready(Event::Done);
        }
        self.timer.poll(self.touched.after_unless_zero(self.idle), thread, cx).map(|()| Event::Late)
    }

    /// Gives back what was on loan.
    pub(super) fn clear(&mut self, thread: &Thread) {
        self.to_upstream.clear(thread);
        self.to_downstream.clear(thread);
    }
}

/// A side that ends without having taken all bytes broke.
fn event(over: Over, side: Side, refused: bool) -> Event {
    match over {
        Over::Ended if !refused => Event::Ended(side),
        Over::Ended | Over::Broke => Event::Broke(side),
    }
}
