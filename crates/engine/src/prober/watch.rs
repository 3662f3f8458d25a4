//! Changes of standing, whoever made them, as log and metrics tell them; and those that time alone makes.

use std::sync::Arc;

use tidegate_core::balance::history::{Change, Event};
use tidegate_core::balance::standing::{Outlier, changes};
use tidegate_core::snapshot::compiled::{Compiled, Endpoint, Upstream};

use crate::log::Level;
use crate::metrics::counted::HealthMetrics;
use crate::metrics::counter::Gauge;
use crate::threads::shared::Shared;

/// An endpoint of the snapshot, and how much of its history was told.
struct Watched {
    upstream: String,
    endpoint: Arc<Endpoint>,
    metrics: Arc<HealthMetrics>,
    told: u64,
}

/// An upstream of the snapshot, and whether it is known to use all its endpoints for want of healthy ones.
struct Group {
    upstream: Arc<Upstream>,
    metric: Arc<Gauge>,
    panics: bool,
}

/// All endpoints of the snapshot.
pub(super) struct Watch {
    shared: Arc<Shared>,
    all: Vec<Watched>,
    groups: Vec<Group>,
    /// Those that are out, by place: their time may be over.
    out: Vec<usize>,
    seen: u64,
}

impl Watch {
    /// Nothing to look at yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, all: Vec::new(), groups: Vec::new(), out: Vec::new(), seen: 0 }
    }

    /// Looks at the endpoints of this snapshot from now on.
    pub(super) fn follow(&mut self, compiled: &Compiled) {
        let told: std::collections::HashMap<u32, u64> =
            self.all.iter().map(|watched| (watched.endpoint.id, watched.told)).collect();
        let in_panic: Vec<String> =
            self.groups.iter().filter(|group| group.panics).map(|group| group.upstream.name.clone()).collect();
        self.all.clear();
        self.groups.clear();
        for upstream in &compiled.upstreams {
            self.groups.push(Group {
                upstream: Arc::clone(upstream),
                metric: self.shared.registry.panic(&upstream.name),
                panics: in_panic.contains(&upstream.name),
            });
            self.all.extend(upstream.endpoints.iter().map(|endpoint| {
                Watched {
                    upstream: upstream.name.clone(),
                    endpoint: Arc::clone(endpoint),
                    metrics: self.shared.registry.health(&upstream.name, &endpoint.address),
                    told: told
                        .get(&endpoint.id)
                        .copied()
                        .unwrap_or_else(|| endpoint.standing.history(|history| history.told_before())),
                }
            }));
        }
        self.look_at_all();
    }

    /// Tells what is new. Costs next to nothing while nothing changes.
    pub(super) fn look(&mut self) {
        if self.seen != changes() {
            self.look_at_all();
            return;
        }
        let out = std::mem::take(&mut self.out);
        for at in out {
            self.look_at(at);
        }
    }

    fn look_at_all(&mut self) {
        self.seen = changes(); // before they are looked at: what changes meanwhile is seen next time
        self.out.clear();
        for at in 0..self.all.len() {
            self.look_at(at);
        }
        for group in &mut self.groups {
            group.look(&self.shared);
        }
    }

    fn look_at(&mut self, at: usize) {
        let now = self.shared.now();
        let Some(watched) = self.all.get_mut(at) else { return };
        let standing = &watched.endpoint.standing;
        standing.readmit(now);
        let new: Vec<Event> = standing.history(|history| {
            let new = history.since(watched.told).cloned().collect();
            watched.told = history.count();
            new
        });
        let is = standing.at(now);
        watched.metrics.eligible.set(u64::from(is.is_eligible() && watched.endpoint.weight > 0));
        if is.outlier == Outlier::Out {
            self.out.push(at);
        }
        for Event { change, because, .. } in new {
            watched.metrics.changed(change);
            let says = format_args!(
                "upstream {}: {} {}: {because}",
                watched.upstream,
                watched.endpoint.address,
                change.says()
            );
            self.shared.program.say(level(change), "health", says);
        }
    }
}

impl Group {
    fn look(&mut self, shared: &Shared) {
        let is = self.upstream.panics(shared.now());
        self.metric.set(u64::from(is));
        if std::mem::replace(&mut self.panics, is) == is {
            return;
        }
        let (name, threshold) = (&self.upstream.name, self.upstream.document.panic_threshold);
        if is {
            let says =
                format_args!("upstream {name}: fewer than {threshold} % of its endpoints are healthy: all are used");
            shared.program.say(Level::Warning, "health", says);
        } else {
            let says = format_args!("upstream {name}: enough endpoints are healthy again: only those are used");
            shared.program.say(Level::Info, "health", says);
        }
    }
}

fn level(change: Change) -> Level {
    match change {
        Change::Down | Change::PassedOver | Change::Ejected => Level::Warning,
        Change::Up | Change::Unchecked | Change::OnTrial | Change::Readmitted => Level::Info,
    }
}
