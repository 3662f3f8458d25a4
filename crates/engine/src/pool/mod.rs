//! Upstream connections without work, a thread's own: the one used last is taken first. Bounded ones hold a permit.
//!
//! May use: tokio, core. Must not know: lanes, Python.

pub mod stream; // a connection, over TCP or a Unix socket
pub mod pipe; // from socket to socket inside the kernel
pub mod gate; // permits where connections are bounded, and who waits for one

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tidegate_core::moment::Moment;

use crate::metrics::counted::EndpointMetrics;
use gate::Permit;
use stream::Stream;

/// Most idle connections that a thread keeps to one endpoint.
const KEPT: usize = 256;

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Leave to have it open, where the pool is bounded.
    pub permit: Option<Permit>,
}

/// A connection without work.
#[derive(Debug)]
pub struct Idle {
    /// The connection.
    pub connection: Connection,
    /// Its work ended.
    pub since: Moment,
    /// It is kept so long at most.
    pub until: Moment,
}

impl Idle {
    /// Whether it may be used at `now`: it was not kept too long, and nothing has come on it, not even its end.
    /// No system call: the event loop knows.
    pub fn is_good(&mut self, now: Moment, cx: &mut Context<'_>) -> bool {
        now < self.until && matches!(self.connection.stream.poll_readable(cx), Poll::Pending)
    }

    /// Takes over one that was handed to us, perhaps by another thread, whose event loop alone knew what came on it: the
    /// kernel is asked. If it may not be used, its permit is what is left.
    pub fn bring_here(self, is_elsewhere: bool, now: Moment) -> Result<Self, Option<Permit>> {
        let Self { connection: Connection { stream, permit }, since, until } = self;
        if now >= until || !stream.is_silent() {
            return Err(permit);
        }
        match if is_elsewhere { stream.move_here() } else { Ok(stream) } {
            Ok(stream) => Ok(Self { connection: Connection { stream, permit }, since, until }),
            Err(_) => Err(permit),
        }
    }
}

/// Connections to one endpoint that wait in a thread's pool, counted.
struct Shelf {
    idle: Vec<Idle>,
    metrics: Arc<EndpointMetrics>,
}

impl Shelf {
    fn pop(&mut self) -> Option<Idle> {
        let kept = self.idle.pop()?;
        forget(&self.metrics, &kept);
        Some(kept)
    }
}

/// A connection is taken out of the pool.
fn forget(metrics: &EndpointMetrics, kept: &Idle) {
    metrics.idle.down();
    if let Some(permit) = &kept.connection.permit {
        permit.wake();
    }
}

/// Offers a bounded connection to whoever waits for it; returns it if nobody does.
fn hand_over(idle: Idle, thread: usize) -> Option<Idle> {
    match idle.connection.permit.as_ref().map(|permit| Arc::clone(permit.gate())) {
        Some(gate) => gate.hand_over(idle, thread),
        None => Some(idle),
    }
}

/// A thread's upstream connections without work, by endpoint id.
#[derive(Default)]
pub struct Pool {
    shelves: FxHashMap<u32, Shelf>,
}

impl Pool {
    /// The connection to `endpoint` that was used last, if it was idle for at most `most`.
    /// Those that the endpoint closed, or sent bytes on unasked, are dropped on the way.
    pub fn take(&mut self, endpoint: u32, most: Duration, now: Moment, cx: &mut Context<'_>) -> Option<Idle> {
        let shelf = self.shelves.get_mut(&endpoint)?;
        while let Some(kept) = shelf.idle.last() {
            if now.since(kept.since) > most {
                return None;
            }
            let mut kept = shelf.pop()?;
            if kept.is_good(now, cx) {
                return Some(kept);
            }
        }
        None
    }

    /// Keeps a connection to `endpoint` for the next exchange, unless somebody on this machine waits for it. A stream of a
    /// connection that carries many is not kept: another one costs nothing.
    pub fn keep(&mut self, endpoint: u32, metrics: &Arc<EndpointMetrics>, idle: Idle, thread: usize) {
        if idle.connection.stream.is_multiplexed() {
            return;
        }
        let Some(idle) = hand_over(idle, thread) else { return };
        let made = || Shelf { idle: Vec::new(), metrics: Arc::clone(metrics) };
        let shelf = self.shelves.entry(endpoint).or_insert_with(made);
        shelf.metrics.idle.up();
        if shelf.idle.len() < KEPT && idle.until > idle.since {
            shelf.idle.push(idle);
        } else {
            forget(&shelf.metrics, &idle);
        }
    }

    /// Hands a connection to one of `endpoints` to whoever waits for it, if there is one.
    pub fn spare(&mut self, endpoints: &[u32], thread: usize) {
        for endpoint in endpoints {
            let Some(shelf) = self.shelves.get_mut(endpoint) else { continue };
            let Some(idle) = shelf.pop() else { continue };
            if let Some(idle) = hand_over(idle, thread) {
                shelf.metrics.idle.up();
                shelf.idle.push(idle);
            }
            return;
        }
    }

    /// Closes those that hold a permit: another worker takes this one's place, and may have it.
    pub fn let_permits_go(&mut self) {
        for Shelf { idle, metrics } in self.shelves.values_mut() {
            idle.retain(|kept| {
                let is_free = kept.connection.permit.is_none();
                if !is_free {
                    forget(metrics, kept);
                }
                is_free
            });
        }
    }

    /// Closes what was kept long enough, and what the other side has closed.
    pub fn sweep(&mut self, now: Moment, cx: &mut Context<'_>) {
        for Shelf { idle, metrics } in self.shelves.values_mut() {
            idle.retain_mut(|kept| {
                let is_good = kept.is_good(now, cx);
                if !is_good {
                    forget(metrics, kept);
                }
                is_good
            });
        }
        self.shelves.retain(|_, shelf| !shelf.idle.is_empty());
    }
}
