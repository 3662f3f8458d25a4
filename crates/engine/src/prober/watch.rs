//! Changes of standing, whoever made them, as log and metrics tell them; and those that time alone makes.

use std::sync::Arc;

use tidegate_core::balance::history::{Change, Event};
use tidegate_core::balance::standing::{Outlier, changes};
use tidegate_core::snapshot::compiled::{Compiled, Endpoint};

use crate::log::Level;
use crate::metrics::counted::HealthMetrics;
use crate::threads::shared::Shared;

/// An endpoint of the snapshot, and how much of its history was told.
struct Watched {
    upstream: String,
    endpoint: Arc<Endpoint>,
    metrics: Arc<HealthMetrics>,
    told: u64,
}

/// All endpoints of the snapshot.
pub(super) struct Watch {
    shared: Arc<Shared>,
    all: Vec<Watched>,
    /// Those that are out, by place: their time may be over.
    out: Vec<usize>,
    seen: u64,
}

impl Watch {
    /// Nothing to look at yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, all: Vec::new(), out: Vec::new(), seen: 0 }
    }

    /// Looks at the endpoints of this snapshot from now on.
    pub(super) fn follow(&mut self, compiled: &Compiled) {
        let told: std::collections::HashMap<u32, u64> =
            self.all.iter().map(|watched| (watched.endpoint.id, watched.told)).collect();
        self.all.clear();
        for upstream in &compiled.upstreams {
            self.all.extend(upstream.endpoints.iter().map(|endpoint| Watched {
                upstream: upstream.name.clone(),
                endpoint: Arc::clone(endpoint),
                metrics: self.shared.registry.health(&upstream.name, &endpoint.address),
                told: told.get(&endpoint.id).copied().unwrap_or(0),
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

fn level(change: Change) -> Level {
    match change {
        Change::Down | Change::PassedOver => Level::Warning,
        Change::Up | Change::Unchecked | Change::Readmitted => Level::Info,
    }
}
