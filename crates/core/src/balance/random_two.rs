//! The less loaded of two random endpoints. In Rust because it runs for every request.

use super::alias::Alias;
use super::untried::{at_most_one, untried};
use super::view::Member;
use super::{Balancer, Decision, EndpointId, Reason, Turn, View};

/// How often a draw that gave the first again, or one that was tried, is repeated. With two equal endpoints a repetition is
/// needed half of the time, so 16 fail once in 65,536 times; then the neighbour is taken.
const MOST_DRAWN: usize = 16;

/// Draws two distinct endpoints by weight and takes the one with fewer outstanding requests, this one included, for its
/// weight. With n exchanges on n endpoints two looks bring the fullest from about log n / log log n to log log n: M.
/// Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001. Envoy's default is two
/// as well, but may draw the same one twice; nginx and HAProxy draw by weight, as this does. Threads share nothing but the
/// counts, so this is the one for very many threads.
#[derive(Debug, Default)]
pub struct RandomTwo {
    alias: Alias,
    edition: u64,
}

impl RandomTwo {
    /// Two places among the eligible, by weight, neither of one that was tried.
    fn draw(&self, all: &[Member], turn: &mut Turn<'_>) -> (Option<Member>, Option<Member>) {
        let mut first: Option<Member> = None;
        let mut last = 0;
        for _ in 0..MOST_DRAWN {
            last = self.alias.draw(turn.dice);
            let drawn = all.get(last).copied().filter(|member| !turn.has_tried(member.endpoint));
            match (first, drawn) {
                (Some(first), Some(second)) if first != second => return (Some(first), Some(second)),
                (None, Some(drawn)) => first = Some(drawn),
                (Some(_) | None, _) => {}
            }
        }
        let next = all.get((last + 1) % all.len().max(1)).copied();
        (first, next.filter(|member| Some(*member) != first && !turn.has_tried(member.endpoint)))
    }
}

impl Balancer for RandomTwo {
    fn choose(&mut self, view: &View, turn: &mut Turn<'_>) -> Decision {
        if self.edition != view.edition() {
            self.alias = Alias::new(view.eligible().iter().map(|member| member.weight));
            self.edition = view.edition();
        }
        let (chosen, because) = at_most_one(view, turn).unwrap_or_else(|| match self.draw(view.eligible(), turn) {
            (Some(first), Some(second)) => (Some(lighter(view, first, second)), Reason::LighterOfTwo),
            (Some(first), None) => (Some(first.endpoint), Reason::NextUntried),
            (None, _) => untried(view, turn),
        });
        turn.decide(view, chosen, because)
    }
}

/// The one with fewer outstanding requests for its weight, once it has one more; of equals the one drawn first.
pub(super) fn lighter(view: &View, first: Member, second: Member) -> EndpointId {
    let after = |member: Member| {
        u64::from(view.seat(member.endpoint).map_or(0, |seat| seat.load.outstanding())).saturating_add(1)
    };
    let is_second = after(second) * u64::from(first.weight) < after(first) * u64::from(second.weight);
    if is_second { second.endpoint } else { first.endpoint }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{play, view};
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn the_fuller_of_two_is_never_taken() {
        let (view, mut dice) = (view(&[1, 1]), Dice::seeded(3));
        view.seat(EndpointId(0)).unwrap().load.begin();
        let mut balancer = RandomTwo::default();
        for _ in 0..1000 {
            let decision = play(&mut balancer, &view, &mut dice, &[]);
            assert_eq!(decision.chosen, Some(EndpointId(1)));
            view.seat(EndpointId(1)).unwrap().load.end();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn load_that_stays_follows_the_weights(weights in prop::collection::vec(1u32..20, 2..10), seed: u64) {
            let (view, mut dice, mut balancer) = (view(&weights), Dice::seeded(seed), RandomTwo::default());
            let total: u32 = weights.iter().sum();
            for _ in 0..total * 50 {
                play(&mut balancer, &view, &mut dice, &[]);
            }
            for (at, weight) in (0..).zip(&weights) {
                let taken = view.seat(EndpointId(at)).unwrap().load.outstanding();
                let meant = f64::from(weight * 50);
                prop_assert!((f64::from(taken) - meant).abs() < 0.15 * meant + 8.0, "{taken} of {meant}");
            }
        }
    }
}
