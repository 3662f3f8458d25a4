//! Which endpoint is asked, what becomes of one that cannot be reached, and whether its connection may serve another
//! exchange.

use super::exchange::{Exchange, Link, Tried};
use super::serving::{Chosen, Serving};
use super::step::address;
use super::{Act, Fresh, Keep, Lane, Lease, Turn};
use super::{answer, request, retry};
use crate::balance::Held;
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::filter::forwarded::Peer;
use crate::health::Full;
use crate::moment::Moment;
use crate::retry::{Outcome, Why};
use crate::snapshot::compiled::Listener;
use crate::snapshot::document::ProxyProtocolOut;

impl Lane {
    pub(super) fn ask_for_endpoint(
        &mut self,
        serving: &Serving,
        listener: &Listener,
        turn: &mut Turn<'_>,
    ) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        if turn.now < exchange.resume_at {
            exchange.link = Link::Pausing;
            return None;
        }
        let lead = exchange.leads_to;
        if let Some(failure) = enter(exchange, serving, &self.peer) {
            self.fail(failure, turn);
            return None;
        }
        // A second try has its endpoint already.
        let same = exchange.chosen.filter(|_| exchange.fresh_only || exchange.behind.is_some());
        let same = same.or_else(|| serving.choose_bound(lead, self.bound?, turn.now));
        // Before another choice, so that this exchange does not count against its own endpoint.
        exchange.held = None;
        let chosen = match same {
            Some(same) => Ok((same, serving.hold(same))),
            None => choose(exchange, serving, &self.peer, turn),
        };
        let chosen = match chosen {
            Ok((chosen, held)) => {
                exchange.held = held;
                chosen
            }
            Err(failure) => {
                self.fail(*failure, turn);
                return None;
            }
        };
        exchange.chosen = Some(chosen);
        if exchange.attempts == 0 {
            exchange.asked_at = turn.now;
            exchange.prepare_to_repeat();
        } else if let Some(attempted) = &mut exchange.attempted {
            attempted.began = Some(turn.now);
        }
        exchange.attempts = exchange.attempts.saturating_add(1);
        if exchange.facts.host.is_none() || exchange.up.bytes.is_empty() {
            let address = serving.endpoint(chosen).map(|endpoint| endpoint.address.clone()).unwrap_or_default();
            let body = exchange.up.bytes.split_off(exchange.head_len.min(exchange.up.bytes.len()));
            exchange.up.clear();
            request::write_head(exchange, &self.peer, listener, &address, exchange.buffered.is_some());
            exchange.head_len = exchange.up.bytes.len();
            exchange.up.bytes.extend(body);
            exchange.up.keep = true;
        }
        exchange.link = Link::Leasing;
        exchange.lease_until = Moment::NEVER;
        let fresh = if exchange.fresh_only {
            Fresh::New
        } else if exchange.head.method.is_idempotent() && exchange.upload.is_done() {
            Fresh::Any
        } else {
            Fresh::Recent
        };
        Some(Act::Lease(Lease { to: chosen, fresh }))
    }

    pub(super) fn lease_failed(&mut self, kind: Kind, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        if exchange.link != Link::Leasing {
            return;
        }
        let at = address(exchange);
        let failure = Failure {
            kind,
            stage: Stage::Connect,
            retryable: Retryable::Always,
            reason: format!("{at}: {}", kind.says()),
        };
        let Some(chosen) = exchange.chosen.filter(|_| kind.is_unreachable()) else {
            self.fail_try(failure, turn);
            return;
        };
        let most = exchange.policy().map_or(Tried::USUAL, |policy| policy.attempts);
        let Some(serving) = &exchange.serving else { return };
        exchange.held = None;
        if exchange.has_two() {
            serving.pass_over(chosen, kind, turn.now);
            exchange.fall_back(Outcome::Failed(kind), turn.now);
            return;
        }
        if !serving.give_up(chosen, &mut exchange.tried, most, kind, turn.now) {
            self.fail(failure, turn);
            return;
        }
        exchange.write_down(Why::Connect, Outcome::Failed(kind), turn.now);
        exchange.fresh_only = false;
        exchange.link = Link::Wanted;
    }

    /// The endpoint went away before it answered: a kept connection that it had closed is no failure of the request.
    pub(super) fn ask_again(&mut self, turn: &mut Turn<'_>) -> Result<Option<Act>, Failure> {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(Some(Act::DropUpstream)) };
        let mut failure = answer::ended_early(exchange, exchange.upstream_broke, &address(exchange));
        let is_worth_it = exchange.reused || (exchange.is_refused && !exchange.fresh_only);
        if is_worth_it && exchange.can_send_again(failure.retryable) {
            exchange.write_down(Why::Kept, Outcome::Failed(failure.kind), turn.now);
            exchange.rewind();
            exchange.fresh_only = true;
            exchange.link = Link::Wanted;
            return Ok(Some(Act::DropUpstream));
        }
        if !exchange.has_two() && retry::for_reset(exchange, &failure, turn) {
            return Ok(None);
        }
        if exchange.is_out_of_budget() {
            failure.reason.push_str("; it was not tried again, since retry_budget is spent");
        }
        Err(failure)
    }

    /// The answer is whole: says whether the endpoint's connection may serve another exchange.
    pub(super) fn let_upstream_go(&mut self, now: Moment) -> Act {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Act::DropUpstream };
        exchange.release_endpoint(now);
        let was_open = exchange.link == Link::Open;
        exchange.link = Link::Ended;
        let clean = was_open
            && exchange.first_byte.is_some()
            && exchange.cut.is_none()
            && exchange.answer_facts.keep_alive
            && !exchange.upstream_ended
            && !exchange.upstream_broke
            && exchange.upload.is_done()
            && exchange.up.is_empty()
            && exchange.source.len() == exchange.down.pass;
        if !clean {
            self.bound = None;
            return Act::DropUpstream;
        }
        let announced = exchange.upstream().is_some_and(|upstream| upstream.proxy_protocol != ProxyProtocolOut::Off);
        let private = announced || exchange.answer_facts.logs_connection_in || self.bound.is_some();
        self.bound = exchange.chosen.filter(|_| private).map(|chosen| chosen.id);
        Act::GiveBack(Keep { idle: exchange.answer_facts.idle_timeout, private })
    }
}

