//! One request and all that answers it: what has come, what waits, what was decided, and what is told at its end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::body::{Body, Out};
use super::buffer::{self, Buffer};
use super::hedge::Behind;
use super::mirror::Copying;
use super::serving::{Chosen, Serving};
use crate::balance::{Held, Lead};
use crate::failure::{Failure, Kind, Stage};
use crate::filter::forwarded::{Peer, Told};
use crate::filter::headers::HeaderEdits;
use crate::filter::{Filters, Rewritten};
use crate::framing::{HeadReader, RequestFacts, ResponseFacts};
use crate::head::{RequestHead, ResponseHead, Span};
use crate::health::{Outcome, UnderWay};
use crate::moment::Moment;
use crate::retry::{Attempts, Live, Policy};
use crate::route::RouteId;
use crate::rule::Subject;
use crate::snapshot::compiled::{Compiled, Endpoint, Route, Target, Upstream};

/// A body is passed from socket to socket where so many bytes of it are left: less costs less through a box.
const SPLICED: usize = 64 * 1024;

/// How far the exchange with the endpoint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Link {
    /// None is needed, or none yet.
    #[default]
    None,
    /// Enough of the body is waited for.
    Gathering,
    /// An endpoint is to be chosen.
    Wanted,
    /// A connection was asked for.
    Leasing,
    /// There is a connection.
    Open,
    /// What it brought is not taken, and another try follows.
    Leaving,
    /// The next try begins after a pause.
    Pausing,
    /// It was given back or dropped.
    Ended,
}

/// How far the answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Answering {
    /// Nothing of it has come.
    #[default]
    Waiting,
    /// Its head is on its way to the client, and its body follows.
    Body,
    /// All of it waits to be written, or is written.
    Whole,
    /// There are no messages any more, only bytes both ways.
    Tunnel,
}

/// One request and all that answers it.
#[derive(Default)]
pub struct Exchange {
    /// The snapshot that it began with; a tunnel lets its own go.
    pub serving: Option<Rc<Serving>>,
    /// The listener, as an index into the snapshot.
    pub listener: usize,
    /// The request's head as it came.
    pub bytes: Vec<u8>,
    /// What it says.
    pub head: RequestHead,
    /// What follows from it.
    pub facts: RequestFacts,
    /// Who sent it, and what the endpoint is told about that.
    pub told: Told,
    /// The place of the route in the snapshot, once chosen.
    pub route: Option<RouteId>,
    /// The path that is sent instead of the one that came, if dot segments were resolved.
    pub(super) resolved_path: Option<Vec<u8>>,
    /// What is sent in place of what came, since a filter says so.
    pub(super) rewritten: Rewritten,
    /// Where its route leads to.
    pub(super) leads_to: Lead,
    /// The endpoint that was asked last.
    pub chosen: Option<Chosen>,
    /// Its body is passed from socket to socket, to its end.
    pub(super) splicing: bool,
    /// The endpoint is loaded with this exchange.
    pub(super) held: Option<Held>,
    /// How many endpoints were asked.
    pub attempts: u8,
    /// Whether the connection to the endpoint had been used before.
    pub reused: bool,
    /// When the first byte of the request came.
    pub began: Moment,
    /// When the answer's head was whole.
    pub first_byte: Option<Moment>,
    /// The status of the answer, 0 as long as there is none.
    pub status: u16,
    /// Bytes of the answer written to the client, head included.
    pub bytes_out: u64,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Why earlier tries failed, in order; they were mended by a later one.
    pub tried: Tried,
    /// Each try, once there was more than one.
    pub(super) attempted: Option<Box<Attempts>>,
    /// A try that is under way beside this one.
    pub(super) behind: Option<Box<Behind>>,

