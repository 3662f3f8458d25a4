//! What a worker tells the one that succeeds it of its endpoints and routes, and how that one takes it over.
//!
//! Times are told as they lie from now, since each worker has a clock of its own. What was told is a stranger's word: it is
//! bounded, and where it makes no sense nothing is taken over.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Compiled, Endpoint};
use crate::balance::history::{Change, Event, MOST_KEPT};
use crate::balance::standing::Checked;
use crate::moment::Moment;

/// Longer times are told, and believed, as this.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// What is told of an endpoint. What a worker of another version leaves out is as it is for a new endpoint.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default)]
pub struct ToldEndpoint {
    /// Whether its checks pass; none: nobody knows.
    passes: Option<bool>,
    /// For how long it is still out.
    out_ns: u64,
    /// It was ejected, and not admitted since.
    ejected: bool,
    /// How many ejections its next one follows.
    ejections: u32,
    /// Its average latency in nanoseconds, and how long ago that was reckoned; none before its first answer.
    latency: Option<(f64, u64)>,
    /// For how long its share has been rising.
    ramps_ns: Option<u64>,
    /// The last changes of its standing, oldest first.
    history: Vec<ToldChange>,
}

/// What is told of a change of its standing.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct ToldChange {
    ago_ns: u64,
    to: String,
    because: String,
}

/// What was told of one route: how soon it is answered, as (bucket, answers).
pub type ToldLatencies = Vec<(u16, u32)>;

/// All that was told, by identity.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Inheritance {
    /// Endpoints, by upstream and address.
    pub endpoints: HashMap<(String, String), ToldEndpoint>,
    /// Routes that hedge after a percentile, by name.
    pub routes: HashMap<String, ToldLatencies>,
    /// The bound on requests under way that an upstream has found, by its name.
    pub limits: HashMap<String, u64>,
}

impl Compiled {
    /// Says what is known of it, for a worker that succeeds this one.
    pub fn tell(&self, now: Moment) -> Inheritance {
        let mut told = Inheritance::default();
        for upstream in &self.upstreams {
            for endpoint in &upstream.endpoints {
                told.endpoints.insert((upstream.name.clone(), endpoint.address.clone()), endpoint.tell(now));
            }
            told.limits.extend(upstream.limit().map(|limit| (upstream.name.clone(), limit)));
        }
        for route in &*self.routes {
            let latencies = route.retry.as_ref().and_then(|retry| retry.latencies());
            told.routes.extend(latencies.map(|latencies| (route.name.clone(), latencies.tell())));
        }
        told
    }

    /// Takes over what an earlier worker has told at `now`, before anything is served. What it did not know is as it was.
    pub fn inherit(&self, told: &Inheritance, now: Moment) {
        for upstream in &self.upstreams {
            for endpoint in &upstream.endpoints {
                if let Some(told) = told.endpoints.get(&(upstream.name.clone(), endpoint.address.clone())) {
                    endpoint.inherit(told, now);
                }
            }
            if let Some(limit) = told.limits.get(&upstream.name) {
                upstream.circuit.limiter.inherit(*limit);
            }
        }
        for route in &*self.routes {
            let latencies = route.retry.as_ref().and_then(|retry| retry.latencies());
            if let (Some(latencies), Some(told)) = (latencies, told.routes.get(&route.name)) {
                latencies.inherit(told, now);
            }
        }
    }
}

impl Endpoint {
    fn tell(&self, now: Moment) -> ToldEndpoint {
        let passes = match self.standing.at(now).checked {
            Checked::Unknown => None,
            Checked::Up => Some(true),
            Checked::Down => Some(false),
        };
        let change = |event: &Event| ToldChange {
            ago_ns: ago(event.at, now),
            to: event.change.name().to_owned(),
            because: event.because.clone(),
        };
        ToldEndpoint {
            passes,
            out_ns: ago(now, self.standing.passed_over_until()),
            ejected: self.standing.is_ejected(),
            ejections: self.strikes.ejections(),
            latency: self.load.average().map(|(nanos, reckoned)| (nanos, ago(reckoned, now))),
            ramps_ns: self.load.ramps_since().map(|since| ago(since, now)),
            history: self.standing.history(|history| history.events().map(change).collect()),
        }
    }

    fn inherit(&self, told: &ToldEndpoint, now: Moment) {
        let checked = match told.passes {
            None => Checked::Unknown,
            Some(true) => Checked::Up,
            Some(false) => Checked::Down,
        };
        let first = told.history.len().saturating_sub(MOST_KEPT);
        let events = told.history.iter().skip(first).filter_map(|change| {
            let to = Change::ALL.iter().find(|to| to.name() == change.to)?;
            Some(Event { at: before(now, change.ago_ns), change: *to, because: change.because.clone() })
        });
        self.standing.inherit(checked, now.after(bounded(told.out_ns)), told.ejected, events);
        self.strikes.inherit(told.ejections, told.ejected);
        if let Some((nanos, ago_ns)) = told.latency.filter(|(nanos, _)| nanos.is_finite() && *nanos > 0.0) {
            self.load.inherit(nanos, before(now, ago_ns));
        }
        if let Some(ramps_ns) = told.ramps_ns {
            self.load.ramp_since(before(now, ramps_ns));
        }
    }
}

/// How long before `now` a moment was; zero for one that is yet to come.
fn ago(moment: Moment, now: Moment) -> u64 {
    u64::try_from(now.since(moment).min(LONGEST).as_nanos()).unwrap_or(u64::MAX)
}

fn bounded(nanos: u64) -> Duration {
    Duration::from_nanos(nanos).min(LONGEST)
}

/// The moment so long before `now`.
fn before(now: Moment, nanos: u64) -> Moment {
    let nanos = u64::try_from(bounded(nanos).as_nanos()).unwrap_or(u64::MAX);
    Moment::from_nanos(now.as_nanos().saturating_sub(nanos))
}

#[cfg(test)]
#[path = "inherit_tests.rs"]
mod tests;
