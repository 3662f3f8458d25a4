"""Tidegate: a reverse proxy that Python configures and operates, and whose bytes a Rust engine moves.

A configuration that is a Python file imports the models from here. What stands here is loaded when it is first asked
for, so that commands start quickly. Imports: config. Imported by: nobody.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.config.access_log import AccessLog, Syslog
    from tidegate.config.admin import Admin
    from tidegate.config.balance import Balance, First, Hash, Nearest
    from tidegate.config.circuit import Adaptive, Circuit
    from tidegate.config.config import Config
    from tidegate.config.filters.body_limit import BodyLimit
    from tidegate.config.filters.buffer_request import BufferRequest
    from tidegate.config.filters.error_pages import ErrorPage
    from tidegate.config.filters.fault import Fault
    from tidegate.config.filters.filter import Filter
    from tidegate.config.filters.headers import RequestHeaders, ResponseHeaders
    from tidegate.config.filters.request_id import RequestId
    from tidegate.config.filters.rewrite import PathReplacement, Rewrite
    from tidegate.config.geo import Geo, Location
    from tidegate.config.health import Expected, GrpcCheck, Health, HttpCheck, TcpCheck, TlsCheck, UdpCheck
    from tidegate.config.hedge import Hedge
    from tidegate.config.http2 import ListenerHttp2, UpstreamHttp2
    from tidegate.config.labels import Fallback
    from tidegate.config.layer4 import Tcp, TcpMatch, TcpRoute, Udp
    from tidegate.config.listener import Bind, Forwarded, Listener, ListenerLimits, ListenerTimeouts, Paths
    from tidegate.config.load import Loaded, load, load_text
    from tidegate.config.match import Match, PathMatch
    from tidegate.config.mirror import Mirror
    from tidegate.config.named_set import NamedSet
    from tidegate.config.outlier import Latency, Outlier, SuccessRate
    from tidegate.config.persist import Persist, PersistCookie, PersistHeader
    from tidegate.config.problem import Problem
    from tidegate.config.program_log import ProgramLog
    from tidegate.config.provider import FileProvider, ServiceProvider, UrlProvider
    from tidegate.config.redirect import Redirect
    from tidegate.config.retry import BackOff, Retry, RetryBudget
    from tidegate.config.route import Route, RouteTimeouts
    from tidegate.config.secret import Secret
    from tidegate.config.settings import Drain, Limits, Upgrade
    from tidegate.config.target import Respond, Share, Target
    from tidegate.config.upstream import Endpoint, Pool, Upstream
    from tidegate.config.zone import Zones

__version__ = "0.1.0"
__all__ = [
    "AccessLog",
    "Adaptive",
    "Admin",
    "BackOff",
    "Balance",
    "Bind",
    "BodyLimit",
    "BufferRequest",
    "Circuit",
    "Config",
    "Drain",
    "Endpoint",
    "ErrorPage",
    "Expected",
    "Fallback",
    "Fault",
    "FileProvider",
    "Filter",
    "First",
    "Forwarded",
    "Geo",
    "GrpcCheck",
    "Hash",
    "Health",
    "Hedge",
    "HttpCheck",
    "Latency",
    "Limits",
    "Listener",
    "ListenerHttp2",
    "ListenerLimits",
    "ListenerTimeouts",
    "Loaded",
    "Location",
    "Match",
    "Mirror",
    "NamedSet",
    "Nearest",
    "Outlier",
    "PathMatch",
    "PathReplacement",
    "Paths",
    "Persist",
    "PersistCookie",
    "PersistHeader",
    "Pool",
    "Problem",
    "ProgramLog",
    "Redirect",
    "RequestHeaders",
    "RequestId",
    "Respond",
    "ResponseHeaders",
    "Retry",
    "RetryBudget",
    "Rewrite",
    "Route",
    "RouteTimeouts",
    "Secret",
    "ServiceProvider",
    "Share",
    "SuccessRate",
    "Syslog",
    "Target",
    "Tcp",
    "TcpCheck",
    "TcpMatch",
    "TcpRoute",
    "TlsCheck",
    "Udp",
    "UdpCheck",
    "Upgrade",
    "Upstream",
    "UpstreamHttp2",
    "UrlProvider",
    "Zones",
    "__version__",
    "load",
    "load_text",
]

_HOMES = {
    "access_log": ("AccessLog", "Syslog"),
    "admin": ("Admin",),
    "balance": ("Balance", "First", "Hash", "Nearest"),
    "circuit": ("Adaptive", "Circuit"),
    "config": ("Config",),
    "filters.body_limit": ("BodyLimit",),
    "filters.buffer_request": ("BufferRequest",),
    "filters.error_pages": ("ErrorPage",),
    "filters.fault": ("Fault",),
    "filters.filter": ("Filter",),
    "filters.headers": ("RequestHeaders", "ResponseHeaders"),
    "filters.request_id": ("RequestId",),
    "filters.rewrite": ("PathReplacement", "Rewrite"),
    "geo": ("Geo", "Location"),
    "health": ("Expected", "GrpcCheck", "Health", "HttpCheck", "TcpCheck", "TlsCheck", "UdpCheck"),
    "hedge": ("Hedge",),
    "labels": ("Fallback",),
    "http2": ("ListenerHttp2", "UpstreamHttp2"),
    "listener": ("Bind", "Forwarded", "Listener", "ListenerLimits", "ListenerTimeouts", "Paths"),
    "layer4": ("Tcp", "TcpMatch", "TcpRoute", "Udp"),
    "load": ("Loaded", "load", "load_text"),
    "match": ("Match", "PathMatch"),
    "mirror": ("Mirror",),
    "named_set": ("NamedSet",),
    "outlier": ("Latency", "Outlier", "SuccessRate"),
    "persist": ("Persist", "PersistCookie", "PersistHeader"),
    "problem": ("Problem",),
    "program_log": ("ProgramLog",),
    "provider": ("FileProvider", "ServiceProvider", "UrlProvider"),
    "redirect": ("Redirect",),
    "retry": ("BackOff", "Retry", "RetryBudget"),
    "route": ("Route", "RouteTimeouts"),
    "secret": ("Secret",),
    "settings": ("Drain", "Limits", "Upgrade"),
    "target": ("Respond", "Share", "Target"),
    "upstream": ("Endpoint", "Pool", "Upstream"),
    "zone": ("Zones",),
}
"""Each file of the room `config`, with what it has for other programs."""


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"tidegate.config.{home}"), name)
    raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
