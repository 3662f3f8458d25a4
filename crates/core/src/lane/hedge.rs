//! A second try beside the first: one is in front, and is what the rest of the lane sees; the other waits behind it, in a
//! box that exists only while there are two.
//!
//! Whoever has something to say comes to the front. The first that answers wins and the other is called off; one that
//! fails meanwhile leaves the other alone. The engine keeps its two connections in the same order, by [`Act::Swap`].

use std::mem::{self, swap};
use std::time::Duration;

use super::body::Out;
use super::buffer::{Buffer, Shelf};
use super::deadline::{Due, sooner};
use super::exchange::{Answering, Exchange, Link};
use super::serving::{Chosen, Serving};
use super::step::address;
use super::{Act, Interest, Lane, Turn};
use crate::balance::Held;
use crate::failure::{Failure, Kind, Retryable};
use crate::filter::forwarded::Peer;
use crate::framing::{HeadReader, ResponseFacts};
use crate::head::ResponseHead;
use crate::moment::Moment;
use crate::retry::Outcome;

/// The try that is not in front.
#[derive(Default)]
pub(super) struct Behind {
    /// The engine does not know yet that the other one is in front now.
    swapped: bool,
    /// It came to nothing: what is left of it goes.
    is_over: bool,
    /// The second one is in front.
    second_leads: bool,
    began: Option<Moment>,
    chosen: Option<Chosen>,
    held: Option<Held>,
    reused: bool,
    up: Out,
    head_len: usize,
    link: Link,
    fresh_only: bool,
    lease_until: Moment,
    queued: bool,
    sent_at: Option<Moment>,
    per_try: Duration,
    upstream_ended: bool,
    upstream_broke: bool,
    upstream_refuses: bool,
    source: Buffer,
    answer_reader: HeadReader,
    answer: ResponseHead,
    answer_facts: ResponseFacts,
}

impl Behind {
    /// When something of it is due.
    fn due(&self) -> Moment {
        match (self.link, self.sent_at) {
            (Link::Leasing, _) => self.lease_until,
            (_, Some(at)) => at.after_unless_zero(self.per_try),
            (_, None) => Moment::NEVER,
        }
    }
}

impl Exchange {
    /// How long the first try is waited for before a second one begins beside it; zero: for ever.
    pub(super) fn hedge_delay(&self) -> Duration {
        // A tunnel is an effect, whatever its method.
        let may = self.head.method.is_safe() && !self.facts.upgrade_websocket;
        let hedge = self.policy().and_then(|policy| policy.hedge.as_ref()).filter(|_| may);
        hedge.and_then(|hedge| hedge.delay()).unwrap_or(Duration::ZERO)
    }

    /// The answer's head has come: how soon, is known of the route from now on. Where it came from a second try, the first
    /// would have come later, which is enough to know for a percentile that lies before.
    pub(super) fn learn_latency(&self, now: Moment) {
        let past = self.attempted.as_ref().map_or(0, |attempted| attempted.past());
        let hedge = self.policy().and_then(|policy| policy.hedge.as_ref()).filter(|_| past == 0 && self.status < 500);
        let second = self.behind.as_ref().and_then(|behind| behind.sent_at);
        let asked = self.sent_at.into_iter().chain(second).min();
        if let (Some(hedge), Some(asked)) = (hedge, asked) {
            hedge.observe(now.since(asked), now);
        }
    }

    /// Changes places: what is said of the exchange's endpoint, and all that came from it, is of the other try.
    fn swap_tries(&mut self) {
        let Some(behind) = self.behind.as_deref_mut() else { return };
        behind.second_leads = !behind.second_leads;
        if let Some(attempted) = &mut self.attempted {
            swap(&mut attempted.began, &mut behind.began);
        }
        swap(&mut self.chosen, &mut behind.chosen);
        swap(&mut self.held, &mut behind.held);
        swap(&mut self.reused, &mut behind.reused);
        swap(&mut self.up, &mut behind.up);
        swap(&mut self.head_len, &mut behind.head_len);
        swap(&mut self.link, &mut behind.link);
        swap(&mut self.fresh_only, &mut behind.fresh_only);
        swap(&mut self.lease_until, &mut behind.lease_until);
        swap(&mut self.queued, &mut behind.queued);
        swap(&mut self.sent_at, &mut behind.sent_at);
        swap(&mut self.per_try, &mut behind.per_try);
        swap(&mut self.upstream_ended, &mut behind.upstream_ended);
        swap(&mut self.upstream_broke, &mut behind.upstream_broke);
        swap(&mut self.upstream_refuses, &mut behind.upstream_refuses);
        swap(&mut self.source, &mut behind.source);
        swap(&mut self.answer_reader, &mut behind.answer_reader);
        swap(&mut self.answer, &mut behind.answer);
        swap(&mut self.answer_facts, &mut behind.answer_facts);
    }

