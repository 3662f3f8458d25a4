//! How many requests an upstream bears at once, found by the latency of its answers: as long as they come as soon as with
//! few requests, more may be under way; when they take longer, requests wait there for each other, and fewer may. In Rust
//! because it decides for every request.
//!
//! The rule is the gradient of Netflix's concurrency-limits and Envoy's adaptive concurrency: after each window the limit
//! becomes itself times (latency without a queue × tolerance / latency now), and its square root on top, which is the queue
//! that keeps workers busy. Latencies are medians. That without a queue is the lowest seen, and measured anew now and then
//! with half the limit, as it may have risen for good. What is over the limit is refused, lowest priority first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::moment::Moment;
use crate::rule::{Subject, Text};
use crate::snapshot::document;

/// The numbers by which a limit is found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Policy {
    /// How often.
    pub interval: Duration,
    /// How much more latency than without a queue is no sign of one, as a factor above 1.
    pub tolerance: f64,
    /// Never fewer.
    pub least: u64,
    /// Never more.
    pub most: u64,
    /// How often the latency without a queue is measured anew.
    pub measure: Duration,
}

/// Which requests are refused last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Priority {
    /// Refused first.
    Low,
    /// In between.
    #[default]
    Normal,
    /// Refused when nothing is left.
    High,
}

impl Priority {
    /// All of them, the first one refused first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// By its word; any other is `normal`.
    pub fn read(word: &[u8]) -> Self {
        match word {
            b"high" => Self::High,
            b"low" => Self::Low,
            _ => Self::Normal,
        }
    }

    /// The part of the limit that requests of this priority and all below it may take, in percent.
    const fn share(self) -> u64 {
        match self {
            Self::High => 100,
            Self::Normal => 80,
            Self::Low => 60,
        }
    }
}

/// How an upstream finds its limit, and what tells which requests are refused last.
#[derive(Debug)]
pub struct Adaptive {
    /// The numbers.
    pub policy: Policy,
    priority: Option<Text>,
}

impl Adaptive {
    /// What `circuit` says of it, if it does.
    pub fn build(circuit: &document::Circuit) -> Result<Option<Box<Self>>, String> {
        let Some(adaptive) = &circuit.adaptive else { return Ok(None) };
        let policy = Policy {
            interval: Duration::from_millis(adaptive.interval_ms),
            tolerance: 1.0 + f64::from(adaptive.tolerance) / 100.0,
            least: adaptive.least,
            most: adaptive.most.max(adaptive.least),
            measure: Duration::from_millis(adaptive.measure_ms),
        };
        let priority = circuit.priority.as_ref().map(Text::compile).transpose()?;
        Ok(Some(Box::new(Self { policy, priority })))
    }

    /// Whether something tells priorities.
    pub fn has_priorities(&self) -> bool {
        self.priority.is_some()
    }

    /// The priority of a request. Where nothing tells it, none stands behind another.
    pub fn priority<'s>(&self, subject: impl FnOnce() -> Option<Subject<'s>>) -> Priority {
        let Some(priority) = &self.priority else { return Priority::High };
        subject().map_or(Priority::Normal, |subject| Priority::read(&priority.read(&subject)))
    }
}

/// The limit before anything is known.
const FIRST: u64 = 50;

/// Answers from which a median is told; a window lasts until there are so many.
const ENOUGH: usize = 25;

/// Answers that a window remembers.
const MOST_REMEMBERED: usize = 1024;

/// How much a window with less latency counts for that without a queue. The lowest of many medians would be far below it.
const DOWNWARDS: f64 = 0.05;

/// A latency without a queue that is so much of what it was before is measured again soon, after so many windows.
const MUCH_LESS: f64 = 0.9;
const SOON: u32 = 10;

/// Windows at the least limit after which the latency without a queue is measured at once: what was known of it is no
/// longer so. (Envoy's number.)
const MOST_AT_LEAST: u32 = 5;

