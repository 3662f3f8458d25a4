//! Endpoints that do the same work. What outlives a snapshot is carried over by identity.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::standing::AskedEvent;
use crate::balance::subset::tell_labels;
use crate::balance::tiers::Tier;
use crate::balance::view::panics;
use crate::balance::{
    EndpointLoad, EndpointStanding, HashTable, Method, Persist, Ranking, Rule, Seat, Sessions, Subset,
};
use crate::geo::{Geo, Place};
use crate::health::{Adaptive, Check, Circuit, Ejector, Full, Member, Outcome, Strikes, UnderWay};
use crate::mirror::Mirrored;
use crate::moment::Moment;
use crate::retry::{Allowance, Budget};
use crate::rule::{Subject, Text};
use crate::snapshot::document::{self, ProxyProtocolOut};

/// How HTTP/2 is spoken to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Http2Out {
    /// Streams of a connection at once.
    pub streams: u32,
    /// Bytes of an answer's body that may come before any is taken.
    pub window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// How long a connection is kept without work.
    pub idle: Duration,
    /// Age at which nothing more begins on a connection; zero is none.
    pub max_age: Duration,
    /// How often a connection is asked whether it lives; zero is never.
    pub ping: Duration,
}

impl Http2Out {
    fn build(written: &document::UpstreamHttp2, idle: Duration) -> Self {
        Self {
            streams: written.streams,
            window: written.window,
            connection_window: written.connection_window,
            idle,
            max_age: Duration::from_millis(written.max_age_ms),
            ping: Duration::from_millis(written.ping_ms),
        }
    }
}

/// Endpoints that do the same work.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// The part of the document that it was made from.
    pub document: document::Upstream,
    /// How an endpoint is chosen.
    pub method: Method,
    /// By what requests are told apart, where the method asks for it.
    pub key: Option<Key>,
    /// How sessions stay with their endpoint; none: requests know none.
    pub persist: Option<Box<Persist>>,
    /// What became of them; shared by threads and snapshots.
    pub sessions: Arc<Sessions>,
    /// Where threads keep its endpoints in order; follows its name through all snapshots of a worker.
    pub ranking: Arc<Ranking>,
    /// The endpoints, in the order of the document.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Those of them that routes ask for, in the order of the document.
    pub subsets: Box<[Subset]>,
    /// How long a connection is kept without work; zero keeps none.
    pub idle: Duration,
    /// Most connections to one endpoint; 0 is no limit.
    pub connections: u64,
    /// Most requests that wait for a connection.
    pub queue: u64,
    /// Longest wait for a connection.
    pub wait: Duration,
    /// Longest connect.
    pub connect: Duration,
    /// The PROXY protocol header that is sent.
    pub proxy_protocol: ProxyProtocolOut,
    /// How HTTP/2 is spoken to the endpoints; none: HTTP/1 is.
    pub http2: Option<Http2Out>,
    /// How endpoints are checked; none: they are not.
    pub check: Option<Arc<Check>>,
    /// Who decides which endpoints are ejected; shared by threads and snapshots.
    pub ejector: Arc<Ejector>,
    /// What is repeated of the requests to it; shared by all threads and snapshots.
    pub repeats: Arc<Budget>,
    /// How much of that it can bear.
    pub allowance: Allowance,
    /// Copies of requests that go to it; shared alike.
    pub mirrored: Arc<Mirrored>,
    /// How a bound on the requests under way is found; none: it is not.
    pub adaptive: Option<Box<Adaptive>>,
    /// How many requests are under way, where that is bounded; shared alike.
    pub circuit: Arc<Circuit>,
}

/// By what requests are told apart.
#[derive(Debug)]
pub enum Key {
    /// By a text.
    Text(Text),
    /// By where the client is.
    Place,
}

