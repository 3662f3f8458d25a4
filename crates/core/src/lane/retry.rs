//! A try that came to nothing: whether another one follows, and what of the exchange begins anew.
//!
//! What has reached the client, an interim answer included, or what of the request was sent and not kept, rules a repeat
//! out; so does any doubt that it has a second effect. The budget of the upstream is asked last.

use std::time::Duration;

use super::body::{Appetite, Out};
use super::exchange::{Answering, Exchange, Link};
use super::step::address;
use super::{Act, Keep, Lane, Turn, answer};
use crate::failure::{Failure, Kind, Retryable};
use crate::framing::ChunkLimits;
use crate::health;
use crate::moment::Moment;
use crate::retry::{Live, Outcome, Repeating, Why, may_repeat};
use crate::snapshot::document::ProxyProtocolOut;

/// The answer has an error's status: true if it is dropped, and another try follows.
pub(super) fn for_status(exchange: &mut Exchange, turn: &mut Turn<'_>) -> bool {
    let status = exchange.answer.status;
    if !exchange.policy().is_some_and(|policy| policy.takes_status(status)) {
        return false;
    }
    if exchange.falls_back(Outcome::Answered(status), turn.now) {
        return true;
    }
    let again = try_again(exchange, Why::Status, Retryable::IfIdempotent, Outcome::Answered(status), turn);
    if again {
        exchange.keep = whole_answer(exchange);
        exchange.forget_answer();
    }
    again
}

/// The endpoint's connection ended before it answered: true if another try follows.
pub(super) fn for_reset(exchange: &mut Exchange, failure: &Failure, turn: &mut Turn<'_>) -> bool {
    let why = if exchange.is_refused { Why::Refused } else { Why::Reset };
    let again = try_again(exchange, why, failure.retryable, Outcome::Failed(failure.kind), turn);
    if again {
        exchange.forget_answer();
    }
    again
}

fn try_again(exchange: &mut Exchange, why: Why, retryable: Retryable, outcome: Outcome, turn: &mut Turn<'_>) -> bool {
    let tried = exchange.tried.endpoints().len() + 1;
    let Some(policy) = exchange.policy().filter(|policy| policy.is_on(why) && tried < policy.attempts) else {
        return false;
    };
    let resume_at = turn.now.after(policy.pause(tried + 1, turn.dice));
    let is_kept = retryable == Retryable::Always || exchange.has_all_to_send_again();
    if !is_kept || !exchange.can_send_again(retryable) {
        return false;
    }
    if exchange.last_moment().is_some_and(|due| resume_at >= due) || !exchange.take_of_budget() {
        return false;
    }
    exchange.observe_try(outcome, turn.now);
    exchange.write_down(why, outcome, turn.now);
    if let Some(chosen) = exchange.chosen {
        exchange.tried.push(chosen.endpoint);
    }
    exchange.resume_at = resume_at;
    exchange.fresh_only = false;
    exchange.link = Link::Leaving;
    true
}

/// How the connection of an answer that nobody takes is kept: all of it must have come already.
fn whole_answer(exchange: &mut Exchange) -> Option<Keep> {
    /// What is dropped of an answer may be framed in any way that is short.
    const CHUNKS: ChunkLimits = ChunkLimits { extension: 256, trailer: 1024 };
    let upstream = exchange.upstream()?;
    let is_private = upstream.proxy_protocol != ProxyProtocolOut::Off || exchange.answer_facts.logs_connection_in;
    let is_asked = exchange.upload.is_done() && exchange.up.is_empty();
    if is_private || !is_asked || !exchange.answer_facts.keep_alive || !exchange.may_bring_more() {
        return None;
    }
    exchange.source.consume(exchange.answer.len as usize);
    let (mut body, mut nowhere) = (answer::download(&exchange.answer_facts.body, false), Out::default());
    body.advance(&mut exchange.source, &mut nowhere, &CHUNKS, Appetite::gather(usize::MAX)).ok()?;
    let is_whole = body.is_done() && exchange.source.is_empty();
    is_whole.then_some(Keep { idle: exchange.answer_facts.idle_timeout, private: false })
}

impl Lane {
    /// A try had no answer in its time: another one begins beside it, or follows, or it goes on for as long as the client
    /// waits.
    pub(super) fn end_try(&mut self, turn: &mut Turn<'_>) {
        if self.begin_hedge(turn) {
            return;
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let outcome = Outcome::Failed(Kind::ResponseTimeout);
        if exchange.source.is_empty() && exchange.falls_back(outcome, turn.now) {
            return;
        }
        if exchange.source.is_empty() && try_again(exchange, Why::Timeout, Retryable::IfIdempotent, outcome, turn) {
            exchange.forget_answer();
        } else {
            exchange.per_try = Duration::ZERO;
        }
    }

    /// Lets the endpoint's connection go that the next try does not use; it begins after its pause.
    pub(super) fn leave_endpoint(&mut self) -> Act {
        self.bound = None;
        let Some(exchange) = self.exchange.as_deref_mut() else { return Act::DropUpstream };
        exchange.link = Link::Pausing;
        exchange.keep.take().map_or(Act::DropUpstream, Act::GiveBack)
    }
}

impl Exchange {
    /// An endpoint is asked for the first time: from here on it is known what a repeat would take.
    pub(super) fn prepare_to_repeat(&mut self) {
        let Some(policy) = self.policy().filter(|policy| policy.sends_twice()) else { return };
        let (body, per_try) = (policy.body, policy.per_try);
        if may_repeat(&self.head, &self.bytes) {
            let hedge = self.hedge_delay();
            let is_first = !hedge.is_zero() && (per_try.is_zero() || hedge < per_try);
            // What is kept for a copy is kept for a repeat.
            self.replay = self.replay.max(body);
            self.per_try = if is_first { hedge } else { per_try };
        }
        self.live = self.upstream().map(|upstream| Live::begin(&upstream.repeats));
    }

