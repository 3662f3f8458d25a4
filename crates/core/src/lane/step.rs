//! The machine itself: an event changes what is known, then the lane goes as far as it can without another one.

use std::rc::Rc;
use std::time::Duration;

use super::answer;
use super::body::Appetite;
use super::buffer;
use super::deadline::{Due, GATHER, RATE_WINDOW};
use super::exchange::{Answering, Exchange, Link};
use super::own;
use super::request;
use super::serving::Serving;
use super::{Act, Close, Event, Fresh, Interest, Keep, Lane, Lease, Phase, Side, Turn};
use crate::failure::{Failure, Kind, Retryable, Stage};
use crate::filter::forwarded::Peer;
use crate::framing::{BodyLength, ChunkLimits, HeadReader, Progress};
use crate::moment::Moment;
use crate::proxy_protocol::{self, Header};
use crate::route::RouteId;
use crate::snapshot::compiled::{Listener, Target};
use crate::snapshot::document::{Builtin, ProxyProtocolOut};

/// An endpoint is asked once so many bytes of a request wait for it.
const GATHERED: usize = 16 * 1024;

/// How long an endpoint is passed over after it could not be reached.
const PASSED_OVER: Duration = Duration::from_secs(10);

/// Bounds on the chunks of an answer.
const ANSWER_CHUNKS: ChunkLimits = ChunkLimits { extension: 4096, trailer: 64 * 1024 };

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
            Event::LeaseFailed(kind) => self.lease_failed(kind, turn),
            Event::Read(Side::Upstream, _)
            | Event::Spliced(_)
            | Event::Wrote(..)
            | Event::Broke(Side::Upstream)
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
            }
            Event::Broke(Side::Upstream) => exchange.upstream_broke = true,
            Event::Wrote(Side::Downstream, n) => {
                exchange.down.wrote(n, &mut exchange.source);
                exchange.bytes_out += n as u64;
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
                if reused.is_none() {
                    exchange.up.announce(exchange.upstream().map(|upstream| upstream.proxy_protocol), &self.peer);
                }
            }
            Event::Moved(id) => {
                let serving = exchange.serving.as_ref();
                let other = exchange.chosen.and_then(|chosen| serving?.other(chosen, id));
                exchange.chosen = other.or(exchange.chosen);
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
            | Event::Read(Side::Downstream, _)
            | Event::Broke(Side::Downstream) => {}
        }
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        let (at, due) = self.due(turn);
        if turn.now < at {
            return;
        }
        match due {
            Due::Leave => self.leave(),
            Due::Gathered => self.want_endpoint(),
            Due::Rate => self.measure_rate(turn),
            Due::Fail(Kind::HeadTimeout) => {
                let reason = "the head was not whole after timeouts.header";
                self.refuse(Failure::new(Kind::HeadTimeout, Stage::Codec, reason), turn);
            }
            Due::Fail(Kind::ConnectTimeout) => self.lease_failed(Kind::ConnectTimeout, turn),
            Due::Fail(kind) => {
                let stage = self.stage();
                let address = self.exchange.as_deref().map(address).unwrap_or_default();
                self.fail(Failure::new(kind, stage, format!("{}: {}", address, kind.says())), turn);
            }
        }
    }

    fn leave(&mut self) {
        self.phase = Phase::Closing(Close::Now);
        if let Some(exchange) = &mut self.exchange {
            exchange.down.clear();
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
    fn client_gone(&mut self) {
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

    /// Reads on in the PROXY protocol header, without which a connection has no client and gets no answer.
    fn read_proxy_header(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        match proxy_protocol::read(self.input.filled()) {
            Ok(Header::Partial) if self.ended || turn.now >= self.due(turn).0 => {
                self.refuse_connection("the connection ended, or timeouts.header passed, inside the header")
            }
            Ok(Header::Partial) => return Some(self.wait_for_more(turn)),
            Ok(Header::Whole { len, told }) => {
                self.input.consume(len);
                if let Some((client, local)) = told {
                    self.peer = Peer::new(Some(client), Some(local));
                }
                self.phase = Phase::Idle;
                self.touched = turn.now;
            }
            Err(says) => self.refuse_connection(says),
        }
        None
    }

    fn refuse_connection(&mut self, says: &'static str) {
        self.refused = Some(says);
        self.phase = Phase::Closing(Close::Now);
    }

    /// Reads on in a request's head. Idle and incomplete heads wait here.
    fn read_request(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        // The empty line that old clients send after a body begins nothing that could be late.
        if HeadReader::default().is_before_request(self.input.filled()) {
            if self.ended || turn.now >= self.due(turn).0 {
                return Some(Act::Close(Close::Now));
            }
            return Some(self.wait_for_more(turn));
        }
        let Some(listener) = turn.serving.compiled.listeners.get(turn.listener) else {
            return Some(Act::Close(Close::Now));
        };
        if self.phase != Phase::Head {
            self.phase = Phase::Head;
            let mut exchange = turn.shelf.take_exchange();
            exchange.began = turn.now;
            exchange.listener = turn.listener;
            self.exchange = Some(exchange);
        }
        let exchange = self.exchange.as_deref_mut()?;
        let bytes = self.input.filled();
        match exchange.reader.read_request(bytes, &listener.head, &mut exchange.head) {
            Err(failure) => self.refuse(failure, turn),
            Ok(Progress::Partial) if self.ended => return Some(Act::Close(Close::Now)),
            Ok(Progress::Partial) => return Some(self.wait_for_more(turn)),
            Ok(Progress::Complete) => self.begin(turn),
        }
        None
    }

    /// Waits for more of a head; one that dribbles in does not hold a whole box meanwhile.
    fn wait_for_more(&mut self, turn: &mut Turn<'_>) -> Act {
        if !self.input.is_empty() && self.input.len() < buffer::NOOK / 2 && self.input.capacity() > buffer::NOOK {
            turn.shelf.resize(&mut self.input, buffer::NOOK);
        }
        self.wait(turn, Interest { read_downstream: true, ..Interest::default() })
    }

    /// The head is whole: decides what it leads to.
    fn begin(&mut self, turn: &mut Turn<'_>) {
        let is_old = self.is_old(turn);
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let len = exchange.head.len as usize;
        exchange.bytes.extend_from_slice(self.input.filled().get(..len).unwrap_or_default());
        self.input.consume(len);
        self.phase = Phase::Exchange;
        exchange.serving = Some(Rc::clone(turn.serving));
        exchange.rate_from = turn.now;
        exchange.rate_bytes = self.input.len() as u64;
        exchange.last = is_old;
        match request::admit(exchange, &self.peer, turn) {
            Ok(route) => self.direct(route, turn),
            Err(failure) => self.refuse(failure, turn),
        }
    }

    fn direct(&mut self, id: RouteId, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.route = Some(id);
        let Some(route) = turn.serving.compiled.route(id) else { return };
        if exchange.facts.max_forwards == Some(0) {
            let fields = [("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")];
            own::answer(exchange, 200, &fields, "text/plain; charset=utf-8", b"", turn);
            return;
        }
        let text = "text/plain; charset=utf-8";
        match &route.to {
            Target::Respond { status, body } => own::answer(exchange, *status, &[], text, body.as_bytes(), turn),
            Target::Builtin(Builtin::Livez) => own::answer(exchange, 200, &[], text, b"ok\n", turn),
            Target::Builtin(Builtin::Readyz) if turn.ready => own::answer(exchange, 200, &[], text, b"ok\n", turn),
            Target::Builtin(Builtin::Readyz) => own::answer(exchange, 503, &[], text, b"draining\n", turn),
            Target::Builtin(Builtin::Metrics) => exchange.wants_metrics = true,
            Target::Upstream(_) => self.gather_or_ask(route.buffer_request, turn),
        }
    }

    /// Metrics were asked for (see [`Act::Metrics`]): this is their text.
    pub fn supply(&mut self, text: &[u8], turn: &Turn<'_>) {
        if let Some(exchange) = self.exchange.as_deref_mut() {
            own::answer(exchange, 200, &[], "text/plain; version=0.0.4; charset=utf-8", text, turn);
        }
    }

    fn gather_or_ask(&mut self, buffered: Option<u64>, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.buffered = buffered;
        if let (Some(most), BodyLength::Length(n)) = (buffered, exchange.facts.body)
            && n > most
        {
            let reason = format!("Content-Length is {n}, buffer_request takes {most}");
            self.refuse(Failure::new(Kind::BodyTooLarge, Stage::Filter, reason), turn);
            return;
        }
        if buffered.is_some() && exchange.facts.expects_continue && self.input.is_empty() {
            exchange.down.bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        exchange.gather_until = if buffered.is_some() { Moment::NEVER } else { turn.now.after(GATHER) };
        let at_once = exchange.facts.expects_continue && buffered.is_none();
        exchange.link = if at_once { Link::Wanted } else { Link::Gathering };
        // Without a Host the endpoint's address stands in for it, so the endpoint must be known first.
        let is_known = !at_once && exchange.facts.host.is_some();
        if is_known && let Some(listener) = turn.serving.compiled.listeners.get(turn.listener) {
            request::write_head(exchange, &self.peer, listener, "", buffered.is_some());
            exchange.up.keep = true;
        }
    }

    /// One step of an exchange; `None`: another one follows at once.
    fn exchange_step(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        if exchange.wants_metrics && exchange.answering == Answering::Waiting {
            return Some(Act::Metrics);
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
        if exchange.link == Link::Open {
            match self.move_download(turn) {
                Ok(None) => {}
                Ok(Some(act)) => return Some(act),
                Err(failure) => {
                    self.fail(failure, turn);
                    return None;
                }
            }
        }
        let exchange = self.exchange.as_deref_mut()?;
        if exchange.is_tunnel() {
            return None;
        }
        if exchange.answering == Answering::Whole {
            if exchange.link == Link::Open || exchange.link == Link::Leasing {
                return Some(self.let_upstream_go());
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
        match exchange.link {
            Link::Gathering => {
                let most = exchange.buffered.map_or(GATHERED, |_| usize::MAX);
                exchange.upload.advance(&mut self.input, &mut exchange.up, &listener.chunks, Appetite::gather(most))?;
                if exchange.upload.is_done() || (exchange.buffered.is_none() && exchange.up.bytes.len() >= GATHERED) {
                    exchange.link = Link::Wanted;
                }
            }
            Link::Open if exchange.up.is_empty() && !exchange.upload.is_done() && !self.input.is_empty() => {
                exchange.up.let_go();
                exchange.upload.advance(&mut self.input, &mut exchange.up, &listener.chunks, Appetite::STREAM)?;
            }
            Link::Open | Link::None | Link::Wanted | Link::Leasing | Link::Ended => {}
        }
        let taken = exchange.upload.taken();
        let most = exchange.buffered.map_or(listener.body_bytes, |size| size.min(or_none(listener.body_bytes)));
        if most > 0 && taken > most {
            let reason = format!("the body has over {most} bytes");
            return Err(Failure::new(Kind::BodyTooLarge, Stage::Codec, reason));
        }
        Ok(())
    }

    fn ask_for_endpoint(&mut self, serving: &Serving, listener: &Listener, turn: &mut Turn<'_>) -> Option<Act> {
        let exchange = self.exchange.as_deref_mut()?;
        let route = exchange.route.and_then(|id| serving.compiled.route(id))?;
        let Target::Upstream(index) = route.to else { return None };
        let same = exchange.chosen.filter(|_| exchange.fresh_only);
        let same = same.or_else(|| serving.choose_bound(index, self.bound?, turn.now));
        let chosen = match same.map_or_else(|| serving.choose(index, &exchange.tried, turn.now, turn.dice), Ok) {
            Ok(chosen) => chosen,
            Err(failure) => {
                self.fail(*failure, turn);
                return None;
            }
        };
        if exchange.attempts == 0 {
            exchange.asked_at = turn.now;
        }
        exchange.chosen = Some(chosen);
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

    fn lease_failed(&mut self, kind: Kind, turn: &mut Turn<'_>) {
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
        let unreachable = matches!(kind, Kind::ConnectRefused | Kind::ConnectTimeout | Kind::ConnectFailed);
        let Some(chosen) = exchange.chosen.filter(|_| unreachable) else {
            self.fail(failure, turn);
            return;
        };
        let Some(serving) = &exchange.serving else { return };
        if let Some(endpoint) = serving.endpoint(chosen) {
            endpoint.standing.pass_over(turn.now, turn.now.after(PASSED_OVER));
        }
        exchange.tried.push(chosen.endpoint);
        let endpoints = serving.upstream(chosen).map_or(0, |upstream| upstream.endpoints.len());
        if exchange.tried.is_full() || exchange.tried.endpoints().len() >= endpoints {
            self.fail(failure, turn);
            return;
        }
        exchange.fresh_only = false;
        exchange.link = Link::Wanted;
    }

    /// Moves bytes of the answer towards the client.
    fn move_download(&mut self, turn: &mut Turn<'_>) -> Result<Option<Act>, Failure> {
        let is_old = self.is_old(turn);
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(None) };
        if exchange.answering == Answering::Waiting && !exchange.source.is_empty() {
            answer::read_head(exchange, turn.leaving || is_old, turn)?;
        }
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
                exchange.answering = Answering::Whole;
                return Ok(None);
            }
            if over && exchange.down.is_empty() {
                return Err(answer::ended_early(exchange, exchange.upstream_broke, &address(exchange)));
            }
        }
        if exchange.answering == Answering::Waiting && (exchange.upstream_ended || exchange.upstream_broke) {
            return self.ask_again().map(Some);
        }
        Ok(None)
    }

    /// Whether the connection has the age at which it is asked to go.
    fn is_old(&self, turn: &Turn<'_>) -> bool {
        let listener = turn.serving.compiled.listeners.get(turn.listener);
        listener.is_some_and(|listener| turn.now >= self.began.after_unless_zero(listener.max_age))
    }

    /// The endpoint went away before it answered: a kept connection that it had closed is no failure of the request.
    fn ask_again(&mut self) -> Result<Act, Failure> {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Ok(Act::DropUpstream) };
        let failure = answer::ended_early(exchange, exchange.upstream_broke, &address(exchange));
        let may = match failure.retryable {
            Retryable::Always => true,
            Retryable::IfIdempotent => exchange.head.method.is_idempotent(),
            Retryable::Never => false,
        };
        if !(may && exchange.reused && exchange.up.keep && exchange.up.pass == 0) {
            return Err(failure);
        }
        exchange.up.sent = 0;
        exchange.sent_at = None;
        exchange.upstream_ended = false;
        exchange.upstream_broke = false;
        exchange.fresh_only = true;
        exchange.link = Link::Wanted;
        Ok(Act::DropUpstream)
    }

    /// The answer is whole: says whether the endpoint's connection may serve another exchange.
    fn let_upstream_go(&mut self) -> Act {
        let Some(exchange) = self.exchange.as_deref_mut() else { return Act::DropUpstream };
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

    /// The answer is written: reports, then goes on with the next request or closes.
    fn finish(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
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

    fn close(&mut self, how: Close, turn: &mut Turn<'_>) -> Act {
        if let Some(exchange) = &mut self.exchange {
            if matches!(exchange.link, Link::Open | Link::Leasing) {
                exchange.link = Link::Ended;
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
            read_upstream: !exchange.upstream_ended && exchange.down.is_empty(),
            write_upstream: !exchange.up.is_empty(),
            ..Interest::default()
        };
        self.wait(turn, interest)
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
            read_upstream: open && !exchange.upstream_ended && exchange.down.is_empty(),
            splice: exchange.may_splice(),
            write_upstream: open && !exchange.up.is_empty(),
            lease: exchange.link == Link::Leasing,
            deadline: Moment::NEVER,
        };
        self.wait(turn, interest)
    }

    fn wait(&self, turn: &Turn<'_>, interest: Interest) -> Act {
        Act::Wait(Interest { deadline: self.due(turn).0, ..interest })
    }

    /// A request that is refused: answered, and nothing that follows on the connection is served.
    fn refuse(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        self.phase = Phase::Exchange;
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        if exchange.bytes.is_empty() {
            exchange.bytes.extend_from_slice(self.input.filled().get(..1).unwrap_or_default());
            exchange.head = crate::head::RequestHead { fields: Vec::new(), ..Default::default() };
        }
        exchange.serving.get_or_insert_with(|| Rc::clone(turn.serving));
        exchange.last |= failure.kind.status() == 400 || failure.stage == Stage::Codec;
        own::answer_failure(exchange, failure, turn);
    }

    /// An exchange that failed: answered if no answer has begun, else cut so that nobody takes it for whole.
    fn fail(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        // What waits is at most interim answers: they stay in front of ours.
        if exchange.answering == Answering::Waiting && failure.kind.status() != 0 {
            own::answer_failure(exchange, failure, turn);
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

fn or_none(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

/// The address of the endpoint that was asked last.
fn address(exchange: &Exchange) -> String {
    exchange.endpoint().map_or_else(|| "no endpoint".to_owned(), |endpoint| endpoint.address.clone())
}
