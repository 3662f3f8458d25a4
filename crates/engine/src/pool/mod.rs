//! Upstream connections without work, a thread's own: the one used last is taken first.
//!
//! May use: tokio, core. Must not know: lanes, Python.

pub mod stream; // a connection, over TCP or a Unix socket

use std::collections::HashMap;
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_core::moment::Moment;

use stream::Stream;

/// Most idle connections that a thread keeps to one endpoint.
const KEPT: usize = 256;

struct Idle {
    stream: Stream,
    since: Moment,
    until: Moment,
}

/// A thread's upstream connections without work, by endpoint id.
#[derive(Default)]
pub struct Pool {
    idle: HashMap<u32, Vec<Idle>>,
}

impl Pool {
    /// The connection to `endpoint` that was used last, if it was idle for at most `most`; and for how long it was.
    /// Those that the endpoint closed, or sent bytes on unasked, are dropped on the way.
    pub fn take(
        &mut self,
        endpoint: u32,
        most: Duration,
        now: Moment,
        cx: &mut Context<'_>,
    ) -> Option<(Stream, Duration)> {
        let idle = self.idle.get_mut(&endpoint)?;
        while let Some(kept) = idle.pop() {
            let waited = now.since(kept.since);
            if waited > most {
                idle.push(kept);
                return None;
            }
            if now < kept.until && is_quiet(&kept.stream, cx) {
                return Some((kept.stream, waited));
            }
        }
        None
    }

    /// Keeps `stream` until `until` at the latest.
    pub fn give_back(&mut self, endpoint: u32, stream: Stream, now: Moment, until: Moment) {
        let idle = self.idle.entry(endpoint).or_default();
        if idle.len() < KEPT && until > now {
            idle.push(Idle { stream, since: now, until });
        }
    }

    /// Closes what was kept long enough, and what the other side has closed.
    pub fn sweep(&mut self, now: Moment, cx: &mut Context<'_>) {
        for idle in self.idle.values_mut() {
            idle.retain(|kept| now < kept.until && is_quiet(&kept.stream, cx));
        }
        self.idle.retain(|_, idle| !idle.is_empty());
    }
}

/// Whether nothing has come on an idle connection, not even its end. No system call: the event loop knows.
fn is_quiet(stream: &Stream, cx: &mut Context<'_>) -> bool {
    matches!(stream.poll_readable(cx), Poll::Pending)
}