    /// Whether bytes of the body that came are kept behind the head, to be sent again if need be.
    pub(super) fn keeps(&self, coming: usize) -> bool {
        let expected = self.upload.expects().map_or(coming, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let taken = usize::try_from(self.upload.taken()).unwrap_or(usize::MAX);
        self.up.keep && taken.saturating_add(expected.max(coming)) <= self.replay
    }

    /// Whether what has come of the body is no more than is kept.
    pub(super) fn has_all_to_send_again(&self) -> bool {
        self.buffered.is_some() || usize::try_from(self.upload.taken()).is_ok_and(|taken| taken <= self.replay)
    }

    /// Whether all that was sent can be sent again, and may be.
    pub(super) fn can_send_again(&self, retryable: Retryable) -> bool {
        let may = match retryable {
            Retryable::Always => true,
            // The client's own word counts where the route says that requests are repeated.
            Retryable::IfIdempotent if self.live.is_some() => may_repeat(&self.head, &self.bytes),
            Retryable::IfIdempotent => self.head.method.is_idempotent(),
            Retryable::Never => false,
        };
        may && self.answering == Answering::Waiting && self.informational == 0 && self.up.keep && self.up.pass == 0
    }

    /// Writes down, for log and metrics, that the try under way was in vain.
    pub(super) fn write_down(&mut self, why: Why, outcome: Outcome, now: Moment) {
        if let Some(upstream) = self.upstream() {
            upstream.repeats.count(why);
        }
        let address = address(self);
        let asked_at = self.asked_at;
        let attempted = self.attempted.get_or_insert_default();
        attempted.push(&address, outcome, attempted.began.unwrap_or(asked_at), now);
    }

    /// Each try, where one was not enough: its endpoint, what became of it, and how long that took. `now` is the end.
    pub fn tries(&self, now: Moment) -> Option<String> {
        let attempted = self.attempted.as_ref()?;
        let failed = self.failure.as_ref().filter(|_| self.first_byte.is_none());
        let outcome = failed.map_or(Outcome::Answered(self.answer.status), |failure| Outcome::Failed(failure.kind));
        let ended = self.first_byte.unwrap_or(now);
        Some(attempted.text(&address(self), outcome, self.asked_at, ended))
    }

    /// Tells the balancer and the endpoint's standing what became of a try that is not the last. To be called off is no
    /// failure, but whoever never answers in time must not look as fast as it once was.
    pub(super) fn observe_try(&mut self, outcome: Outcome, now: Moment) {
        match outcome {
            Outcome::Failed(kind) => self.observe(health::Outcome::Broken(kind.says()), now),
            Outcome::Answered(status) => self.observe(health::Outcome::Answered(status), now),
            Outcome::Cancelled => {}
        }
        if let Some(held) = self.held.take() {
            held.failed(now.since(self.sent_at.unwrap_or(self.asked_at)), now);
        }
    }

    /// What was sent is to be sent anew, on another connection.
    pub(super) fn rewind(&mut self) {
        self.up.rewind();
        self.sent_at = None;
        self.upstream_ended = false;
        self.upstream_broke = false;
        self.upstream_refuses = false;
        self.is_refused = false;
    }

    /// The same, and what came of an answer is forgotten.
    fn forget_answer(&mut self) {
        let due = self.last_moment();
        self.rewind();
        self.source.consume(self.source.len());
        self.answer_reader.reset();
        let attempted = self.attempted.get_or_insert_default();
        attempted.due = due;
        // A request that is not whole has its time yet to begin.
        self.asked_at = if due.is_none() { self.resume_at } else { self.asked_at };
    }

    /// When the client must have an answer: `timeouts.response` after the last byte of its request, whichever try that
    /// was sent by; none as long as none was.
    pub(super) fn last_moment(&self) -> Option<Moment> {
        let response = self.route().map_or(Duration::ZERO, |route| route.response);
        self.answer_due().or_else(|| Some(self.sent_at?.after_unless_zero(response)))
    }

    /// The same, once a try has failed.
    pub(super) fn answer_due(&self) -> Option<Moment> {
        self.attempted.as_ref()?.due
    }

    /// Takes a repeat out of the budget of its upstream, once for all repeats of this exchange.
    pub(super) fn take_of_budget(&mut self) -> bool {
        if self.attempted.as_ref().is_some_and(|attempted| attempted.repeating.is_some()) {
            return true;
        }
        let Some(upstream) = self.upstream() else { return false };
        let repeating = Repeating::begin(&upstream.repeats, upstream.allowance);
        let attempted = self.attempted.get_or_insert_default();
        attempted.refused = repeating.is_none();
        attempted.repeating = repeating;
        !attempted.refused
    }

    /// Whether another try was refused by the budget.
    pub(super) fn is_out_of_budget(&self) -> bool {
        self.attempted.as_ref().is_some_and(|attempted| attempted.refused)
    }
}