    pub(super) reader: HeadReader,
    pub(super) upload: Body,
    pub(super) up: Out,
    /// How much of `up` is a head that is written anew for each endpoint.
    pub(super) head_len: usize,
    pub(super) gather_until: Moment,
    pub(super) rate_from: Moment,
    pub(super) rate_bytes: u64,
    pub(super) link: Link,
    pub(super) fresh_only: bool,
    /// When an endpoint was asked first.
    pub(super) asked_at: Moment,
    /// Its place among the requests that the upstream has under way, where these are bounded.
    pub(super) under_way: Option<UnderWay>,
    pub(super) lease_until: Moment,
    pub(super) queued: bool,
    pub(super) sent_at: Option<Moment>,
    pub(super) upstream_ended: bool,
    pub(super) upstream_broke: bool,
    /// The endpoint takes no more; its answer may still lie there.
    pub(super) upstream_refuses: bool,
    /// The endpoint says that it has not looked at what it was sent.
    pub(super) is_refused: bool,
    pub(super) shut_upstream: bool,
    pub(super) shut_downstream: bool,
    pub(super) source: Buffer,
    pub(super) answer_reader: HeadReader,
    pub(super) answer: ResponseHead,
    pub(super) answer_facts: ResponseFacts,
    pub(super) informational: u8,
    pub(super) answering: Answering,
    pub(super) download: Body,
    pub(super) down: Out,
    /// The client is told, or will find out, that the connection ends with this answer.
    pub(super) last: bool,
    pub(super) reported: bool,
    /// How the connection ends, where the answer was cut.
    pub(super) cut: Option<super::Close>,
    pub(super) buffered: Option<u64>,
    /// Most bytes of the request's body that the route's filter allows.
    pub(super) body_limit: Option<u64>,
    pub(super) wants_metrics: Option<super::Exposition>,
    /// Counts it as under way to its upstream, where its route may repeat it.
    pub(super) live: Option<Live>,
    /// Most bytes of the request's body that are kept to be sent again; 0: it is not kept.
    pub(super) replay: usize,
    /// Whether a copy goes to another upstream.
    pub(super) copying: Copying,
    /// No endpoint is asked before.
    pub(super) resume_at: Moment,
    /// The status that the filter `fault` chose.
    pub(super) abort_with: u16,
    /// No answer within so long is another try's chance; zero where it is not.
    pub(super) per_try: Duration,
    /// What is done about an endpoint's connection that another try leaves behind.
    pub(super) keep: Option<super::Keep>,
    tunnel: Option<Box<Tunnel>>,
}

/// What a tunnel keeps of the snapshot that it began with.
struct Tunnel {
    route: String,
    upstream: Arc<Upstream>,
    endpoint: Arc<Endpoint>,
}

/// Endpoints that an exchange has tried in vain, at most [`Tried::MOST`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    endpoints: [u32; Self::MOST],
    count: usize,
}

impl Tried {
    /// Most endpoints that one exchange tries.
    pub const MOST: usize = 10;

    /// How many are tried where nothing else is said.
    pub const USUAL: usize = 3;

    /// Remembers `endpoint`.
    pub fn push(&mut self, endpoint: u32) {
        if let Some(slot) = self.endpoints.get_mut(self.count) {
            *slot = endpoint;
            self.count += 1;
        }
    }

    /// In place of the last one, remembers `endpoint`.
    pub(super) fn replace_last(&mut self, endpoint: u32) {
        if let Some(slot) = self.endpoints.get_mut(self.count.wrapping_sub(1)) {
            *slot = endpoint;
        }
    }

    /// The endpoints, in order.
    pub fn endpoints(&self) -> &[u32] {
        self.endpoints.get(..self.count).unwrap_or_default()
    }
}

impl Exchange {
    /// Where on the road it is.
    pub fn stage(&self) -> Stage {
        match (self.answering, self.link) {
            (Answering::Whole, _) => Stage::Write,
            (Answering::Body | Answering::Tunnel, _) => Stage::Exchange,
            (Answering::Waiting, Link::None) => Stage::Route,
            (Answering::Waiting, Link::Gathering) => Stage::Filter,
            (Answering::Waiting, Link::Wanted | Link::Pausing) => Stage::Balance,
            (Answering::Waiting, Link::Leasing) => Stage::Connect,
            (Answering::Waiting, Link::Open | Link::Leaving | Link::Ended) => Stage::Exchange,
        }
    }

    /// Bytes of the request that have come: its head, and its body without framing.
    pub fn bytes_in(&self) -> u64 {
        self.bytes.len() as u64 + self.upload.taken()
    }

    /// The route, once chosen; a tunnel has let it go.
    pub(super) fn route(&self) -> Option<&Route> {
        self.serving.as_ref()?.compiled.route(self.route?)
    }

    /// The name of the route, once chosen; else empty.
    pub fn route_name(&self) -> &str {
        match &self.tunnel {
            Some(tunnel) => &tunnel.route,
            None => self.route().map_or("", |route| &route.name),
        }
    }

    /// The upstream that was asked last.
    pub fn upstream(&self) -> Option<&Arc<Upstream>> {
        let of_serving = || self.serving.as_ref()?.upstream(self.chosen?);
        self.tunnel.as_ref().map_or_else(of_serving, |tunnel| Some(&tunnel.upstream))
    }

