//! What one thread counts for one route, endpoint and listener, and for itself.
//!
//! Each struct is aligned to 128 bytes (neighbouring cache lines are fetched in pairs) and lives in an allocation of its
//! own, so no two threads ever write to one line.

use tidegate_core::balance::history::Change;
use tidegate_core::failure::{Kind, Stage};
use tidegate_core::http2::Farewell;
use tidegate_core::layer4::Dropped;

use super::counter::{Counter, Gauge};
use super::histogram::Histogram;

/// Classes of status: 1xx to 5xx, and `none` where the client got no status.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The class of most requests: 2xx.
const WELL: usize = 2;

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// From the first byte of the request to the last of the answer, in nanoseconds.
    pub duration_ns: u64,
    /// Bytes received from the client, head included.
    pub bytes_in: u64,
    /// Bytes sent to the client, head included.
    pub bytes_out: u64,
}

/// A route, on one thread. Thousands of routes may take turns, and then each line of the cache is a cold one: what a
/// request that goes well within a millisecond counts is one line.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct RouteMetrics {
    well: Counter, // 2xx
    pub(super) bytes_in: Counter,
    pub(super) bytes_out: Counter,
    pub(super) duration: Histogram,
    others: [Counter; CLASSES.len()],
}

impl RouteMetrics {
    /// Counts a request that has ended.
    pub fn answered(&self, answered: &Answered) {
        // A status beyond 599 has no class of its own: RFC 9110, section 15, treats it as 5xx.
        let class = if answered.status < 100 { 0 } else { usize::from(answered.status / 100).min(5) };
        if let Some(counter) = self.of_class(class) {
            counter.one();
        }
        self.bytes_in.add(answered.bytes_in);
        self.bytes_out.add(answered.bytes_out);
        self.duration.observe(answered.duration_ns);
    }

    /// Requests of a class, see [`CLASSES`].
    pub(super) fn requests(&self, class: usize) -> u64 {
        self.of_class(class).map_or(0, Counter::get)
    }

    pub(super) fn of_class(&self, class: usize) -> Option<&Counter> {
        if class == WELL { Some(&self.well) } else { self.others.get(class) }
    }
}

/// An endpoint of an upstream, on one thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct EndpointMetrics {
    /// Requests sent to it, repeats included.
    pub requests: Counter,
    /// Requests that failed after a connection was there.
    pub failures: Counter,
    /// Whole answers with a status below 500.
    pub good: Counter,
    /// Whole answers with a status of 500 or more.
    pub server_errors: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Connections that were made.
    pub connects: Counter,
    /// Requests that took an idle connection from the pool.
    pub reused: Counter,
    /// Times that it was passed over from then on.
    pub passed_over: Counter,
    /// Exchanges with it now.
    pub exchanges: Gauge,
    /// Connections to it that wait in this thread's pool now.
    pub idle: Gauge,
    /// From the last byte sent to it to the first byte of its answer.
    pub first_byte: Histogram,
}

/// Whether an endpoint is well; written by the prober alone.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct HealthMetrics {
    /// Checks that passed.
    pub passed: Counter,
    /// Checks that failed.
    pub failed: Counter,
    /// 1 while new work may go to it.
    pub eligible: Gauge,
    /// By what it became, in the order of [`Change::ALL`].
    changes: [Counter; Change::ALL.len()],
}

impl HealthMetrics {
    /// Counts a change of its standing.
    pub fn changed(&self, to: Change) {
        if let Some(counter) = self.changes.get(to as usize) {
            counter.one();
        }
    }

    /// How often it became so.
    pub fn changes(&self, to: Change) -> u64 {
        self.change(to).map_or(0, Counter::get)
    }

    pub(super) fn change(&self, to: Change) -> Option<&Counter> {
        self.changes.get(to as usize)
    }
}

/// A listener, on one thread. A connection may be accepted by one thread and closed by another: the sums are right.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ListenerMetrics {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections closed.
    pub closed: Counter,
    /// Connections closed at once because a limit was reached.
    pub refused: Counter,
    /// Bytes that endpoints took, where it carries bytes as they are.
    pub bytes_in: Counter,
    /// Bytes that clients took, where it carries bytes as they are.
    pub bytes_out: Counter,
    /// Datagrams that went on to endpoints.
    pub datagrams_in: Counter,
    /// Datagrams that went back to clients.
    pub datagrams_out: Counter,
    /// By reason, in the order of [`Dropped::ALL`].
    dropped: [Counter; Dropped::ALL.len()],
    /// By reason, in the order of [`Farewell::ALL`].
    sent_away: [Counter; Farewell::ALL.len()],
}

impl ListenerMetrics {
    /// Counts a datagram that was dropped.
    pub fn dropped(&self, why: Dropped) {
        if let Some(counter) = self.dropped.get(why as usize) {
            counter.one();
        }
    }

    /// Counts a client that was sent away.
    pub fn sent_away(&self, why: Farewell) {
        if let Some(counter) = self.sent_away.get(why as usize) {
            counter.one();
        }
    }

    /// How many clients were sent away for that reason.
    pub fn farewells(&self, why: Farewell) -> u64 {
        self.farewell(why).map_or(0, Counter::get)
    }

    pub(super) fn farewell(&self, why: Farewell) -> Option<&Counter> {
        self.sent_away.get(why as usize)
    }

    /// How many datagrams were dropped for that reason.
    pub fn drops(&self, why: Dropped) -> u64 {
        self.drop(why).map_or(0, Counter::get)
    }

    pub(super) fn drop(&self, why: Dropped) -> Option<&Counter> {
        self.dropped.get(why as usize)
    }
}

/// A serving thread itself.
#[derive(Debug)]
#[repr(align(128))]
pub struct ThreadMetrics {
    /// Rises at least once a second while the thread is well.
    pub beats: Counter,
    /// By kind and stage: kind * stages + stage.
    failures: [Counter; Kind::ALL.len() * Stage::ALL.len()],
}

impl Default for ThreadMetrics {
    fn default() -> Self {
        Self { beats: Counter::default(), failures: std::array::from_fn(|_| Counter::default()) }
    }
}

impl ThreadMetrics {
    /// Counts an exchange that failed.
    pub fn failed(&self, kind: Kind, stage: Stage) {
        if let Some(counter) = self.failures.get(place(kind, stage)) {
            counter.one();
        }
    }

    /// How many exchanges failed so.
    pub fn failures(&self, kind: Kind, stage: Stage) -> u64 {
        self.failure(kind, stage).map_or(0, Counter::get)
    }

    pub(super) fn failure(&self, kind: Kind, stage: Stage) -> Option<&Counter> {
        self.failures.get(place(kind, stage))
    }
}

/// Where the pair stands; both enums count from 0 in the order of their `ALL`.
fn place(kind: Kind, stage: Stage) -> usize {
    kind as usize * Stage::ALL.len() + stage as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_kind_and_stage_has_a_place_of_its_own() {
        let thread = ThreadMetrics::default();
        for kind in Kind::ALL {
            for stage in Stage::ALL {
                assert_eq!(thread.failures(*kind, *stage), 0);
                thread.failed(*kind, *stage);
                assert_eq!(thread.failures(*kind, *stage), 1);
            }
        }
    }

    #[test]
    fn structs_of_two_threads_share_no_line() {
        assert_eq!(std::mem::align_of::<RouteMetrics>() % 128, 0);
        assert_eq!(std::mem::size_of::<EndpointMetrics>() % 128, 0);
        assert_eq!(std::mem::size_of::<ListenerMetrics>() % 128, 0);
        assert_eq!(std::mem::align_of::<ThreadMetrics>() % 128, 0);
    }
}
