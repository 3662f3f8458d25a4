//! Endpoints that fail requests: strikes in a row, ejections that grow, and a return by a trickle.
//!
//! The figures and their defaults are Envoy's ("Outlier detection"): consecutive errors, growing times, a share that may
//! be out at once. What is not Envoy's is the return: an endpoint whose time is over gets one request at a time until
//! some went well, so that one that is still broken costs one request and not a burst.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::suspects::Suspects;
use crate::balance::EndpointStanding;
use crate::balance::standing::Outlier as Axis;
use crate::moment::Moment;
use crate::snapshot::document;

/// How many requests in a row must go well on trial.
const TRIALS: u32 = 3;

/// What became of a request to an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome<'a> {
    /// A whole answer with this status.
    Answered(u16),
    /// Bytes, carried on as they are.
    Spoke,
    /// None, or not all of it, and why.
    Broken(&'a str),
}

/// An endpoint's strikes, shared by threads and snapshots.
#[derive(Debug, Default)]
pub struct Strikes {
    /// Whether there is anything that a good answer would end. Read for every answer; the rest only when it is set.
    alert: AtomicBool,
    server_errors: AtomicU32,
    gateway_errors: AtomicU32,
    broken: AtomicU32,
    /// Requests that went well on trial.
    trials: AtomicU32,
    /// How many ejections its next one follows.
    ejections: AtomicU32,
}

/// An endpoint, as far as its outliers go.
pub trait Member {
    /// Its id, for life.
    fn id(&self) -> u32;
    /// Whether it may be chosen.
    fn standing(&self) -> &EndpointStanding;
    /// What it has done.
    fn strikes(&self) -> &Strikes;
}

/// The endpoints of an upstream that are ejected, decided by one at a time, and requests that may be to blame instead.
#[derive(Debug, Default)]
pub struct Ejector {
    suspects: Suspects,
    deciding: Mutex<()>,
}

impl Ejector {
    /// Takes what became of a request to `member`, one of `all`. `print` tells one request from another and is asked for
    /// only where something is amiss.
    pub fn observe<M: Member>(
        &self,
        policy: &document::Outlier,
        all: &[impl AsRef<M>],
        member: &M,
        outcome: Outcome<'_>,
        print: impl FnOnce() -> u64,
        now: Moment,
    ) {
        let strikes = member.strikes();
        let (standing, is_bad) = (member.standing(), outcome.is_bad());
        if !is_bad {
            if self.suspects.any() {
                self.suspects.clear(print());
            }
            if strikes.alert.load(Ordering::Relaxed) {
                strikes.went_well(standing, now);
            }
            return;
        }
        if standing.at(now).outlier == Axis::Out || !self.suspects.blames_endpoint(print(), member.id(), now) {
            return;
        }
        if let Some(because) = strikes.strike(policy, outcome, standing.at(now).outlier == Axis::Trial) {
            self.eject(policy, all, member, &because, now);
        }
    }

    /// Ejects `member`, unless as many are out as may be. True if it is out now.
    pub fn eject<M: Member>(
        &self,
        policy: &document::Outlier,
        all: &[impl AsRef<M>],
        member: &M,
        because: &dyn fmt::Display,
        now: Moment,
    ) -> bool {
        let _one_at_a_time = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let others = all.iter().map(AsRef::as_ref).filter(|each| each.id() != member.id());
        let out = others.filter(|each| each.standing().is_ejected()).count();
        let room = all.len() as u64 * u64::from(policy.most_ejected) / 100;
        // One always may, as Envoy has it: else a share of 10 % would mean nothing to three endpoints.
        if out > 0 && out as u64 >= room {
            return false;
        }
        let strikes = member.strikes();
        let times = strikes.ejections.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let (base, most) = (policy.ejection_time_ms, policy.most_ejection_time_ms.max(policy.ejection_time_ms));
        let lasts = Duration::from_millis(base.saturating_mul(u64::from(times)).min(most));
        strikes.forget();
        strikes.alert.store(true, Ordering::Relaxed);
        member.standing().eject(now, now.after(lasts), &format_args!("{because}; for {} s", lasts.as_secs_f64()))
    }
}

impl Strikes {
    /// Takes a bad outcome; says why the endpoint is to go, if it is.
    fn strike(&self, policy: &document::Outlier, outcome: Outcome<'_>, is_on_trial: bool) -> Option<String> {
        self.alert.store(true, Ordering::Relaxed);
        let (is_gateway, is_broken) = match outcome {
            Outcome::Answered(status) => (matches!(status, 502..=504), false),
            Outcome::Spoke => (false, false),
            Outcome::Broken(_) => (true, true),
        };
        let counted = [
            (&self.server_errors, policy.server_errors, true, "went wrong"),
            (&self.gateway_errors, policy.gateway_errors, is_gateway, "met a gateway error"),
            (&self.broken, policy.broken, is_broken, "got no whole answer"),
        ];
        let mut because = None;
        for (count, most, is_one, says) in counted {
            if !is_one {
                count.store(0, Ordering::Relaxed);
            } else if count.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= most && most > 0 {
                because = Some(format!("{most} requests in a row {says}: {outcome}"));
            }
        }
        if is_on_trial { Some(format!("a request on trial went wrong: {outcome}")) } else { because }
    }

    fn went_well(&self, standing: &EndpointStanding, now: Moment) {
        match standing.at(now).outlier {
            // What was sent before it was ejected proves nothing.
            Axis::Out => return,
            Axis::Trial => {
                let trials = self.trials.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if trials < TRIALS {
                    standing.next_trial();
                    return;
                }
                standing.admit(now, &format_args!("{trials} requests on trial went well"));
            }
            Axis::In => {}
        }
        self.forget();
        self.alert.store(false, Ordering::Relaxed);
    }

    fn forget(&self) {
        for count in [&self.server_errors, &self.gateway_errors, &self.broken, &self.trials] {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// How many ejections its next one follows.
    pub(crate) fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Acquire)
    }

    /// Goes on from what an earlier worker knew: how many ejections the next one follows, and whether it is out or on trial.
    pub(crate) fn inherit(&self, ejections: u32, is_ejected: bool) {
        self.ejections.store(ejections, Ordering::Release);
        self.alert.store(is_ejected, Ordering::Relaxed);
    }

    /// An interval without an ejection has passed: the next one is shorter again.
    pub fn decay(&self) {
        let less = |times: u32| times.checked_sub(1);
        // Where it was 0 nothing changes.
        let _ = self.ejections.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

impl Outcome<'_> {
    fn is_bad(self) -> bool {
        match self {
            Self::Answered(status) => status >= 500,
            Self::Spoke => false,
            Self::Broken(_) => true,
        }
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "it answered {status}"),
            Self::Spoke => f.write_str("it spoke"),
            Self::Broken(says) => f.write_str(says),
        }
    }
}

#[cfg(test)]
#[path = "outlier_tests.rs"]
pub(in crate::health) mod tests;
