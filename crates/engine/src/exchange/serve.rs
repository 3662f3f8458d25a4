//! The loop that obeys: one task for each downstream connection.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use tidegate_core::filter::forwarded::Peer;
use tidegate_core::lane::{Act, Close, Event, Lane, Side};

use super::sides::Sides;
use super::{lease, report};
use crate::pool::stream::Stream;
use crate::threads::thread::{ListenerState, Thread};

/// How long we read what a client still sends after our last answer.
const LINGER: Duration = Duration::from_secs(5);

/// Serves one downstream connection until it ends.
pub async fn serve(down: Stream, peer: Peer, listener: Rc<ListenerState>, thread: Rc<Thread>) {
    let _open = thread.open(&listener, peer.ip());
    let mut sides = Sides::new(down, &thread);
    let mut lane = Lane::new(peer, listener.is_proxied(), thread.now());
    let _waker = thread.register().await;
    let mut event = Event::Accepted;
    let how = loop {
        thread.at(lane.stage(), lane.exchange().and_then(|exchange| exchange.route));
        event = match thread.turn(&listener, |turn| lane.next(event, turn)) {
            Act::Wait(interest) => sides.first_of(interest, &mut lane, &thread).await,
            Act::Lease(lease) => lease::take(&mut sides, &lane, &thread, lease).await,
            Act::GiveBack(keep) => lease::give_back(&mut sides, &lane, &thread, keep),
            Act::DropUpstream => {
                sides.up = None;
                sides.leasing = None;
                sides.load = None;
                Event::Done
            }
            Act::Shut(side) => shut(&mut sides, side).await,
            Act::Metrics => {
                let text = thread.render_metrics().await;
                thread.turn(&listener, |turn| lane.supply(&text, turn));
                Event::Done
            }
            Act::Report => {
                report::report(&lane, &listener, &thread);
                Event::Done
            }
            Act::Close(how) => break how,
        };
    };
    if let Some(says) = lane.refused() {
        report::refused(says, &lane, &listener, &thread);
    }
    lane.clear(&mut thread.shelf.borrow_mut());
    match how {
        Close::Now => {}
        Close::Reset => sides.down.reset_on_close(),
        Close::Linger => linger(&mut sides.down).await,
    }
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
async fn linger(down: &mut Stream) {
    if poll_fn(|cx| down.poll_shutdown(cx)).await.is_err() {
        return;
    }
    let mut sink = vec![0u8; 16 * 1024];
    let _ = tokio::time::timeout(LINGER, async {
        while !matches!(poll_fn(|cx| down.poll_read(cx, &mut sink)).await, Ok(0) | Err(_)) {}
    })
    .await;
}
