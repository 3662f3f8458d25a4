//! The retry policy of a route: how often a request is tried, upon what, and how long is waited before.

use std::sync::Arc;
use std::time::Duration;

use super::{Hedge, Latencies, Why};
use crate::dice::Dice;
use crate::head::RequestHead;
use crate::snapshot::document;

/// A field that says that a repeat has no second effect (IETF draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &[u8] = b"idempotency-key";

/// What a route allows.
#[derive(Debug)]
pub struct Policy {
    /// Most tries, the first included.
    pub attempts: usize,
    /// No answer within so long is another try's chance; zero: it is not.
    pub per_try: Duration,
    /// Most bytes of a request's body that are kept to be sent again.
    pub body: usize,
    /// When a second endpoint is asked beside the first; `None`: never.
    pub hedge: Option<Hedge>,
    reset: bool,
    refused: bool,
    statuses: Vec<(u16, u16)>,
    base: Duration,
    most: Duration,
}

impl Policy {
    /// The policy as it is written; `known` is what the route of this name knew of its answers.
    pub fn build(written: &document::Retry, known: Option<&Arc<Latencies>>) -> Self {
        Self {
            attempts: usize::from(written.attempts),
            per_try: Duration::from_millis(written.per_try_ms),
            body: usize::try_from(written.body).unwrap_or(usize::MAX),
            hedge: written.hedge.as_ref().map(|hedge| Hedge::build(hedge, known)),
            reset: written.reset,
            refused: written.refused,
            statuses: written.statuses.clone(),
            base: Duration::from_millis(written.base_ms),
            most: Duration::from_millis(written.most_ms),
        }
    }

    /// What is known of the route's answers, where a percentile of them decides.
    pub fn latencies(&self) -> Option<&Arc<Latencies>> {
        self.hedge.as_ref()?.latencies()
    }

    /// Whether an answer with this status is dropped for another try.
    pub fn takes_status(&self, status: u16) -> bool {
        self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// Whether `why` is a reason to try again.
    pub fn is_on(&self, why: Why) -> bool {
        match why {
            Why::Connect | Why::Kept => true,
            Why::Reset => self.reset,
            Why::Refused => self.refused || self.reset,
            Why::Timeout => !self.per_try.is_zero(),
            Why::Status => !self.statuses.is_empty(),
        }
    }

    /// Whether a request may be sent twice, so that its body is worth keeping.
    pub fn sends_twice(&self) -> bool {
        let is_on = |why| self.is_on(why);
        self.attempts > 1 && (self.hedge.is_some() || [Why::Refused, Why::Timeout, Why::Status].into_iter().any(is_on))
    }

    /// How long is waited before try `number`, from 2 on: by chance, up to `base` times 1, 3, 7 and so on, and never
    /// over `most`. Full jitter spreads repeats best (M. Brooker, "Exponential Backoff And Jitter", 2015); the factors
    /// are Envoy's.
    pub fn pause(&self, number: usize, dice: &mut Dice) -> Duration {
        let doublings = u32::try_from(number.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let bound = self.base.saturating_mul((1u32 << doublings) - 1).min(self.most);
        let bound = usize::try_from(bound.as_nanos()).unwrap_or(usize::MAX);
        Duration::from_nanos(dice.below(bound) as u64)
    }

    /// What `on` says, in its words.
    pub fn on(&self) -> Vec<String> {
        let is_on = |why: &Why| self.is_on(*why) && (*why != Why::Refused || self.refused);
        let words = [Why::Connect, Why::Reset, Why::Refused, Why::Timeout].into_iter().filter(is_on);
        let statuses = self.statuses.iter().map(|(from, to)| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        });
        words.map(|why| why.name().to_owned()).chain(statuses).collect()
    }
}

/// Whether a second request like this one has no second effect: by its method (RFC 9110, section 9.2.2), or since the
/// client says so with `Idempotency-Key`.
pub fn may_repeat(head: &RequestHead, bytes: &[u8]) -> bool {
    let is_key = |name: &[u8]| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY);
    head.method.is_idempotent()
        || head.fields.iter().any(|field| is_key(field.name.of(bytes)) && !field.value.of(bytes).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            attempts: 4,
            per_try: Duration::ZERO,
            body: 0,
            hedge: None,
            reset: true,
            refused: false,
            statuses: vec![(502, 504), (429, 429)],
            base: Duration::from_millis(25),
            most: Duration::from_millis(250),
        }
    }

    #[test]
    fn pauses_grow_and_are_spread_below_their_bounds() {
        let (policy, mut dice) = (policy(), Dice::seeded(7));
        for (number, bound) in [(2, 25), (3, 75), (4, 175), (5, 250), (100, 250)] {
            let pauses: Vec<Duration> = (0..1000).map(|_| policy.pause(number, &mut dice)).collect();
            let bound = Duration::from_millis(bound);
            let mean = pauses.iter().sum::<Duration>() / 1000;
            assert!(pauses.iter().all(|pause| *pause < bound), "try {number}");
            assert!(mean > bound * 45 / 100 && mean < bound * 55 / 100, "try {number}: {mean:?}");
        }
    }

    #[test]
    fn what_it_is_on_is_told_in_the_words_of_the_configuration() {
        let policy = policy();
        assert_eq!(policy.on(), ["connect", "reset", "502-504", "429"]);
        assert!(policy.takes_status(503) && policy.takes_status(429) && !policy.takes_status(500));
        assert!(policy.sends_twice() && !Policy { attempts: 1, ..policy }.sends_twice());
    }
}