    /// Of a request whose route leads to several upstreams: the one that it was for. None where it came to neither.
    pub fn target(&self) -> Option<&Arc<Upstream>> {
        let was_led = self.chosen.is_some() || self.failure.as_ref().is_some_and(|it| it.stage == Stage::Balance);
        let compiled = &self.serving.as_ref()?.compiled;
        let is_one_of_several = matches!(compiled.route(self.route?)?.to, Target::Split(_));
        if was_led && is_one_of_several { compiled.upstreams.get(self.leads_to.index()) } else { None }
    }

    /// The endpoint that was asked last.
    pub fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        let of_serving = || self.serving.as_ref()?.endpoint(self.chosen?);
        self.tunnel.as_ref().map_or_else(of_serving, |tunnel| Some(&tunnel.endpoint))
    }

    /// What became of the request to the endpoint; none where that says nothing of the endpoint.
    pub fn outcome(&self) -> Option<Outcome<'_>> {
        match &self.failure {
            Some(failure) if failure.is_of_endpoint() => Some(Outcome::Broken(failure.kind.says())),
            None if self.first_byte.is_some() => Some(Outcome::Answered(self.answer.status)),
            Some(_) | None => None,
        }
    }

    /// Tells the endpoint's standing what became of the request.
    pub fn settle(&self, now: Moment) {
        if let Some(outcome) = self.outcome() {
            self.observe(outcome, now);
        }
    }

    /// Tells the endpoint's standing what became of one try.
    pub(super) fn observe(&self, outcome: Outcome<'_>, now: Moment) {
        if let (Some(upstream), Some(endpoint)) = (self.upstream(), self.endpoint()) {
            upstream.observe(endpoint, outcome, || self.print(), now);
        }
    }

    /// A number that is the same for requests for the same thing: method, host and path.
    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let of = |span: Span| span.of(&self.bytes);
        of(self.head.method_span).hash(&mut hasher);
        self.facts.host.as_ref().map(|host| of(host.whole)).hash(&mut hasher);
        of(self.head.path).hash(&mut hasher);
        hasher.finish()
    }

    /// When its route says that it is tried again.
    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.serving.as_ref()?.compiled.route(self.route?)?.retry.as_deref()
    }

    /// The filters of its route.
    pub(super) fn filters(&self) -> Option<&Filters> {
        self.serving.as_ref()?.compiled.route(self.route?)?.filters.as_deref()
    }

    /// The request's body is whole: a field that a filter replaces does not come behind it either.
    pub(super) fn edit_trailers(&mut self) {
        if self.filters().is_none() {
            return;
        }
        let mut up = mem::take(&mut self.up);
        if let Some(filters) = self.filters() {
            self.upload.drop_trailers(&mut up, |name| filters.replace(name));
        }
        self.up = up;
    }

    /// The same for the answer.
    pub(super) fn edit_answer_trailers(&mut self) {
        if self.filters().is_none() {
            return;
        }
        let mut down = mem::take(&mut self.down);
        if let Some(edits) = self.filters().and_then(|filters| filters.response_headers.as_ref()) {
            self.download.drop_trailers(&mut down, |name| edits.replaces(name));
        }
        self.down = down;
    }

    /// The request as expressions see it.
    pub(super) fn subject<'a>(&'a self, peer: &'a Peer) -> Option<Subject<'a>> {
        self.subject_of(&self.serving.as_ref()?.compiled, peer)
    }

    /// The same, by another look at the snapshot: a head that was refused has none.
    pub(crate) fn subject_of<'a>(&'a self, compiled: &'a Compiled, peer: &'a Peer) -> Option<Subject<'a>> {
        let listener = compiled.listeners.get(self.listener)?;
        Some(Subject::of(listener, peer, &self.told, &self.bytes, &self.head, &self.facts))
    }

    /// The edits of the answer's head, and what their values are made of.
    pub(super) fn response_edits<'a>(&'a self, peer: &'a Peer) -> Option<(&'a HeaderEdits, Subject<'a>)> {
        let edits = self.filters()?.response_headers.as_ref()?;
        Some((edits, self.subject(peer)?))
    }

    /// Becomes a tunnel, and lets its snapshot go: a tunnel may live for days, and needs but three names of it.
    pub(super) fn become_tunnel(&mut self) {
        self.answering = Answering::Tunnel;
        if let (Some(upstream), Some(endpoint)) = (self.upstream(), self.endpoint()) {
            let route = self.route_name().to_owned();
            let (upstream, endpoint) = (Arc::clone(upstream), Arc::clone(endpoint));
            self.tunnel = Some(Box::new(Tunnel { route, upstream, endpoint }));
        }
        self.serving = None;
        self.live = None;
        if let Some(attempted) = &mut self.attempted {
            attempted.repeating = None;
        }
    }

    /// From the last byte sent to the endpoint to the first byte of its answer; zero for one that came sooner.
    pub fn waited(&self) -> Option<Duration> {
        let first = self.first_byte?;
        Some(first.since(self.sent_at.unwrap_or(first)))
    }

    /// The answer's head has come: how soon, is known of the endpoint from now on. One that came before the request was
    /// whole says nothing of it, and a quick error does not make it look fast.
    pub(super) fn answer_began(&mut self, now: Moment) {
        self.first_byte = Some(now);
        if self.live.is_some() {
            self.learn_latency(now);
        }
        if self.under_way.is_some() {
            self.learn_load(now);
        }
        match (&self.held, self.sent_at) {
            (Some(held), Some(sent)) if self.status >= 500 => held.failed(now.since(sent), now),
            (Some(held), Some(sent)) => held.answered(now.since(sent), now),
            (Some(_) | None, _) => {}
        }
    }

    /// How long an answer took, or that it took too long, is known of what the upstream bears from now on. A quick error
    /// says nothing of load.
    fn learn_load(&self, now: Moment) {
        let is_late = self.failure.as_ref().is_some_and(|failure| failure.kind == Kind::ResponseTimeout);
        let tells = if self.first_byte.is_some() { self.status < 500 } else { is_late };
        if let (true, Some(upstream), Some(sent)) = (tells, self.upstream(), self.sent_at) {
            upstream.learn(now.since(sent), now);
        }
    }

    /// The endpoint is no longer loaded with this exchange. Where it failed to answer, that is known of it.
    pub(super) fn release_endpoint(&mut self, now: Moment) {
        let failed = self.failure.as_ref().is_some_and(Failure::is_of_endpoint);
        if failed && self.first_byte.is_none() && self.under_way.is_some() {
            self.learn_load(now);
        }
        if let Some(held) = self.held.take().filter(|_| failed && self.first_byte.is_none()) {
            held.failed(now.since(self.sent_at.unwrap_or(self.asked_at)), now);
        }
    }

    /// While the endpoint does not take what came, nothing is read: the time that passed is not the client's.
    pub(super) fn stretch_rate_window(&mut self, passed: Duration) {
        if self.link == Link::Open && !self.up.is_empty() {
            self.rate_from = self.rate_from.after(passed);
        }
    }

    /// Whether something may still come from the endpoint.
    pub(super) fn may_bring_more(&self) -> bool {
        !self.upstream_ended && !self.upstream_broke
    }

    /// Whether the endpoint may still take something.
    pub(super) fn may_take_more(&self) -> bool {
        !self.upstream_refuses && !self.upstream_broke
    }

    /// Whether it is a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.answering == Answering::Tunnel
    }

    /// The size of the box that the client's bytes are read into: a large one for a large body.
    pub(super) fn upload_box(&self) -> usize {
        let large = match self.upload.expects() {
            Some(left) => left > buffer::SMALL as u64,
            None => self.upload.taken() > buffer::SMALL as u64,
        };
        if large || self.answering == Answering::Tunnel { buffer::LARGE } else { buffer::SMALL }
    }

    /// Whether nothing of the answer has come.
    pub(super) fn awaits_answer(&self) -> bool {
        self.answering == Answering::Waiting
    }

    /// Whether the answer was so large that the next one is likely to be worth a pipe.
    pub(super) fn was_large(&self) -> bool {
        self.download.taken() >= (buffer::SMALL + SPLICED) as u64
    }

    /// How many of the endpoint's next bytes are the client's alone, where that is enough to be worth a pipe.
    pub(super) fn may_splice(&self) -> usize {
        if self.answering == Answering::Body && self.source.is_empty() && self.down.is_empty() {
            self.download.passes().filter(|left| self.splicing || *left >= SPLICED).unwrap_or(0)
        } else {
            0
        }
    }

    /// Makes it as new, but keeps the room of its vectors.
    pub(super) fn reset(&mut self) {
        self.bytes.clear();
        self.head.fields.clear();
        self.answer.fields.clear();
        self.up.clear();
        self.down.clear();
        self.rewritten.clear();
        *self = Self {
            bytes: mem::take(&mut self.bytes),
            head: mem::take(&mut self.head),
            answer: mem::take(&mut self.answer),
            up: mem::take(&mut self.up),
            down: mem::take(&mut self.down),
            rewritten: mem::take(&mut self.rewritten),
            ..Self::default()
        };
    }
}
