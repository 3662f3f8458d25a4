//! The machine itself: an event changes what is known, then the lane goes as far as it can without another one.

use std::rc::Rc;
use std::time::Duration;

use super::deadline::{Due, GATHER, RATE_WINDOW};
use super::exchange::{Answering, Exchange, Link};
use super::own;
use super::{Act, Close, Event, Interest, Lane, Phase, Side, Turn};
use crate::failure::{Failure, Kind, Stage};
use crate::head::RequestHead;

impl Lane {
    /// Takes what happened, and says what to do.
    pub fn next(&mut self, event: Event, turn: &mut Turn<'_>) -> Act {
        self.take(event, turn);
        loop {
            let act = match self.phase {
                Phase::ProxyHeader => self.read_proxy_header(turn),
                Phase::Idle | Phase::Head => self.read_request(turn),
                Phase::Exchange => self.exchange_step(turn),
                Phase::Closing(how) => Some(self.close(how, turn)),
            };
            if let Some(act) = act {
                return act;
            }
        }
    }

    fn take(&mut self, event: Event, turn: &mut Turn<'_>) {
        if matches!(event, Event::Read(..) | Event::Spliced(_) | Event::Wrote(..)) {
            if let Some(exchange) = &mut self.exchange {
                exchange.stretch_rate_window(turn.now.since(self.touched));
            }
            self.touched = turn.now;
        }
        match event {
            Event::Accepted | Event::Done => {}
            Event::Read(Side::Downstream, 0) => self.ended = true,
            Event::Read(Side::Downstream, n) => {
                self.input.fill(n);
                if let Some(exchange) = &mut self.exchange {
                    exchange.rate_bytes += n as u64;
                }
            }
            Event::Broke(Side::Downstream) => self.client_gone(),
            Event::Woken => self.wake(turn),
            Event::Behind => self.bring_forward(),
            Event::LeaseFailed(kind) => self.lease_failed(kind, turn),
            Event::Read(Side::Upstream, _)
            | Event::Spliced(_)
            | Event::Wrote(..)
            | Event::Broke(Side::Upstream)
            | Event::Refused
            | Event::Leased { .. }
            | Event::Moved(_)
            | Event::Queued
            | Event::Connecting => self.take_upstream(event, turn),
        }
    }

    fn take_upstream(&mut self, event: Event, turn: &Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        match event {
            Event::Read(Side::Upstream, 0) => exchange.upstream_ended = true,
            Event::Read(Side::Upstream, n) => exchange.source.fill(n),
            Event::Spliced(n) => {
                exchange.download.skip(n);
                exchange.down.spliced += n;
                exchange.splicing = true;
            }
            Event::Broke(Side::Upstream) => exchange.upstream_broke = true,
            Event::Refused => (exchange.upstream_broke, exchange.is_refused) = (true, true),
            Event::Wrote(Side::Downstream, n) => {
                exchange.down.wrote(n, &mut exchange.source);
                exchange.bytes_out += n as u64;
            }
            Event::Wrote(Side::Upstream, 0) => {
                exchange.upstream_refuses = true;
                exchange.upstream_broke |= exchange.upstream_ended;
            }
            Event::Wrote(Side::Upstream, n) => {
                exchange.up.wrote(n, &mut self.input);
                if exchange.up.is_empty() && exchange.upload.is_done() {
                    exchange.sent_at.get_or_insert(turn.now);
                }
            }
            Event::Leased { reused } => {
                exchange.link = Link::Open;
                exchange.reused = reused.is_some();
                exchange.upstream_refuses = false;
                if reused.is_none() {
                    exchange.up.announce(exchange.upstream().map(|upstream| upstream.proxy_protocol), &self.peer);
                }
            }
            Event::Moved(id) => {
                let serving = exchange.serving.as_ref();
                let other = exchange.chosen.and_then(|chosen| serving?.other(chosen, id));
                if let Some(other) = other {
                    exchange.held = serving.and_then(|serving| serving.hold(other));
                    exchange.chosen = Some(other);
                }
            }
            Event::Queued => {
                exchange.queued = true;
                let wait = exchange.upstream().map_or(GATHER, |upstream| upstream.wait);
                exchange.lease_until = turn.now.after(wait);
            }
            Event::Connecting => {
                exchange.queued = false;
                let connect = exchange.upstream().map_or(Duration::ZERO, |upstream| upstream.connect);
                exchange.lease_until = turn.now.after_unless_zero(connect);
            }
            Event::Accepted
            | Event::Done
            | Event::Woken
            | Event::LeaseFailed(_)
            | Event::Behind
            | Event::Read(Side::Downstream, _)
            | Event::Broke(Side::Downstream) => {}
        }
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        let (at, due) = self.due(turn);
        if turn.now < at {
            return;
        }
        let had_two = self.has_two();
        match due {
            Due::Leave => self.leave(),
            Due::Gathered | Due::Resume => self.want_endpoint(),
            Due::Try => self.end_try(turn),
            Due::Behind => {
                self.bring_forward();
                self.wake(turn);
            }
            Due::Rate => self.measure_rate(turn),
            Due::Fail(Kind::HeadTimeout) => {
                let reason = "the head was not whole after timeouts.header";
                self.refuse(Failure::new(Kind::HeadTimeout, Stage::Codec, reason), turn);
            }
            Due::Fail(kind @ (Kind::ConnectTimeout | Kind::QueueTimeout)) => self.lease_failed(kind, turn),
            Due::Fail(kind) => {
                let stage = self.stage();
                let address = self.exchange.as_deref().map(address).unwrap_or_default();
                self.fail(Failure::new(kind, stage, format!("{}: {}", address, kind.says())), turn);
            }
        }
        // The other one of two tries may be due as well.
        if had_two && !self.has_two() {
            self.wake(turn);
        }
    }

