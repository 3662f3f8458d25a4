//! An exchange under way: bytes of both bodies, and of tunnels, in whatever order they come.

use std::rc::Rc;

use super::answer;
use super::body::Appetite;
use super::exchange::{Answering, Exchange, Link};
use super::mirror::Copying;
use super::step::address;
use super::{Act, Close, Interest, Lane, Phase, Side, Turn};
use crate::failure::{Failure, Kind, Stage};
use crate::framing::ChunkLimits;
use crate::snapshot::compiled::Listener;

/// An endpoint is asked once so many bytes of a request wait for it.
const GATHERED: usize = 16 * 1024;

/// Bounds on the chunks of an answer.
const ANSWER_CHUNKS: ChunkLimits = ChunkLimits { extension: 4096, trailer: 64 * 1024 };

impl Lane {
    /// One step of an exchange; `None`: another one follows at once.
    pub(super) fn exchange_step(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        if let Some(act) = self.hedge_step(turn) {
            return Some(act);
        }
        let exchange = self.exchange.as_deref_mut()?;
        if let (Some(form), Answering::Waiting) = (exchange.wants_metrics, exchange.answering) {
            return Some(Act::Metrics(form));
        }
        if exchange.is_tunnel() {
            return Some(self.tunnel_step(turn));
        }
        let serving = exchange.serving.clone().unwrap_or_else(|| Rc::clone(turn.serving));
        let Some(listener) = serving.compiled.listeners.get(exchange.listener) else {
            return Some(Act::Close(Close::Now));
        };
        if let Err(failure) = self.move_upload(listener) {
            self.exchange.as_deref_mut()?.last = true;
            self.fail(failure, turn);
            return None;
        }
        let exchange = self.exchange.as_deref_mut()?;
        if self.ended && self.input.is_empty() && !exchange.upload.is_done() && exchange.answering != Answering::Whole {
            self.client_gone();
            return None;
        }
        if exchange.link == Link::Wanted {
            return self.ask_for_endpoint(&serving, listener, turn);
        }
        if exchange.copying == Copying::Wanted
            && let Some(act) = self.copy_step()
        {
            return Some(act);
        }
        let exchange = self.exchange.as_deref_mut()?;
        if exchange.link == Link::Open {
            match self.move_download(turn) {
                Ok(None) => {}
                Ok(Some(act)) => return Some(act),
                Err(failure) => {
                    self.fail_try(failure, turn);
                    return None;
                }
            }
        }
        let exchange = self.exchange.as_deref_mut()?;
        if exchange.is_tunnel() {
            return None;
        }
        if exchange.link == Link::Leaving {
            return Some(self.leave_endpoint());
        }
        if exchange.answering == Answering::Whole {
            if exchange.link == Link::Open || exchange.link == Link::Leasing {
                return Some(self.let_upstream_go(turn.now));
            }
            if exchange.down.is_empty() {
                return self.finish(turn);
            }
        }
        Some(self.wait_exchange(turn))
    }

