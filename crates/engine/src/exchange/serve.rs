//! The loop that obeys: one task for each downstream connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tidegate_core::failure::Stage;
use tidegate_core::filter::forwarded::Peer;
use tidegate_core::head::Version;
use tidegate_core::lane::{Act, Close, Event, Lane, Side};

use super::sides::Sides;
use super::{lease, mirror, report};
use crate::accept::Taken;
use crate::http2;
use crate::pool::stream::Stream;
use crate::threads::listener::ListenerState;
use crate::threads::open::Open;
use crate::threads::thread::Thread;

/// How long we read what a client still sends after our last answer.
const LINGER: Duration = Duration::from_secs(5);

/// Serves one downstream connection until it ends. What it keeps is captured once: the arguments of an `async fn` would
/// lie beside what is made of them for as long as the connection lives.
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
    let mut sides = Sides::new(down, &open.thread);
    let mut lane = Lane::new(peer, proxied, open.thread.now());
    async move {
        let _waker = open.thread.register().await;
        let thread = Rc::clone(&open.thread);
        let end = thread.unless_over(pin!(obey(&mut sides, &mut lane, &open))).await;
        let how = match end {
            Some(End::Close(how)) => how,
            Some(End::Http2) => {
                let (came, peer) = lane.let_go();
                lane.clear(&mut open.thread.shelf.borrow_mut());
                // Boxed, since what waits on HTTP/1 need not have room for it.
                return Box::pin(http2::serve::serve(sides.down, came, peer, open)).await;
            }
            None => cut(&mut lane, &open),
        };
        if let Some(says) = lane.refused() {
            report::refused(says, lane.peer(), &open.listener, &open.thread);
        }
        lane.clear(&mut open.thread.shelf.borrow_mut());
        match how {
            Close::Now => {}
            Close::Reset => sides.down.reset_on_close(),
            // Boxed, since few connections come to it.
            Close::Linger => Box::pin(linger(&mut sides.down)).await,
        }
        drop(sides); // before its seat: who is let in then needs the descriptor
        drop(open);
    }
}

/// Serves one stream of a connection that carries many.
pub fn serve_stream(down: Stream, peer: Peer, version: Version, open: Rc<Open>) -> impl Future<Output = ()> + 'static {
    let mut sides = Sides::new(down, &open.thread);
    let mut lane = Lane::of_stream(peer, version, open.thread.now());
    async move {
        let _waker = open.thread.register().await;
        // However it ends, what is cut shows as that once the stream is dropped.
        if open.thread.unless_over(pin!(obey(&mut sides, &mut lane, &open))).await.is_none() {
            cut(&mut lane, &open);
        }
        lane.clear(&mut open.thread.shelf.borrow_mut());
    }
}

/// What becomes of a connection.
enum End {
    /// It is to close.
    Close(Close),
    /// Its client speaks HTTP/2.
    Http2,
}

/// Does what the lane says until the connection is no longer the lane's.
async fn obey(sides: &mut Sides, lane: &mut Lane, open: &Open) -> End {
    let mut event = Event::Accepted;
    loop {
        open.thread.at(lane.stage(), lane.exchange().and_then(|exchange| exchange.route));
        event = match open.turn(|turn| lane.next(event, turn)) {
            Act::Wait(interest) => {
                if lane.stage() == Stage::Write {
                    open.thread.counters.expect(lane.exchange().and_then(|exchange| exchange.route), true);
                }
                sides.first_of(interest, lane, &open.thread).await
            }
            Act::Lease(lease) => {
                open.thread.counters.expect(lane.exchange().and_then(|exchange| exchange.route), false);
                lease::take(sides, lane, &open.thread, lease).await
            }
            Act::GiveBack(keep) => lease::give_back(sides, lane, &open.thread, keep),
            Act::DropUpstream => sides.drop_upstream(),
            Act::Swap => sides.swap(),
            Act::DropBehind => sides.drop_behind(),
            Act::Shut(side) => shut(sides, side).await,
            Act::Meet => {
                open.meet(lane.peer().ip());
                Event::Done
            }
            Act::Metrics(form) => {
                let text = open.thread.render_metrics(form).await;
                open.turn(|turn| lane.supply(&text, turn));
                Event::Done
            }
            Act::Mirror => {
                mirror::send(lane, &open.thread);
                Event::Done
            }
            Act::Report => {
                report::report(lane, &open.listener, &open.thread);
                Event::Done
            }
            Act::SpeakHttp2 => return End::Http2,
            Act::Close(how) => return End::Close(how),
        };
    }
}

/// The proxy ends: what is under way is told of, and reset, so that nobody takes half for whole.
fn cut(lane: &mut Lane, open: &Open) -> Close {
    if !lane.cut() {
        return Close::Now;
    }
    report::report(lane, &open.listener, &open.thread);
    Close::Reset
}

async fn shut(sides: &mut Sides, side: Side) -> Event {
    let stream = match side {
        Side::Downstream => Some(&mut sides.down),
        Side::Upstream => sides.up.as_mut().map(|up| &mut up.stream),
    };
    if let Some(stream) = stream {
        // A side that is gone already needs not be told; what else it has to say comes as an event.
        let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
    }
    Event::Done
}

/// Reads what the client still sends, so that a reset never eats our last answer.
pub async fn linger(down: &mut Stream) {
    if poll_fn(|cx| down.poll_shutdown(cx)).await.is_err() {
        return;
    }
    let mut sink = vec![0u8; 16 * 1024];
    let _ = tokio::time::timeout(LINGER, async {
        while !matches!(poll_fn(|cx| down.poll_read(cx, &mut sink)).await, Ok(0) | Err(_)) {}
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection costs is in the docs; the bench measures it with all that the runtime adds.
    #[test]
    fn an_idle_connection_is_small() {
        fn size<F>(_: impl Fn(Stream, Peer, Taken, Rc<ListenerState>, Rc<Thread>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 640, "{} bytes: lane {}, sides {}", size(serve), size_of::<Lane>(), size_of::<Sides>());
    }
}
