"""Upstreams of the snapshot: endpoints with their addresses, and the pool to them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tidegate.compile.asked import Asked
from tidegate.compile.circuit import compile_circuit
from tidegate.compile.found import Found
from tidegate.compile.health import compile_health
from tidegate.compile.listed import Missing, addresses_of
from tidegate.compile.outlier import compile_outlier
from tidegate.compile.persist import compile_persist
from tidegate.compile.resolved import Resolved
from tidegate.compile.retry import compile_budget
from tidegate.compile.zone import distance
from tidegate.config.balance import Balance, Hash, Nearest
from tidegate.config.http2 import UpstreamHttp2
from tidegate.config.upstream import Endpoint, Pool, Upstream

AS_CONFIGURED = Asked()
ALONE: Mapping[str, Any] = MappingProxyType(
    {"weight": 1, "tier": 0, "backup": False, "zone": None, "distance": 0, "labels": [], "location": None}
)
"""The share of an endpoint of which the configuration says nothing."""


def compile_upstream(
    name: str,
    upstream: Upstream,
    resolved: Mapping[str, Resolved],
    found: Mapping[str, Found],
    asked: Mapping[str, Asked],
    zone: str | None = None,
    keys: Sequence[bytes] = (),
) -> dict[str, Any]:
    """Write an upstream with what its names stand for and its providers list.

    `asked` has what was asked of addresses meanwhile; what stands in neither is none of its endpoints. `zone` is the
    instance's; `keys` are the secrets of the upstream's `persist`.
    """
    endpoints: list[dict[str, Any]] = []
    unresolved: list[dict[str, Any]] = []
    taken: set[str] = set()
    for each in addresses_of(upstream, resolved, found):
        if isinstance(each, Missing):
            unresolved.append({"entry": each.entry, "says": each.says, "is_list": each.is_list})
            continue
        taken.add(each.address)
        of_it, endpoint = asked.get(each.address, AS_CONFIGURED), each.endpoint
        if not of_it.removed:
            share = compile_share(endpoint) | compile_place(endpoint.zone, endpoint.labels, zone, upstream)
            share["location"] = endpoint.location.millionths if endpoint.location is not None else None
            endpoints.append(compile_endpoint(each.address, each.entry, share, of_it))
    for address, of_it in asked.items():
        if of_it.added and address not in taken:
            share = {**ALONE, **compile_place(of_it.zone, of_it.labels, zone, upstream)}
            endpoints.append(compile_endpoint(address, address, share, of_it))
    addresses = [each["address"] for each in endpoints]
    persist = upstream.persist and compile_persist(name, upstream.persist, addresses, keys)
    return {
        "name": name,
        "balance": compile_balance(upstream.balance, upstream.pool),
        "endpoints": endpoints,
        "persist": persist,
        "slow_start_ms": upstream.slow_start.milliseconds,
        "unresolved": unresolved,
        "pool": compile_pool(upstream.pool),
        "proxy_protocol": upstream.proxy_protocol,
        "http2": compile_http2(upstream.http2 or UpstreamHttp2()) if upstream.protocol == "http2" else None,
        "health": None if upstream.health is None else compile_health(upstream.health),
        "outlier": None if upstream.outlier is None else compile_outlier(upstream.outlier),
        "panic_threshold": upstream.panic_threshold.amount,
        "circuit": None if upstream.circuit is None else compile_circuit(upstream.circuit),
        "retry_budget": compile_budget(upstream.retry_budget),
        "traffic": upstream.zones.traffic.amount if upstream.zones and upstream.zones.traffic else 0,
    }


def compile_http2(http2: UpstreamHttp2) -> dict[str, Any]:
    """Write how HTTP/2 is spoken to endpoints."""
    return {
        "streams": http2.streams,
        "window": http2.window.bytes,
        "connection_window": http2.connection_window.bytes,
        "max_age_ms": http2.max_age.milliseconds,
        "ping_ms": http2.ping.milliseconds,
    }


def compile_share(endpoint: Endpoint) -> dict[str, Any]:
    """Write what an endpoint takes of the work, and when."""
    return {"weight": endpoint.weight, "tier": endpoint.tier, "backup": endpoint.backup}


def compile_place(zone: str | None, labels: Mapping[str, str], own: str | None, upstream: Upstream) -> dict[str, Any]:
    """Write where an endpoint is, how far that is, and what it is told by."""
    return {
        "zone": zone,
        "distance": distance(zone, own, upstream.zones),
        "labels": [list(label) for label in sorted(labels.items())],
    }


def compile_balance(balance: Balance, pool: Pool) -> str | dict[str, Any]:
    """Write how an endpoint is chosen: a name, or a name with what there is to say."""
    if balance.name == "first":
        return {"first": {"limit": (balance.first.limit if balance.first else 0) or pool.connections}}
    if balance.name in ("hash", "ip_hash"):
        asked = balance.hash or Hash.model_validate({"key": "client.ip"})
        return {"hash": {"key": asked.key.compiled, "method": asked.method, "bound": asked.bound}}
    if balance.name == "nearest":
        return {"nearest": {"otherwise": (balance.nearest or Nearest()).otherwise}}
    return balance.name


def compile_endpoint(address: str, entry: str, share: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Write an endpoint: what it takes of the work, and what was asked of it."""
    weight = {} if asked.weight is None else {"weight": asked.weight}
    return {"address": address, "entry": entry, **share, **weight, "draining": asked.draining}


def compile_pool(pool: Pool) -> dict[str, Any]:
    """Write the bounds of the connections to endpoints."""
    return {
        "idle_ms": pool.idle.milliseconds,
        "connections": pool.connections,
        "queue": pool.queue,
        "wait_ms": pool.wait.milliseconds,
        "connect_ms": pool.connect.milliseconds,
    }
