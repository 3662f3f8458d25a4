//! One connection whose bytes are carried on: the loop that obeys the core.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tidegate_core::filter::forwarded::Peer;
use tidegate_core::lane::{Close, Side};
use tidegate_core::layer4::{Act, Event, Relay};
use tidegate_core::moment::Moment;

use super::carry::Carry;
use super::lease::Leased;
use super::report;
use crate::accept::Taken;
use crate::pool::stream::Stream;
use crate::threads::listener::ListenerState;
use crate::threads::open::Open;
use crate::threads::thread::Thread;

/// What a connection has.
struct Ends {
    down: Stream,
    leased: Leased,
    carry: Option<Carry>,
}

/// Serves one connection until it ends. A reload does not touch it, and a drain waits for it.
pub fn serve(
    down: Stream,
    peer: Peer,
    seats: Taken,
    listener: Rc<ListenerState>,
    thread: Rc<Thread>,
) -> impl Future<Output = ()> + 'static {
    let open = Open::begin(thread, listener, seats);
    let proxied = open.listener.is_proxied();
    if !proxied {
        open.meet(peer.ip());
    }
    let mut relay = Relay::new(peer, proxied, open.thread.now());
    let mut ends = Ends { down, leased: Leased::default(), carry: None };
    async move {
        let _waker = open.thread.register().await;
        let thread = Rc::clone(&open.thread);
        let obeyed = thread.unless_over(pin!(obey(&mut ends, &mut relay, &open))).await;
        let how = obeyed.unwrap_or_else(|| {
            relay.cut();
            Close::Reset
        });
        if let Some(carry) = &ends.carry {
            relay.has_moved(carry.moved());
        }
        report::connection(&relay, &open.listener, &open.thread);
        relay.clear(&mut open.thread.shelf.borrow_mut());
        if let Some(carry) = &mut ends.carry {
            carry.clear(&open.thread);
        }
        if how == Close::Reset {
            ends.down.reset_on_close();
            if let Some(up) = &ends.leased.up {
                up.stream.reset_on_close();
            }
        }
        drop(ends); // before its seat: who is let in then needs the descriptor
        drop(open);
    }
}

/// Does what the core says until the connection is to close, and how.
async fn obey(ends: &mut Ends, relay: &mut Relay, open: &Open) -> Close {
    let mut event = Event::Accepted;
    loop {
        open.thread.at(relay.stage(), None);
        event = match open.turn(|turn| relay.next(event, turn)) {
            // What comes but once is boxed: while bytes are carried it would only take room.
            Act::Read(until) => Box::pin(read(&mut ends.down, relay, &open.thread, until)).await,
            Act::Lease(chosen) => Box::pin(ends.leased.take(&ends.down, relay, &open.thread, chosen)).await,
            Act::Meet => {
                open.meet(relay.peer().ip());
                Event::Done
            }
            Act::Carry => {
                let Some(up) = &mut ends.leased.up else { return Close::Reset };
                let begin = || Carry::new(relay, idle(&open.listener), &open.thread);
                let carry = ends.carry.get_or_insert_with(begin);
                let event = carry.go_on(&mut ends.down, &mut up.stream, &open.thread).await;
                relay.has_moved(carry.moved());
                event
            }
            Act::Shut(side) => shut(ends, side).await,
            Act::Close(how) => return how,
        };
    }
}

fn idle(listener: &ListenerState) -> Duration {
    listener.look(|listener| listener.layer4.as_ref().map(|layer4| layer4.idle)).flatten().unwrap_or_default()
}

async fn read(down: &mut Stream, relay: &mut Relay, thread: &Thread, until: Moment) -> Event {
    let came = poll_fn(|cx| down.poll_read(cx, relay.room(&mut thread.shelf.borrow_mut())));
    let came = if until == Moment::NEVER {
        Ok(came.await)
    } else {
        tokio::time::timeout_at(thread.instant(until), came).await
    };
    thread.look_at_clock();
    match came {
        Ok(Ok(n)) => Event::Read(n),
        Ok(Err(_)) => Event::Broke(Side::Downstream),
        Err(_) => Event::Late,
    }
}

async fn shut(ends: &mut Ends, side: Side) -> Event {
    let stream = match side {
        Side::Downstream => Some(&mut ends.down),
        Side::Upstream => ends.leased.up.as_mut().map(|up| &mut up.stream),
    };
    if let Some(stream) = stream {
        // A side that is gone already needs not be told; what else it has to say comes as an event.
        let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
    }
    Event::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection costs is in `docs/layer4.md`.
    #[test]
    fn a_connection_at_rest_is_small() {
        fn size<F>(_: impl Fn(Stream, Peer, Taken, Rc<ListenerState>, Rc<Thread>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 896, "{} bytes: relay {}, ends {}", size(serve), size_of::<Relay>(), size_of::<Ends>());
    }
}
