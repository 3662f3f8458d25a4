//! Counters that can be told one by one, each by its name: so that another worker takes them over, also one of another
//! version, which may have others.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_core::balance::history::Change;
use tidegate_core::failure::{Kind, Stage};
use tidegate_core::http2::Farewell;
use tidegate_core::layer4::Dropped;

use super::counted::{CLASSES, EndpointMetrics, HealthMetrics, ListenerMetrics, RouteMetrics, ThreadMetrics};
use super::counter::Counter;
use super::histogram::{BOUNDS, Histogram};
use super::registry::Registry;
use super::targets::TargetMetrics;

/// A number that only rises.
pub trait Count {
    /// What has been counted so far.
    fn get(&self) -> u64;

    /// Counts `more`.
    fn add(&self, more: u64);
}

impl Count for Counter {
    fn get(&self) -> u64 {
        self.get()
    }

    fn add(&self, more: u64) {
        self.add(more);
    }
}

impl Count for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    fn add(&self, more: u64) {
        self.fetch_add(more, Ordering::Relaxed);
    }
}

/// Who looks at counters, one after the other, with their names.
pub type Visit<'a> = dyn FnMut(fmt::Arguments<'_>, &dyn Count) + 'a;

/// Several counters. What rises and falls is not among them.
pub trait Tally {
    /// Shows each, always in the same order.
    fn each(&self, visit: &mut Visit<'_>);
}

/// What all of them come to, in their order.
pub fn totals<'t, T: Tally + 't>(all: impl Iterator<Item = &'t T>) -> Vec<u64> {
    let mut sums = Vec::new();
    for one in all {
        let mut at = 0;
        one.each(&mut |_, count| {
            match sums.get_mut(at) {
                Some(sum) => *sum = u64::wrapping_add(*sum, count.get()),
                None => sums.push(count.get()),
            }
            at += 1;
        });
    }
    sums
}

/// The names of all counters of such a kind, in their order.
pub fn names<T: Tally + Default>() -> Vec<String> {
    let mut names = Vec::new();
    T::default().each(&mut |name, _| names.push(name.to_string()));
    names
}

/// Counts what another worker has counted, by the place of each counter.
pub fn add<T: Tally>(to: &T, counts: &[(usize, u64)]) {
    let mut at = 0;
    to.each(&mut |_, count| {
        counts.iter().filter(|(place, _)| *place == at).for_each(|(_, more)| count.add(*more));
        at += 1;
    });
}

fn of_histogram(name: &str, histogram: &Histogram, visit: &mut Visit<'_>) {
    let (sum, buckets) = histogram.counters();
    visit(format_args!("{name} sum"), sum);
    let bounds = BOUNDS.iter().map(|(seconds, _)| *seconds).chain(["+Inf"]);
    for (bound, bucket) in bounds.zip(buckets) {
        visit(format_args!("{name} {bound}"), bucket);
    }
}

impl Tally for RouteMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        visit(format_args!("bytes in"), &self.bytes_in);
        visit(format_args!("bytes out"), &self.bytes_out);
        for (class, word) in CLASSES.iter().enumerate() {
            self.of_class(class).into_iter().for_each(|count| visit(format_args!("requests {word}"), count));
        }
        of_histogram("duration", &self.duration, visit);
    }
}

impl Tally for TargetMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        visit(format_args!("good"), &self.good);
        visit(format_args!("bad"), &self.bad);
        self.waits().for_each(|(most_ns, bucket)| visit(format_args!("waits {most_ns}"), bucket));
    }
}

impl Tally for EndpointMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        for (name, count) in [
            ("requests", &self.requests),
            ("failures", &self.failures),
            ("good", &self.good),
            ("server errors", &self.server_errors),
            ("connect failures", &self.connect_failures),
            ("connects", &self.connects),
            ("reused", &self.reused),
            ("passed over", &self.passed_over),
        ] {
            visit(format_args!("{name}"), count);
        }
        of_histogram("first byte", &self.first_byte, visit);
    }
}

impl Tally for HealthMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        visit(format_args!("passed"), &self.passed);
        visit(format_args!("failed"), &self.failed);
        for change in Change::ALL {
            self.change(*change).into_iter().for_each(|count| visit(format_args!("to {}", change.name()), count));
        }
    }
}

impl Tally for ListenerMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        for (name, count) in [
            ("accepted", &self.accepted),
            ("closed", &self.closed),
            ("refused", &self.refused),
            ("bytes in", &self.bytes_in),
            ("bytes out", &self.bytes_out),
            ("datagrams in", &self.datagrams_in),
            ("datagrams out", &self.datagrams_out),
        ] {
            visit(format_args!("{name}"), count);
        }
        for why in Dropped::ALL {
            self.drop(*why).into_iter().for_each(|count| visit(format_args!("dropped {}", why.name()), count));
        }
        for why in Farewell::ALL {
            self.farewell(*why).into_iter().for_each(|count| visit(format_args!("sent away {}", why.name()), count));
        }
    }
}

impl Tally for ThreadMetrics {
    fn each(&self, visit: &mut Visit<'_>) {
        visit(format_args!("beats"), &self.beats);
        for kind in Kind::ALL {
            for stage in Stage::ALL {
                let (kind_says, stage_says) = (kind.name(), stage.name());
                let count = self.failure(*kind, *stage);
                count.into_iter().for_each(|count| visit(format_args!("failed {kind_says} {stage_says}"), count));
            }
        }
    }
}

/// What is counted of the process as a whole.
impl Tally for Registry {
    fn each(&self, visit: &mut Visit<'_>) {
        visit(format_args!("snapshots applied"), &self.applied);
        visit(format_args!("snapshots refused"), &self.refused);
        for (log, counts) in [("access", &self.access), ("program", &self.program)] {
            for (name, count) in [
                ("written", &counts.written),
                ("full", &counts.full),
                ("refused", &counts.refused),
                ("torn", &counts.torn),
            ] {
                visit(format_args!("{log} lines {name}"), count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn counts_of_one_worker_are_added_to_those_of_another_by_name() {
        let (one, two, heir) = (RouteMetrics::default(), RouteMetrics::default(), RouteMetrics::default());
        one.bytes_in.add(5);
        two.bytes_in.add(7);
        two.duration.observe(1_000_000);
        let sums = totals([&one, &two].into_iter());
        let names = names::<RouteMetrics>();
        assert_eq!(names.len(), sums.len());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "each has a name of its own");
        add(&heir, &sums.iter().copied().enumerate().collect::<Vec<_>>());
        add(&heir, &[(0, 1), (999, 1)]);
        assert_eq!((heir.bytes_in.get(), totals([&heir].into_iter()).iter().sum::<u64>()), (13, 1_000_014));
    }
}
