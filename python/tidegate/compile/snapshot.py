"""The snapshot document, as `crates/core/src/snapshot/document/` reads it: plain data, unknown fields refused."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tidegate.compile.access_log import compile_access_log
from tidegate.compile.admin import add_admin
from tidegate.compile.asked import Asked
from tidegate.compile.found import Found
from tidegate.compile.listener import compile_binds, compile_listener
from tidegate.compile.persist import Keys
from tidegate.compile.resolved import Resolved
from tidegate.compile.route import compile_route
from tidegate.compile.target import Upstreams
from tidegate.compile.upstream import compile_upstream
from tidegate.config.collector import without_collections
from tidegate.config.config import Config
from tidegate.config.listener import Bind

FORMAT = 1
"""The format that this compiler writes and the core of the same version reads."""


@without_collections()
def compile_snapshot(
    config: Config,
    *,
    number: int,
    source: str,
    since: float,
    threads: int,
    connections: int,
    sockets: Mapping[str, Sequence[int]],
    resolved: Mapping[str, Resolved],
    api_socket: str | None,
    found: Mapping[str, Found] = MappingProxyType({}),
    asked: Mapping[str, Mapping[str, Asked]] = MappingProxyType({}),
    keys: Keys = MappingProxyType({}),
) -> dict[str, Any]:
    """Write the snapshot of a configuration.

    `sockets` has the ids of the listening sockets of each bound address, by `str(bind.address)`; `resolved` has the
    answer for each DNS name, by `name:port`; `api_socket` is the path of the Unix socket behind the admin listener's
    `/api/`; `found` has what each provider lists, by its key; `asked` has what was asked of endpoints meanwhile, by
    upstream and address; `keys` has what makes tokens of sessions. `threads` and `connections` are the numbers to serve
    with, as `machine.py` or the configuration say.
    """
    listeners = {name: index for index, name in enumerate(config.listeners)}
    serving = {name: listeners[name] for name, listener in config.listeners.items() if listener.serves_http}
    upstreams = Upstreams(config.upstreams)  # listeners and routes ask for subsets, and upstreams then tell them
    document = {
        "format": FORMAT,
        "number": number,
        "source": source,
        "since": since,
        "threads": threads,
        "connections": connections,
        "access_log": None if config.access_log is None else compile_access_log(config.access_log, resolved),
        "log": {"level": config.log.level, "format": config.log.format},
        "listeners": [
            compile_listener(name, listener, sockets, upstreams) for name, listener in config.listeners.items()
        ],
        "routes": [compile_route(index, route, serving, upstreams) for index, route in enumerate(config.routes)],
        "upstreams": [
            compile_upstream(name, upstream, resolved, found, asked.get(name, {}), config.zone, keys.get(name, ()))
            | {"subsets": upstreams.subsets(name)}
            for name, upstream in config.upstreams.items()
        ],
    }
    document["sets"] = [{"name": name, "digest": each.digest} for name, each in config.sets.items()]
    databases = config.geo.digests if config.geo is not None else {}
    document["geo"] = {tells: databases.get(tells) for tells in ("country", "asn", "city")}
    if config.admin is not None:
        add_admin(document, compile_binds(config.admin.bind, sockets), api_socket)
    return document


def names_to_resolve(config: Config, found: Mapping[str, Found] = MappingProxyType({})) -> list[str]:
    """List the DNS names of a configuration, and those that its providers list, as `name:port`, each once."""
    entries = [endpoint.address for upstream in config.upstreams.values() for endpoint in upstream.listed]
    keys = dict.fromkeys(each.key for upstream in config.upstreams.values() for each in upstream.providers)
    entries += [endpoint.address for key in keys if key in found for endpoint in found[key].endpoints]
    if config.access_log is not None and config.access_log.to.peer is not None:
        entries.append(config.access_log.to.peer)
    return list(dict.fromkeys(str(address) for address in entries if address.is_name))


def all_binds(config: Config) -> list[Bind]:
    """List every bound address of a configuration, the admin listener's included."""
    binds = [bind for listener in config.listeners.values() for bind in listener.bind]
    return binds + list(config.admin.bind if config.admin is not None else ())
