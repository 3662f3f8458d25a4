//! The snapshot as the road reads it: decoded once, shared by all threads, never changed.
//!
//! What a new snapshot leaves unchanged is shared with the old one; an endpoint's id and standing follow its identity
//! (upstream, address, PROXY protocol), so that pools, load and health outlive a swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::document::{self, Builtin, Document, EndpointDelta, ListenerKind, ProxyProtocolOut};
use crate::balance::{EndpointStanding, Split};
use crate::filter::Filters;
use crate::filter::error_pages::ErrorPages;
use crate::filter::forwarded::Trust;
use crate::framing::{ChunkLimits, HeadLimits};
use crate::route::{DotSegments, RouteId, Table};
use crate::rule::{Set, Sets, Stand, Template, Text};

/// The snapshot as the road reads it.
#[derive(Debug)]
pub struct Compiled {
    /// The document that it was made from.
    pub document: Document,
    /// Listeners, in the order of the document.
    pub listeners: Vec<Arc<Listener>>,
    /// Routes, in the order of the document.
    pub routes: Vec<Arc<Route>>,
    /// Upstreams, in the order of the document.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Which route a request takes; shared by snapshots that differ in endpoints alone.
    pub table: Arc<Table>,
    /// Named sets.
    pub sets: Sets,
    next_id: u32,
}

/// What a listener's connections may do.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// What its connections may do.
    pub kind: ListenerKind,
    /// Whose forwarded fields are believed.
    pub trust: Trust,
    /// Whether each connection begins with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Whether fields with `_` in their names are passed on.
    pub keep_underscores: bool,
    /// What becomes of dot segments.
    pub dots: DotSegments,
    /// From the first byte of a head to its end; zero is no limit, as in all of these.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without a byte either way in a tunnel.
    pub tunnel: Duration,
    /// Age at which a connection is asked to go.
    pub max_age: Duration,
    /// Bounds on a head.
    pub head: HeadLimits,
    /// Bounds on chunks.
    pub chunks: ChunkLimits,
    /// Most bytes of a body.
    pub body_bytes: u64,
    /// Least bytes per second of a body.
    pub body_rate: u64,
    /// Most connections.
    pub connections: u64,
    /// Most connections of one client.
    pub connections_per_client: u64,
    /// What stands in answers that tell of a failure.
    pub error_pages: ErrorPages,
}

/// Where the requests of a route go, and how long they may take.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// From the last request byte to the first byte of the answer; zero is no limit.
    pub response: Duration,
    /// Between bytes either way; zero is no limit.
    pub idle: Duration,
    /// What is done before and after the exchange; `None` where nothing is.
    pub filters: Option<Box<Filters>>,
    /// Where they go.
    pub to: Target,
}

/// Where the requests of a route go.
#[derive(Debug)]
pub enum Target {
    /// An upstream, by index.
    Upstream(usize),
    /// Several upstreams.
    Split(Split),
    /// An answer of ours.
    Respond(Box<Respond>),
    /// An answer that sends the client elsewhere: where to, and the status.
    Redirect(Template, u16),
    /// An answer that the engine itself makes.
    Builtin(Builtin),
}

/// An answer of ours.
#[derive(Debug)]
pub struct Respond {
    /// Status.
    pub status: u16,
    /// What the body is.
    pub content_type: String,
    /// Further fields.
    pub headers: Vec<(String, Template)>,
    /// Body.
    pub body: String,
}

/// Endpoints that do the same work.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// The part of the document that it was made from.
    pub document: document::Upstream,
    /// The endpoints, in the order of the document.
    pub endpoints: Vec<Arc<Endpoint>>,
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
}

impl Compiled {
    /// Compiles `document`, whose sets `previous` has already. Else as [`Self::build_with`].
    pub fn build(document: Document, previous: Option<&Self>) -> Result<Self, Vec<String>> {
        Self::build_with(document, previous, &HashMap::new())
    }

