//! What clients of an upstream would wait, reckoned without sockets: the balancers that serve, on a clock of their own.
//!
//! Requests come by chance at a steady rate, whatever becomes of those before them (an open loop, as the public is), to
//! proxy threads in turn. An endpoint has workers, and its requests wait in line for one. May use: balance, lane for
//! what a thread serves. Must not know: sockets, clocks. In Rust because it asks the road itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::{HashTable, Held, Lead};
use crate::dice::Dice;
use crate::lane::Serving;
use crate::lane::exchange::Tried;
use crate::moment::Moment;
use crate::snapshot::compiled::Compiled;

/// How an endpoint works.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Requests that it serves at once; at least 1.
    pub workers: u32,
    /// What one takes on average; each draws from an exponential distribution.
    pub service: Duration,
}

/// What comes in.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// Requests a second on average.
    pub rate: f64,
    /// How many in all.
    pub requests: u64,
    /// How many different keys they have, all alike in number; 0: they have none.
    pub keys: usize,
    /// Proxy threads that take them in turn.
    pub threads: usize,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The endpoint, as an index into the upstream.
    pub endpoint: u32,
    /// From its coming to its answer.
    pub took: Duration,
}

/// A request's end: when, and at which endpoint in which thread.
type End = Reverse<(u64, u64)>;

/// Plays `arrivals` on the upstream at `index` of a snapshot; `work` says how each of its endpoints works. Gives the
/// requests in order of their coming; equal seeds give equal answers.
pub fn simulate(compiled: Arc<Compiled>, index: usize, work: &[Work], arrivals: Arrivals, seed: u64) -> Vec<Served> {
    let mut dice = Dice::seeded(seed);
    let lead = Lead { upstream: u32::try_from(index).unwrap_or(u32::MAX), part: 0 };
    let threads: Vec<Rc<Serving>> =
        (0..arrivals.threads.max(1)).map(|_| Rc::new(Serving::new(Arc::clone(&compiled), None, &mut dice))).collect();
    let mut lines: Vec<Line> = work.iter().map(|work| Line::new(*work)).collect();
    let mut ends: BinaryHeap<End> = BinaryHeap::new();
    let mut held: HashMap<u64, (Held, u64)> = HashMap::new();
    let mut served = Vec::new();
    let mut now = 1u64;
    for number in 0..arrivals.requests {
        now = now.saturating_add(exponential(1e9 / arrivals.rate, &mut dice));
        while let Some(Reverse((end, over))) = ends.peek().copied().filter(|Reverse((end, _))| *end <= now) {
            ends.pop();
            if let Some((exchange, began)) = held.remove(&over) {
                exchange.answered(Duration::from_nanos(end - began), Moment::from_nanos(end));
            }
        }
        let key = (arrivals.keys > 0).then(|| dice.below(arrivals.keys).to_le_bytes());
        let key = key.and_then(|key| HashTable::key(&key));
        let thread = usize::try_from(number).unwrap_or(0) % threads.len();
        let Some(serving) = threads.get(thread) else { break };
        let choice = serving.choose(lead, &Tried::default(), key, Moment::from_nanos(now), &mut dice);
        let Ok((chosen, Some(exchange))) = choice else { continue };
        let Some(line) = lines.get_mut(chosen.endpoint as usize) else { continue };
        let end = line.take(now, &mut dice);
        ends.push(Reverse((end, number)));
        held.insert(number, (exchange, now));
        served.push(Served { endpoint: chosen.endpoint, took: Duration::from_nanos(end - now) });
    }
    served
}

/// An endpoint: when each of its workers is free.
struct Line {
    free: BinaryHeap<Reverse<u64>>,
    service: f64,
}

impl Line {
    fn new(work: Work) -> Self {
        let free = (0..work.workers.max(1)).map(|_| Reverse(0)).collect();
        Self { free, service: work.service.as_nanos() as f64 }
    }

    /// When a request that comes now has its answer.
    fn take(&mut self, now: u64, dice: &mut Dice) -> u64 {
        let Reverse(free) = self.free.pop().unwrap_or(Reverse(0));
        let end = free.max(now).saturating_add(exponential(self.service, dice));
        self.free.push(Reverse(end));
        end
    }
}

/// A time in nanoseconds from an exponential distribution, at least 1.
fn exponential(mean: f64, dice: &mut Dice) -> u64 {
    let uniform = ((dice.roll() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (-uniform.ln() * mean).max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn play(balance: &str, slow: u64) -> Vec<Served> {
        let endpoint = |n: u32| json!({"address": format!("10.0.0.{n}:80"), "entry": "x", "weight": 1});
        let document = json!({
            "format": 1, "number": 1, "source": "x.yaml", "since": 0.0, "threads": 1, "connections": 0,
            "access_log": null, "log": {"level": "info", "format": "text"}, "listeners": [], "routes": [],
            "upstreams": [{
                "name": "api", "balance": balance, "unresolved": [], "proxy_protocol": "off",
                "endpoints": (1..5).map(endpoint).collect::<Vec<_>>(),
                "pool": {"idle_ms": 1, "connections": 0, "queue": 0, "wait_ms": 1, "connect_ms": 1},
                "health": null, "outlier": null, "panic_threshold": 0,
            }],
        });
        let compiled = Compiled::build(serde_json::from_value(document).unwrap(), None).unwrap();
        let work = |service| Work { workers: 8, service: Duration::from_millis(service) };
        let arrivals = Arrivals { rate: 1500.0, requests: 20_000, keys: 0, threads: 2 };
        simulate(Arc::new(compiled), 0, &[work(10), work(10), work(10), work(slow)], arrivals, 7)
    }

    fn p99(served: &[Served]) -> Duration {
        let mut took: Vec<_> = served.iter().map(|one| one.took).collect();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }

    #[test]
    fn equal_seeds_give_equal_answers() {
        assert_eq!(play("random_two", 10), play("random_two", 10));
    }

    #[test]
    fn a_slow_endpoint_shows_least_with_peak_ewma_and_most_with_round_robin() {
        let [turns, least, peak] = ["round_robin", "least_requests", "peak_ewma"].map(|name| p99(&play(name, 100)));
        assert!(peak < least && least < turns, "{peak:?} {least:?} {turns:?}");
    }
}