    /// The other try comes to the front, and the engine is told.
    pub(super) fn bring_forward(&mut self) {
        self.swap_tries();
        if let Some(behind) = &mut self.behind {
            behind.swapped = !behind.swapped;
        }
    }

    /// Whether another try is under way beside the one in front.
    pub(super) fn has_two(&self) -> bool {
        self.behind.as_ref().is_some_and(|behind| !behind.is_over) && self.answering == Answering::Waiting
    }

    /// The try in front came to nothing: says whether there is another one, which then is the only one.
    pub(super) fn falls_back(&mut self, outcome: Outcome, now: Moment) -> bool {
        let has_two = self.has_two();
        if has_two {
            self.observe_try(outcome, now);
            self.fall_back(outcome, now);
        }
        has_two
    }

    /// The same, of which its endpoint's standing knows already.
    pub(super) fn fall_back(&mut self, outcome: Outcome, now: Moment) {
        self.tell_beside(outcome, now);
        if let Some(chosen) = self.chosen {
            self.tried.replace_last(chosen.endpoint);
        }
        self.bring_forward();
        if let Some(behind) = &mut self.behind {
            behind.is_over = true;
        }
    }

    /// Writes down what became of the try in front, besides which the other one goes on.
    fn tell_beside(&mut self, outcome: Outcome, now: Moment) {
        let (address, asked_at) = (address(self), self.asked_at);
        let attempted = self.attempted.get_or_insert_default();
        attempted.push_beside(&address, outcome, attempted.began.unwrap_or(asked_at), now);
    }

    /// The try in front has answered, or nobody waits for an answer any more: the one behind is told as called off.
    fn call_off(&mut self, now: Moment) {
        let Some(behind) = &self.behind else { return };
        if behind.is_over {
            return;
        }
        let second_won = behind.second_leads && self.failure.is_none();
        let outcome = self.failure.as_ref().map_or(Outcome::Cancelled, |failure| Outcome::Failed(failure.kind));
        if second_won && let Some(upstream) = self.upstream() {
            upstream.repeats.count_won();
        }
        let is_to_blame = self.failure.as_ref().is_some_and(Failure::is_of_endpoint);
        self.swap_tries();
        if second_won || is_to_blame {
            self.observe_try(outcome, now);
        }
        self.tell_beside(outcome, now);
        self.swap_tries();
        // One of the two is left, which is no more than without a second one.
        if let Some(attempted) = &mut self.attempted {
            attempted.repeating = None;
        }
    }

    /// Forgets the try behind; says whether there was one.
    pub(super) fn clear_behind(&mut self, shelf: &mut Shelf) -> bool {
        let behind = self.behind.take();
        behind.map(|mut behind| shelf.give_back(&mut behind.source)).is_some()
    }

    /// The deadline of the exchange, with what is due of the try behind.
    pub(super) fn due_of_both(&self, front: (Moment, Due)) -> (Moment, Due) {
        let Some(behind) = self.behind.as_ref().filter(|_| self.has_two()) else { return front };
        let answered_by = self.answer_due().unwrap_or(Moment::NEVER);
        let front = sooner(front, (answered_by, Due::Fail(Kind::ResponseTimeout)));
        sooner(front, (behind.due(), Due::Behind))
    }

    /// What of the try behind is waited for.
    pub(super) fn interest_behind(&self, interest: Interest) -> Interest {
        match &self.behind {
            None => interest,
            Some(behind) => {
                let writes = behind.link == Link::Open && !behind.up.is_empty() && !behind.upstream_refuses;
                Interest { behind: true, write_behind: writes, ..interest }
            }
        }
    }
}

