"""The admin listener, on the same road as every other: its routes lead to answers of the engine, or to the API."""

from typing import Any

from tidegate.compile.listener import compile_http2, compile_limits, compile_timeouts
from tidegate.compile.retry import compile_budget
from tidegate.compile.upstream import ALONE, AS_CONFIGURED, compile_endpoint, compile_pool
from tidegate.config.agreement import ADMIN
from tidegate.config.http2 import ListenerHttp2
from tidegate.config.listener import ListenerLimits, ListenerTimeouts
from tidegate.config.retry import RetryBudget
from tidegate.config.upstream import Pool

API = "admin:api"
"""The upstream behind `/api/`; a user's names hold no colon."""


def add_admin(document: dict[str, Any], binds: list[dict[str, Any]], api_socket: str | None) -> None:
    """Add the admin listener to a snapshot: `/livez`, `/readyz`, `/metrics`, and `/api/` when there is a socket."""
    listener = len(document["listeners"])
    document["listeners"].append(
        {
            "name": ADMIN,
            "kind": "admin",
            "binds": binds,
            "forwarded": {"from": [], "field": "x-forwarded-for"},
            "proxy_protocol": False,
            "keep_underscores": False,
            "resolve_dot_segments": False,
            "timeouts": compile_timeouts(ListenerTimeouts()),
            "limits": compile_limits(ListenerLimits()),
            "error_pages": [],
            "layer4": None,
            "http2": compile_http2(ListenerHttp2()),
        }
    )
    for builtin in ("livez", "readyz", "metrics"):
        document["routes"].append(_route(builtin, listener, {"exact": f"/{builtin}"}, {"builtin": builtin}))
    if api_socket is not None:
        upstream = len(document["upstreams"])
        address = f"unix:{api_socket}"
        document["upstreams"].append(
            {
                "name": API,
                "balance": "round_robin",
                "endpoints": [compile_endpoint(address, address, ALONE, AS_CONFIGURED)],
                "persist": None,
                "slow_start_ms": 0,
                "unresolved": [],
                "pool": compile_pool(Pool()),
                "proxy_protocol": "off",
                "health": None,
                "outlier": None,
                "panic_threshold": 0,
                "circuit": None,
                "retry_budget": compile_budget(RetryBudget()),
                "traffic": 0,
                "subsets": [],
            }
        )
        document["routes"].append(_route("api", listener, {"prefix": "/api/"}, {"upstream": upstream}))


def _route(name: str, listener: int, path: dict[str, str], to: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{ADMIN}:{name}",
        "place": ADMIN,
        "listeners": [listener],
        "host": None,
        "path": path,
        "only": None,
        "priority": 0,
        "timeouts": {"response_ms": 60_000, "idle_ms": 60_000},
        "filters": [],
        "retry": None,
        "mirror": None,
        "to": to,
    }
