//! What was tried again of the requests to each upstream, and what became of copies. The counts are the core's own
//! (`core/src/retry/budget.rs`, `core/src/mirror/counts.rs`), which all threads share: neither is on the road of a request
//! that goes well.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tidegate_core::mirror::{Fate, Mirrored};
use tidegate_core::retry::{Budget, Why};
use tidegate_core::snapshot::compiled::Upstream;

use super::family::REMEMBERED;
use super::table::Metric;
use super::text;

/// The counts of all upstreams that are named, or were a while ago.
#[derive(Debug, Default)]
pub(super) struct Retries {
    named: BTreeMap<String, Counts>,
}

#[derive(Debug)]
struct Counts {
    budget: Arc<Budget>,
    mirrored: Arc<Mirrored>,
    /// When it was first missed.
    retired: Option<Instant>,
}

impl Retries {
    /// Takes those of a new snapshot; what it does not name is remembered for a while.
    pub(super) fn take(&mut self, named: &HashMap<&str, &Arc<Upstream>>, now: Instant) {
        for (name, upstream) in named {
            let (budget, mirrored) = (Arc::clone(&upstream.repeats), Arc::clone(&upstream.mirrored));
            self.named.insert((*name).to_owned(), Counts { budget, mirrored, retired: None });
        }
        self.named.retain(|name, Counts { retired, .. }| {
            named.contains_key(name.as_str()) || now.saturating_duration_since(*retired.get_or_insert(now)) < REMEMBERED
        });
    }

    /// Retries by upstream and reason.
    pub(super) fn by_reason(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, Counts { budget, .. }) in &self.named {
            for why in Why::ALL {
                text::sample(out, metric, &[name, why.name()], budget.retries(why));
            }
        }
    }

    /// Second endpoints that were asked beside the first, or those of them that answered first.
    pub(super) fn hedges(&self, out: &mut Vec<u8>, metric: Metric, is_won: bool) {
        for (name, Counts { budget, .. }) in &self.named {
            let (begun, won) = budget.hedges();
            text::sample(out, metric, &[name], if is_won { won } else { begun });
        }
    }

    /// Copies by what became of them; what never did is left out.
    pub(super) fn mirrored(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, Counts { mirrored, .. }) in &self.named {
            for fate in Fate::ALL.into_iter().filter(|fate| mirrored.ended(*fate) > 0) {
                text::sample(out, metric, &[name, fate.name()], mirrored.ended(fate));
            }
        }
    }

    /// Retries that a budget refused.
    pub(super) fn refused(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, Counts { budget, .. }) in &self.named {
            text::sample(out, metric, &[name], budget.refused());
        }
    }
}
