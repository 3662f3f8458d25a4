//! What is waited for, and until when.

use std::time::Duration;

use super::exchange::{Answering, Exchange, Link};
use super::{Lane, Phase, Turn};
use crate::failure::Kind;
use crate::moment::Moment;
use crate::snapshot::compiled::Listener;

/// How long an idle connection may still carry a request once it is to go.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Over how long the rate of a request's body is measured.
pub(super) const RATE_WINDOW: Duration = Duration::from_secs(5);

/// Longest wait for enough of a request's body before an endpoint is asked.
pub(super) const GATHER: Duration = Duration::from_secs(1);

/// How long a connection that is one too many for its client may take to ask, and be told so.
const HURRY: Duration = Duration::from_secs(1);

/// What a deadline means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// The connection has no further use.
    Leave,
    /// The pause before a try is over.
    Resume,
    /// The try under way has had its time, or its time alone.
    Try,
    /// Something of the try behind.
    Behind,
    /// The body need not be waited for any longer.
    Gathered,
    /// A window of the body's rate ends.
    Rate,
    /// The exchange fails.
    Fail(Kind),
}

pub(super) fn sooner(a: (Moment, Due), b: (Moment, Due)) -> (Moment, Due) {
    if b.0 < a.0 { b } else { a }
}

impl Lane {
    /// The next deadline, and what it means.
    pub(super) fn due(&self, turn: &Turn<'_>) -> (Moment, Due) {
        let Some(listener) = turn.serving.compiled.listeners.get(turn.listener) else {
            return (Moment::NEVER, Due::Leave);
        };
        let hurry = if turn.crowded { self.began.after(HURRY) } else { Moment::NEVER };
        let leave = (self.touched.after_unless_zero(listener.idle).min(turn.leave_at).min(hurry), Due::Leave);
        match (self.phase, &self.exchange) {
            (Phase::Idle, _) if listener.max_age.is_zero() => leave,
            (Phase::Idle, _) => sooner(leave, (self.began.after(listener.max_age + GRACE), Due::Leave)),
            (Phase::ProxyHeader, _) => (self.began.after_unless_zero(listener.header), Due::Leave),
            (Phase::Head, Some(exchange)) => {
                let late = (exchange.began.after_unless_zero(listener.header), Due::Fail(Kind::HeadTimeout));
                sooner(late, (hurry, Due::Leave))
            }
            (Phase::Exchange, Some(exchange)) => {
                let due = exchange.due_of_both(self.exchange_due(exchange, listener));
                match exchange.facts.grpc_timeout {
                    Some(wait) if !matches!(exchange.answering, Answering::Whole | Answering::Tunnel) => {
                        sooner(due, (exchange.began.after(wait), Due::Fail(Kind::ResponseTimeout)))
                    }
                    Some(_) | None => due,
                }
            }
            (Phase::Closing(_), _) => (self.touched.after(GRACE), Due::Leave),
            (Phase::Head | Phase::Exchange, None) => leave,
        }
    }

    fn exchange_due(&self, exchange: &Exchange, listener: &Listener) -> (Moment, Due) {
        let route = exchange.route();
        let idle = self.touched.after_unless_zero(route.map_or(Duration::from_secs(60), |route| route.idle));
        let response = route.map_or(Duration::ZERO, |route| route.response);
        match (exchange.answering, exchange.link) {
            (Answering::Tunnel, _) => (self.touched.after_unless_zero(listener.tunnel), Due::Leave),
            (Answering::Whole, _) => (idle, Due::Fail(Kind::ClientStalled)),
            (Answering::Body, _) if exchange.down.is_empty() => (idle, Due::Fail(Kind::ResponseStalled)),
            (Answering::Body, _) => (idle, Due::Fail(Kind::ClientStalled)),
            (Answering::Waiting, Link::Gathering) => {
                sooner((exchange.gather_until, Due::Gathered), body_due(exchange, listener, idle))
            }
            (Answering::Waiting, Link::Leasing) => {
                let kind = if exchange.queued { Kind::QueueTimeout } else { Kind::ConnectTimeout };
                let answered_by = exchange.answer_due().unwrap_or(exchange.asked_at.after_unless_zero(response));
                sooner((exchange.lease_until, Due::Fail(kind)), (answered_by, Due::Fail(Kind::ResponseTimeout)))
            }
            (Answering::Waiting, Link::Pausing) => (exchange.resume_at, Due::Resume),
            (Answering::Waiting, _) => match exchange.sent_at {
                Some(at) => {
                    let answered_by = exchange.answer_due().unwrap_or(at.after_unless_zero(response));
                    let late = (answered_by, Due::Fail(Kind::ResponseTimeout));
                    sooner(late, (at.after_unless_zero(exchange.per_try), Due::Try))
                }
                None if exchange.up.is_empty() => body_due(exchange, listener, idle),
                None => (idle, Due::Fail(Kind::ResponseTimeout)),
            },
        }
    }
}

/// While bytes of a request's body are waited for.
fn body_due(exchange: &Exchange, listener: &Listener, idle: Moment) -> (Moment, Due) {
    let stalled = (idle, Due::Fail(Kind::BodyTooSlow));
    if listener.body_rate == 0 || exchange.upload.is_done() {
        return stalled;
    }
    sooner(stalled, (exchange.rate_from.after(RATE_WINDOW), Due::Rate))
}