/// The endpoint that the request's session is with, else the one that the balancer says.
fn choose(
    exchange: &Exchange,
    serving: &Serving,
    peer: &Peer,
    turn: &mut Turn<'_>,
) -> Result<(Chosen, Option<Held>), Box<Failure>> {
    let lead = exchange.leads_to;
    let subject = || exchange.subject(peer);
    let mut choose = |tried: &Tried| match serving.session(lead, tried, subject, turn.now)? {
        Some(named) => Ok((named, serving.hold(named))),
        None => serving.choose(lead, tried, serving.key(lead.index(), subject), turn.now, turn.dice),
    };
    match choose(&exchange.tried) {
        // Where a route says that requests are repeated, each endpoint may have its second turn.
        Err(_) if exchange.live.is_some() && !exchange.tried.endpoints().is_empty() => choose(&Tried::default()),
        chosen => chosen,
    }
}

/// Takes a place among the requests that the upstream has under way, once for all tries; says why there is none.
fn enter(exchange: &mut Exchange, serving: &Serving, peer: &Peer) -> Option<Failure> {
    let upstream = serving.compiled.upstreams.get(exchange.leads_to.index())?;
    if exchange.under_way.is_none() {
        match upstream.enter(|| exchange.subject(peer)) {
            Ok(under_way) => exchange.under_way = under_way,
            Err(Full) => {
                let limit = upstream.limit().map(|limit| format!(", and bears {limit} as soon as it answers now"));
                let reason = format!(
                    "upstream {} has {} requests under way{}",
                    upstream.name,
                    upstream.circuit.under_way(),
                    limit.unwrap_or_default()
                );
                return Some(Failure::new(Kind::Overloaded, Stage::Balance, reason));
            }
        }
    }
    None
}
