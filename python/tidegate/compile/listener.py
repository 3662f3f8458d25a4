"""Listeners of the snapshot: bound addresses, whose word is believed, deadlines and bounds."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.compile.filters import compile_pages
from tidegate.compile.target import Upstreams, compile_upstreams
from tidegate.config.http2 import ListenerHttp2
from tidegate.config.layer4 import Tcp, Udp
from tidegate.config.listener import Bind, Forwarded, Listener, ListenerLimits, ListenerTimeouts
from tidegate.config.quantities import Rate


def compile_listener(
    name: str, listener: Listener, sockets: Mapping[str, Sequence[int]], upstreams: Upstreams
) -> dict[str, Any]:
    """Write a listener, for HTTP or of layer 4; upstreams are named by index."""
    return {
        "name": name,
        "kind": "tcp" if listener.tcp is not None else "udp" if listener.udp is not None else "http",
        "binds": compile_binds(listener.bind, sockets),
        "forwarded": compile_forwarded(listener.forwarded),
        "proxy_protocol": listener.proxy_protocol == "required",
        "keep_underscores": listener.underscores == "keep",
        "resolve_dot_segments": listener.paths.dot_segments == "resolve",
        "timeouts": compile_timeouts(listener.timeouts),
        "limits": compile_limits(listener.limits),
        "error_pages": compile_pages(listener.error_pages),
        "layer4": compile_layer4(listener, upstreams),
        "http2": compile_http2(listener.http2),
    }


def compile_layer4(listener: Listener, upstreams: Upstreams) -> dict[str, Any] | None:
    """Write where bytes are carried to, where no routes are served."""
    if listener.tcp is not None:
        return compile_tcp(listener.tcp, upstreams)
    return None if listener.udp is None else compile_udp(listener.udp, upstreams)


def compile_tcp(tcp: Tcp, upstreams: Upstreams) -> dict[str, Any]:
    """Write where connections are carried to."""
    return {
        "idle_ms": tcp.idle.milliseconds,
        "to": None if tcp.to is None else compile_upstreams(tcp.to, upstreams),
        "routes": [
            {
                "name": route.name or f"routes[{index}]",
                "sni": list(route.match.sni),
                "alpn": list(route.match.alpn),
                "to": compile_upstreams(route.to, upstreams),
            }
            for index, route in enumerate(tcp.routes)
        ],
        "udp": None,
    }


def compile_udp(udp: Udp, upstreams: Upstreams) -> dict[str, Any]:
    """Write where datagrams are carried to; 0 is any number."""
    return {
        "idle_ms": udp.idle.milliseconds,
        "to": compile_upstreams(udp.to, upstreams),
        "routes": [],
        "udp": {"responses": udp.responses or 0, "requests": udp.requests or 0},
    }


def compile_binds(binds: Sequence[Bind], sockets: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """Write the bound addresses with the ids of their sockets."""
    return [{"address": str(bind.address), "sockets": list(sockets[str(bind.address)])} for bind in binds]


def compile_forwarded(forwarded: Forwarded) -> dict[str, Any]:
    """Write whose word about the client is believed."""
    return {"from": [str(network) for network in forwarded.from_], "field": forwarded.field}


def compile_timeouts(timeouts: ListenerTimeouts) -> dict[str, Any]:
    """Write a listener's deadlines."""
    return {
        "header_ms": timeouts.header.milliseconds,
        "idle_ms": timeouts.idle.milliseconds,
        "tunnel_ms": timeouts.tunnel.milliseconds,
        "max_age_ms": timeouts.max_age.milliseconds,
    }


def compile_limits(limits: ListenerLimits) -> dict[str, Any]:
    """Write a listener's bounds."""
    return {
        "header_bytes": limits.header_bytes.bytes,
        "headers": limits.headers,
        "request_line": limits.request_line.bytes,
        "trailer_bytes": limits.trailer_bytes.bytes,
        "chunk_extension_bytes": limits.chunk_extension_bytes.bytes,
        "body_bytes": limits.body_bytes.bytes,
        "body_rate": limits.body_rate.bytes_per_second,
        "connections": limits.connections,
        "connections_per_client": limits.connections_per_client,
        "connection_rate": compile_rate(limits.connection_rate),
    }


def compile_http2(http2: ListenerHttp2) -> dict[str, Any] | None:
    """Write what clients of HTTP/2 may do; none: nobody speaks it."""
    if http2.serve == "off":
        return None
    return {
        "only": http2.serve == "only",
        "streams": http2.streams,
        "window": http2.window.bytes,
        "connection_window": http2.connection_window.bytes,
        "resets": http2.resets,
    }


def compile_rate(rate: Rate) -> dict[str, Any] | None:
    """Write a rate; none is no limit."""
    return {"count": rate.amount, "per_ms": rate.milliseconds} if rate.amount else None
