//! The loop that obeys: one task for each downstream connection.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tidegate_core::filter::forwarded::Peer;
use tidegate_core::lane::{Act, Close, Event, Fresh, Keep, Lane, Lease, Side};

use super::report;
use super::sides::{Load, Sides};
use crate::pool::stream::Stream;
use crate::threads::thread::{ListenerState, Thread};

/// How long a request that cannot be repeated lets a pooled connection have been idle.
const RECENT: Duration = Duration::from_secs(1);

/// How long we read what a client still sends after our last answer.
const LINGER: Duration = Duration::from_secs(5);

/// Serves one downstream connection until it ends.
pub async fn serve(down: Stream, peer: Peer, listener: Rc<ListenerState>, thread: Rc<Thread>) {
    let _open = thread.open(&listener, peer.ip());
    let mut sides = Sides::new(down, &thread);
    let mut lane = Lane::new(peer, false, thread.now());
    let _waker = thread.register().await;
    let mut event = Event::Accepted;
    let how = loop {
        thread.at(lane.stage(), lane.exchange().and_then(|exchange| exchange.route));
        event = match thread.turn(&listener, |turn| lane.next(event, turn)) {
            Act::Wait(interest) => sides.first_of(interest, &mut lane, &thread).await,
            Act::Lease(lease) => take_upstream(&mut sides, &lane, &thread, lease).await,
            Act::GiveBack(keep) => give_back(&mut sides, &lane, &thread, keep),
            Act::DropUpstream => {
                sides.up = None;
                sides.connecting = None;
                sides.load = None;
                Event::Done
            }
            Act::Shut(side) => shut(&mut sides, side).await,
            Act::Metrics => {
                let text = thread.render_metrics();
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
    lane.clear(&mut thread.shelf.borrow_mut());
    match how {
        Close::Now => {}
        Close::Reset => sides.down.reset_on_close(),
        Close::Linger => linger(&mut sides.down).await,
    }
}

/// A pooled connection, or the beginning of a new one.
async fn take_upstream(sides: &mut Sides, lane: &Lane, thread: &Thread, lease: Lease) -> Event {
    sides.up = None;
    let serving = lane.exchange().and_then(|exchange| exchange.serving.as_ref());
    let named = serving.and_then(|serving| Some((serving.upstream(lease.to)?, serving.endpoint(lease.to)?)));
    let Some((upstream, endpoint)) = named else {
        return Event::LeaseFailed(tidegate_core::failure::Kind::Internal);
    };
    let metrics = thread.endpoint_metrics(lease.to.id, &upstream.name, &endpoint.address);
    metrics.requests.one();
    metrics.exchanges.up();
    sides.load = None;
    let most = match lease.fresh {
        Fresh::Any => Duration::MAX,
        Fresh::Recent => RECENT,
        Fresh::New => Duration::ZERO,
    };
    if lease.fresh != Fresh::New {
        let now = thread.now();
        let pooled = poll_fn(|cx| Poll::Ready(thread.pool.borrow_mut().take(lease.to.id, most, now, cx))).await;
        if let Some((stream, waited)) = pooled {
            metrics.reused.one();
            sides.load = Some(Load(metrics));
            sides.up = Some(stream);
            return Event::Leased { reused: Some(waited) };
        }
    }
    sides.load = Some(Load(metrics));
    sides.connecting = Some(Box::pin(Stream::connect(endpoint.address.clone())));
    Event::Connecting
}

fn give_back(sides: &mut Sides, lane: &Lane, thread: &Thread, keep: Keep) -> Event {
    sides.load = None;
    let exchange = lane.exchange();
    let chosen = exchange.and_then(|exchange| exchange.chosen);
    let idle = exchange
        .and_then(|exchange| exchange.serving.as_ref()?.upstream(exchange.chosen?).map(|upstream| upstream.idle));
    if let (Some(stream), Some(chosen), Some(idle)) = (sides.up.take(), chosen, idle) {
        let now = thread.now();
        // What the endpoint announced ends a little earlier here, so that its end never meets our next request.
        let announced = keep.idle.map(|idle| idle.saturating_sub(Duration::from_millis(500)));
        let until = now.after(announced.map_or(idle, |announced| announced.min(idle)));
        thread.pool.borrow_mut().give_back(chosen.id, stream, now, until);
    }
    Event::Done
}

async fn shut(sides: &mut Sides, side: Side) -> Event {
    let stream = match side {
        Side::Downstream => Some(&mut sides.down),
        Side::Upstream => sides.up.as_mut(),
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
