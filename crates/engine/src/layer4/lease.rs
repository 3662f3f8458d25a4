//! How a connection comes by one to an endpoint: always a new one, with a permit where the pool is bounded.

use tidegate_core::failure::Kind;
use tidegate_core::lane::Chosen;
use tidegate_core::layer4::{Event, Relay};
use tidegate_core::snapshot::compiled::Upstream;
use tokio::time::timeout;

use crate::exchange::lease::kind_of;
use crate::exchange::sides::Load;
use crate::pool::Connection;
use crate::pool::gate::{Asked, Grant, Permit};
use crate::pool::stream::Stream;
use crate::threads::thread::{Order, Thread};

/// The connection to the endpoint, counted until it is dropped, and a permit that may be for another endpoint.
#[derive(Default)]
pub(super) struct Leased {
    pub(super) up: Option<Connection>,
    load: Option<Load>,
    permit: Option<Permit>,
}

impl Leased {
    /// Waits for a permit where there must be one, then connects, unless the client leaves meanwhile.
    pub(super) async fn take(&mut self, down: &Stream, relay: &Relay, thread: &Thread, chosen: Chosen) -> Event {
        tokio::select! {
            biased;
            event = self.lease(down, relay, thread, chosen) => event,
            () = down.broken() => Event::Left,
        }
    }

    async fn lease(&mut self, down: &Stream, relay: &Relay, thread: &Thread, chosen: Chosen) -> Event {
        let known = relay.known();
        let (Some(upstream), Some(endpoint)) = (&known.upstream, &known.endpoint) else {
            return Event::LeaseFailed(Kind::Internal);
        };
        self.load = None;
        if upstream.connections > 0 {
            match self.permit_for(down, relay, thread, upstream).await {
                Ok(id) if id == chosen.id => {}
                Ok(id) => return Event::Moved(id),
                Err(why) => return why,
            }
        }
        let load = Load::begin(thread, upstream, endpoint);
        let made = timeout(upstream.connect, Stream::connect(endpoint.address.clone())).await;
        thread.look_at_clock();
        match made.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                load.0.connects.one();
                self.load = Some(load);
                self.up = Some(Connection { stream, permit: self.permit.take() });
                Event::Leased
            }
            Err(error) => {
                let kind = kind_of(&error);
                load.0.connect_failures.one();
                if kind.is_unreachable() {
                    load.0.passed_over.one();
                }
                self.permit = None;
                Event::LeaseFailed(kind)
            }
        }
    }

    /// The endpoint that the permit is for. A client that ends before it has said anything has left its place in the
    /// queue, as with HAProxy; one that has said something may wait for the answer.
    async fn permit_for(
        &mut self,
        down: &Stream,
        relay: &Relay,
        thread: &Thread,
        upstream: &Upstream,
    ) -> Result<u32, Event> {
        if let Some(permit) = &self.permit {
            return Ok(permit.endpoint());
        }
        let accepts = relay.acceptable(thread.now());
        let permit = match thread.shared.gate(&upstream.name).ask(accepts.clone()) {
            Asked::Granted(permit) => permit,
            Asked::Full => return Err(Event::LeaseFailed(Kind::QueueFull)),
            Asked::Waits { grant, rests } => {
                if rests {
                    thread.ask_all(|| Order::Spare(accepts.clone()));
                }
                let granted = tokio::select! {
                    biased;
                    granted = timeout(upstream.wait, grant) => granted,
                    () = down.ended_silently(), if relay.is_empty() => return Err(Event::Left),
                };
                thread.look_at_clock();
                let failed = Event::LeaseFailed;
                match granted.map_err(|_| failed(Kind::QueueTimeout))?.map_err(|_| failed(Kind::Internal))? {
                    Grant::Permit(permit) => permit,
                    // One that has carried requests carries nothing else: its permit is what is wanted.
                    Grant::Connection(idle, _) => idle.connection.permit.ok_or(failed(Kind::Internal))?,
                }
            }
        };
        Ok(self.permit.insert(permit).endpoint())
    }
}
