//! How things stand, as `tidegate status` and the API show it: plain data, a page at a time where there may be much.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tidegate_core::balance::standing::Outlier;
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Compiled, Upstream};

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
            let outlier = endpoint.standing.at(now).outlier;
            json!({
                "address": endpoint.address,
                "entry": document.entry,
                "weight": endpoint.weight,
                "standing": outlier.name(),
                "reason": why(outlier),
                "exchanges": shared.registry.exchanges(&upstream.name, &endpoint.address),
            })
        })
        .collect();
    json!({"name": upstream.name, "endpoints": endpoints})
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
        let more = 1 + upstream.endpoints.len() + upstream.document.unresolved.len();
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
                "reason": why(standing.outlier),
                "until": until,
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
    json!({"name": upstream.name, "balance": balance, "endpoints": endpoints, "unresolved": unresolved})
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

fn why(outlier: Outlier) -> &'static str {
    match outlier {
        Outlier::In => "",
        Outlier::Out => "it could not be connected to",
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