    /// Moves bytes of the request's body towards the endpoint.
    fn move_upload(&mut self, listener: &Listener) -> Result<(), Failure> {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(()) };
        if exchange.answering == Answering::Whole {
            return Ok(());
        }
        let was_done = exchange.upload.is_done();
        match exchange.link {
            Link::Gathering => {
                let most = exchange.buffered.map_or(GATHERED, |_| usize::MAX);
                exchange.upload.advance(&mut self.input, &mut exchange.up, &listener.chunks, Appetite::gather(most))?;
                if exchange.upload.is_done() || (exchange.buffered.is_none() && exchange.up.bytes.len() >= GATHERED) {
                    exchange.link = Link::Wanted;
                }
            }
            Link::Open if exchange.up.is_empty() && !exchange.upload.is_done() && !self.input.is_empty() => {
                let appetite = if exchange.keeps(self.input.len()) {
                    Appetite::gather(usize::MAX)
                } else {
                    exchange.up.let_go();
                    Appetite::STREAM
                };
                exchange.upload.advance(&mut self.input, &mut exchange.up, &listener.chunks, appetite)?;
            }
            Link::Open | Link::None | Link::Wanted | Link::Leasing | Link::Leaving | Link::Pausing | Link::Ended => {}
        }
        if exchange.upload.is_done() && !was_done {
            exchange.edit_trailers();
        }
        let taken = exchange.upload.taken();
        let of_listener = Some(listener.body_bytes).filter(|most| *most > 0);
        let most = [exchange.buffered, exchange.body_limit, of_listener].into_iter().flatten().min();
        if let Some(most) = most.filter(|most| taken > *most) {
            let reason = format!("the body has over {most} bytes");
            return Err(Failure::new(Kind::BodyTooLarge, Stage::Codec, reason));
        }
        Ok(())
    }

    /// Moves bytes of the answer towards the client.
    fn move_download(&mut self, turn: &mut Turn<'_>) -> Result<Option<Act>, Failure> {
        let is_old = self.is_old(turn);
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(None) };
        if exchange.answering == Answering::Waiting && !exchange.source.is_empty() {
            answer::read_head(exchange, turn.leaving || is_old, &self.peer, turn)?;
            if let Some(act) = self.hedge_step(turn) {
                return Ok(Some(act));
            }
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(None) };
        if exchange.answering == Answering::Body {
            if exchange.down.pass == 0 {
                let Exchange { download, source, down, .. } = exchange;
                download.advance(source, down, &ANSWER_CHUNKS, Appetite::STREAM)?;
            }
            let over = exchange.upstream_ended || exchange.upstream_broke;
            if over && exchange.down.is_empty() && !exchange.upstream_broke {
                exchange.download.close(&mut exchange.down);
            }
            if exchange.download.is_done() {
                exchange.edit_answer_trailers();
                exchange.answering = Answering::Whole;
                return Ok(None);
            }
            if over && exchange.down.is_empty() {
                return Err(answer::ended_early(exchange, exchange.upstream_broke, &address(exchange)));
            }
        }
        if exchange.answering == Answering::Waiting && (exchange.upstream_ended || exchange.upstream_broke) {
            return self.ask_again(turn);
        }
        Ok(None)
    }

    /// Whether the connection has the age at which it is asked to go.
    pub(super) fn is_old(&self, turn: &Turn<'_>) -> bool {
        let listener = turn.serving.compiled.listeners.get(turn.listener);
        listener.is_some_and(|listener| turn.now >= self.began.after_unless_zero(listener.max_age))
    }

    fn wait_exchange(&mut self, turn: &Turn<'_>) -> Act {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Act::Close(Close::Now) };
        let open = exchange.link == Link::Open;
        let awaits_body = !exchange.upload.is_done() && exchange.up.is_empty() && self.input.is_empty();
        let gathers = exchange.link == Link::Gathering;
        let watches = self.input.is_empty() && exchange.down.is_empty() && exchange.upload.is_done();
        let interest = Interest {
            read_downstream: !self.ended && (awaits_body || gathers || watches),
            write_downstream: !exchange.down.is_empty(),
            read_upstream: open && exchange.may_bring_more() && exchange.down.is_empty(),
            splice: exchange.may_splice(),
            write_upstream: open && exchange.may_take_more() && !exchange.up.is_empty(),
            lease: exchange.link == Link::Leasing,
            ..Interest::default()
        };
        let interest = exchange.interest_behind(interest);
        self.wait(turn, interest)
    }

    /// Bytes both ways; the end of one side is told to the other.
    fn tunnel_step(&mut self, turn: &mut Turn<'_>) -> Act {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Act::Close(Close::Now) };
        if exchange.upstream_broke {
            self.phase = Phase::Closing(Close::Reset);
            return self.close(Close::Reset, turn);
        }
        if exchange.up.is_empty() {
            exchange.up.pass = self.input.len();
        }
        if exchange.down.is_empty() {
            exchange.down.pass = exchange.source.len();
        }
        if self.ended && exchange.up.is_empty() && !exchange.shut_upstream {
            exchange.shut_upstream = true;
            return Act::Shut(Side::Upstream);
        }
        if exchange.upstream_ended && exchange.down.is_empty() && !exchange.shut_downstream {
            exchange.shut_downstream = true;
            return Act::Shut(Side::Downstream);
        }
        if exchange.shut_upstream && exchange.shut_downstream {
            self.phase = Phase::Closing(Close::Now);
            return self.close(Close::Now, turn);
        }
        let interest = Interest {
            read_downstream: !self.ended && exchange.up.is_empty(),
            write_downstream: !exchange.down.is_empty(),
            read_upstream: exchange.may_bring_more() && exchange.down.is_empty(),
            write_upstream: exchange.may_take_more() && !exchange.up.is_empty(),
            ..Interest::default()
        };
        self.wait(turn, interest)
    }
}