/// One address of an upstream.
#[derive(Debug)]
pub struct Endpoint {
    /// Follows the identity (upstream, address, PROXY protocol) through all snapshots of a worker.
    pub id: u32,
    /// As shown to people.
    pub address: String,
    /// Share of the work.
    pub weight: u32,
    /// Whether it may be chosen; shared by all threads and snapshots.
    pub standing: Arc<EndpointStanding>,
    /// Where it stands among the others.
    pub tier: Tier,
    /// What it is loaded with; shared alike.
    pub load: Arc<EndpointLoad>,
    /// Its failed requests; shared by all threads and snapshots.
    pub strikes: Arc<Strikes>,
}

impl Endpoint {
    /// As a view is made of it.
    pub fn seat(&self) -> Seat {
        let Self { id, weight, standing, load, tier, .. } = self;
        Seat { id: *id, weight: *weight, standing: Arc::clone(standing), load: Arc::clone(load), tier: *tier }
    }
}

impl Member for Endpoint {
    fn id(&self) -> u32 {
        self.id
    }

    fn standing(&self) -> &EndpointStanding {
        &self.standing
    }

    fn strikes(&self) -> &Strikes {
        &self.strikes
    }
}

impl Upstream {
    /// Whether so few of its endpoints are healthy that all are used.
    pub fn panics(&self, now: Moment) -> bool {
        let endpoints = self.endpoints.iter().map(|endpoint| (endpoint.weight, endpoint.tier, &*endpoint.standing));
        panics(endpoints, self.document.traffic, self.document.panic_threshold, now)
    }

    /// The subset of this number, from 1; none for 0, which is all endpoints.
    pub fn subset(&self, part: u32) -> Option<&Subset> {
        self.subsets.get((part as usize).checked_sub(1)?)
    }

    /// How many endpoints a request may be led to.
    pub fn reach(&self, part: u32) -> usize {
        self.subset(part).map_or(self.endpoints.len(), |subset| subset.reach)
    }

    /// A request is about to ask an endpoint; `subject` is asked for where its priority matters.
    pub fn enter<'s>(&self, subject: impl FnOnce() -> Option<Subject<'s>>) -> Result<Option<UnderWay>, Full> {
        let Some(bounds) = &self.document.circuit else { return Ok(None) };
        let adaptive = self.adaptive.as_deref().map(|adaptive| (adaptive, adaptive.priority(subject)));
        let limit = adaptive.map(|(adaptive, priority)| self.circuit.limiter.limit_of(priority, &adaptive.policy));
        let bound = (bounds.requests > 0).then_some(bounds.requests);
        let entered = self.circuit.enter(limit.into_iter().chain(bound).min().unwrap_or(0));
        if entered.is_err() {
            let told = adaptive.filter(|(adaptive, _)| adaptive.has_priorities());
            self.circuit.count_refused(told.map(|(_, priority)| priority));
        }
        entered
    }

    /// The bound on its requests under way that it has found.
    pub fn limit(&self) -> Option<u64> {
        Some(self.circuit.limiter.limit(&self.adaptive.as_ref()?.policy))
    }

    /// Takes in how long one of its answers took, where a bound follows from that.
    pub fn learn(&self, took: Duration, now: Moment) {
        if let Some(adaptive) = &self.adaptive {
            self.circuit.limiter.learn(took, self.circuit.under_way(), &adaptive.policy, now);
        }
    }

    /// Takes what became of a request to one of its endpoints. `print` tells that request from others, and is asked for
    /// only where something is amiss.
    pub fn observe(&self, endpoint: &Endpoint, outcome: Outcome<'_>, print: impl FnOnce() -> u64, now: Moment) {
        if let Some(policy) = &self.document.outlier {
            self.ejector.observe(policy, &self.endpoints, endpoint, outcome, print, now);
        }
    }

    /// Asks of each endpoint what the document says. Done once nothing can be refused any more, since snapshots share
    /// what is asked.
    pub(super) fn ask(&self) {
        for (endpoint, document) in self.endpoints.iter().zip(&self.document.endpoints) {
            // From where it is already nothing leads there, and nothing need.
            let _ = endpoint.standing.ask(if document.draining { AskedEvent::Drain } else { AskedEvent::Resume });
        }
        let orders: Vec<u64> = self.subsets.iter().map(Subset::number).chain([0]).collect();
        self.ranking.keep_only(&orders);
    }
}