    fn has_two(&self) -> bool {
        self.exchange.as_deref().is_some_and(Exchange::has_two)
    }

    fn leave(&mut self) {
        self.phase = Phase::Closing(Close::Now);
        if let Some(exchange) = &mut self.exchange {
            exchange.down.clear();
        }
    }

    fn bring_forward(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bring_forward();
        }
    }

    fn want_endpoint(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.link = Link::Wanted;
        }
    }

    fn measure_rate(&mut self, turn: &mut Turn<'_>) {
        let least = turn.serving.compiled.listeners.get(turn.listener).map_or(0, |listener| listener.body_rate);
        let Some(exchange) = &mut self.exchange else { return };
        let (got, wanted) = (exchange.rate_bytes, least * RATE_WINDOW.as_secs());
        exchange.rate_from = turn.now;
        exchange.rate_bytes = 0;
        if got < wanted {
            let reason = format!("{got} bytes of the body came in 5 s, limits.body_rate wants {wanted}");
            self.fail(Failure::new(Kind::BodyTooSlow, Stage::Codec, reason), turn);
        }
    }

    /// The client's connection broke: whatever is under way has lost its purpose.
    pub(super) fn client_gone(&mut self) {
        let stage = self.stage();
        if let Some(exchange) = &mut self.exchange
            && self.phase == Phase::Exchange
            && exchange.failure.is_none()
            && !exchange.is_tunnel()
        {
            exchange.failure = Some(Failure::new(Kind::ClientGone, stage, "the client's connection broke"));
        }
        self.leave();
    }

    /// The proxy ends before what is under way does; whether there is something to report.
    pub fn cut(&mut self) -> bool {
        let stage = self.stage();
        let Some(exchange) = self.exchange.as_deref_mut().filter(|exchange| !exchange.bytes.is_empty()) else {
            return false;
        };
        exchange.failure.get_or_insert_with(|| Failure::cut(stage));
        !std::mem::replace(&mut exchange.reported, true)
    }

    /// The answer is written: reports, then goes on with the next request or closes.
    pub(super) fn finish(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        if !exchange.reported {
            exchange.reported = true;
            return Some(Act::Report);
        }
        // A client that was to be kept may be sending its next request this moment.
        let sends = exchange.facts.keep_alive || !exchange.upload.is_done() || !self.input.is_empty();
        if exchange.last || exchange.cut.is_some() {
            let polite = if sends && !self.ended { Close::Linger } else { Close::Now };
            self.phase = Phase::Closing(exchange.cut.unwrap_or(polite));
            return None;
        }
        if let Some(mut exchange) = self.exchange.take() {
            self.large_answers = exchange.was_large();
            turn.shelf.give_back(&mut exchange.source);
            turn.shelf.keep_exchange(exchange);
        }
        if self.input.is_empty() {
            turn.shelf.give_back(&mut self.input);
        }
        self.phase = Phase::Idle;
        self.touched = turn.now;
        self.served = self.served.saturating_add(1);
        None
    }

    pub(super) fn close(&mut self, how: Close, turn: &mut Turn<'_>) -> Act {
        if let Some(act) = self.drop_behind(turn) {
            return act;
        }
        if let Some(exchange) = &mut self.exchange {
            if matches!(exchange.link, Link::Open | Link::Leasing) {
                exchange.link = Link::Ended;
                exchange.release_endpoint(turn.now);
                return Act::DropUpstream;
            }
            if !exchange.down.is_empty() {
                return self.wait(turn, Interest { write_downstream: true, ..Interest::default() });
            }
            if !exchange.reported && !exchange.bytes.is_empty() {
                exchange.reported = true;
                return Act::Report;
            }
        }
        Act::Close(how)
    }

    pub(super) fn wait(&self, turn: &Turn<'_>, interest: Interest) -> Act {
        Act::Wait(Interest { deadline: self.due(turn).0, ..interest })
    }

    /// A request that is refused: answered, and nothing that follows on the connection is served.
    pub(super) fn refuse(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        self.phase = Phase::Exchange;
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        if exchange.bytes.is_empty() {
            // What is known of it is told, and decides whether the answer may have a body.
            let known = exchange.reader.lines();
            exchange.bytes.extend_from_slice(self.input.filled().get(..known.max(1)).unwrap_or_default());
            if known == 0 {
                exchange.head = RequestHead::default();
            }
        }
        exchange.serving.get_or_insert_with(|| Rc::clone(turn.serving));
        exchange.last |= failure.kind.status() == 400 || failure.stage == Stage::Codec;
        self.touched = turn.now;
        own::answer_failure(exchange, failure, &self.peer, turn);
    }

    /// An exchange that failed: answered if no answer has begun, else cut so that nobody takes it for whole.
    pub(super) fn fail(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        // What waits is at most interim answers: they stay in front of ours.
        if exchange.answering == Answering::Waiting && failure.kind.status() != 0 {
            self.touched = turn.now; // our answer has its own time to be taken
            own::answer_failure(exchange, failure, &self.peer, turn);
            return;
        }
        let hidden = exchange.answering == Answering::Body && exchange.download.hides_a_cut();
        exchange.cut = Some(if hidden { Close::Reset } else { Close::Now });
        exchange.failure.get_or_insert(failure);
        exchange.down.clear();
        exchange.answering = Answering::Whole;
        exchange.last = true;
    }
}

/// The address of the endpoint that was asked last.
pub(super) fn address(exchange: &Exchange) -> String {
    exchange.endpoint().map_or_else(|| "no endpoint".to_owned(), |endpoint| endpoint.address.clone())
}
