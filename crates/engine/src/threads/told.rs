//! How things stand, as `tidegate status` and the API show it: plain data, a page at a time where there may be much.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tidegate_core::balance::history::{Event, MOST_KEPT};
use tidegate_core::balance::standing::{Asked, Checked, Outlier, Standing};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Compiled, Endpoint, Upstream};

use super::shared::Shared;
use crate::metrics::counted::CLASSES;

/// Most endpoints and names of a page, about 400 bytes each: a page is far smaller than a frame may be.
const MOST_ENDPOINTS: usize = 2000;
/// Most routes of a page.
const MOST_ROUTES: usize = 5000;

/// Connections, threads, listeners and upstreams in brief.
pub(super) fn status(compiled: &Compiled, shared: &Shared) -> Value {
    let listeners: Vec<Value> = compiled
        .document
        .listeners
        .iter()
        .map(|listener| {
            let binds: Vec<&str> = listener.binds.iter().map(|bind| bind.address.as_str()).collect();
            let connections = shared.registry.open_connections(&listener.name);
            json!({"name": listener.name, "binds": binds, "connections": connections})
        })
        .collect();
    let upstreams: Vec<Value> = compiled.upstreams.iter().map(|upstream| brief(upstream, shared)).collect();
    json!({
        "connections": shared.seats.taken(),
        "threads": compiled.document.threads,
        "listeners": listeners,
        "upstreams": upstreams,
    })
}

fn brief(upstream: &Upstream, shared: &Shared) -> Value {
    let now = shared.now();
    let endpoints: Vec<Value> = upstream
        .endpoints
        .iter()
        .zip(&upstream.document.endpoints)
        .map(|(endpoint, document)| {
            let standing = endpoint.standing.at(now);
            let out = endpoint.standing.kept_out_by(now);
            json!({
                "address": endpoint.address,
                "entry": document.entry,
                "weight": endpoint.weight,
                "standing": in_one_word(standing),
                "reason": out.map_or_else(String::new, |event| event.because),
                "exchanges": shared.registry.exchanges(&upstream.name, &endpoint.address),
            })
        })
        .collect();
    json!({"name": upstream.name, "panic": upstream.panics(now), "endpoints": endpoints})
}

/// An empty page.
pub(super) fn nothing() -> Value {
    json!({"items": [], "next": null})
}

/// The upstreams from the one at `first`, each with its endpoints' standing and counts.
pub(super) fn upstreams(compiled: &Compiled, shared: &Shared, first: usize) -> Value {
    let (now, unix) = (shared.now(), unix_seconds());
    let (mut items, mut size) = (Vec::new(), 0);
    for upstream in compiled.upstreams.iter().skip(first) {
        let changes: usize = upstream.endpoints.iter().map(|endpoint| told_of(endpoint, upstream)).sum();
        let more = 1 + upstream.endpoints.len() + upstream.document.unresolved.len() + changes;
        if !items.is_empty() && size + more > MOST_ENDPOINTS {
            break;
        }
        size += more;
        items.push(whole(upstream, shared, now, unix));
    }
    page(first, items, compiled.upstreams.len())
}

fn whole(upstream: &Upstream, shared: &Shared, now: Moment, unix: f64) -> Value {
    let endpoints: Vec<Value> = upstream
        .endpoints
        .iter()
        .zip(&upstream.document.endpoints)
        .map(|(endpoint, document)| {
            let standing = endpoint.standing.at(now);
            let out = endpoint.standing.kept_out_by(now);
            let until = endpoint.standing.passed_over_until();
            let until = (standing.outlier == Outlier::Out).then(|| unix + until.since(now).as_secs_f64());
            let mut says = json!({
                "address": endpoint.address,
                "entry": document.entry,
                "weight": endpoint.weight,
                "eligible": standing.is_eligible() && endpoint.weight > 0,
                "asked": standing.asked.name(),
                "checked": standing.checked.name(),
                "outlier": standing.outlier.name(),
                "reason": out.as_ref().map_or("", |event| &event.because),
                "since": out.as_ref().map(|event| unix - now.since(event.at).as_secs_f64()),
                "until": until,
                "history": history(endpoint, upstream, now, unix),
            });
            let counts = serde_json::to_value(shared.registry.endpoint_counts(&upstream.name, &endpoint.address));
            if let (Some(says), Ok(Value::Object(mut counts))) = (says.as_object_mut(), counts) {
                says.append(&mut counts);
            }
            says
        })
        .collect();
    let unresolved = upstream.document.unresolved.iter();
    let unresolved: Vec<Value> = unresolved.map(|name| json!({"entry": name.entry, "says": name.says})).collect();
    let balance = upstream.document.balance.name();
    json!({"name": upstream.name, "balance": balance, "panic": upstream.panics(now), "endpoints": endpoints, "unresolved": unresolved})
}

/// The routes from the one at `first`, with what was counted of each.
pub(super) fn routes(compiled: &Compiled, shared: &Shared, first: usize) -> Value {
    let items = compiled
        .routes
        .iter()
        .skip(first)
        .take(MOST_ROUTES)
        .map(|route| {
            let counts = shared.registry.route_counts(&route.name);
            let requests: Map<String, Value> =
                CLASSES.iter().zip(counts.requests).map(|(class, count)| ((*class).to_owned(), count.into())).collect();
            let (bytes_in, bytes_out) = (counts.bytes_in, counts.bytes_out);
            json!({"name": route.name, "requests": requests, "bytes_in": bytes_in, "bytes_out": bytes_out})
        })
        .collect();
    page(first, items, compiled.routes.len())
}

fn page(first: usize, items: Vec<Value>, all: usize) -> Value {
    let next = first.saturating_add(items.len());
    json!({"items": items, "next": (next < all).then_some(next)})
}

/// The axis that keeps work from it, or else what is known of it.
fn in_one_word(standing: Standing) -> &'static str {
    match standing {
        Standing { asked: Asked::Ready, checked: Checked::Down, .. } => Checked::Down.name(),
        Standing { asked: Asked::Ready, outlier, .. } => outlier.name(),
        Standing { asked, .. } => asked.name(),
    }
}

/// How many changes of an endpoint are told: all that are kept, unless its upstream is a page by itself.
fn told_of(endpoint: &Endpoint, upstream: &Upstream) -> usize {
    let most = (MOST_ENDPOINTS / upstream.endpoints.len().max(1)).clamp(5, MOST_KEPT);
    endpoint.standing.history(|history| history.events().count()).min(most)
}

/// The last changes of its standing, oldest first.
fn history(endpoint: &Endpoint, upstream: &Upstream, now: Moment, unix: f64) -> Vec<Value> {
    let most = told_of(endpoint, upstream);
    let tell = |event: &Event| {
        let at = unix - now.since(event.at).as_secs_f64();
        json!({"at": at, "to": event.change.name(), "reason": event.because})
    };
    endpoint.standing.history(|history| history.last(most).map(tell).collect())
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