/// The upstream, or the `old` one where nothing changed; `geo` tells where endpoints are, and has changed if it `is_new`. New
/// endpoints get ids from `next_id` on.
/// Fails on a check or a key that is none.
pub(super) fn compile(
    upstream: &document::Upstream,
    old: Option<&Arc<Upstream>>,
    next_id: &mut u32,
    geo: &Geo,
    is_new: bool,
) -> Result<Arc<Upstream>, String> {
    if let Some(old) = old
        && old.document == *upstream
        && !(is_new && matches!(old.key, Some(Key::Place)))
    {
        return Ok(Arc::clone(old));
    }
    let known: HashMap<&str, &Arc<Endpoint>> = old
        .iter()
        .filter(|old| old.proxy_protocol == upstream.proxy_protocol)
        .flat_map(|old| &old.endpoints)
        .map(|endpoint| (endpoint.address.as_str(), endpoint))
        .collect();
    let endpoints = upstream
        .endpoints
        .iter()
        .map(|endpoint| match known.get(endpoint.address.as_str()) {
            Some(same) if same.weight == endpoint.weight && same.tier == tier(endpoint) => Arc::clone(same),
            Some(same) => Arc::new(Endpoint {
                id: same.id,
                address: same.address.clone(),
                weight: endpoint.weight,
                tier: tier(endpoint),
                standing: Arc::clone(&same.standing),
                load: Arc::clone(&same.load),
                strikes: Arc::clone(&same.strikes),
            }),
            None => {
                *next_id += 1;
                Arc::new(Endpoint {
                    id: *next_id,
                    address: endpoint.address.clone(),
                    weight: endpoint.weight,
                    tier: tier(endpoint),
                    standing: Arc::default(),
                    load: Arc::new(if old.is_some() {
                        EndpointLoad::new_among_others()
                    } else {
                        EndpointLoad::default()
                    }),
                    strikes: Arc::default(),
                })
            }
        })
        .collect();
    let pool = &upstream.pool;
    let check = upstream.health.as_ref().map(|health| Check::build(health).map(Arc::new)).transpose()?;
    Ok(Arc::new(Upstream {
        name: upstream.name.clone(),
        document: upstream.clone(),
        method: method(upstream, &upstream.balance, geo, &|_| true),
        subsets: upstream.subsets.iter().map(|subset| build_subset(subset, upstream, geo)).collect::<Result<_, _>>()?,
        key: key(&upstream.balance)?,
        persist: upstream.persist.as_ref().map(Persist::build).map(Box::new),
        sessions: old.map(|old| Arc::clone(&old.sessions)).unwrap_or_default(),
        ranking: old.map(|old| Arc::clone(&old.ranking)).unwrap_or_default(),
        endpoints,
        idle: Duration::from_millis(pool.idle_ms),
        connections: pool.connections,
        queue: pool.queue,
        wait: Duration::from_millis(pool.wait_ms),
        connect: Duration::from_millis(pool.connect_ms),
        proxy_protocol: upstream.proxy_protocol,
        http2: upstream.http2.map(|http2| Http2Out::build(&http2, Duration::from_millis(pool.idle_ms))),
        check,
        adaptive: upstream.circuit.as_ref().map_or(Ok(None), Adaptive::build)?,
        circuit: old.map(|old| Arc::clone(&old.circuit)).unwrap_or_default(),
        ejector: old.map(|old| Arc::clone(&old.ejector)).unwrap_or_default(),
        repeats: old.map(|old| Arc::clone(&old.repeats)).unwrap_or_default(),
        mirrored: old.map(|old| Arc::clone(&old.mirrored)).unwrap_or_default(),
        allowance: Allowance { percent: upstream.retry_budget.share, least: upstream.retry_budget.least },
    }))
}