/// The limit of an upstream; shared by threads and snapshots.
#[derive(Debug, Default)]
pub struct Limiter {
    /// 0 before anything is known.
    limit: AtomicU64,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    /// In microseconds.
    samples: Vec<u32>,
    /// Most requests that were under way in this window.
    peak: u64,
    window_ends: Moment,
    /// The median latency without a queue.
    base: Option<f64>,
    measure_at: Moment,
    at_least: u32,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Steady,
    /// With half the limit for one window, so that a queue goes away; it was this much before.
    Emptying(u64),
    /// With half the limit for another, whose latency is one without a queue.
    Measuring(u64),
}

impl Limiter {
    /// Most requests at once, of all priorities together.
    pub fn limit(&self, policy: &Policy) -> u64 {
        let limit = self.limit.load(Ordering::Relaxed);
        (if limit == 0 { FIRST } else { limit }).clamp(policy.least, policy.most)
    }

    /// Goes on from the limit that an earlier worker has found.
    pub(crate) fn inherit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How many may be under way where another of this priority is admitted.
    pub fn limit_of(&self, priority: Priority, policy: &Policy) -> u64 {
        (self.limit(policy) * priority.share()).div_ceil(100)
    }

    /// Takes in that an answer took so long, while so many requests were under way.
    pub fn learn(&self, took: Duration, under_way: u64, policy: &Policy, now: Moment) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.window_ends == Moment::default() {
            learned.window_ends = now.after(policy.interval);
        }
        if learned.samples.len() < MOST_REMEMBERED {
            learned.samples.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1));
        }
        learned.peak = learned.peak.max(under_way);
        if now >= learned.window_ends && learned.samples.len() >= ENOUGH {
            learned.window_ends = now.after(policy.interval);
            let limit = learned.end_window(self.limit(policy), policy, now);
            self.limit.store(limit.clamp(policy.least, policy.most), Ordering::Relaxed);
        }
    }
}

impl Learned {
    /// The next limit after `limit`.
    fn end_window(&mut self, limit: u64, policy: &Policy, now: Moment) -> u64 {
        let (median, peak) = (self.take_median(), std::mem::take(&mut self.peak));
        match self.phase {
            Phase::Emptying(before) => {
                self.phase = Phase::Measuring(before);
                return limit;
            }
            Phase::Measuring(before) => {
                // What was known had a queue in it, and so may have what is known now.
                let is_less = self.base.is_none_or(|base| median < base * MUCH_LESS);
                self.measure_at = now.after(if is_less { policy.interval * SOON } else { policy.measure });
                (self.phase, self.base) = (Phase::Steady, Some(median));
                return before;
            }
            Phase::Steady => {}
        }
        let base = self.base.map_or(median, |base| base + (median.min(base) - base) * DOWNWARDS);
        self.base = Some(base);
        let is_in_use = peak.saturating_mul(2) >= limit;
        let next = if is_in_use || base * policy.tolerance < median {
            step(limit, base * policy.tolerance / median)
        } else {
            limit
        };
        self.at_least = if next <= policy.least { self.at_least + 1 } else { 0 };
        if !is_in_use || (now < self.measure_at && self.at_least < MOST_AT_LEAST) {
            return next;
        }
        self.at_least = 0;
        self.phase = Phase::Emptying(next);
        next / 2
    }

    fn take_median(&mut self) -> f64 {
        let middle = self.samples.len() / 2;
        let (_, median, _) = self.samples.select_nth_unstable(middle);
        let median = f64::from(*median);
        self.samples.clear();
        median
    }
}

/// The limit after one window.
fn step(limit: u64, gradient: f64) -> u64 {
    let before = limit as f64;
    let next = before * gradient.clamp(0.5, 2.0) + before.sqrt();
    next.round() as u64
}

#[cfg(test)]
#[path = "adaptive_tests.rs"]
mod tests;
