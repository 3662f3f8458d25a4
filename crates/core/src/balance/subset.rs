//! Some of an upstream's endpoints, told by their labels: a route may ask for these alone.
//!
//! A subset is chosen from as the upstream is, by a view and a balancer of its own; what endpoints are loaded with is
//! shared. In Rust because it runs for every request.

use std::fmt::Write as _;

use super::Method;
use super::hash::hash;

/// Where a request is led: to an upstream, and to which of its endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lead {
    /// The upstream, as an index into the snapshot.
    pub upstream: u32,
    /// 0 for all its endpoints, else a number of its subsets, from 1.
    pub part: u32,
}

impl Lead {
    /// The upstream, to look it up.
    pub fn index(self) -> usize {
        self.upstream as usize
    }
}

/// Some of an upstream's endpoints.
#[derive(Debug)]
pub struct Subset {
    /// Its labels, for people: `version=v2, tier=gold`.
    pub says: String,
    /// Whether each endpoint of the upstream is one of them.
    pub members: Box<[bool]>,
    /// Who takes what none of them can: 0 for all endpoints, else another subset, from 1; `None`: nobody.
    pub fallback: Option<u32>,
    /// How one of them is chosen.
    pub method: Method,
    /// How many endpoints a request may be led to, with those of the fallback.
    pub reach: usize,
}

impl Subset {
    /// A number by which threads know it, whatever its place in the snapshot; never 0.
    pub fn number(&self) -> u64 {
        hash(1 + u64::from(self.fallback.is_some()), self.says.as_bytes()).max(1)
    }

    /// Whether the endpoint at this place is one of them.
    pub fn has(&self, at: usize) -> bool {
        self.members.get(at).copied().unwrap_or(false)
    }
}

/// Writes labels for people.
pub fn tell_labels(labels: &[(String, String)]) -> String {
    let mut says = String::new();
    for (name, value) in labels {
        let _ = write!(says, "{}{name}={value}", if says.is_empty() { "" } else { ", " });
    }
    says
}