fn build_subset(subset: &document::Subset, upstream: &document::Upstream, geo: &Geo) -> Result<Subset, String> {
    let has = |endpoint: &document::Endpoint| subset.labels.iter().all(|label| endpoint.labels.contains(label));
    let fallback = |endpoint: &document::Endpoint| match subset.fallback.map(|part| (part as usize).checked_sub(1)) {
        None => false,
        Some(None) => true,
        Some(Some(at)) => {
            let labels = upstream.subsets.get(at).map(|other| &other.labels);
            labels.is_some_and(|labels| labels.iter().all(|label| endpoint.labels.contains(label)))
        }
    };
    let says = tell_labels(&subset.labels);
    let at = subset.fallback.and_then(|part| (part as usize).checked_sub(1));
    if at.is_some_and(|at| upstream.subsets.get(at).is_none_or(|other| other.fallback.is_some())) {
        return Err(format!("the fallback of {says} is no subset without a fallback"));
    }
    let endpoints = &upstream.endpoints;
    Ok(Subset {
        members: endpoints.iter().map(has).collect(),
        fallback: subset.fallback,
        method: method(upstream, &upstream.balance, geo, &has),
        reach: endpoints.iter().filter(|endpoint| has(endpoint) || fallback(endpoint)).count(),
        says,
    })
}

fn tier(endpoint: &document::Endpoint) -> Tier {
    if endpoint.backup { Tier::BACKUP } else { Tier::new(endpoint.tier, endpoint.distance) }
}

fn key(balance: &document::Balance) -> Result<Option<Key>, String> {
    match balance {
        document::Balance::Hash(hash) => Ok(Some(Key::Text(Text::compile(&hash.key)?))),
        document::Balance::Nearest(_) => Ok(Some(Key::Place)),
        document::Balance::RoundRobin
        | document::Balance::LeastRequests
        | document::Balance::RandomTwo
        | document::Balance::PeakEwma
        | document::Balance::First(_) => Ok(None),
    }
}

/// How an endpoint is chosen of those that `has` tells.
fn method(
    upstream: &document::Upstream,
    balance: &document::Balance,
    geo: &Geo,
    has: &dyn Fn(&document::Endpoint) -> bool,
) -> Method {
    let weight = |endpoint: &document::Endpoint| if has(endpoint) { endpoint.weight } else { 0 };
    let endpoints = || upstream.endpoints.iter().map(|endpoint| (endpoint.address.as_str(), weight(endpoint)));
    match balance {
        document::Balance::Nearest(nearest) => {
            let places = upstream.endpoints.iter().map(|endpoint| place(endpoint, geo)).collect();
            Method::Nearest(places, Box::new(method(upstream, &nearest.otherwise, geo, has)))
        }
        document::Balance::RoundRobin => Method::RoundRobin,
        document::Balance::LeastRequests => Method::Ranked(Rule::LeastRequests),
        document::Balance::RandomTwo => Method::RandomTwo,
        document::Balance::PeakEwma => Method::Ranked(Rule::PeakEwma),
        document::Balance::First(first) => Method::Ranked(Rule::First { limit: first.limit }),
        document::Balance::Hash(hash) => {
            let table = match hash.method {
                document::HashMethod::Maglev => HashTable::maglev(endpoints()),
                document::HashMethod::Ring => HashTable::ring(endpoints()),
            };
            Method::Hashed(Arc::new(table), hash.bound)
        }
    }
}

/// Where an endpoint is: as it says, or as the database says of its address.
fn place(endpoint: &document::Endpoint, geo: &Geo) -> Option<Place> {
    match endpoint.location {
        Some((latitude, longitude)) => Place::of(f64::from(latitude) / 1e6, f64::from(longitude) / 1e6),
        None => geo.place(endpoint.address.parse::<SocketAddr>().ok()?.ip()),
    }
}
