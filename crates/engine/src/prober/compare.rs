//! Endpoints are compared with the others of their upstream, an interval at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::balance::standing::Outlier;
use tidegate_core::health::{Sample, far_from_others};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Compiled, Upstream};

use crate::threads::shared::Shared;

/// The upstreams whose outliers are ejected.
pub(super) struct Comparing {
    shared: Arc<Shared>,
    all: Vec<Compared>,
}

struct Compared {
    upstream: Arc<Upstream>,
    due: Moment,
    /// What each endpoint had done when the interval began, by id.
    before: HashMap<u32, Sample>,
}

impl Comparing {
    /// None yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, all: Vec::new() }
    }

    /// Compares the endpoints of this snapshot from now on. An interval that runs goes on.
    pub(super) fn follow(&mut self, compiled: &Compiled) {
        let old = std::mem::take(&mut self.all);
        let mut old: HashMap<String, Compared> = old.into_iter().map(|one| (one.upstream.name.clone(), one)).collect();
        for upstream in compiled.upstreams.iter().filter(|upstream| upstream.document.outlier.is_some()) {
            let known = old.remove(&upstream.name);
            let (due, before) = known.map_or_else(
                || (self.shared.now().after(interval(upstream)), done_by(upstream, &self.shared)),
                |known| (known.due, known.before),
            );
            self.all.push(Compared { upstream: Arc::clone(upstream), due, before });
        }
    }

    /// Compares those whose interval is over.
    pub(super) fn look(&mut self) {
        let now = self.shared.now();
        for one in self.all.iter_mut().filter(|one| one.due <= now) {
            one.due = now.after(interval(&one.upstream));
            one.compare(&self.shared, now);
        }
    }
}

impl Compared {
    fn compare(&mut self, shared: &Shared, now: Moment) {
        let Some(policy) = &self.upstream.document.outlier else { return };
        let mut samples = Vec::with_capacity(self.upstream.endpoints.len());
        let after = done_by(&self.upstream, shared);
        for endpoint in &self.upstream.endpoints {
            let of = |done: &HashMap<u32, Sample>| done.get(&endpoint.id).copied().unwrap_or_default();
            let (is, was) = (of(&after), of(&self.before));
            let is_in = endpoint.standing.at(now).outlier == Outlier::In;
            if is_in {
                endpoint.strikes.decay();
            }
            // What was asked of it on trial is too little to compare.
            samples.push(if is_in { less(is, was) } else { Sample::default() });
        }
        self.before = after;
        for (at, because) in far_from_others(policy, &samples) {
            if let Some(endpoint) = self.upstream.endpoints.get(at) {
                self.upstream.ejector.eject(policy, &self.upstream.endpoints, &**endpoint, &because, now);
            }
        }
    }
}

/// What each endpoint has done so far, by id.
fn done_by(upstream: &Upstream, shared: &Shared) -> HashMap<u32, Sample> {
    let sample = |address: &str| shared.registry.sample(&upstream.name, address);
    upstream.endpoints.iter().map(|endpoint| (endpoint.id, sample(&endpoint.address))).collect()
}

fn interval(upstream: &Upstream) -> Duration {
    Duration::from_millis(upstream.document.outlier.as_ref().map_or(0, |outlier| outlier.interval_ms))
}

fn less(is: Sample, was: Sample) -> Sample {
    Sample {
        requests: is.requests.saturating_sub(was.requests),
        good: is.good.saturating_sub(was.good),
        answers: is.answers.saturating_sub(was.answers),
        waited: is.waited.saturating_sub(was.waited),
    }
}