impl Lane {
    /// The first try has had its time alone: asks another endpoint beside it. False where that is not allowed, or there is
    /// none.
    pub(super) fn begin_hedge(&mut self, turn: &mut Turn<'_>) -> bool {
        let peer = &self.peer;
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        let Some(policy) = exchange.policy() else { return false };
        let per_try = policy.per_try;
        if exchange.per_try == per_try || policy.hedge.is_none() {
            return false;
        }
        let may_begin = exchange.tried.endpoints().len() + 1 < policy.attempts
            && exchange.behind.is_none()
            && self.bound.is_none()
            && exchange.source.is_empty()
            && exchange.has_all_to_send_again()
            && exchange.can_send_again(Retryable::IfIdempotent)
            // Another endpoint knows nothing of the session.
            && !exchange.is_in_session(peer);
        // From here on it is the try's own time that counts.
        exchange.per_try = per_try;
        let Some(first) = exchange.chosen.filter(|_| may_begin) else { return true };
        let Some(serving) = exchange.serving.clone() else { return true };
        let is_only = exchange.upstream().is_none_or(|upstream| upstream.reach(exchange.leads_to.part) < 2);
        let knew_none = exchange.attempted.is_none();
        // Before an endpoint is chosen, so that one which is not asked then loses no turn.
        if is_only || !exchange.take_of_budget() {
            return true;
        }
        match exchange.second_endpoint(&serving, first, peer, turn) {
            Some(second) => {
                exchange.tried.push(first.endpoint);
                exchange.stand_behind(second, turn.now);
            }
            None if knew_none => exchange.attempted = None,
            None => {}
        }
        true
    }

    /// What the engine is to know before anything else about two tries, if there are two.
    pub(super) fn hedge_step(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        let behind = exchange.behind.as_deref_mut()?;
        if mem::take(&mut behind.swapped) {
            return Some(Act::Swap);
        }
        // What the client has been told is the beginning of an answer.
        if behind.is_over || exchange.answering != Answering::Waiting || exchange.informational > 0 {
            return self.drop_behind(turn);
        }
        None
    }

    /// The try in front came to nothing, and with it the exchange, unless there is another one.
    pub(super) fn fail_try(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut().filter(|exchange| exchange.has_two()) else {
            self.fail(failure, turn);
            return;
        };
        let outcome = Outcome::Failed(failure.kind);
        if failure.is_of_endpoint() {
            exchange.observe_try(outcome, turn.now);
        }
        exchange.fall_back(outcome, turn.now);
    }

    /// The try behind is called off, or what is left of it goes, if there is one.
    pub(super) fn drop_behind(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        exchange.call_off(turn.now);
        exchange.clear_behind(turn.shelf).then_some(Act::DropBehind)
    }
}

impl Exchange {
    /// Another endpoint than the `first`, to be asked beside it.
    fn second_endpoint(&self, serving: &Serving, first: Chosen, peer: &Peer, turn: &mut Turn<'_>) -> Option<Chosen> {
        let mut tried = self.tried;
        tried.push(first.endpoint);
        let key = serving.key(self.leads_to.index(), || self.subject(peer));
        let (second, _) = serving.choose(self.leads_to, &tried, key, turn.now, turn.dice).ok()?;
        // A try in place of a failed one may go where one has been, or where none should: not one beside another. An
        // ejected one is on trial.
        let standing = &serving.endpoint(second)?.standing;
        let is_good = standing.at(turn.now).is_eligible() || standing.is_ejected();
        (is_good && !tried.endpoints().contains(&second.endpoint)).then_some(second)
    }

    /// The try under way steps back, and another one, of `second`, begins in front.
    fn stand_behind(&mut self, second: Chosen, now: Moment) {
        if let Some(upstream) = self.upstream() {
            upstream.repeats.count_hedge();
        }
        let due = self.last_moment();
        let asked_at = self.asked_at;
        let attempted = self.attempted.get_or_insert_default();
        attempted.due = due;
        attempted.began.get_or_insert(asked_at);
        let (up, head_len, per_try) = (self.up.again(), self.head_len, self.per_try);
        self.behind = Some(Box::new(Behind {
            began: Some(now),
            chosen: Some(second),
            up,
            head_len,
            per_try,
            link: Link::Wanted,
            ..Behind::default()
        }));
        self.bring_forward();
    }
}
