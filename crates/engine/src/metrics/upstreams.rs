//! What is counted of each upstream as a whole: what was tried again, what became of copies and of sessions, what was refused.
//! The counts are the core's own (`core/src/retry/budget.rs`, `mirror/counts.rs`, `balance/kept.rs`, `health/circuit.rs`),
//! which all threads share: none is on the road of a request whose upstream does not ask for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tidegate_core::balance::{Kept, Sessions};
use tidegate_core::health::{Circuit, Priority};
use tidegate_core::mirror::{Fate, Mirrored};
use tidegate_core::retry::{Budget, Why};
use tidegate_core::snapshot::compiled::Upstream;

use super::family::REMEMBERED;
use super::table::Metric;
use super::tally::{self, Tally, Visit};
use super::text;

/// The counts of all upstreams that are named, or were a while ago.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    named: BTreeMap<String, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    here: OfUpstream,
    /// As the snapshot has it that named it last.
    upstream: Option<Arc<Upstream>>,
    /// What workers before this one have counted.
    before: OfUpstream,
    /// When it was first missed.
    retired: Option<Instant>,
}

/// What the core counts for one upstream.
#[derive(Debug, Default)]
pub(super) struct OfUpstream {
    budget: Arc<Budget>,
    mirrored: Arc<Mirrored>,
    sessions: Arc<Sessions>,
    circuit: Arc<Circuit>,
}

impl Tally for OfUpstream {
    fn each(&self, visit: &mut Visit<'_>) {
        self.budget.each(&mut |name, count| visit(name, count));
        self.mirrored.each(&mut |name, count| visit(name, count));
        self.sessions.each(&mut |name, count| visit(name, count));
        self.circuit.each(&mut |name, count| visit(name, count));
    }
}

impl OfUpstream {
    fn of(upstream: &Upstream) -> Self {
        Self {
            budget: Arc::clone(&upstream.repeats),
            mirrored: Arc::clone(&upstream.mirrored),
            sessions: Arc::clone(&upstream.sessions),
            circuit: Arc::clone(&upstream.circuit),
        }
    }
}

impl Counts {
    fn sum(&self, what: impl Fn(&OfUpstream) -> u64) -> u64 {
        what(&self.here) + what(&self.before)
    }
}

impl Upstreams {
    /// Takes those of a new snapshot; what it does not name is remembered for a while.
    pub(super) fn take(&mut self, named: &HashMap<&str, &Arc<Upstream>>, now: Instant) {
        for (name, upstream) in named {
            let here = OfUpstream::of(upstream);
            let before = self.named.remove(*name).map(|known| known.before).unwrap_or_default();
            let upstream = Some(Arc::clone(upstream));
            self.named.insert((*name).to_owned(), Counts { here, upstream, before, retired: None });
        }
        self.named.retain(|name, Counts { retired, .. }| {
            named.contains_key(name.as_str()) || now.saturating_duration_since(*retired.get_or_insert(now)) < REMEMBERED
        });
    }

    /// Where what workers before this one have counted for the upstream `name` is added.
    pub(super) fn before(&mut self, name: &str) -> &OfUpstream {
        &self.named.entry(name.to_owned()).or_default().before
    }

    /// What was counted for each upstream, in the order of its tally.
    pub(super) fn totals(&self) -> impl Iterator<Item = (Vec<String>, Vec<u64>)> {
        self.named
            .iter()
            .map(|(name, Counts { here, before, .. })| (vec![name.clone()], tally::totals([here, before].into_iter())))
    }

    /// Retries by upstream and reason.
    pub(super) fn by_reason(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, counts) in &self.named {
            for why in Why::ALL {
                text::sample(out, metric, &[name, why.name()], counts.sum(|one| one.budget.retries(why)));
            }
        }
    }

    /// Second endpoints that were asked beside the first, or those of them that answered first.
    pub(super) fn hedges(&self, out: &mut Vec<u8>, metric: Metric, is_won: bool) {
        let of = |one: &OfUpstream| if is_won { one.budget.hedges().1 } else { one.budget.hedges().0 };
        for (name, counts) in &self.named {
            text::sample(out, metric, &[name], counts.sum(of));
        }
    }

    /// Copies by what became of them; what never did is left out.
    pub(super) fn mirrored(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, counts) in &self.named {
            let ended = Fate::ALL.map(|fate| (fate, counts.sum(|one| one.mirrored.ended(fate))));
            for (fate, count) in ended.into_iter().filter(|(_, count)| *count > 0) {
                text::sample(out, metric, &[name, fate.name()], count);
            }
        }
    }

    /// Requests by what became of their sessions; what never did is left out.
    pub(super) fn sessions(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, counts) in &self.named {
            let counted = Kept::ALL.map(|kept| (kept, counts.sum(|one| one.sessions.counted(kept))));
            for (kept, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
                text::sample(out, metric, &[name, kept.name()], count);
            }
        }
    }

    /// The bound that each upstream has found, or the requests under way in each that bounds them.
    pub(super) fn circuits(&self, out: &mut Vec<u8>, metric: Metric, what: fn(&Upstream) -> Option<u64>) {
        for (name, counts) in &self.named {
            if let Some(value) = counts.upstream.as_deref().and_then(what) {
                text::sample(out, metric, &[name], value);
            }
        }
    }

    /// Requests that were refused since too many were under way, by priority; what never was is left out.
    pub(super) fn shed(&self, out: &mut Vec<u8>, metric: Metric) {
        let priorities = || std::iter::once(None).chain(Priority::ALL.map(Some));
        for (name, counts) in &self.named {
            let refused = priorities().map(|each| (each, counts.sum(|one| one.circuit.refused(each))));
            for (priority, count) in refused.filter(|(_, count)| *count > 0) {
                text::sample(out, metric, &[name, priority.map_or("none", Priority::name)], count);
            }
        }
    }

    /// Retries that a budget refused.
    pub(super) fn refused(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, counts) in &self.named {
            text::sample(out, metric, &[name], counts.sum(|one| one.budget.refused()));
        }
    }
}