    /// Compiles `document`. What `previous` has in common with it goes on; new sets are in `fresh`, by digest. Fails with
    /// every problem, a sentence each.
    pub fn build_with(
        document: Document,
        previous: Option<&Self>,
        fresh: &HashMap<String, Arc<Set>>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if document.format != document::FORMAT {
            problems.push(format!(
                "snapshot format {} is not {}, the one read here",
                document.format,
                document::FORMAT
            ));
            return Err(problems);
        }
        if document.threads == 0 || document.threads > 1024 {
            problems.push(format!("threads: {} is not between 1 and 1024", document.threads));
        }
        let sets = gather_sets(&document, previous, fresh, &mut problems);
        let listeners = compile_listeners(&document, &mut problems);
        let same = previous
            .filter(|old| old.document.routes == document.routes && old.document.sets == document.sets)
            .filter(|old| old.listeners.len() == listeners.len())
            .filter(|old| {
                old.names_of_upstreams().eq(document.upstreams.iter().map(|upstream| upstream.name.as_str()))
            });
        let mut routes = Vec::with_capacity(document.routes.len());
        for (at, route) in document.routes.iter().enumerate() {
            // A new address of an endpoint comes often, and must not compile a thousand regexes anew.
            if let Some(same) = same.and_then(|old| old.routes.get(at)) {
                routes.push(Arc::clone(same));
                continue;
            }
            let filters = Filters::build(&route.filters);
            match filters.and_then(|filters| Route::new(route, filters, &document.upstreams)) {
                Ok(route) => routes.push(Arc::new(route)),
                Err(says) => problems.push(format!("{}: route {}: {says}", route.place, route.name)),
            }
        }
        let table = match same {
            Some(old) => Some(Arc::clone(&old.table)),
            None => match Table::build(&document.routes, document.listeners.len(), &sets) {
                Ok(table) => Some(Arc::new(table)),
                Err(says) => {
                    problems.extend(says);
                    None
                }
            },
        };
        let mut next_id = previous.map_or(0, |old| old.next_id);
        let known: HashMap<&str, &Arc<Upstream>> =
            previous.iter().flat_map(|old| &old.upstreams).map(|upstream| (upstream.name.as_str(), upstream)).collect();
        let upstreams = document
            .upstreams
            .iter()
            .map(|upstream| compile_upstream(upstream, known.get(upstream.name.as_str()).copied(), &mut next_id))
            .collect();
        match table {
            Some(table) if problems.is_empty() => {
                Ok(Self { document, listeners, routes, upstreams, table, sets, next_id })
            }
            _ => Err(problems),
        }
    }

    /// The same snapshot with the addresses of one entry changed.
    pub fn with_endpoints(&self, delta: &EndpointDelta) -> Result<Self, String> {
        let mut document = self.document.clone();
        let Some(upstream) = document.upstreams.iter_mut().find(|upstream| upstream.name == delta.upstream) else {
            return Err(format!("there is no upstream `{}`", delta.upstream));
        };
        let weight = match (
            upstream.endpoints.iter().find(|endpoint| endpoint.entry == delta.entry),
            upstream.unresolved.iter().find(|unresolved| unresolved.entry == delta.entry),
        ) {
            (Some(endpoint), _) => endpoint.weight,
            (None, Some(unresolved)) => unresolved.weight,
            (None, None) => return Err(format!("upstream `{}` has no endpoint `{}`", delta.upstream, delta.entry)),
        };
        let at = upstream.endpoints.iter().position(|endpoint| endpoint.entry == delta.entry);
        upstream.endpoints.retain(|endpoint| endpoint.entry != delta.entry);
        upstream.unresolved.retain(|unresolved| unresolved.entry != delta.entry);
        let at = at.unwrap_or(upstream.endpoints.len()).min(upstream.endpoints.len());
        let new = delta.addresses.iter().map(|address| document::Endpoint {
            address: address.clone(),
            entry: delta.entry.clone(),
            weight,
        });
        upstream.endpoints.splice(at..at, new);
        Self::build(document, Some(self)).map_err(|problems| problems.join("; "))
    }

    fn names_of_upstreams(&self) -> impl Iterator<Item = &str> {
        self.upstreams.iter().map(|upstream| upstream.name.as_str())
    }

    /// The route with this id.
    pub fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(id.0 as usize)
    }
}

/// Finds what each set holds: what is known by its digest is compiled already.
fn gather_sets(
    document: &Document,
    previous: Option<&Compiled>,
    fresh: &HashMap<String, Arc<Set>>,
    problems: &mut Vec<String>,
) -> Sets {
    let mut sets = Sets::default();
    for named in &document.sets {
        let same = |old: &&document::NamedSet| old.digest == named.digest;
        let known = previous.and_then(|old| old.sets.get(&old.document.sets.iter().find(same)?.name).ok());
        match known.or_else(|| fresh.get(&named.digest).cloned()) {
            Some(set) => sets.insert(named.name.clone(), set),
            None => problems.push(format!("set {}: what it holds was not sent", named.name)),
        }
    }
    sets
}

fn compile_listeners(document: &Document, problems: &mut Vec<String>) -> Vec<Arc<Listener>> {
    let mut listeners = Vec::with_capacity(document.listeners.len());
    for listener in &document.listeners {
        let pages = ErrorPages::build(&listener.error_pages);
        match Trust::build(&listener.forwarded).and_then(|trust| Ok((trust, pages?))) {
            Ok((trust, pages)) => listeners.push(Arc::new(compile_listener(listener, trust, pages))),
            Err(says) => problems.push(format!("listener {}: {says}", listener.name)),
        }
    }
    listeners
}

