//! How things stand, as `tidegate status` and the API show it: plain data, a page at a time where there may be much.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tidegate_core::balance::history::{Event, MOST_KEPT};
use tidegate_core::balance::standing::{Asked, Checked, Outlier, Standing};
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::{Compiled, Endpoint, Upstream};
use tidegate_core::snapshot::document::{self, Unresolved};

use super::shared::Shared;
use crate::metrics::counted::CLASSES;

/// Most rows of upstreams and changes of endpoints on a page, at most 800 bytes each: a page is far smaller than a frame
/// may be.
const MOST_ROWS: usize = 2000;
/// Most routes of a page.
const MOST_ROUTES: usize = 5000;

/// Connections, threads and listeners.
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
    json!({
        "connections": shared.seats.taken(),
        "threads": compiled.document.threads,
        "listeners": listeners,
    })
}

/// An empty page.
pub(super) fn nothing() -> Value {
    json!({"items": [], "next": null})
}

/// What is told of upstreams, a row for each thing: one upstream may have more endpoints than a page has room for. Each
/// names its upstream, since the next page may be of another snapshot.
enum Row<'a> {
    Upstream(&'a Upstream),
    Endpoint(&'a Upstream, &'a Endpoint, &'a document::Endpoint),
    Unresolved(&'a Upstream, &'a Unresolved),
}

impl Row<'_> {
    /// How much of a page it takes.
    fn size(&self, brief: bool) -> usize {
        match self {
            Self::Endpoint(upstream, endpoint, _) if !brief => 1 + told_of(endpoint, upstream),
            Self::Upstream(_) | Self::Endpoint(..) | Self::Unresolved(..) => 1,
        }
    }
}

fn rows(upstream: &Upstream) -> impl Iterator<Item = Row<'_>> {
    let endpoints = upstream.endpoints.iter().zip(&upstream.document.endpoints);
    let unresolved = upstream.document.unresolved.iter();
    std::iter::once(Row::Upstream(upstream))
        .chain(endpoints.map(move |(endpoint, document)| Row::Endpoint(upstream, endpoint, document)))
        .chain(unresolved.map(move |name| Row::Unresolved(upstream, name)))
}

/// The rows of all upstreams from the one at `first`: each upstream, its endpoints, and names without an address. In
/// brief as the status has it, else with standing, history and counts.
pub(super) fn upstreams(compiled: &Compiled, shared: &Shared, first: usize, brief: bool) -> Value {
    let (now, unix) = (shared.now(), unix_seconds());
    let all = || compiled.upstreams.iter().flat_map(|upstream| rows(upstream));
    let (mut items, mut size) = (Vec::new(), 0);
    for row in all().skip(first) {
        size += row.size(brief);
        if size > MOST_ROWS && !items.is_empty() {
            break;
        }
        items.push(if brief { in_brief(&row, shared, now) } else { whole(&row, shared, now, unix) });
    }
    page(first, items, all().count())
}

fn in_brief(row: &Row<'_>, shared: &Shared, now: Moment) -> Value {
    match row {
        Row::Upstream(upstream) => json!({"upstream": upstream.name, "panic": upstream.panics(now)}),
        Row::Endpoint(upstream, endpoint, document) => {
            let out = endpoint.standing.kept_out_by(now);
            let says = json!({
                "address": endpoint.address,
                "entry": document.entry,
                "weight": endpoint.weight,
                "standing": in_one_word(endpoint.standing.at(now)),
                "reason": out.map_or_else(String::new, |event| event.because),
                "exchanges": shared.registry.exchanges(&upstream.name, &endpoint.address),
            });
            json!({"upstream": upstream.name, "endpoint": says})
        }
        Row::Unresolved(upstream, _) => json!({"upstream": upstream.name}),
    }
}

fn whole(row: &Row<'_>, shared: &Shared, now: Moment, unix: f64) -> Value {
    match row {
        Row::Upstream(upstream) => {
            let balance = upstream.document.balance.name();
            let (panic, limit) = (upstream.panics(now), upstream.limit());
            json!({"upstream": upstream.name, "balance": balance, "panic": panic, "limit": limit})
        }
        Row::Endpoint(upstream, endpoint, document) => {
            let counts = shared.registry.endpoint_counts(&upstream.name, &endpoint.address);
            let mut says = standing(endpoint, document, now, unix);
            if endpoint.standing.at(now).asked == Asked::Draining && counts.exchanges == 0 {
                says["asked"] = Asked::Drained.name().into();
            }
            if let (Some(says), Ok(Value::Object(mut counts))) = (says.as_object_mut(), serde_json::to_value(counts)) {
                says.insert("history".to_owned(), history(endpoint, upstream, now, unix).into());
                says.append(&mut counts);
            }
            json!({"upstream": upstream.name, "endpoint": says})
        }
        Row::Unresolved(upstream, name) => {
            json!({"upstream": upstream.name, "unresolved": {"entry": name.entry, "says": name.says}})
        }
    }
}

fn standing(endpoint: &Endpoint, document: &document::Endpoint, now: Moment, unix: f64) -> Value {
    let standing = endpoint.standing.at(now);
    let out = endpoint.standing.kept_out_by(now);
    let until = endpoint.standing.passed_over_until();
    let until = (standing.outlier == Outlier::Out).then(|| unix + until.since(now).as_secs_f64());
    let labels: Map<String, Value> =
        document.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "address": endpoint.address,
        "entry": document.entry,
        "weight": endpoint.weight,
        "zone": document.zone,
        "labels": labels,
        "eligible": standing.is_eligible() && endpoint.weight > 0,
        "asked": standing.asked.name(),
        "checked": standing.checked.name(),
        "outlier": standing.outlier.name(),
        "reason": out.as_ref().map_or("", |event| &event.because),
        "since": out.as_ref().map(|event| unix - now.since(event.at).as_secs_f64()),
        "until": until,
    })
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

/// How many changes of an endpoint are told: all that are kept, unless its upstream is a large one.
fn told_of(endpoint: &Endpoint, upstream: &Upstream) -> usize {
    let most = (MOST_ROWS / upstream.endpoints.len().max(1)).clamp(5, MOST_KEPT);
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
