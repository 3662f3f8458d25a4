//! What a listener's connections may do.

use std::sync::Arc;
use std::time::Duration;

use super::layer4::Layer4;
use crate::filter::error_pages::ErrorPages;
use crate::filter::forwarded::Trust;
use crate::framing::{ChunkLimits, HeadLimits};
use crate::geo::Geo;
use crate::rate::Rate;
use crate::route::DotSegments;
use crate::snapshot::document::{self, Document, Http2, ListenerKind};

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
    /// New connections of one client.
    pub connection_rate: Option<Rate>,
    /// What stands in answers that tell of a failure.
    pub error_pages: ErrorPages,
    /// What tells where clients are.
    pub geo: Geo,
    /// Where it carries bytes to, if it serves no routes.
    pub layer4: Option<Layer4>,
    /// What clients of HTTP/2 may do, where it is spoken.
    pub http2: Option<Http2>,
}

/// Every listener, or what is wrong with it.
pub(super) fn compile(document: &Document, geo: &Geo, problems: &mut Vec<String>) -> Vec<Arc<Listener>> {
    let mut listeners = Vec::with_capacity(document.listeners.len());
    for listener in &document.listeners {
        let pages = ErrorPages::build(&listener.error_pages);
        let layer4 = listener.layer4.as_ref().map(|layer4| Layer4::build(layer4, &document.upstreams)).transpose();
        match Trust::build(&listener.forwarded).and_then(|trust| Ok((trust, pages?, layer4?))) {
            Ok((trust, pages, layer4)) => {
                listeners.push(Arc::new(compile_listener(listener, trust, pages, layer4, geo)));
            }
            Err(says) => problems.push(format!("listener {}: {says}", listener.name)),
        }
    }
    listeners
}

fn compile_listener(
    listener: &document::Listener,
    trust: Trust,
    error_pages: ErrorPages,
    layer4: Option<Layer4>,
    geo: &Geo,
) -> Listener {
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
        connection_rate: limits.connection_rate.and_then(Rate::of),
        error_pages,
        geo: geo.clone(),
        layer4,
        http2: listener.http2,
    }
}

/// A bound of a codec: there 0 means none, here the largest number does.
fn bound(limit: u64) -> u32 {
    if limit == 0 { u32::MAX } else { u32::try_from(limit).unwrap_or(u32::MAX) }
}
