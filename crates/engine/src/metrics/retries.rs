//! What was tried again of the requests to each upstream. The counts are the budget's own (`core/src/retry/budget.rs`),
//! which all threads share: a retry is seldom, and never on the road of a request that goes well.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tidegate_core::retry::{Budget, Why};

use super::registry::REMEMBERED;
use super::table::Metric;
use super::text;

/// The budgets of all upstreams that are named, or were a while ago.
#[derive(Debug, Default)]
pub(super) struct Retries {
    named: BTreeMap<String, (Arc<Budget>, Option<Instant>)>,
}

impl Retries {
    /// Takes those of a new snapshot; what it does not name is remembered for a while.
    pub(super) fn take(&mut self, named: &HashMap<&str, &Arc<Budget>>, now: Instant) {
        for (name, budget) in named {
            self.named.insert((*name).to_owned(), (Arc::clone(budget), None));
        }
        self.named.retain(|name, (_, retired)| {
            named.contains_key(name.as_str()) || now.saturating_duration_since(*retired.get_or_insert(now)) < REMEMBERED
        });
    }

    /// Retries by upstream and reason.
    pub(super) fn by_reason(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, (budget, _)) in &self.named {
            for why in Why::ALL {
                text::sample(out, metric, &[name, why.name()], budget.retries(why));
            }
        }
    }

    /// Second endpoints that were asked beside the first, or those of them that answered first.
    pub(super) fn hedges(&self, out: &mut Vec<u8>, metric: Metric, is_won: bool) {
        for (name, (budget, _)) in &self.named {
            let (begun, won) = budget.hedges();
            text::sample(out, metric, &[name], if is_won { won } else { begun });
        }
    }

    /// Retries that a budget refused.
    pub(super) fn refused(&self, out: &mut Vec<u8>, metric: Metric) {
        for (name, (budget, _)) in &self.named {
            text::sample(out, metric, &[name], budget.refused());
        }
    }
}