fn compile_listener(listener: &document::Listener, trust: Trust, error_pages: ErrorPages) -> Listener {
    let (timeouts, limits) = (&listener.timeouts, &listener.limits);
    Listener {
        name: listener.name.clone(),
        kind: listener.kind,
        trust,
        proxy_protocol: listener.proxy_protocol,
        keep_underscores: listener.keep_underscores,
        dots: if listener.resolve_dot_segments { DotSegments::Resolve } else { DotSegments::Refuse },
        header: Duration::from_millis(timeouts.header_ms),
        idle: Duration::from_millis(timeouts.idle_ms),
        tunnel: Duration::from_millis(timeouts.tunnel_ms),
        max_age: Duration::from_millis(timeouts.max_age_ms),
        head: HeadLimits {
            bytes: bound(limits.header_bytes),
            fields: bound(limits.headers),
            line: bound(limits.request_line),
        },
        chunks: ChunkLimits { extension: bound(limits.chunk_extension_bytes), trailer: bound(limits.trailer_bytes) },
        body_bytes: limits.body_bytes,
        body_rate: limits.body_rate,
        connections: limits.connections,
        connections_per_client: limits.connections_per_client,
        error_pages,
    }
}

/// A bound of a codec: there 0 means none, here the largest number does.
fn bound(limit: u64) -> u32 {
    if limit == 0 { u32::MAX } else { u32::try_from(limit).unwrap_or(u32::MAX) }
}

impl Route {
    fn new(
        route: &document::Route,
        filters: Option<Box<Filters>>,
        upstreams: &[document::Upstream],
    ) -> Result<Self, String> {
        Ok(Self {
            name: route.name.clone(),
            response: Duration::from_millis(route.timeouts.response_ms),
            idle: Duration::from_millis(route.timeouts.idle_ms),
            filters,
            to: Target::build(&route.to, upstreams)?,
        })
    }
}

impl Target {
    fn build(written: &document::Target, upstreams: &[document::Upstream]) -> Result<Self, String> {
        let named = |index: usize| {
            upstreams
                .get(index)
                .map(|upstream| upstream.name.as_str())
                .ok_or(format!("there is no upstream number {index}"))
        };
        Ok(match written {
            document::Target::Upstream(index) => named(*index).map(|_| Self::Upstream(*index))?,
            document::Target::Split(split) => {
                let share = |share: &document::Share| Ok((share.upstream, named(share.upstream)?, share.weight));
                let shares: Vec<_> = split.shares.iter().map(share).collect::<Result<_, String>>()?;
                let key = split.key.as_ref().map(Text::compile).transpose()?;
                Self::Split(Split::build(shares.into_iter(), key)?)
            }
            document::Target::Respond(respond) => Self::Respond(Box::new(Respond::build(respond)?)),
            document::Target::Redirect(redirect) => {
                Self::Redirect(Template::compile(&redirect.to, Stand::Uri)?, redirect.status)
            }
            document::Target::Builtin(builtin) => Self::Builtin(*builtin),
        })
    }
}

impl Respond {
    fn build(written: &document::Respond) -> Result<Self, String> {
        let text = || "text/plain; charset=utf-8".to_owned();
        let field = |(name, value): &(String, document::Template)| {
            Ok((name.clone(), Template::compile(value, Stand::HeaderValue)?))
        };
        Ok(Self {
            status: written.status,
            content_type: written.content_type.clone().unwrap_or_else(text),
            headers: written.headers.iter().map(field).collect::<Result<_, String>>()?,
            body: written.body.clone(),
        })
    }
}

fn compile_upstream(upstream: &document::Upstream, old: Option<&Arc<Upstream>>, next_id: &mut u32) -> Arc<Upstream> {
    if let Some(old) = old
        && old.document == *upstream
    {
        return Arc::clone(old);
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
            Some(same) if same.weight == endpoint.weight => Arc::clone(same),
            Some(same) => Arc::new(Endpoint {
                id: same.id,
                address: same.address.clone(),
                weight: endpoint.weight,
                standing: Arc::clone(&same.standing),
            }),
            None => {
                *next_id += 1;
                Arc::new(Endpoint {
                    id: *next_id,
                    address: endpoint.address.clone(),
                    weight: endpoint.weight,
                    standing: Arc::default(),
                })
            }
        })
        .collect();
    let pool = &upstream.pool;
    Arc::new(Upstream {
        name: upstream.name.clone(),
        document: upstream.clone(),
        endpoints,
        idle: Duration::from_millis(pool.idle_ms),
        connections: pool.connections,
        queue: pool.queue,
        wait: Duration::from_millis(pool.wait_ms),
        connect: Duration::from_millis(pool.connect_ms),
        proxy_protocol: upstream.proxy_protocol,
    })
}

#[cfg(test)]
#[path = "compiled_tests.rs"]
mod tests; // what a new snapshot takes over
